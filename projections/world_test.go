package projections_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

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

// appendMany is appendAll for logs too long to sync each append: streams side by side, in order
// within one.
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
	random dice
	orders []*simulated
	n      int
	// rich makes facts of every sort, and ends of disputes; otherwise those that move money.
	rich bool
}

// dice are what a world is made up by.
type dice interface {
	IntN(n int) int
	Uint32() uint32
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

// history returns n notifications about orders, interleaved, as the intake would append them, and
// some quarantined ones.
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
		if w.rich && w.random.IntN(2) == 0 {
			facts = append(facts, w.richFact(s, w.now()))
			continue
		}
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
	registration := order.Registration{
		Source: "decta", SourceAccount: "default", Kind: s.kind, IsTest: s.test,
		SourceOrderID: "src-" + s.id[:8], MerchantReference: "SO-" + s.id[20:], AmountDue: &s.due,
	}
	if w.rich {
		w.leaveOut(s, &registration)
	}
	decided, err := order.Decide(s.state, order.Observe{
		OrderID: s.id, ReceivedAt: now, Facts: facts,
		Evidence: order.NotificationRecorded{
			NotificationID: w.id(), Gateway: "decta", Account: "default", Via: "webhook", Verified: "none",
			BodySHA256: hexDigest, Body: fmt.Appendf(nil, `{"id":"%s","n":%d,"name":"Ünï\"cödé"}`, s.id, w.n),
		},
		Registration: registration,
	})
	if err != nil {
		tb.Fatalf("decide: %v", err)
	}
	a := appended{stream: s.stream}
	record := func(decided []order.Decided) {
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
	}
	record(decided)
	if w.rich {
		record(w.endDispute(tb, s, now))
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
	now := w.now()
	w.n++
	digest := sha256.Sum256(fmt.Appendf(nil, "quarantined body %d", w.n/2))
	hexDigest := hex.EncodeToString(digest[:])
	return appended{stream: order.QuarantineStream("everifin"), events: []eventstore.EventData{encode(tb,
		order.NotificationEventID("everifin", "default", hexDigest),
		order.NotificationQuarantined{
			NotificationID: hexDigest[:26], Gateway: "everifin", Account: "default", Via: "webhook", Verified: "none",
			Code: order.FlagUnknownOrder, Detail: "no order has this id", ReceivedAt: now, BodySHA256: hexDigest,
		},
		order.Metadata{RecordedAt: now, OccurredAt: now, ReceivedAt: now, Source: "everifin", Actor: "system"})}}
}
