package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
)

func (c *cli) webhooks() *cobra.Command {
	parent := &cobra.Command{
		Use:   "webhooks",
		Short: "Outgoing webhooks: how subscribers stand, dead letters",
		Long: `Subscribers are configured (webhooks: in the file of --config); ` + "`ledger serve`" + ` delivers.
A delivery that was given up is a dead letter until it is retried. A subscriber whose
deliveries are given up again and again is disabled; what happens meanwhile is
delivered once it is enabled.`,
	}
	on := func(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
		if !c.hasDatabase() {
			return c.noViews()
		}
		err := c.withDatabase(ctx, do)
		if errors.Is(err, push.ErrUnknown) {
			return &exitError{code: exitNotFound, err: err}
		}
		return err
	}
	var id int64
	var reason string
	retry := &cobra.Command{
		Use: "retry NAME", Short: "Send dead letters of a subscriber again: all, or one", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error {
				n, err := push.Retry(ctx, conn, args[0], id, time.Now())
				if err == nil {
					c.say("%d dead letters of %s are due again", n, args[0])
				}
				return err
			})
		},
	}
	retry.Flags().Int64Var(&id, "id", 0, "this one only")
	change := func(use, short string, enable bool) *cobra.Command {
		cmd := &cobra.Command{
			Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return on(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error {
					return push.Switch(ctx, conn, args[0], enable, reason, time.Now())
				})
			},
		}
		cmd.Flags().StringVar(&reason, "reason", "", "why")
		return cmd
	}
	parent.AddCommand(
		&cobra.Command{
			Use: "list", Short: "How subscribers stand", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return on(cmd.Context(), c.listWebhooks) },
		},
		&cobra.Command{
			Use: "show NAME", Short: "What waits for a subscriber, dead letters first", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return on(cmd.Context(), func(ctx context.Context, conn *pgx.Conn) error { return c.showWebhooks(ctx, conn, args[0]) })
			},
		},
		retry, change("disable", "Stop delivering to a subscriber", false), change("enable", "Deliver again, what was missed included", true),
	)
	return parent
}

func (c *cli) listWebhooks(ctx context.Context, conn *pgx.Conn) error {
	all, err := push.List(ctx, conn)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(append([]push.Status{}, all...))
	}
	t := c.newTable("subscriber", "delivered", "waiting", "dead", "last success", "last failure", "last problem", "disabled")
	for i := range all {
		s := &all[i]
		disabled := ""
		if s.DisabledAt != nil {
			disabled = moment(s.DisabledAt) + " " + worded(s.DisabledReason)
		}
		t.AppendRow(table.Row{s.Name, s.Delivered, s.Pending, s.Dead, moment(s.LastSuccessAt), moment(s.LastFailureAt), shorten(worded(s.LastProblem)), disabled})
	}
	t.Render()
	return nil
}

// lettersShown bounds what is shown of a subscriber.
const lettersShown = 100

func (c *cli) showWebhooks(ctx context.Context, conn *pgx.Conn, name string) error {
	letters, err := push.Letters(ctx, conn, name, lettersShown)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(append([]push.Letter{}, letters...))
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
	return nil
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
