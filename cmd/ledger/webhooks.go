package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/eventstore"
)

func (c *cli) webhooks() *cobra.Command {
	parent := &cobra.Command{
		Use:   "webhooks",
		Short: "Outgoing webhooks: how subscribers stand, dead letters",
		Long: `Subscribers are configured (webhooks: in the file of --config); ` + "`ledger serve`" + ` delivers.
A delivery that was given up is a dead letter until it is retried or discarded. A
subscriber whose deliveries are given up again and again is disabled; what happens
meanwhile is delivered once it is enabled. Deliveries are held back when the log is
not the one that they were planned from, until they are resumed.`,
	}
	parent.AddCommand(
		&cobra.Command{
			Use: "list", Short: "How subscribers stand", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.onWebhooks(cmd.Context(), c.listWebhooks) },
		},
		c.showWebhooks(), c.historyOfWebhooks(), c.lettersCommand("retry", "Send dead letters of a subscriber again: all, or one", "are due again", push.Change.Retry),
		c.lettersCommand("discard", "Forget dead letters of a subscriber: all, or one", "are forgotten", push.Change.Discard),
		c.changeWebhooks("disable", "Stop delivering to a subscriber", push.Change.Disable),
		c.changeWebhooks("enable", "Deliver again, what was missed included", push.Change.Enable),
		c.changeWebhooks("remove", "Forget a subscriber that is no longer configured, and what waits for it",
			func(change push.Change, ctx context.Context, db push.Database) error {
				n, err := change.Remove(ctx, db)
				if err == nil {
					c.say("%s is removed, with %d deliveries", change.Subscriber, n)
				}
				return err
			}),
		c.resumeWebhooks(),
	)
	return parent
}

// onWebhooks uses the database; what is not there has its exit code.
func (c *cli) onWebhooks(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	return webhooksError(c.withDatabase(ctx, do))
}

func webhooksError(err error) error {
	if errors.Is(err, push.ErrUnknown) || errors.Is(err, push.ErrNoLetter) {
		return &exitError{code: exitNotFound, err: err}
	}
	return err
}

// changing adds what every change of an operator takes.
func (c *cli) changing(cmd *cobra.Command, change *push.Change) *cobra.Command {
	cmd.Flags().StringVar(&change.Actor, "actor", cmp.Or(c.env("USER"), "operator"), "who does it; recorded")
	cmd.Flags().StringVar(&change.Reason, "reason", "", "why; recorded")
	return cmd
}

func (c *cli) changeWebhooks(use, short string, do func(push.Change, context.Context, push.Database) error) *cobra.Command {
	var change push.Change
	return c.changing(&cobra.Command{
		Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Subscriber, change.At = args[0], time.Now()
			return c.onWebhooks(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error { return do(change, ctx, conn) })
		},
	}, &change)
}

func (c *cli) lettersCommand(use, short, done string, do func(push.Change, context.Context, push.Database, int64) (int64, error)) *cobra.Command {
	var id int64
	var change push.Change
	cmd := c.changing(&cobra.Command{
		Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Subscriber, change.At = args[0], time.Now()
			return c.onWebhooks(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error {
				n, err := do(change, ctx, conn, id)
				if err == nil {
					c.say("%d dead letters of %s %s", n, args[0], done)
				}
				return err
			})
		},
	}, &change)
	cmd.Flags().Int64Var(&id, "id", 0, "this one only")
	return cmd
}

func (c *cli) resumeWebhooks() *cobra.Command {
	var from string
	var change push.Change
	cmd := c.changing(&cobra.Command{
		Example: `  ledger webhooks resume shop --from now`,
		Use:     "resume NAME --from beginning|now|POSITION", Short: "Plan deliveries anew from a place in the log",
		Long: `resume says where deliveries go on that are held back, or has earlier events looked at
once more: from the beginning of the log, from now on, or after the event at a position
(C:4711/P:4711, as ` + "`ledger explain`" + ` shows it). What waits is planned anew; what the log knows as
delivered is not sent again. A serving ledger does it within seconds.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from != push.FromBeginning && from != push.FromNow {
				if _, err := eventstore.ParsePosition(from); err != nil {
					return &exitError{code: exitUsage, err: errors.New("say from where: --from beginning, now, or a position")}
				}
			}
			change.Subscriber, change.At = args[0], time.Now()
			return c.onWebhooks(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error { return change.Resume(ctx, conn, from) })
		},
	}, &change)
	cmd.Flags().StringVar(&from, "from", "", "beginning, now, or a position of the log")
	return cmd
}

func (c *cli) listWebhooks(ctx context.Context, conn *pgx.Conn) error {
	all, err := push.List(ctx, conn)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(append([]push.Status{}, all...))
	}
	t := c.newTable("subscriber", "delivered", "waiting", "since", "dead", "last success", "last failure", "last problem", "state")
	for i := range all {
		s := &all[i]
		var state string
		switch {
		case s.HeldAt != nil:
			state = "HELD BACK since " + moment(s.HeldAt)
			c.say("%s: %s", s.Name, worded(s.HeldReason))
		case s.DisabledAt != nil:
			state = "disabled since " + moment(s.DisabledAt) + " " + worded(s.DisabledReason)
		case !s.Configured:
			state = "not configured"
		}
		t.AppendRow(table.Row{
			s.Name, s.Delivered, s.Pending, moment(s.OldestPendingAt), s.Dead, moment(s.LastSuccessAt), moment(s.LastFailureAt),
			shorten(worded(s.LastProblem)), state,
		})
	}
	t.Render()
	return nil
}

// Bounds of what is shown of a subscriber.
const (
	lettersShown = 100
	historyShown = 50
)

// shownLetter is a delivery that waits or was given up, and what the log tells of it when it is shown alone.
type shownLetter struct {
	push.Letter

	History []push.Outcome `json:"history,omitempty"`
}

func (c *cli) showWebhooks() *cobra.Command {
	var id int64
	cmd := &cobra.Command{
		Example: `  ledger webhooks show shop`,
		Use:     "show NAME", Short: "What waits for a subscriber, dead letters first; with --id one delivery, whole",
		Long: `show lists deliveries that wait or were given up. --id shows one of them with its body,
the beginning of the receiver's last answer, and what the log tells of its attempts.
What became of others is in ` + "`ledger webhooks history`" + `.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var shown []push.Letter
			read := func(ctx context.Context, db *pgx.Conn) (err error) {
				shown, err = push.Letters(ctx, db, args[0], id, lettersShown)
				return err
			}
			if err := c.onWebhooks(cmd.Context(), read); err != nil {
				return err
			}
			letters := make([]shownLetter, len(shown))
			for i := range shown {
				letters[i].Letter = shown[i]
			}
			if id != 0 {
				var err error
				letters[0].History, err = c.webhooksHistory(cmd.Context(), push.HistoryRequest{Subscriber: args[0], EventID: shown[0].EventID, Most: historyShown})
				if err != nil && !errors.Is(err, push.ErrUnknown) { // nothing was told of it yet
					return err
				}
			}
			return c.printLetters(letters, id != 0)
		},
	}
	cmd.Flags().Int64Var(&id, "id", 0, "this delivery only, with its body and its attempts")
	return cmd
}

func (c *cli) historyOfWebhooks() *cobra.Command {
	var event string
	var most int
	cmd := &cobra.Command{
		Example: `  ledger webhooks history shop`,
		Use:     "history NAME", Short: "What became of deliveries, from the log, the newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.webhooksHistory(cmd.Context(), push.HistoryRequest{Subscriber: args[0], EventID: event, Most: most})
			if err != nil {
				return webhooksError(err)
			}
			if c.json {
				return c.printJSON(append([]push.Outcome{}, found...))
			}
			c.printHistory(found)
			return nil
		},
	}
	cmd.Flags().StringVar(&event, "event", "", "of this event only (its id)")
	cmd.Flags().IntVar(&most, "most", historyShown, "how many are shown, at most 10000")
	return cmd
}

// webhooksHistory asks the running ledger, or reads the log when nobody does.
func (c *cli) webhooksHistory(ctx context.Context, q push.HistoryRequest) (found []push.Outcome, err error) {
	if running := c.runningLedger(); running != "" {
		return found, c.ask(ctx, http.MethodPost, running+"/subscribers/history", q, &found)
	}
	return found, c.withLog(func(log *app.Store, _ config.Accounts) (err error) {
		found, err = push.History(ctx, log, q)
		return err
	})
}

func (c *cli) printLetters(letters []shownLetter, whole bool) error {
	if c.json {
		return c.printJSON(letters)
	}
	t := c.newTable("id", "", "event", "order", "attempts", "next", "status", "problem")
	for i := range letters {
		l := &letters[i]
		status, next := "", ""
		if l.LastStatus != nil {
			status = fmt.Sprint(*l.LastStatus)
		}
		if l.State == "PENDING" {
			next = moment(&l.DueAt)
		}
		t.AppendRow(table.Row{l.ID, l.State, l.Name, l.OrderID, l.Attempts, next, status, shorten(worded(l.LastProblem))})
	}
	t.Render()
	if whole {
		l := &letters[0]
		_, _ = fmt.Fprintf(c.io.out, "event %s\nproblem: %s\nlast answer: %s\nbody: %s\n", l.EventID, worded(l.LastProblem), worded(l.LastAnswer), worded(l.Body))
		c.printHistory(l.History)
	}
	return nil
}

func (c *cli) printHistory(history []push.Outcome) {
	t := c.newTable("at", "", "event", "order", "attempt", "status", "by", "problem")
	for i := range history {
		o := &history[i]
		attempt, status := "", ""
		if o.Attempt > 0 {
			attempt = fmt.Sprint(o.Attempt)
		}
		if o.Status > 0 {
			status = fmt.Sprint(o.Status)
		}
		t.AppendRow(table.Row{moment(&o.At), o.Type, o.Name, o.OrderID, attempt, status, o.Actor, shorten(o.Problem)})
	}
	t.Render()
}

func moment(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05")
}

func worded(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}
