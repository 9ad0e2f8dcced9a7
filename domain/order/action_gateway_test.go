package order_test

import (
	"errors"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// One call to the gateway at a time: while one has no answer, another one about the order is refused,
// until its caller must have died.
func TestGatewayActions_OneAtATime(t *testing.T) {
	t.Parallel()
	f := newFold(t)
	f.do(order.Register{Order: order.OrderRegistered{Kind: order.KindPayment, Source: "everifin", AmountDue: ptr(eur("50.00"))}, AtGateway: true})
	f.refused("action_under_way", order.CancelOrder{AtGateway: true})
	f.now = f.now.Add(order.AnswerPatience)
	f.do(order.ChangeAmount{Amount: eur("60.00"), AtGateway: true})
	if !f.state.AmountDue.Equal(eur("50.00")) {
		t.Errorf("the amount due is %s before the gateway told", f.state.AmountDue)
	}
	f.answer(order.GatewayUnknown)
	f.do(order.CancelOrder{AtGateway: true})
	f.answer(order.GatewayRefused)
	if s := f.state; s.Lifecycle != order.LifecycleOpen || len(s.GatewayActions) != 3 || len(s.Flags()) != 1 || s.Flags()[0] != order.FlagGatewayOutcomeUnknown {
		t.Errorf("lifecycle %s, flags %v, actions %+v", s.Lifecycle, s.Flags(), s.GatewayActions)
	}
}

// A refund that the gateway refuses gives back what it had reserved; one whose answer is lost does not.
func TestGatewayActions_RefusedRefund(t *testing.T) {
	t.Parallel()
	f := newFold(t)
	f.do(order.Register{Order: order.OrderRegistered{Kind: order.KindPayment, Source: "decta", AmountDue: ptr(eur("50.00"))}})
	f.apply(order.PaymentInitiated{PaymentID: "p", Amount: ptr(eur("50.00"))}, order.PaymentCaptured{PaymentID: "p", Amount: eur("50.00")})
	f.do(order.RefundPayment{Amount: ptr(eur("30.00")), AtGateway: true})
	f.refused("refund_exceeds_refundable", order.RefundPayment{Amount: ptr(eur("20.01")), AtGateway: true})
	f.answer(order.GatewayRefused)
	f.do(order.RefundPayment{Amount: ptr(eur("50.00")), AtGateway: true})
	f.answer(order.GatewayUnknown)
	f.refused("refund_exceeds_refundable", order.RefundPayment{Amount: ptr(eur("0.01")), AtGateway: true})
}

// fold is an order that commands are carried out on.
type fold struct {
	t     *testing.T
	state order.State
	now   time.Time
	n     int
}

func newFold(t *testing.T) *fold {
	t.Helper()
	return &fold{t: t, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
}

func (f *fold) apply(events ...order.Event) {
	for _, e := range events {
		f.state.Apply(order.Recorded{
			Event: e, ID: order.EventID("o", e.EventType()+f.now.String(), e.EventType()), Revision: f.state.Revision + 1,
			Metadata: order.Metadata{OccurredAt: f.now, RecordedAt: f.now},
		})
	}
}

func (f *fold) decide(a order.Action) ([]order.Decided, error) {
	f.n++
	key := string(rune('a' + f.n))
	return order.Decide(f.state, order.Instruct{
		OrderID: "o", At: f.now, Actor: "kim", Action: a,
		Evidence: order.CommandRecorded{CommandID: key, Action: a.ActionName(), KeySHA256: key},
	})
}

func (f *fold) take(decided []order.Decided) {
	f.t.Helper()
	for _, d := range decided {
		f.state.Apply(order.Recorded{Event: d.Event, ID: d.ID, Revision: f.state.Revision + 1, Metadata: order.Metadata{OccurredAt: d.OccurredAt, RecordedAt: f.now}})
	}
	if err := f.state.Err(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fold) do(a order.Action) {
	f.t.Helper()
	decided, err := f.decide(a)
	if err != nil {
		f.t.Fatalf("%s: %v", a.ActionName(), err)
	}
	f.take(decided)
}

func (f *fold) refused(code string, a order.Action) {
	f.t.Helper()
	_, err := f.decide(a)
	var rejection *order.Rejection
	if !errors.As(err, &rejection) || rejection.Code != code {
		f.t.Errorf("%s: %v, want a refusal %s", a.ActionName(), err, code)
	}
}

// answer is what the gateway answers to the newest command.
func (f *fold) answer(o order.GatewayOutcome) {
	f.t.Helper()
	id := f.state.GatewayActions[len(f.state.GatewayActions)-1].CommandID
	for range 2 { // a second time changes nothing
		decided, err := order.Decide(f.state, order.RecordGatewayAnswer{Answer: order.GatewayActionAnswered{CommandID: id, Outcome: o}, At: f.now})
		if err != nil {
			f.t.Fatal(err)
		}
		f.take(decided)
	}
}
