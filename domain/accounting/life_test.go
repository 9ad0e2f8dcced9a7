package accounting_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// truth is what really happened to an order, in minor units, kept by plain arithmetic that shares nothing with the ledger.
type truth struct {
	t        *rapid.T
	currency money.Currency
	now      time.Time
	due      int64
	external int64
	payments []*truePayment
	log      []order.Command
}

type truePayment struct {
	id                        string
	asked, held, captured     int64
	reversed, refunded, back  int64
	pending                   int64
	withdrawn, returned, lost int64
	byHand, provided          int64
	paidAt                    time.Time
	steps                     []order.RefundStepAt
	chargebacks               []order.At
}

func (p *truePayment) left() int64 {
	return p.captured - p.reversed - (p.refunded - p.back) - p.byHand - p.disputed() - p.lost - p.pending
}

func (p *truePayment) disputed() int64 { return p.withdrawn - p.returned - p.lost }

func (w *truth) money(n int64) money.Money {
	m, err := money.New(decimal.New(n, -w.currency.MinorUnits()), w.currency)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *truth) at(key string) order.At {
	return order.At{Key: key, OccurredAt: w.now, Basis: order.BasisStatusChange}
}

// tell is the gateway's notification of all that it knows of a payment by now.
func (w *truth) tell(p *truePayment, more ...order.Fact) {
	n := len(w.log)
	key := fmt.Sprintf("%s:%d", p.id, n)
	ref := order.PaymentRef{SourceID: p.id, SourceOrderID: "o"}
	takenBack := w.money(p.reversed)
	if p.held > 0 && p.captured > 0 {
		takenBack = w.money(p.held - p.captured + p.reversed)
	}
	refunded, back, pending, withdrawn, returned := w.money(p.refunded), w.money(p.back), w.money(p.pending), w.money(p.withdrawn), w.money(p.returned)
	total := order.Totals{
		At: w.at(key), Payment: ref, Total: w.money(p.asked), Held: p.held > 0, HeldAt: w.now, Captured: p.captured > 0, CapturedAt: p.paidAt,
		TakenBack: &takenBack, ReversalReported: p.reversed > 0, ReversedAt: w.now,
	}
	facts := append([]order.Fact{total,
		order.RefundTotals{At: w.at(key), Payment: ref, Refunded: &refunded, RefundReversed: &back, Pending: &pending, Steps: slices.Clone(p.steps), ModifiedAt: w.now},
	}, more...)
	facts = append(facts, order.DisputeTotals{At: w.at(key), Payment: ref, Withdrawn: &withdrawn, Returned: &returned, Chargebacks: slices.Clone(p.chargebacks), ModifiedAt: w.now})
	due := w.money(w.due)
	w.log = append(w.log, order.Observe{
		OrderID: "01J9ZZZZZZZZZZZZZZZZZZZZZZ", ReceivedAt: w.now.Add(time.Minute), Facts: facts,
		Registration: order.Registration{Source: "decta", SourceAccount: "default", SourceOrderID: "o", AmountDue: &due, Version: order.Version{IssuedAt: day}},
		Evidence:     order.NotificationRecorded{NotificationID: key, Gateway: "decta", Account: "default", BodySHA256: key},
	})
}

var day = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// live draws what happens next and tells it.
func (w *truth) live(p *truePayment, n int) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(w.t, "hours")) * time.Hour)
	some := func(most int64) int64 { return rapid.Int64Range(1, most).Draw(w.t, "amount") }
	step := func(s order.RefundStep) {
		p.steps = append(p.steps, order.RefundStepAt{Step: s, At: w.at(fmt.Sprintf("%s:%s:%d", p.id, s, n))})
	}
	switch what := rapid.IntRange(0, 10).Draw(w.t, "what"); {
	case p.captured == 0 && p.held == 0 && what < 4:
		p.held = p.asked
	case p.captured == 0:
		p.captured, p.paidAt = p.asked, w.now
		if p.held > 0 && what > 5 {
			p.captured = some(p.held)
		}
	case what == 0 && p.refunded == 0 && p.withdrawn == 0 && p.pending == 0 && p.reversed == 0 && p.left() > 0:
		p.reversed = p.captured
		if p.held == 0 && what > 0 {
			p.reversed = some(p.left())
		}
	case what < 3 && p.pending == 0 && p.left() > 0:
		p.pending = some(p.left())
		step(order.RefundStepInitiated)
	case what < 5 && p.pending > 0:
		p.refunded, p.pending = p.refunded+p.pending, 0
		step(order.RefundStepCompleted)
	case what < 6 && p.pending > 0:
		p.pending = 0
		step(order.RefundStepFailed)
	case what < 7 && p.refunded > p.back:
		p.back += some(p.refunded - p.back)
		step(order.RefundStepReversed)
	case what < 9 && p.left() > 0 && p.pending == 0:
		p.withdrawn += some(p.left())
		at := w.at(fmt.Sprintf("%s:chargeback:%d", p.id, n))
		p.chargebacks = append(p.chargebacks, at)
		w.tell(p, order.DisputeStage{At: at, Payment: order.PaymentRef{SourceID: p.id, SourceOrderID: "o"}, Stage: order.StageChargeback})
		return
	case p.disputed() > 0:
		p.returned += some(p.disputed())
	}
	w.tell(p)
}

// ledger is an order as the ledger has it, with its entries added up.
type ledger struct {
	state order.State
	books accounting.Books
	held  map[accounting.Account]decimal.Decimal
}

// do decides and folds a command; its error is a refusal.
func (l *ledger) do(t *rapid.T, c order.Command) error {
	decided, err := order.Decide(l.state, c)
	if err != nil {
		var refused *order.Rejection
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return err
	}
	for _, d := range decided {
		r := order.Recorded{Event: d.Event, ID: d.ID, Metadata: order.Metadata{
			OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis, ToldAt: d.ToldAt, SourceStatus: d.SourceStatus, Flags: d.Flags, RecordedAt: day,
		}}
		if l.state.Exists {
			r.Revision = l.state.Revision + 1
		}
		l.state = order.Evolve(l.state, r)
		lines, after, err := accounting.EntriesFor(l.books, d.Event, &l.state)
		if err != nil {
			t.Fatal(err)
		}
		l.books = after
		for _, line := range lines {
			l.held[line.Account] = l.held[line.Account].Add(line.Amount.Amount())
		}
	}
	return nil
}

func fold(t *rapid.T, log []order.Command) (*order.State, map[accounting.Account]decimal.Decimal) {
	l := ledger{held: map[accounting.Account]decimal.Decimal{}}
	for _, c := range log {
		if err := l.do(t, c); err != nil {
			t.Fatal(err)
		}
	}
	return &l.state, l.held
}

// TestLife_Decisions: people decide too: disputes get their outcomes, of which some are lost and some in part, provisions are made,
// money comes outside the gateway, refunds are made by hand, and issuers charge back what was refunded already.
func TestLife_Decisions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &truth{t: t, now: day, currency: money.MustParse("1", rapid.SampledFrom([]string{"EUR", "JPY", "BHD"}).Draw(t, "currency")).Currency()}
		w.due = rapid.SampledFrom([]int64{0, 10_000, 25_000}).Draw(t, "due")
		for i := range rapid.IntRange(1, 2).Draw(t, "payments") {
			w.payments = append(w.payments, &truePayment{id: fmt.Sprintf("p%d", i), asked: rapid.SampledFrom([]int64{5_000, 10_000, 12_345}).Draw(t, "asked")})
		}
		l := ledger{held: map[accounting.Account]decimal.Decimal{}}
		for n := range rapid.IntRange(1, 16).Draw(t, "steps") {
			p := rapid.SampledFrom(w.payments).Draw(t, "payment")
			told := len(w.log)
			if rapid.Bool().Draw(t, "decide") && l.state.Exists {
				w.decide(&l, p, n)
			} else {
				w.live(p, n)
			}
			for _, c := range w.log[told:] {
				if err := l.do(t, c); err != nil {
					t.Fatal(err)
				}
			}
			w.check(w.log, &l.state, l.held)
		}
	})
}

// decide has somebody decide something.
func (w *truth) decide(l *ledger, p *truePayment, n int) {
	w.now = w.now.Add(time.Hour)
	do := func(a order.Action) error {
		key := fmt.Sprintf("command %d %s", n, a.ActionName())
		return l.do(w.t, order.Instruct{OrderID: "01J9ZZZZZZZZZZZZZZZZZZZZZZ", At: w.now, Actor: "kim", Action: a,
			Evidence: order.CommandRecorded{CommandID: key, Action: a.ActionName(), KeySHA256: key}})
	}
	id := order.DeriveID("01J9ZZZZZZZZZZZZZZZZZZZZZZ", "payment", p.id)
	amount := rapid.Int64Range(1, 12_345).Draw(w.t, "of")
	m := w.money(amount)
	i := slices.IndexFunc(l.state.Disputes, func(d order.Dispute) bool { return !d.Resolved && d.PaymentID == id })
	switch what := rapid.IntRange(0, 5).Draw(w.t, "decision"); {
	case what <= 2 && i < 0: // there is no dispute
	case what == 0:
		w.settle(do, l.state.Disputes[i].ID, p, 0)
	case what == 1:
		w.settle(do, l.state.Disputes[i].ID, p, min(amount, p.disputed()))
	case what == 2:
		if do(order.ProvisionDispute{DisputeID: l.state.Disputes[i].ID, Amount: m}) == nil {
			p.provided = amount
		}
	case what == 3:
		open := w.due - w.external
		for _, o := range w.payments {
			open -= o.captured - o.reversed
		}
		err := do(order.MarkReceived{Amount: &m})
		switch {
		case err == nil && amount > open:
			w.t.Fatalf("%d was received of %d that were open", amount, open)
		case err == nil:
			w.external += amount
		}
	case what == 4:
		err := do(order.RefundPayment{PaymentID: id, Amount: &m, ByHand: true})
		if (err == nil) != (amount <= p.left() && p.captured > 0) {
			w.t.Fatalf("a refund of %d of %d that are left: %v", amount, p.left(), err)
		}
		if err != nil {
			return
		}
		if err := do(order.CompleteRefund{RefundID: l.state.Refunds[len(l.state.Refunds)-1].ID}); err != nil {
			w.t.Fatal(err)
		}
		p.byHand += amount
	case p.captured > 0 && p.disputed()+p.lost < p.captured-p.reversed: // the issuer charges back what may have been refunded
		p.withdrawn += rapid.Int64Range(1, p.captured-p.reversed-p.disputed()-p.lost).Draw(w.t, "charged back")
		at := w.at(fmt.Sprintf("%s:double:%d", p.id, n))
		p.chargebacks = append(p.chargebacks, at)
		w.tell(p, order.DisputeStage{At: at, Payment: order.PaymentRef{SourceID: p.id, SourceOrderID: "o"}, Stage: order.StageChargeback})
	}
}

// settle ends a dispute: what is not lost of it comes back.
func (w *truth) settle(do func(order.Action) error, id string, p *truePayment, lost int64) {
	held, told, outcome := p.disputed(), w.money(lost), order.OutcomeSplit
	switch lost {
	case 0:
		outcome = order.OutcomeWon
	case held:
		outcome = order.OutcomeLost
	}
	if err := do(order.SettleDispute{DisputeID: id, Outcome: outcome, Lost: &told}); err != nil {
		w.t.Fatal(err)
	}
	p.returned, p.lost, p.provided = p.returned+held-lost, p.lost+lost, 0
}

// TestLife: whatever truly happens to the payments of an order, in currencies of any number of decimals, its balances and
// accounts are what plain arithmetic says, in the order in which it was told and in any other.
func TestLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &truth{t: t, now: day, currency: money.MustParse("1", rapid.SampledFrom([]string{"EUR", "JPY", "BHD"}).Draw(t, "currency")).Currency()}
		w.due = rapid.SampledFrom([]int64{0, 1, 10_000, 25_000}).Draw(t, "due")
		for i := range rapid.IntRange(1, 3).Draw(t, "payments") {
			w.payments = append(w.payments, &truePayment{id: fmt.Sprintf("p%d", i), asked: rapid.SampledFrom([]int64{1, 5_000, 10_000, 12_345}).Draw(t, "asked")})
		}
		for n := range rapid.IntRange(1, 14).Draw(t, "steps") {
			w.live(rapid.SampledFrom(w.payments).Draw(t, "payment"), n)
		}
		s, held := fold(t, w.log)
		w.check(w.log, s, held)
		shuffled := rapid.Permutation(w.log).Draw(t, "arrival")
		s, held = fold(t, shuffled)
		w.check(shuffled, s, held)
	})
}

func (w *truth) check(log []order.Command, s *order.State, held map[accounting.Account]decimal.Decimal) {
	w.t.Helper()
	var gross, refunded, pending, disputed, authorised, lost, byHand, provided int64
	for _, p := range w.payments {
		gross += p.captured - p.reversed
		refunded += p.refunded - p.back + p.byHand
		lost, byHand, provided = lost+p.lost, byHand+p.byHand, provided+p.provided
		pending += p.pending
		disputed += p.disputed()
		if p.captured == 0 {
			authorised += p.held
		}
	}
	gross += w.external
	over := max(0, gross-w.due)
	ofOver := min(refunded+pending, over)
	net := gross - refunded - disputed - lost
	excess := max(0, -net) // went back without ever having come in
	b := s.Balances()
	for _, c := range []struct {
		name string
		want int64
		got  decimal.Decimal
	}{
		{"refunded", refunded, b.Refunded.Amount()}, {"pending", pending, b.RefundPending.Amount()}, {"held by disputes", disputed, b.DisputeHeld.Amount()},
		{"gross", gross, b.Gross.Amount()}, {"net", net, b.Net.Amount()}, {"authorised", authorised, b.Authorised.Amount()}, {"overpaid", over, b.Overpaid.Amount()},
		{"lost", lost, b.DisputeLost.Amount()}, {"1010", -byHand, held[accounting.Bank]}, {"1110", w.external, held[accounting.ExternalClearing]},
		{"1100", net + byHand - w.external, held[accounting.GatewayClearing]}, {"1160", excess, held[accounting.ExcessRecoverable]},
		{"1150, 4090 and 5100", refunded + pending - ofOver + disputed + lost + provided - excess,
			held[accounting.DisputedFunds].Add(held[accounting.Refunds]).Add(held[accounting.ChargebackLosses])},
		{"2350", -provided, held[accounting.DisputeProvision]},
		{"1200", max(0, w.due-gross), held[accounting.Receivable]}, {"2100", -pending, held[accounting.RefundsPayable]},
		{"2200", ofOver - over, held[accounting.CustomerFunds]}, {"4000", -w.due, held[accounting.Sales]},
		{"9100", authorised, held[accounting.Holds]},
	} {
		if want := decimal.New(c.want, -w.currency.MinorUnits()); !want.Equal(c.got) {
			w.t.Fatalf("%s is %s, want %s, told\n%s", c.name, c.got, want, shown(log))
		}
	}
	if excess > 0 {
		return
	}
	for _, c := range []struct {
		name string
		want int64
		got  decimal.Decimal
	}{
		{"1150", disputed, held[accounting.DisputedFunds]}, {"4090", refunded + pending - ofOver, held[accounting.Refunds]}, {"5100", lost + provided, held[accounting.ChargebackLosses]},
	} {
		if want := decimal.New(c.want, -w.currency.MinorUnits()); !want.Equal(c.got) {
			w.t.Fatalf("%s is %s, want %s, told\n%s", c.name, c.got, want, shown(log))
		}
	}
}

// shown is what notifications told, a line each.
func shown(log []order.Command) string {
	var text strings.Builder
	for _, c := range log {
		for _, f := range c.(order.Observe).Facts {
			switch f := f.(type) {
			case order.Totals:
				fmt.Fprintf(&text, "%s %s held %t captured %t taken back %s;", f.Key, f.Total, f.Held, f.Captured, f.TakenBack)
			case order.RefundTotals:
				fmt.Fprintf(&text, " refunded %s back %s pending %s", f.Refunded, f.RefundReversed, f.Pending)
				for _, step := range f.Steps {
					fmt.Fprintf(&text, " %s", step.Key)
				}
			case order.DisputeTotals:
				fmt.Fprintf(&text, "; withdrawn %s returned %s\n", f.Withdrawn, f.Returned)
			}
		}
	}
	return text.String()
}
