package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/domain/accounting"
)

func (c *cli) entity() *cobra.Command {
	parent := &cobra.Command{
		Use:   "entity",
		Short: "Legal entities whose books the ledger keeps: define, list",
		Long: `An entity keeps the books of some merchant accounts, in a time zone of its own, and closes
its own months. What it is counts for what is recorded later: what was recorded stays in the
books that it is in. Accounts that no entity names are in the books of ` + accounting.DefaultEntity + `.`,
	}
	var request app.EntityRequest
	define := &cobra.Command{
		Example: `  ledger entity define vilnius --account decta/shop-eu --time-zone Europe/Vilnius --actor kim`,
		Use:     "define NAME", Short: "Say which merchant accounts an entity keeps books of, and its time zone", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Entity = args[0]
			if request.Accounts == nil {
				request.Accounts = []string{}
			}
			if running := c.runningLedger(); running != "" {
				var all web.EntityList
				if err := c.ask(cmd.Context(), http.MethodPost, running+"/entities", request, &all); err != nil {
					return err
				}
				return c.showEntities(all.Entities)
			}
			return c.withLog(func(log *app.Store, _ config.Accounts) error {
				if err := app.DefineEntity(cmd.Context(), log, request, time.Now()); err != nil {
					return err
				}
				return c.listEntities(cmd.Context(), log)
			})
		},
	}
	define.Flags().StringVar(&request.TimeZone, "time-zone", "", "time zone of its days, like Europe/Vilnius; UTC when left out")
	define.Flags().StringSliceVar(&request.Accounts, "account", nil, "merchant account, like decta/shop-eu; may be given several times")
	define.Flags().StringVar(&request.Actor, "actor", c.env("USER"), "who does it")
	list := &cobra.Command{
		Use: "list", Short: "The entities as they are now", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if running := c.runningLedger(); running != "" {
				var all web.EntityList
				if err := c.ask(cmd.Context(), http.MethodGet, running+"/entities", nil, &all); err != nil {
					return err
				}
				return c.showEntities(all.Entities)
			}
			return c.withLog(func(log *app.Store, _ config.Accounts) error { return c.listEntities(cmd.Context(), log) })
		},
	}
	parent.AddCommand(define, list)
	return parent
}

func (c *cli) listEntities(ctx context.Context, log *app.Store) error {
	all, err := app.Entities(ctx, log)
	if err != nil {
		return err
	}
	return c.showEntities(all)
}

func (c *cli) showEntities(all []accounting.EntityDefined) error {
	if c.json {
		return c.printJSON(all)
	}
	t := c.newTable("entity", "time zone", "merchant accounts")
	for _, e := range all {
		zone, accounts := e.TimeZone, strings.Join(e.Accounts, " ")
		if zone == "" {
			zone = "UTC"
		}
		if e.Entity == accounting.DefaultEntity {
			accounts = "all that no other entity names"
		}
		t.AppendRow(table.Row{e.Entity, zone, accounts})
	}
	t.Render()
	return nil
}
