package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/reportservice"
)

// feedTokenVariable names the variable of the token, which is no flag: others can see flags.
const feedTokenVariable = "LEDGER_FEED_TOKEN" //nolint:gosec // it is a name

func (c *cli) reportService() *cobra.Command {
	var database, ledger string
	var once bool
	cmd := &cobra.Command{
		Example: `  ledger report-service --once
  ledger report-service totals`,
		Use:   "report-service [COMMAND]",
		Short: "Follow a feed, keep daily totals: an example for consumers",
		Long: "report-service is what a reporting service looks like from outside: it reads GET /events of a running ledger from the\n" +
			"beginning, and keeps revenue, refunds and disputes of each day and currency in a file of its own, each event counted\n" +
			"exactly once. It may be killed and started again at any time. " + feedTokenVariable + " holds a token with the scope feed:read,\n" +
			"where the ledger asks for one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return withReport(ctx, database, func(store *reportservice.Store) error {
				logger := c.logger(slog.LevelInfo)
				return reportservice.Run(ctx, reportservice.Config{
					URL: ledger, Token: c.env(feedTokenVariable), Store: store, Logger: logger, Once: once,
					Counted: func(events int64) { logger.Info("counted", slog.Int64("events", events)) },
				})
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end when everything that the feed has now is counted")
	cmd.Flags().StringVar(&ledger, "ledger", "http://127.0.0.1:8080", "URL of the ledger")
	cmd.PersistentFlags().StringVar(&database, "database", "report-service.sqlite", "file of the totals")
	cmd.AddCommand(&cobra.Command{
		Use: "totals", Short: "Print the totals of each day", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(database); err != nil { // a misspelt name must not look like no revenue
				return fmt.Errorf("read totals: %w", err)
			}
			return withReport(cmd.Context(), database, func(store *reportservice.Store) error {
				rows, err := store.Totals(cmd.Context())
				if err != nil || c.json {
					return errors.Join(err, c.printJSON(rows))
				}
				t := c.newTable("day", "currency", "total", "amount", "events")
				for _, r := range rows {
					t.AppendRow([]any{r.Day, r.Currency, r.Total, r.Amount, r.Events})
				}
				t.Render()
				return nil
			})
		},
	})
	return cmd
}

func withReport(ctx context.Context, file string, use func(*reportservice.Store) error) (err error) {
	store, err := reportservice.OpenStore(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return use(store)
}
