package projections_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// deadline bounds every wait of a test.
const deadline = time.Minute

// newLog opens an embedded node that keeps its files in memory.
func newLog(tb testing.TB) *node.Node {
	tb.Helper()
	log, err := node.Open(node.Options{Dir: "/events", FS: vfs.NewMem()})
	if err != nil {
		tb.Fatalf("open the log: %v", err)
	}
	tb.Cleanup(func() {
		if err := log.Close(); err != nil {
			tb.Errorf("close the log: %v", err)
		}
	})
	return log
}

// newDatabase makes an empty database with the schema and returns its URL.
func newDatabase(tb testing.TB) string {
	tb.Helper()
	return pgtest.Prepared(tb, "ledger", migrate)
}

func migrate(ctx context.Context, conn *pgx.Conn) error {
	_, err := migrations.Apply(ctx, conn, migrations.Options{})
	return err
}

func newPool(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), url)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

func connectTo(url string) projections.Connect {
	return func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
}

// config is a runner's configuration with short pauses.
func config(log projections.Log, url string) projections.Config {
	return projections.Config{
		Log: log, Connect: connectTo(url), Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		IdleCheckpoint: 5 * time.Millisecond, StandbyPoll: 5 * time.Millisecond, KeepAlive: 20 * time.Millisecond,
		BackoffFirst: time.Millisecond, BackoffMost: 20 * time.Millisecond,
	}
}

// running is a runner that runs until the test ends or stop is called.
type running struct {
	*projections.Runner
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func start(tb testing.TB, cfg projections.Config) *running {
	tb.Helper()
	runner, err := projections.NewRunner(cfg)
	if err != nil {
		tb.Fatalf("make a runner: %v", err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	r := &running{Runner: runner, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = runner.Run(ctx)
	}()
	tb.Cleanup(func() { r.stop(tb) })
	return r
}

// stop ends the runner and waits for it.
func (r *running) stop(tb testing.TB) {
	tb.Helper()
	r.cancel()
	select {
	case <-r.done:
	case <-time.After(deadline):
		tb.Fatal("the runner does not stop")
	}
	if r.err != nil {
		tb.Errorf("the runner ended with %v", r.err)
	}
}

// reach waits until the views stand at the end of the log.
func reach(tb testing.TB, log eventstore.Reader, pool *pgxpool.Pool) {
	tb.Helper()
	head, written, err := log.Head(tb.Context())
	if err != nil || !written {
		tb.Fatalf("head of the log: %v, %v", written, err)
	}
	reachPosition(tb, pool, head)
}

func reachPosition(tb testing.TB, pool *pgxpool.Pool, p eventstore.Position) {
	tb.Helper()
	ctx, cancel := context.WithTimeoutCause(tb.Context(), deadline, errors.New("the views do not follow"))
	defer cancel()
	reader := checkpoint.NewReader(pool)
	if err := reader.WaitFor(ctx, p); err != nil {
		tb.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(deadline)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("waited in vain for: %s", what)
		}
	}
}

// wipe takes a database back to how migrations leave it.
func wipe(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	const sql = `TRUNCATE ledger_data.orders, ledger_data.test_orders, ledger_data.payouts, ledger_data.payments,
		ledger_data.refunds, ledger_data.disputes, ledger_data.dispute_timeline, ledger_data.order_history,
		ledger_data.quarantine, ledger_data.parked_orders;
		UPDATE ledger_data.checkpoint SET commit_position = NULL, prepare_position = NULL`
	if _, err := pool.Exec(tb.Context(), sql); err != nil {
		tb.Fatal(err)
	}
}

// dump renders every row of every table, the checkpoint's epoch and time aside. Equal texts are equal
// databases.
func dump(tb testing.TB, pool *pgxpool.Pool) string {
	tb.Helper()
	var b strings.Builder
	for _, table := range []string{
		"orders", "test_orders", "payouts", "payments", "refunds", "disputes", "dispute_timeline",
		"order_history", "quarantine", "parked_orders",
	} {
		dumpQuery(tb, pool, &b, "SELECT '"+table+"', t::text FROM ledger_data."+table+" t ORDER BY t::text COLLATE \"C\"")
	}
	dumpQuery(tb, pool, &b, "SELECT 'checkpoint', commit_position || '/' || prepare_position FROM ledger_data.checkpoint")
	return b.String()
}

func dumpQuery(tb testing.TB, pool *pgxpool.Pool, b *strings.Builder, sql string) {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), sql)
	if err != nil {
		tb.Fatal(err)
	}
	var table, row string
	if _, err := pgx.ForEachRow(rows, []any{&table, &row}, func() error {
		b.WriteString(table + " " + row + "\n")
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
}

// appended is one append to the log.
type appended struct {
	stream string
	events []eventstore.EventData
}

// appendAll writes appends, each where the one before it of its stream ended.
func appendAll(tb testing.TB, log eventstore.Appender, all []appended) eventstore.Position {
	tb.Helper()
	var last eventstore.Position
	for _, a := range all {
		result, err := log.Append(tb.Context(), a.stream, eventstore.Any, a.events...)
		if err != nil {
			tb.Fatalf("append to %s: %v", a.stream, err)
		}
		last = result.Position
	}
	return last
}

// appendMany is appendAll for logs too long to sync each append: streams side by side, in order within one.
func appendMany(tb testing.TB, log eventstore.Appender, all []appended) {
	tb.Helper()
	const lanes = 64
	var lane [lanes][]appended
	for _, a := range all {
		sum := sha256.Sum256([]byte(a.stream))
		lane[sum[0]%lanes] = append(lane[sum[0]%lanes], a)
	}
	var wg sync.WaitGroup
	for _, mine := range lane {
		wg.Go(func() { appendAll(tb, log, mine) })
	}
	wg.Wait()
}

// world makes up histories of orders. Equal seeds make equal histories.
type world struct {
	random *rand.Rand
	orders []*simulated
	n      int
}

type simulated struct {
	stream string
	kind   order.Kind
	test   bool
	state  order.State
	id     string
	due    money.Money
	facts  int
	step   int
}

// day is when the made-up histories begin.
var day = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func newWorld(seed uint64) *world { return &world{random: rand.New(rand.NewPCG(seed, 1))} }

// id makes a ULID from the world's own randomness.
func (w *world) id() string {
	var id ulid.ULID
	for i := range id {
		id[i] = byte(w.random.Uint32())
	}
	id[0] &= 0x7f
	return id.String()
}

// history returns n notifications about orders, interleaved, as the intake would append them, and some
// quarantined ones.
func (w *world) history(tb testing.TB, orders, n int) []appended {
	tb.Helper()
	for range orders {
		w.addOrder()
	}
	var all []appended
	for range n {
		if w.random.IntN(40) == 0 {
			all = append(all, w.quarantined(tb))
			continue
		}
		if a, ok := w.notify(tb, w.orders[w.random.IntN(len(w.orders))]); ok {
			all = append(all, a)
		}
	}
	return all
}

func (w *world) addOrder() *simulated {
	s := &simulated{kind: order.KindPayment, id: w.id(), due: w.amount("EUR")}
	switch w.random.IntN(12) {
	case 0:
		s.test = true
	case 1:
		s.kind = order.KindPayout
	case 2:
		s.due = w.amount("JPY")
	case 3:
		s.due = w.amount("BHD")
	}
	s.stream = order.StreamName(order.CategoryOf(s.kind, s.test), s.id)
	w.orders = append(w.orders, s)
	return s
}

func (w *world) amount(currency string) money.Money {
	c := money.MustCurrency(currency)
	text := fmt.Sprint(1 + w.random.IntN(500))
	if c.MinorUnits() >= 2 {
		text += fmt.Sprintf(".%02d", w.random.IntN(100))
	}
	m, err := money.Parse(text, c)
	if err != nil {
		panic(err)
	}
	return m
}

// notify makes the next notification about an order; false when it means nothing new.
func (w *world) notify(tb testing.TB, s *simulated) (appended, bool) {
	tb.Helper()
	var facts []order.Fact
	for range 1 + w.random.IntN(3) {
		facts = append(facts, w.fact(s, w.now()))
	}
	return w.notifyOf(tb, s, facts...)
}

// now is when the next notification is received.
func (w *world) now() time.Time { return day.Add(time.Duration(w.n+1) * 1234567 * time.Microsecond) }

// notifyOf makes a notification with these facts.
func (w *world) notifyOf(tb testing.TB, s *simulated, facts ...order.Fact) (appended, bool) {
	tb.Helper()
	now := w.now()
	w.n++
	digest := sha256.Sum256(fmt.Appendf(nil, "%s body %d", s.id, w.n))
	hexDigest := hex.EncodeToString(digest[:])
	decided, err := order.Decide(s.state, order.Observe{
		OrderID: s.id, ReceivedAt: now, Facts: facts,
		Evidence: order.NotificationRecorded{
			NotificationID: w.id(), Gateway: "decta", Account: "default", Via: "webhook", Verified: "none",
			BodySHA256: hexDigest, Body: fmt.Appendf(nil, `{"id":"%s","n":%d,"name":"Ünï\"cödé"}`, s.id, w.n),
		},
		Registration: order.Registration{
			Source: "decta", SourceAccount: "default", Kind: s.kind, IsTest: s.test,
			SourceOrderID: "src-" + s.id[:8], MerchantReference: "SO-" + s.id[20:], AmountDue: &s.due,
		},
	})
	if err != nil {
		tb.Fatalf("decide: %v", err)
	}
	a := appended{stream: s.stream}
	for _, d := range decided {
		m := order.Metadata{
			CorrelationID: hexDigest[:16], LedgerID: w.id(), OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis,
			ReceivedAt: now, RecordedAt: now.Add(time.Millisecond), Source: "decta", SourceAccount: "default",
			SourceStatus: d.SourceStatus, Actor: "system", Translator: "decta/1", Flags: d.Flags,
		}
		revision := uint64(0)
		if s.state.Exists {
			revision = s.state.Revision + 1
		}
		s.state.Apply(order.Recorded{Event: d.Event, ID: d.ID, Revision: revision, Metadata: m})
		a.events = append(a.events, encode(tb, d.ID, d.Event, m))
	}
	return a, len(a.events) > 0
}

func encode(tb testing.TB, id uuid.UUID, e order.Event, m order.Metadata) eventstore.EventData {
	tb.Helper()
	eventType, data, metadata, err := order.Encode(e, m)
	if err != nil {
		tb.Fatal(err)
	}
	return eventstore.EventData{ID: id, Type: eventType, JSON: true, Data: data, Metadata: metadata}
}

// fact makes up something that might happen to an order.
func (w *world) fact(s *simulated, now time.Time) order.Fact {
	s.facts++
	at := order.At{
		Key: fmt.Sprintf("%s:%d", s.id, s.facts), OccurredAt: now.Add(-time.Duration(w.random.IntN(100)) * time.Second),
		Basis: order.BasisStatusChange, Status: fmt.Sprintf("status %d", w.random.IntN(9)),
	}
	if s.kind == order.KindPayout {
		states := []order.PayoutStatus{order.PayoutStateProcessing, order.PayoutStatePaid, order.PayoutStateFailed}
		return order.PayoutReported{At: at, Status: states[w.random.IntN(len(states))], Amount: &s.due}
	}
	p := order.PaymentRef{SourceID: fmt.Sprintf("p%d", w.random.IntN(2)), SourceOrderID: "src-" + s.id[:8]}
	part := s.due
	if w.random.IntN(2) == 0 {
		part = w.amount(s.due.Currency().Code())
	}
	steps := []order.RefundStep{
		order.RefundStepInitiated, order.RefundStepCompleted, order.RefundStepFailed, order.RefundStepReversed,
	}
	stages := []order.Stage{
		order.StageRetrieval, order.StageChargeback, order.StageRepresentment, order.StageFraudAdvice, order.StageArbitration,
	}
	switch w.random.IntN(14) {
	case 0:
		return order.Processing{At: at, Payment: p, Attempt: 1 + w.random.IntN(3)}
	case 1:
		return order.Failed{At: at, Payment: p, Attempt: 1, ReasonCode: "05"}
	case 2, 3, 4:
		return order.Captured{At: at, Payment: p, Amount: &part, Method: "card"}
	case 5:
		return order.Settled{At: at, Payment: p, Amount: &part}
	case 6, 7:
		return order.RefundReported{
			At: at, SourceRefundID: fmt.Sprintf("r%d", w.random.IntN(2)), Payment: &p,
			Step: steps[w.random.IntN(len(steps))], Amount: &part,
		}
	case 8, 9:
		return order.DisputeStage{
			At: at, Payment: p, Stage: stages[w.random.IntN(len(stages))], Amount: &part, ReasonCode: "4853", ARN: "arn-1",
		}
	case 10:
		return order.DisputeTotals{At: at, Payment: p, Withdrawn: &part, ModifiedAt: at.OccurredAt}
	case 11:
		return order.Overdue{At: at}
	case 12:
		return order.Confirmed{At: at, Payment: p, Amount: &part}
	}
	return order.StatusObserved{At: at, Payment: &p, Recognised: w.random.IntN(2) == 0}
}

// quarantined makes a notification that belongs to no order; every other one was seen before.
func (w *world) quarantined(tb testing.TB) appended {
	tb.Helper()
	w.n++
	digest := sha256.Sum256(fmt.Appendf(nil, "quarantined body %d", w.n/2))
	hexDigest := hex.EncodeToString(digest[:])
	now := day.Add(time.Duration(w.n) * time.Second)
	return appended{stream: order.QuarantineStream("everifin"), events: []eventstore.EventData{encode(tb,
		order.NotificationEventID("everifin", "default", hexDigest),
		order.NotificationQuarantined{
			NotificationID: hexDigest[:26], Gateway: "everifin", Account: "default", Via: "webhook", Verified: "none",
			Code: order.FlagUnknownOrder, Detail: "no order has this id", ReceivedAt: now, BodySHA256: hexDigest,
		},
		order.Metadata{RecordedAt: now, OccurredAt: now, ReceivedAt: now, Source: "everifin", Actor: "system"})}}
}

// Short names for what tests write often.
type (
	ctxt     = context.Context
	messages = iter.Seq2[eventstore.Message, error]
	pgxBatch = pgx.Batch
)

// positionLike is a bare number in the text of a row.
var positionLike = regexp.MustCompile(`\b\d+\b`)

var errBroken = errors.New("the subscription broke")

func after(d time.Duration) <-chan time.Time { return time.After(d) }

func isMismatch(err error) bool { return errors.Is(err, projections.ErrCheckpointMismatch) }

func newConn(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

var (
	equateEmpty = cmpopts.EquateEmpty()
	sortLines   = cmpopts.SortSlices(func(a, b string) bool { return a < b })
)
