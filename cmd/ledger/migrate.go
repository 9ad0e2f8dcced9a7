package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/reports"
)

func (c *cli) migrate() *cobra.Command {
	var reset bool
	cmd := &cobra.Command{
		Example: `  ledger migrate --database-url postgres://ledger@db.internal/ledger`,
		Use:     "migrate", Short: "Bring the database's schema to this version, and show it",
		Long: `migrate brings the database's schema to this version, and shows it.

With --reset it drops the views and their tables first and makes them anew, empty. The ledger then
projects the whole log again: what to do when it says "rebuild needed". Meanwhile the views
lack what is not projected yet, and rights that were granted on them are to be granted again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withDatabase(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error { // it migrates before it is ready
				if reset {
					if err := resetViews(ctx, conn); err != nil {
						return err
					}
				}
				steps, err := migrations.Status(ctx, conn)
				if err != nil {
					return err
				}
				if c.json {
					return c.printJSON(steps)
				}
				t := c.newTable("version", "name", "applied")
				for _, s := range steps {
					applied := "no"
					if !s.AppliedAt.IsZero() {
						applied = s.AppliedAt.UTC().Format("2006-01-02 15:04:05 UTC")
					}
					t.AppendRow(table.Row{s.Migration.Version, s.Migration.Name, applied})
				}
				t.Render()
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&reset, "reset", false, "drop the views and make them anew, empty; they are projected from the log again")
	return cmd
}

// resetViews makes the schema anew. Nothing is lost that is not in the log; what rebuilds did, and who approved it, is kept.
func resetViews(ctx context.Context, conn *pgx.Conn) error {
	set, err := migrations.Ledger()
	if err != nil {
		return err
	}
	keep, err := rebuild.KeepTrace(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := set.Revert(ctx, conn, 0); err != nil {
		return fmt.Errorf("drop the views: %w", err)
	}
	if _, err := set.Apply(ctx, conn, migrations.Options{}); err != nil {
		return fmt.Errorf("make the views anew: %w", err)
	}
	if err := keep(ctx); err != nil {
		return err
	}
	return reports.Publish(ctx, conn)
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Commit  string `json:"commit,omitempty"`
				Go      string `json:"go"`
			}{Version: "development", Go: runtime.Version()}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" && info.Main.Version != "(devel)" {
					v.Version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Commit = s.Value
					}
				}
			}
			if c.json {
				return c.printJSON(v)
			}
			_, err := fmt.Fprintln(c.io.out, "ledger", v.Version, v.Commit, v.Go)
			return err
		},
	}
}
