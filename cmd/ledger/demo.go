package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/demo"
	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
)

const (
	demoOrdersDefault   = 300
	demoSeedDefault     = 7
	demoDurationDefault = 10 * time.Second
	// demoViewsTimeout bounds the wait for the views after the traffic.
	demoViewsTimeout = time.Minute
	// demoStoriesMax is how many kinds of orders are told of while they
	// complete; differencesMax how many differences are shown.
	demoStoriesMax = 14
	differencesMax = 10
)

// demoFolder is where the demo's data is, in the data directory.
const demoFolder = "demo"

// errDemoOver ends a demo that is not to keep serving.
var errDemoOver = errors.New("demo over")

type demoFlags struct {
	orders   int
	seed     uint64
	duration time.Duration
	once     bool
}

func (c *cli) demo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Example: `  ledger demo
  ledger demo --orders 2000 --once`,
		Use:   "demo",
		Short: "Show everything, with simulated traffic of all three gateways",
		Long: `demo starts the event store, PostgreSQL, migrations, intake, projector and HTTP,
sends simulated but wire-true notifications through the real webhooks, sells a few
things through the order API at stand-ins of the gateways, compares the views with
what truly happened, and keeps serving until Ctrl-C. Its data is apart from that of
"ledger serve", in the folder "demo" of the data directory.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.settings.DataDir = filepath.Join(c.settings.DataDir, demoFolder)
			c.say("Starting the order ledger in %s", c.settings.DataDir)
			c.settings.HTTP = c.demoAddress(cmd, "http", "LEDGER_HTTP", c.settings.HTTP)
			c.settings.EventStoreListen = c.demoAddress(cmd, "eventstore-listen", "LEDGER_EVENTSTORE_LISTEN", c.settings.EventStoreListen)
			shop, err := c.openShop(cmd.Context())
			if err != nil {
				return err
			}
			err = c.run(cmd.Context(), c.logger(slog.LevelError), func(line string) { c.say("  · %s", line) },
				func(ctx context.Context, l *app.Ledger, server *web.Server, _ string) error {
					return c.playDemo(ctx, f, l, server, shop)
				})
			if errors.Is(err, errDemoOver) {
				err = nil
			}
			if shop != nil {
				err = errors.Join(err, shop.Close())
			}
			return err
		},
	}
	cmd.Flags().IntVar(&f.orders, "orders", demoOrdersDefault, "how many orders to simulate")
	cmd.Flags().Uint64Var(&f.seed, "seed", demoSeedDefault, "which orders; the same seed makes the same")
	cmd.Flags().DurationVar(&f.duration, "duration", demoDurationDefault, "over which time to send them")
	cmd.Flags().BoolVar(&f.once, "once", false, "end after the summary")
	return cmd
}

// demoAddress returns an address to listen on: the default one, or a free one
// when somebody has it, as on a machine that runs a ledger already. An address
// that was asked for stays.
func (c *cli) demoAddress(cmd *cobra.Command, flag, variable, address string) string {
	if cmd.Flags().Changed(flag) || c.env(variable) != "" {
		return address
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(cmd.Context(), "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		c.say("  · %s is in use; taking a free port", address)
		return "127.0.0.1:0"
	}
	if err == nil {
		_ = listener.Close()
	}
	return address
}

func (c *cli) playDemo(ctx context.Context, f demoFlags, l *app.Ledger, server *web.Server, shop *demo.Shop) error {
	select {
	case <-l.Database.Ready():
	case <-ctx.Done():
		return nil
	}
	c.say("Ready. Sending %d orders of three gateways through %s/webhooks/…\n", f.orders, server.URL())
	result, err := c.sendDemo(ctx, f, server.URL())
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C in the middle of the traffic
		}
		return err
	}
	stories, err := c.trade(ctx, shop, server)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // as above
		}
		return err
	}
	last, ok, err := l.LastProjected(ctx)
	if err == nil && ok {
		waitCtx, cancel := context.WithTimeoutCause(ctx, demoViewsTimeout, errors.New("the views did not catch up"))
		err = l.WaitForViews(waitCtx, last)
		cancel()
	}
	if err != nil {
		return err
	}
	pool, err := l.Database.Pool()
	if err != nil {
		return err
	}
	if err := c.demoSummary(ctx, pool, result, stories); err != nil {
		return err
	}
	c.demoFurther(l, server, stories)
	c.shopFurther(shop, server)
	if f.once {
		return errDemoOver
	}
	c.say("\nServing until Ctrl-C.")
	return nil
}

// sendDemo sends the traffic and tells of the first order of each kind.
func (c *cli) sendDemo(ctx context.Context, f demoFlags, url string) (demo.Result, error) {
	const width = 40
	bar := c.newBar(ctx, mpb.BarStyle(), width, 0, mpb.PrependDecorators(decor.Name("notifications  "), decor.CountersNoUnit("%d / %d")),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5})))
	defer bar.end()
	told := map[string]bool{}
	traffic := demo.Traffic{URL: url, Orders: f.orders, Seed: f.seed, Duration: f.duration}
	traffic.Sent = func(sent, total int) {
		bar.setTotal(int64(total))
		bar.set(int64(sent))
	}
	traffic.Done = func(e simulate.Expected) {
		if e.Figures == nil || told[e.Scenario] || len(told) >= demoStoriesMax {
			return
		}
		told[e.Scenario] = true
		line := fmt.Sprintf("  %-10s  %-34s %14s  %-14s refund %-7s dispute %s\n",
			e.Gateway, e.Scenario, e.GrossPaid+" "+textOf(e.Currency), e.PaymentState, e.RefundState, e.DisputeState)
		if !bar.say(line) {
			_, _ = fmt.Fprint(c.io.err, line)
		}
	}
	return demo.Send(ctx, traffic)
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// demoSummary shows what the views hold and whether it is true.
func (c *cli) demoSummary(ctx context.Context, pool *pgxpool.Pool, result demo.Result, stories []demo.Story) error {
	differences, err := demo.Compare(ctx, pool, result.Expected)
	if err != nil {
		return err
	}
	if c.json {
		return errors.Join(c.printJSON(map[string]any{
			"orders": len(result.Expected), "notifications": result.Notifications, "differences": differences,
			"seconds": result.Took.Seconds(), "order_api_orders": orderIDs(stories),
		}), differenceError(differences))
	}
	c.say("\n%d notifications about %d orders taken in, %.0f a second\n",
		result.Notifications, len(result.Expected), float64(result.Notifications)/result.Took.Seconds())
	for _, q := range []struct{ title, sql string }{
		{"orders by payment state", `select payment_state as "payment state", count(*) as orders,
			count(*) filter (where refund_state <> 'NONE') as "with refunds", count(*) filter (where dispute_state <> 'NONE') as "with disputes",
			count(*) filter (where flags <> '{}') as "with flags"
			from ledger.orders group by payment_state order by payment_state`},
		{"money by currency", `select currency, sum(amount_due)::text as due, sum(gross_paid)::text as paid, sum(refunded)::text as refunded,
			sum(dispute_held)::text as "held by disputes", sum(net)::text as net
			from ledger.orders where currency is not null group by currency order by currency`},
		{"refunds and disputes", `select 'refund' as what, status as state, count(*) as number from ledger.refunds group by 2
			union all select 'dispute', coalesce(outcome, stage, 'money moved'), count(*) from ledger.disputes group by 2 order by 1, 2`},
	} {
		if err := c.printQuery(ctx, pool, q.title, q.sql); err != nil {
			return err
		}
	}
	if len(stories) > 0 {
		if err := c.printQuery(ctx, pool, "the shop's orders, through the order API", shopSQL, orderIDs(stories)); err != nil {
			return err
		}
	}
	if len(differences) == 0 {
		c.say("✓ every figure of all %d orders equals what truly happened, to the cent", len(result.Expected))
		return nil
	}
	for i, d := range differences {
		if i == differencesMax {
			c.say("  … and %d more", len(differences)-i)
			break
		}
		c.say("✗ %s", d)
	}
	return differenceError(differences)
}

func differenceError(differences []string) error {
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%d figures differ from what truly happened", len(differences))
}

// printQuery prints what a query finds as a table.
func (c *cli) printQuery(ctx context.Context, db demo.Querier, title, sql string, args ...any) error {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("query %s: %w", title, err)
	}
	defer rows.Close()
	t := c.newTable()
	t.SetTitle(title)
	var header table.Row
	var columns []table.ColumnConfig
	for i, field := range rows.FieldDescriptions() {
		header = append(header, field.Name)
		if i > 0 {
			columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(columns)
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return fmt.Errorf("query %s: %w", title, err)
		}
		t.AppendRow(values)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query %s: %w", title, err)
	}
	t.Render()
	return nil
}

// demoFurther says where to look next.
func (c *cli) demoFurther(l *app.Ledger, server *web.Server, stories []demo.Story) {
	c.say("\nLook further:")
	c.say("  browser     %s/", server.URL())
	order := "ID"
	if len(stories) > 0 {
		order = stories[0].OrderID
	}
	c.say("  an order    curl -s %s/orders/%s", server.URL(), order)
	c.say("  its events  curl -s %s/orders/%s/explain", server.URL(), order)
	c.say("  health      curl -s %s/readyz", server.URL())
	c.say("  commands    ledger order show %s --data-dir '%s'", order, c.settings.DataDir)
	if connection := l.Store.ConnectionString(); connection != "" {
		c.say("  events      any EventStoreDB client: %s", connection)
	}
	c.say("  SQL         psql '%s'", l.Database.URL())
	c.say("              select payment_state, count(*), sum(net) from ledger.orders group by 1;")
	c.say("              select * from ledger.refund_balances where refund_pending > 0;")
	c.say("              select event_type, occurred_at, data from ledger.order_history where order_id = '…' order by revision;")
}
