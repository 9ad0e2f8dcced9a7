package main

import (
	"errors"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func (c *cli) verify() *cobra.Command {
	events := true
	cmd := &cobra.Command{
		Example: `  ledger verify
  ledger verify /backups/monday`,
		Use:   "verify [DIR]",
		Short: "Check every byte of the event log, read-only",
		Long: `verify reads the whole log of the embedded node (or of a backup in DIR) and checks
checksums, that positions and revisions have no gaps, and that every index says
what the log says. It changes nothing. The log must not be in use: verify a
backup of a running ledger. The exit code is 1 when something is wrong.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !events {
				return &exitError{code: exitUsage, err: errors.New("with --events=false there is nothing left to verify; the views are checked by `ledger audit`")}
			}
			dir := c.settings.EventsDir()
			if len(args) == 1 {
				dir = args[0]
			} else if c.settings.EventStore != config.Embedded {
				return &exitError{code: exitUsage, err: errors.New("verify checks the embedded node's log; --eventstore names another")}
			}
			if err := isThere(dir); err != nil {
				return err
			}
			progress := func(node.VerifyProgress) {}
			if c.onTerminal() {
				progress = func(p node.VerifyProgress) {
					_, _ = fmt.Fprintf(unfiltered(c.io.err), "\rchecking %-14s %12d", p.Stage, p.Done)
				}
				defer func() { _, _ = fmt.Fprint(unfiltered(c.io.err), "\r\033[K") }()
			}
			report, err := node.Verify(cmd.Context(), dir, progress)
			var used *node.LockedError
			if errors.As(err, &used) {
				return fmt.Errorf("the event log in %s is in use by process %d: stop that one, or verify a backup (`ledger backup DIR`)", dir, used.PID)
			}
			if err != nil {
				return c.explain(err)
			}
			if err := c.showVerified(dir, report); err != nil {
				return err
			}
			if !report.OK() {
				return errUnsound(len(report.Problems))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&events, "events", true, "check the event log, which is all that verify checks")
	return cmd
}

func (c *cli) showVerified(dir string, r node.VerifyReport) error {
	if c.json {
		return c.printJSON(struct {
			Dir   string `json:"dir"`
			Sound bool   `json:"sound"`
			node.VerifyReport
		}{dir, r.OK(), r})
	}
	t := c.newTable("event log", dir)
	t.AppendRows([]table.Row{
		{"events, each with its checksum", r.Events}, {"appends, each whole", r.Appends}, {"streams, revisions without gaps", r.Streams},
		{"events whose data was scavenged", r.Scavenged}, {"event ids in the index", r.EventIDs}, {"bytes", r.Bytes}, {"last position", r.LastPosition},
	})
	for _, p := range r.Problems {
		t.AppendRow(table.Row{"PROBLEM", p})
	}
	verdict := "sound"
	if !r.OK() {
		verdict = "NOT SOUND"
	}
	t.AppendFooter(table.Row{"", verdict})
	t.Render()
	return nil
}

// errUnsound says that a log was read and is not sound.
func errUnsound(problems int) error {
	return fmt.Errorf("the event log is not sound (problems: %d): bring it back from a backup (`ledger restore`)", problems)
}
