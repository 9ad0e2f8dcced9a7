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
)

func (c *cli) migrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema to this version, and show it",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withDatabase(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error { // it migrates before it is ready
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
