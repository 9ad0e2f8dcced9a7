package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/refold"
)

func (c *cli) explainOrder() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ORDER",
		Short: "How an order came to be what it is: each event and what it changed",
		Long: `explain folds an order from the event log, step by step, and prints after each
event the fields that changed, with the event's revision, position and id. At
the end it says whether the views agree. The order may be named by our id, the
gateway's id, or the merchant's reference. It needs no database.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := c.explanation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(e)
			}
			c.showExplanation(&e)
			return nil
		},
	}
}

func (c *cli) explanation(ctx context.Context, name string) (app.Explanation, error) {
	var e app.Explanation
	if running := c.runningLedger(); running != "" {
		return e, c.ask(ctx, http.MethodGet, running+"/orders/"+url.PathEscape(name)+"/explain", nil, &e)
	}
	err := c.withLog(func(log *app.Store, accounts config.Accounts) error {
		stream, err := app.ResolveStream(ctx, log, accounts, name)
		if err != nil {
			return notInLog(err)
		}
		if c.hasDatabase() {
			err := c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
				var err error
				e, err = app.Explain(ctx, log, conn, stream)
				return err
			})
			if err == nil || ctx.Err() != nil {
				return err
			}
			e.Error = err.Error()
		}
		why := e.Error
		e, err = app.Explain(ctx, log, nil, stream)
		e.Error = why
		return err
	})
	return e, err
}

// notInLog gives an order that the log does not know its exit code.
func notInLog(err error) error {
	if errors.Is(err, refold.ErrNotFound) {
		return &exitError{code: exitNotFound, err: err}
	}
	return err
}

func (c *cli) showExplanation(e *app.Explanation) {
	t := c.newTable("rev", "event", "occurred", "position", "field", "before", "after")
	for _, s := range e.Steps {
		first := table.Row{s.Revision, s.EventType, s.OccurredAt.Format("2006-01-02 15:04:05"), s.Position}
		if s.HeldBack {
			t.AppendRow(append(first, "held back"))
			continue
		}
		if len(s.Changes) == 0 {
			t.AppendRow(append(first, "", "", ""))
		}
		for i, change := range s.Changes {
			row := first
			if i > 0 {
				row = table.Row{"", "", "", ""}
			}
			t.AppendRow(append(row, change.Field, shorten(change.Before), shorten(change.After)))
		}
	}
	t.Render()
	if e.Parked != "" {
		c.say("the order is parked: %s", e.Parked)
	}
	if r := e.Result; r != nil {
		last := e.Steps[r.Revision()]
		c.say("stream %s, shown up to revision %d, position %s, event %s", e.Stream, last.Revision, last.Position, last.EventID)
	}
	switch {
	case e.Views == nil && e.Error != "":
		c.say("the views were not compared: %s", e.Error)
	case e.Views == nil:
		c.say("there are no views to compare with")
	case len(e.Views.Drift) == 0:
		c.say("the views say the same, as of position %s", e.Views.Position)
	default:
		for _, d := range e.Views.Drift {
			c.say("THE VIEWS DIFFER in %s: log %q, views %q", d.Field, d.Log, d.Views)
		}
		c.say("`ledger audit --heal --orders %s` writes its rows again from the log", e.OrderID)
	}
}

// showPast prints an order as it was at a moment.
func (c *cli) showPast(ctx context.Context, name, asOf, by string) error {
	moment, err := refold.ParseMoment(asOf, by)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	var past refold.Past
	if running := c.runningLedger(); running != "" {
		query := url.Values{"as_of": {asOf}}
		if by != "" {
			query.Set("by", by)
		}
		err = c.ask(ctx, http.MethodGet, running+"/orders/"+url.PathEscape(name)+"?"+query.Encode(), nil, &past)
	} else {
		err = c.withLog(func(log *app.Store, accounts config.Accounts) error {
			stream, err := app.ResolveStream(ctx, log, accounts, name)
			if err == nil {
				past, err = refold.At(ctx, log, stream, moment)
			}
			return notInLog(err)
		})
	}
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(past)
	}
	c.say("as of %s, by the time it was %s: %d events, the last %s", past.AsOf, past.By, past.Events,
		fmt.Sprintf("%s@%d, position %s, id %s", past.Last.EventType, past.Last.Revision, past.Last.Position, past.Last.EventID))
	if past.Parked != "" {
		c.say("the order cannot be told further: %s", past.Parked)
	}
	return c.showOrder(ctx, nil, past.Order)
}
