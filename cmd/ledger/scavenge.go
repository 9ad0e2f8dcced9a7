package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func (c *cli) scavenge() *cobra.Command {
	return &cobra.Command{
		Example: "  ledger scavenge",
		Use:     "scavenge",
		Short:   "Remove what is hidden for good from the files of the event log",
		Long: `scavenge removes the data and metadata of events that nobody is shown any more
($maxCount, $maxAge, $tb, deleted streams) from the embedded node's files, old
versions of destroyed keys among them. The places of the events stay, so that
"ledger verify" finds the log without gaps; orders, statements and all else that
the ledger wrote are never touched, whoever hides or deletes it. It works in
the ledger or node that runs, or without one. A running one does it by itself,
every --scavenge-interval and after erasures. EventStoreDB has its own.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.settings.EventStore != config.Embedded {
				return &exitError{code: exitUsage, err: errors.New("scavenge works on the embedded node; scavenge an EventStoreDB by its own means")}
			}
			report, err := c.runScavenge(cmd.Context())
			if err != nil {
				return c.explain(err)
			}
			if c.json {
				return c.printJSON(report)
			}
			c.say("%d events of %d streams scavenged, %d bytes", report.Events, report.Streams, report.Bytes)
			return nil
		},
	}
}

// runScavenge asks the ledger or the node that holds the log, or opens it.
func (c *cli) runScavenge(ctx context.Context) (report node.ScavengeReport, err error) {
	if h, held := c.holder(); held {
		switch {
		case h.ledger != "":
			return report, c.ask(ctx, http.MethodPost, h.ledger+"/scavenge", nil, &report)
		case h.admin != "":
			return report, askWith(ctx, http.DefaultClient, c.settings.NodeTokenFile(), http.MethodPost, h.admin+"/scavenge", nil, &report)
		}
	}
	if _, err := os.Stat(c.settings.EventsDir()); err != nil {
		return report, &exitError{code: exitNotFound, err: errors.New("there is no event log to scavenge")}
	}
	store, err := app.OpenStore(c.settings, c.logger(slog.LevelWarn))
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Node.Scavenge(ctx, "")
}

// scavengeInterval adds the flag of commands that keep a node open.
func (c *cli) scavengeInterval(cmd *cobra.Command) {
	c.duration(cmd, &c.settings.ScavengeInterval, "scavenge-interval", "LEDGER_SCAVENGE_INTERVAL", app.DefaultScavengeInterval,
		"time between two scavenges of the embedded node; 0 is never, but for keys that were destroyed")
}
