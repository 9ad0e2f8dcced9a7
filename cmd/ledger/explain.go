package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/refold"
)

func (c *cli) explainOrder() *cobra.Command {
	return &cobra.Command{
		Example: `  ledger explain SO-2026-000417
  ledger explain SO-2026-000417 --json`,
		Use:   "explain ORDER",
		Short: "How an order came to be what it is: each event and what it changed",
		Long: `explain folds an order from the event log, step by step, and prints after each
event the fields that changed, with the event's revision, position and id. At
the end it says whether the views agree. The order may be named by our id, the
gateway's id, or the merchant's reference. It needs no database. The exit code is 4
when the views differ.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := c.explanation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				err = c.printJSON(e)
			} else {
				err = c.showExplanation(cmd.Context(), &e)
			}
			if err == nil && e.Views != nil && len(e.Views.Drift) > 0 {
				err = &exitError{code: exitDiffers, err: fmt.Errorf("the views differ from the log; `ledger audit --heal --orders %s` writes its rows again from the log", e.OrderID)}
			}
			return err
		},
	}
}

func (c *cli) explanation(ctx context.Context, name string) (app.Explanation, error) {
	var e app.Explanation
	if running := c.runningLedger(); running != "" {
		return e, c.ask(ctx, http.MethodGet, running+"/orders/"+pathSegment(name)+"/explain", nil, &e)
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

func (c *cli) showExplanation(ctx context.Context, e *app.Explanation) error {
	for _, s := range e.Steps {
		heldBack := ""
		if s.HeldBack {
			heldBack = "  HELD BACK"
		}
		_, _ = fmt.Fprintf(c.io.out, "%4d  %-26s %s  position %s  event %s%s\n", s.Revision, s.EventType,
			s.OccurredAt.Format("2006-01-02 15:04:05"), s.Position, s.EventID, heldBack)
		for _, change := range s.Changes {
			if text, ok := changeText(change); ok {
				_, _ = fmt.Fprintf(c.io.out, "        %s\n", text)
			}
		}
	}
	if e.Parked != "" {
		c.say("the order is parked: %s", e.Parked)
	}
	if e.Result != nil {
		if err := c.showOrder(ctx, nil, *e.Result); err != nil {
			return err
		}
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
	}
	return nil
}

// changeText is a change for a person; false for what a new part only repeats or has nothing of yet.
func changeText(change detail.Change) (string, bool) {
	field := strings.TrimPrefix(change.Field, "order.")
	if change.Before != "" || change.After == "" {
		before, after := shortenBoth(change.Before, change.After)
		return oneLine(fmt.Sprintf("%s: %s → %s", field, before, after)), true
	}
	amount, _, _ := strings.Cut(change.After, " ")
	repeats := strings.HasSuffix(field, "_id") && strings.Contains(field, "]")
	if nothing := strings.Trim(amount, "0.") == "" || change.After == "NONE" || change.After == "[]"; nothing || repeats {
		return "", false
	}
	return oneLine(fmt.Sprintf("%s = %s", field, shorten(change.After))), true
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
		err = c.ask(ctx, http.MethodGet, running+"/orders/"+pathSegment(name)+"?"+query.Encode(), nil, &past)
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
	c.say("as of %s, by when things %s: %d events, the last %s at revision %d, position %s, event %s", past.AsOf,
		map[refold.By]string{refold.ByRecorded: "were recorded", refold.ByOccurred: "occurred"}[past.By], past.Events,
		past.Last.EventType, past.Last.Revision, past.Last.Position, past.Last.EventID)
	if past.Parked != "" {
		c.say("the order cannot be told further: %s", past.Parked)
	}
	return c.showOrder(ctx, nil, past.Order)
}
