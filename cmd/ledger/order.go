package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/orders"
)

func (c *cli) order() *cobra.Command {
	parent := &cobra.Command{Use: "order", Short: "Look at one order"}
	var asOf, by string
	show := &cobra.Command{
		Example: `  ledger order show SO-2026-000417
  ledger order show SO-2026-000417 --as-of 2026-10-31
  ledger order show SO-2026-000417 --json`,
		Use: "show ID", Short: "Balances, payments, refunds and disputes of an order",
		Long: `show prints an order by our id, the gateway's id of it, or the merchant's reference.

--as-of shows it as it was at a moment, from the event log alone: a position
(C:1234/P:1234), a time (2026-10-31T12:00:00Z), or a date, which means its end in
UTC. --by recorded (the default) is what the ledger knew then; --by occurred is
what had happened by then, as the ledger knows today.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asOf == "" && by != "" {
				return &exitError{code: exitUsage, err: errors.New("--by tells which time --as-of means, and wants it too")}
			}
			if asOf != "" {
				return c.showPast(cmd.Context(), args[0], asOf, by)
			}
			return c.withOrder(cmd.Context(), args[0], c.showOrder)
		},
	}
	show.Flags().StringVar(&asOf, "as-of", "", "a position, a time or a date")
	show.Flags().StringVar(&by, "by", "", "which time counts: recorded or occurred")
	parent.AddCommand(
		show,
		&cobra.Command{
			Example: `  ledger order history SO-2026-000417`,
			Use:     "history ID", Short: "Every event of an order, oldest first",
			Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.withOrder(cmd.Context(), args[0], c.showHistory)
			},
		},
	)
	return parent
}

// withOrder finds an order in the views and shows it, in one snapshot.
func (c *cli) withOrder(ctx context.Context, name string, show func(context.Context, pgx.Tx, app.OrderDetail) error) error {
	if !c.hasDatabase() {
		return c.noViews()
	}
	return c.withDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		changed, err := changedSince(ctx, conn)
		if err != nil {
			return err
		}
		if len(changed) > 0 {
			return &exitError{code: exitDiffers, err: fmt.Errorf("rebuild needed: the views were made by another version of the ledger (%s): `ledger rebuild` "+
				"builds them anew from the log; `ledger order show --as-of` and `ledger explain` answer meanwhile", fingerprint.Describe(changed))}
		}
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			detail, err := app.FindOrder(ctx, tx, name)
			if errors.Is(err, orders.ErrNotFound) {
				return &exitError{code: exitNotFound, err: fmt.Errorf("no order goes by %q, as far as the views have come", name)}
			}
			if err != nil {
				return err
			}
			return show(ctx, tx, detail)
		})
	})
}

// databaseTimeout bounds how long a command that only looks waits for a database.
const databaseTimeout = 5 * time.Second

// hasDatabase tells whether there can be views: a private database that was
// never made holds none, and looking is no reason to make one.
func (c *cli) hasDatabase() bool {
	if c.settings.DatabaseURL != "" {
		return true
	}
	_, err := os.Stat(c.settings.PostgresDir())
	return !errors.Is(err, os.ErrNotExist)
}

// withDatabase uses the database of the views. A private one is started, or
// shared with the ledger that runs it.
func (c *cli) withDatabase(ctx context.Context, use func(context.Context, *pgx.Conn) error) (err error) {
	database := app.NewDatabase(c.settings, c.logger(slog.LevelError), func(line string) { c.say("  · %s", line) })
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- database.Run(runCtx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ran)
	}()
	var late <-chan time.Time // a private server that is started here bounds that itself
	h, held := c.holder()
	if c.settings.DatabaseURL != "" || (held && h.pid != os.Getpid()) { // what we hold the log for starts the server itself
		timer := time.NewTimer(databaseTimeout)
		defer timer.Stop()
		late = timer.C
	}
	if err := c.untilReady(ctx, database, ran, late); err != nil {
		return err
	}
	connectCtx, cancel := context.WithTimeout(ctx, databaseTimeout)
	conn, err := database.Connect(connectCtx)
	cancel()
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return database.WhileItAnswers(ctx, func(ctx context.Context) error { return use(ctx, conn) })
}

// untilReady waits until a database can be used. late is when one has to have answered; bringing its schema to this version takes
// as long as it takes.
func (c *cli) untilReady(ctx context.Context, database *app.Database, ran chan error, late <-chan time.Time) error {
	answers := database.Answers()
	for {
		select {
		case <-database.Ready():
			return nil
		case <-answers:
			answers, late = nil, nil
		case runErr := <-ran:
			ran <- nil
			return c.explain(runErr)
		case <-late:
			_, lastErr := database.Pool()
			if lastErr == nil {
				lastErr = c.silent()
			}
			return lastErr
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// silent names a database that does not answer.
func (c *cli) silent() error {
	if config, err := pgx.ParseConfig(c.settings.DatabaseURL); c.settings.DatabaseURL != "" && err == nil {
		return &app.SilentError{Address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
	}
	return fmt.Errorf("the database does not answer: the private PostgreSQL in %s, whose log is server.log there", c.settings.PostgresDir())
}

func (c *cli) printJSON(v any) error {
	encoder := json.NewEncoder(c.io.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func (c *cli) showOrder(_ context.Context, _ pgx.Tx, d app.OrderDetail) error {
	if c.json {
		return c.printJSON(d)
	}
	if p := d.Payout; p != nil {
		t := c.newTable("payout " + p.OrderID)
		t.AppendRows([]table.Row{
			{"source", p.Source + "/" + p.SourceAccount, p.SourceOrderID}, {"state", p.State},
			{"amount", known(p.Amount)}, {"paid out", p.PaidOut}, {"flags", p.Flags},
			{"events", fmt.Sprintf("%d, the last at position %d, event %s", p.Revision+1, p.Position, p.EventID)},
		})
		t.Render()
		return nil
	}
	o := d.Order
	t := c.newTable("order "+o.ID, string(o.PaymentState))
	row := func(name string, value any) { t.AppendRow(table.Row{name, value}) }
	if o.Test {
		row("TEST ORDER", "no money: it is in ledger.test_orders and in no other view of orders")
	}
	row("gateway", o.Source+"/"+o.SourceAccount+"  "+o.SourceOrderID)
	row("merchant reference", o.MerchantReference)
	row("refund, dispute, lifecycle", fmt.Sprintf("%s, %s, %s", o.RefundState, o.DisputeState, o.Lifecycle))
	row("gateway says", o.GatewayStatus)
	row("amount due", known(o.AmountDue))
	for _, a := range []struct {
		name   string
		amount money.Money
	}{
		{"authorised", o.Authorised}, {"expected", o.Expected}, {"captured", o.Captured}, {"settled", o.Settled},
		{"received externally", o.ReceivedExternally}, {"reversed", o.Reversed}, {"refund pending", o.RefundPending},
		{"refunded", o.Refunded}, {"dispute held", o.DisputeHeld}, {"dispute lost", o.DisputeLost}, {"overpaid", o.Overpaid},
	} {
		if !a.amount.IsZero() {
			row(a.name, a.amount.Format())
		}
	}
	row("gross paid", o.GrossPaid.Format())
	row("net", o.Net.Format())
	if len(o.Flags) > 0 {
		row("flags", fmt.Sprint(o.Flags))
	}
	row("recorded", o.FirstRecordedAt.Format("2006-01-02 15:04:05")+" … "+o.LastRecordedAt.Format("2006-01-02 15:04:05")+" UTC")
	row("events", fmt.Sprintf("%d, the last at position %d, event %s", o.Revision+1, o.Position, o.EventID))
	t.Render()
	c.showParts(d)
	return nil
}

func (c *cli) showParts(d app.OrderDetail) {
	if len(d.Payments) > 0 {
		t := c.newTable("payment", "gateway's id", "method", "status", "amount", "captured", "settled", "reason", "revision")
		for _, p := range d.Payments {
			t.AppendRow(table.Row{p.ID, p.SourcePaymentID, p.Method, p.Status, known(p.Amount), p.Captured, p.Settled, p.ReasonCode, p.Revision})
		}
		t.Render()
	}
	if len(d.Refunds) > 0 {
		t := c.newTable("refund", "gateway's id", "status", "amount", "revision")
		for _, r := range d.Refunds {
			t.AppendRow(table.Row{r.ID, r.SourceRefundID, r.Status, known(r.Amount), r.Revision})
		}
		t.Render()
	}
	for _, dispute := range d.Disputes {
		t := c.newTable("dispute "+dispute.ID, "stage", "amount", "moved", "occurred", "revision")
		for _, step := range dispute.Timeline {
			t.AppendRow(table.Row{step.Seq, step.Stage, known(step.Amount), step.Moved, step.OccurredAt.Format("2006-01-02 15:04:05"), step.Revision})
		}
		t.AppendFooter(table.Row{dispute.Track, dispute.ReasonCode, "held " + dispute.Held.String(), "lost " + dispute.Lost.String(), string(dispute.Outcome)})
		t.Render()
	}
}

func known(m *money.Money) string {
	if m == nil {
		return "not known"
	}
	return m.Format()
}

// historyPage is how many events are read at once.
const historyPage = 1000

func (c *cli) showHistory(ctx context.Context, tx pgx.Tx, d app.OrderDetail) error {
	t := c.newTable("rev", "event", "occurred", "recorded", "source", "what")
	all := []history.Event{}
	for from := uint64(0); ; {
		events, err := history.NewReader(tx).OfOrder(ctx, d.ID(), from, historyPage)
		if err != nil {
			return err
		}
		all = append(all, events...)
		if len(events) < historyPage {
			break
		}
		from = events[len(events)-1].Revision + 1
	}
	if c.json {
		return c.printJSON(all)
	}
	for _, e := range all {
		t.AppendRow(table.Row{
			e.Revision, e.EventType, e.OccurredAt.Format("2006-01-02 15:04:05"), e.RecordedAt.Format("2006-01-02 15:04:05"), e.Source, gist(e.Data),
		})
	}
	t.Render()
	return nil
}

// gist is what a person wants to see of an event first.
func gist(data json.RawMessage) string {
	var e struct {
		Amount       *money.Money `json:"amount"`
		AmountDue    *money.Money `json:"amount_due"`
		NewAmountDue *money.Money `json:"new_amount_due"`
		Status       string       `json:"status"`
		Code         string       `json:"code"`
		Cause        string       `json:"cause"`
		Reason       string       `json:"reason"`
		ReasonCode   string       `json:"reason_code"`
		Gateway      string       `json:"gateway"`
		Verified     string       `json:"verified"`
	}
	if json.Unmarshal(data, &e) != nil {
		return ""
	}
	var parts []string
	for _, m := range []*money.Money{e.Amount, e.AmountDue, e.NewAmountDue} {
		if m != nil {
			parts = append(parts, m.Format())
		}
	}
	for _, text := range []string{e.Status, e.Code, e.Cause, e.Reason, e.ReasonCode} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if e.Verified != "" {
		parts = append(parts, e.Gateway+" verified by "+e.Verified)
	}
	return strings.Join(parts, ", ")
}
