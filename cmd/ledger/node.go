package main

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
)

func (c *cli) node() *cobra.Command {
	return &cobra.Command{
		Use:   "node",
		Short: "Run the embedded event store alone",
		Long: `node serves the log in the data directory to EventStoreDB clients, and nothing
else: a ledger elsewhere uses it by --eventstore 'esdb://HOST:PORT?tls=false'.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if c.settings.EventStore != config.Embedded {
				return &exitError{code: exitUsage, err: errors.New("node runs the embedded event store; --eventstore names another")}
			}
			logger := c.logger(slog.LevelInfo)
			store, err := app.OpenStore(c.settings, logger)
			if err != nil {
				return c.explain(err)
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			address, err := store.Serve(cmd.Context(), c.settings, logger)
			if err != nil {
				return err
			}
			if address == "" {
				return &exitError{code: exitUsage, err: errors.New("--eventstore-listen is off: there is nothing to serve")}
			}
			if err := store.Node.SetLockInfo("esdb://" + address); err != nil {
				return err
			}
			logger.Info("serving", slog.String("events", "esdb://"+address+"?tls=false"))
			<-cmd.Context().Done()
			return nil
		},
	}
}
