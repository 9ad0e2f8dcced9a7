package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/parked"
)

func (c *cli) parked() *cobra.Command {
	parent := &cobra.Command{
		Use:   "parked",
		Short: "Orders that cannot be projected",
		Long: `An event that cannot be decoded, or after which the order could not be true,
parks its order: the views go on showing what it was before, with the flag
parked, and its later events wait behind it in order. All other orders go on.`,
	}
	parent.AddCommand(
		&cobra.Command{
			Use: "list", Short: "All parked orders, in the order of the log", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.listParked(cmd.Context()) },
		},
		&cobra.Command{
			Example: `  ledger parked show SO-2026-000417`,
			Use:     "show ORDER", Short: "Why an order is parked, and behind which event", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return c.showParked(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Example: `  ledger parked retry SO-2026-000417`,
			Use:     "retry ORDER", Short: "Fold a parked order again, after the cause was removed", Args: cobra.ExactArgs(1),
			Long: "retry folds the order again from the log, with what waits behind it, in one transaction.\n" +
				"The exit code is 4 when it is still parked.",
			RunE: func(cmd *cobra.Command, args []string) error { return c.retryParked(cmd.Context(), args[0]) },
		},
	)
	return parent
}

func (c *cli) parkedOrders(ctx context.Context) ([]parked.Order, error) {
	held := []parked.Order{}
	if !c.hasDatabase() {
		return held, c.noViews()
	}
	err := c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		found, err := parked.List(ctx, conn)
		held = append(held, found...)
		return err
	})
	return held, err
}

func (c *cli) listParked(ctx context.Context) error {
	held, err := c.parkedOrders(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(held)
	}
	if len(held) == 0 {
		c.say("no order is parked")
		return nil
	}
	t := c.newTable("order", "since, UTC", "rev", "event", "held back", "reason")
	for _, p := range held {
		t.AppendRow(table.Row{p.OrderID, p.Since.UTC().Format("2006-01-02 15:04:05"), p.Revision, p.EventType, p.HeldBack, shorten(p.Reason)})
	}
	t.Render()
	return nil
}

func (c *cli) showParked(ctx context.Context, orderID string) error {
	all, err := c.parkedOrders(ctx)
	if err != nil {
		return err
	}
	named := map[string]bool{orderID: true}
	err = c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT order_id FROM ledger.orders WHERE $1 IN (merchant_reference, source_order_id)
			UNION SELECT order_id FROM ledger.test_orders WHERE $1 IN (merchant_reference, source_order_id)
			UNION SELECT order_id FROM ledger.payouts WHERE $1 IN (merchant_reference, source_order_id)
			UNION SELECT order_id FROM ledger.payments WHERE $1 IN (payment_id, source_payment_id)`, orderID)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, id := range ids {
			named[id] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	held := []parked.Order{}
	for _, p := range all {
		if named[p.OrderID] {
			held = append(held, p)
		}
	}
	if len(held) == 0 {
		return &exitError{code: exitNotFound, err: fmt.Errorf("order %q is not parked", orderID)}
	}
	if c.json {
		return c.printJSON(held)
	}
	for _, p := range held {
		t := c.newTable("parked order", p.OrderID)
		t.AppendRows([]table.Row{
			{"stream", p.Stream}, {"stopped at revision", p.Revision}, {"position", p.Position}, {"event", p.EventType},
			{"event id", p.EventID}, {"recorded", p.Since.UTC().Format("2006-01-02 15:04:05") + " UTC"},
			{"later events held back", p.HeldBack}, {"reason", p.Reason},
		})
		t.Render()
	}
	c.say("`ledger explain %s` shows all its events; after the cause is removed: `ledger parked retry %s`", orderID, orderID)
	return nil
}

func (c *cli) retryParked(ctx context.Context, orderID string) error {
	var still *parked.Order
	var err error
	if running := c.runningLedger(); running != "" {
		var answer web.ParkedAnswer
		err = c.ask(ctx, http.MethodPost, running+"/parked/"+pathSegment(orderID)+"/retry", struct{}{}, &answer)
		still = answer.Parked
	} else {
		err = c.withBoth(ctx, func(ctx context.Context, log *app.Store, accounts config.Accounts, conn *pgx.Conn) error {
			if err := app.CheckRows(ctx, conn); err != nil {
				return err
			}
			id, err := app.OrderNamed(ctx, log, accounts, orderID)
			if err != nil {
				return err
			}
			err = projections.Retry(ctx, conn, log, id)
			var parkedStill *projections.StillParkedError
			switch {
			case errors.As(err, &parkedStill):
				still = &parkedStill.Parked
				return nil
			case errors.Is(err, projections.ErrNotParked):
				return &exitError{code: exitNotFound, err: fmt.Errorf("order %q is not parked", orderID)}
			}
			return err
		})
	}
	switch {
	case err != nil:
		return err
	case still != nil:
		return &exitError{code: exitDiffers, err: fmt.Errorf("order %s is still parked, at revision %d (%s): %s",
			orderID, still.Revision, still.EventType, still.Reason)}
	}
	if c.json {
		return c.printJSON(web.ParkedAnswer{OrderID: orderID})
	}
	c.say("order %s is shown again", orderID)
	return nil
}
