package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
)

func (c *cli) node() *cobra.Command {
	cmd := &cobra.Command{
		Example: `  ledger node --data-dir /var/lib/ledger --eventstore-listen 127.0.0.1:2113
  ledger serve --eventstore 'esdb://127.0.0.1:2113?tls=false'`,
		Use:   "node",
		Short: "Run the embedded event store alone",
		Long: `node serves the log in the data directory to EventStoreDB clients, and nothing
else: a ledger elsewhere uses it by --eventstore 'esdb://HOST:PORT?tls=false'.

On the address of --node-admin this machine finds GET /healthz, /readyz and
/metrics; "ledger backup" finds the address by itself. When the log cannot be
written any more node ends with exit code 1: let a supervisor start it again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.settings.EventStore != config.Embedded {
				return &exitError{code: exitUsage, err: errors.New("node runs the embedded event store; --eventstore names another")}
			}
			return c.runNode(cmd.Context(), c.logger(slog.LevelInfo))
		},
	}
	cmd.Flags().StringVar(&c.settings.NodeAdmin, "node-admin", cmp.Or(c.env("LEDGER_NODE_ADMIN"), "127.0.0.1:0"),
		"loopback address of health, metrics and backups of the node; port 0 is any free one, off is none [LEDGER_NODE_ADMIN]")
	c.scavengeInterval(cmd)
	return cmd
}

// runNode serves the log until ctx ends or the log can no longer be written.
func (c *cli) runNode(ctx context.Context, logger *slog.Logger) (err error) {
	store, err := app.OpenStore(c.settings, logger)
	if err != nil {
		return c.explain(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	address, err := store.Serve(ctx, c.settings, logger)
	if err != nil {
		return explainPort(err, c.settings.EventStoreListen, "choose another --eventstore-listen")
	}
	if address == "" {
		return &exitError{code: exitUsage, err: errors.New("--eventstore-listen is off: there is nothing to serve")}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	admin := ""
	if c.settings.NodeAdmin != "off" {
		server, err := c.listenAdmin(groupCtx, store, logger)
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(c.settings.NodeTokenFile()) }()
		group.Go(func() error { return server.Serve(groupCtx) })
		admin = server.URL()
	}
	if err := store.Node.SetLockInfo(nodeHolder(store.ConnectionString(), admin)); err != nil {
		return err
	}
	logger.Info("serving", slog.String("events", store.ConnectionString()), slog.String("admin", admin), slog.Int("pid", os.Getpid()))
	group.Go(func() error { return store.Watch(groupCtx) })
	group.Go(func() error { return store.Scavenging(groupCtx, c.settings.ScavengeInterval, logger) })
	return group.Wait()
}

func (c *cli) listenAdmin(ctx context.Context, store *app.Store, logger *slog.Logger) (*web.Server, error) {
	token, err := newToken(c.settings, c.settings.NodeTokenFile())
	if err != nil {
		return nil, err
	}
	server, err := web.ListenNode(ctx, store, c.settings.NodeAdmin, token, logger)
	return server, explainPort(err, c.settings.NodeAdmin, "choose another --node-admin, or off")
}
