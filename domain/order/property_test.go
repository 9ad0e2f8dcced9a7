package order_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const testOrderID = "01J9ZZZZZZZZZZZZZZZZZZZZZZ"

var day = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// observe wraps facts in a notification whose body is told apart by name.
func observe(body string, reg order.Registration, facts ...order.Fact) order.Observe {
	reg.Source, reg.SourceAccount = "decta", "default"
	return order.Observe{
		OrderID: testOrderID, ReceivedAt: day.AddDate(0, 6, 0), Registration: reg, Facts: facts,
		Evidence: order.NotificationRecorded{NotificationID: body, Gateway: "decta", Account: "default", BodySHA256: body},
	}
}

// feed decides a command and folds the answer, as the intake does.
func feed(t interface{ Fatalf(string, ...any) }, s order.State, c order.Command) (order.State, []order.Decided) {
	return feedAt(t, s, c, day.AddDate(0, 6, 0))
}

// feedAt is feed at a time of ours.
func feedAt(t interface{ Fatalf(string, ...any) }, s order.State, c order.Command, now time.Time) (order.State, []order.Decided) {
	decided, err := order.Decide(s, c)
	if err != nil {
		t.Fatalf("decide: %v", err)
	}
	for _, d := range decided {
		revision := uint64(0)
		if s.Exists {
			revision = s.Revision + 1
		}
		s = order.Evolve(s, order.Recorded{Event: d.Event, ID: d.ID, Revision: revision, Metadata: order.Metadata{
			OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis, ToldAt: d.ToldAt, SourceStatus: d.SourceStatus, Flags: d.Flags,
			ReceivedAt: now, RecordedAt: now,
		}})
	}
	return s, decided
}

func drawAmount(t *rapid.T) money.Money {
	return eur(fmt.Sprintf("%d.%02d", rapid.IntRange(0, 200).Draw(t, "major"), rapid.IntRange(0, 99).Draw(t, "minor")))
}

func drawMaybe(t *rapid.T) *money.Money {
	if rapid.Bool().Draw(t, "told") {
		return ptr(drawAmount(t))
	}
	return nil
}

// drawFact draws any fact at all: in any order, contradicting, impossible.
func drawFact(t *rapid.T) order.Fact {
	n := rapid.IntRange(0, 30).Draw(t, "key")
	at := order.At{
		Key: fmt.Sprintf("k%d", n), OccurredAt: day.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "hours")) * time.Hour),
		Basis: order.BasisStatusChange, Status: fmt.Sprintf("status %d", n%7),
	}
	if rapid.IntRange(0, 9).Draw(t, "timeless") == 0 {
		at.OccurredAt = time.Time{}
	}
	p := order.PaymentRef{SourceID: rapid.SampledFrom([]string{"p1", "p2"}).Draw(t, "payment"), SourceOrderID: "o1"}
	step := rapid.SampledFrom([]order.RefundStep{
		order.RefundStepInitiated, order.RefundStepCompleted, order.RefundStepFailed, order.RefundStepReversed, order.RefundStepUnknown,
	})
	kind := rapid.IntRange(0, 23).Draw(t, "kind")
	at.Key = fmt.Sprintf("%s:%d:%d", p.SourceID, kind, n) // a key belongs to one fact
	switch kind {
	case 0:
		return order.PaymentSeen{At: at, Payment: p, Amount: drawMaybe(t)}
	case 1:
		return order.Captured{At: at, Payment: p, Amount: drawMaybe(t), Implied: rapid.Bool().Draw(t, "implied")}
	case 2:
		return order.Settled{At: at, Payment: p, Amount: drawMaybe(t)}
	case 3, 4, 5:
		return order.Totals{
			At: at, Payment: p, Total: drawAmount(t), Held: rapid.Bool().Draw(t, "held"), HeldAt: at.OccurredAt,
			Captured: rapid.Bool().Draw(t, "captured"), CapturedAt: at.OccurredAt, TakenBack: drawMaybe(t),
			ReversalReported: rapid.Bool().Draw(t, "reversed"),
		}
	case 6:
		return order.Confirmed{At: at, Payment: p, Amount: drawMaybe(t)}
	case 7:
		return order.Failed{At: at, Payment: p, Attempt: n % 3, Final: rapid.Bool().Draw(t, "final")}
	case 8:
		return order.Withdrawn{At: at, Payment: p}
	case 9:
		return order.Cancelled{At: at, SourceOrderID: "o1"}
	case 10:
		return order.Expired{At: at}
	case 11:
		return order.PaidOutside{At: at, Amount: drawMaybe(t)}
	case 12, 13:
		return order.RefundReported{At: at, SourceRefundID: fmt.Sprintf("r%d", n%3), Payment: &p, Step: step.Draw(t, "step"), Amount: drawMaybe(t)}
	case 14, 15, 16:
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) order.RefundStepAt {
			i := rapid.IntRange(0, 6).Draw(t, "at")
			return order.RefundStepAt{Step: step.Draw(t, "step"), At: order.At{
				Key: fmt.Sprintf("rs%d", i), OccurredAt: day.Add(time.Duration(i) * time.Hour), Basis: order.BasisStatusChange,
			}}
		}), 0, 4).Draw(t, "steps")
		return order.RefundTotals{
			At: at, Payment: p, Refunded: drawMaybe(t), RefundReversed: drawMaybe(t), Pending: drawMaybe(t), Steps: steps, ModifiedAt: at.OccurredAt,
		}
	case 17, 18:
		return order.RefundWord{At: at, Payment: p, Step: step.Draw(t, "step"), Partial: rapid.Bool().Draw(t, "partial"), Amount: drawMaybe(t)}
	case 19, 20:
		return order.DisputeStage{At: at, Payment: p, Stage: rapid.SampledFrom([]order.Stage{
			order.StageRetrieval, order.StageChargeback, order.StageRepresentment, order.StagePreArbitration, order.StageArbitration,
			order.StagePreCompliance, order.StageCompliance, order.StageFraudAdvice, order.StageGoodFaith,
		}).Draw(t, "stage")}
	case 21, 22:
		var chargebacks []order.At
		if rapid.Bool().Draw(t, "chargeback") {
			chargebacks = []order.At{{Key: at.Key + ":cb", OccurredAt: at.OccurredAt}}
		}
		return order.DisputeTotals{
			At: at, Payment: p, Withdrawn: drawMaybe(t), Returned: drawMaybe(t), Chargebacks: chargebacks, ModifiedAt: at.OccurredAt,
			PaidAgain: rapid.Bool().Draw(t, "paid again"),
		}
	default:
		return order.StatusObserved{At: at, Payment: &p, Recognised: rapid.Bool().Draw(t, "recognised")}
	}
}

func drawRegistration(t *rapid.T) order.Registration {
	r := order.Registration{
		Kind: order.KindPayment, SourceOrderID: "o1", MerchantReference: "SO-1",
		Version: order.Version{IssuedAt: day, ModifiedAt: day.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "modified")) * time.Hour)},
	}
	if rapid.Bool().Draw(t, "due told") {
		r.AmountDue = ptr(drawAmount(t))
	}
	r.DueFromPayments = rapid.Bool().Draw(t, "due from payments")
	return r
}

// TestDecide_AnyHistory feeds histories that no gateway would send and checks
// what must hold of every order (invariants I3, I5, I6, I9–I12, I14, I16, I20,
// I23, I24 and I25).
func TestDecide_AnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s order.State
		for i := range rapid.IntRange(1, 12).Draw(t, "notifications") {
			facts := rapid.SliceOfN(rapid.Custom(drawFact), 0, 4).Draw(t, "facts")
			c := observe(fmt.Sprintf("body %d", i), drawRegistration(t), facts...)
			before := s.Clone()
			var decided []order.Decided
			s, decided = feed(t, s, c)
			checkState(t, &s)
			if again, err := order.Decide(s, c); err != nil || len(again) != 0 {
				t.Fatalf("the same notification again: %d events, %v", len(again), err)
			}
			again, err := order.Decide(before, c)
			if diff := cmp.Diff(decided, again, moneyByValue); err != nil || diff != "" {
				t.Fatalf("decided twice from one state (I25), %v:\n%s", err, diff)
			}
			checkSteps(t, before, decided)
			s = endDispute(t, s, i)
			checkState(t, &s)
		}
	})
}

// endDispute has somebody say how a dispute of the order ended, once in a while; gateways go on telling of it.
func endDispute(t *rapid.T, s order.State, n int) order.State {
	if len(s.Disputes) == 0 || !rapid.Bool().Draw(t, "end a dispute") {
		return s
	}
	d := rapid.SampledFrom(s.Disputes).Draw(t, "dispute")
	c := order.ResolveDispute{
		Key: fmt.Sprint(n), DisputeID: d.ID, OccurredAt: day.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "ended")) * time.Hour),
		Outcome: rapid.SampledFrom([]order.Outcome{order.OutcomeWon, order.OutcomeLost, order.OutcomeSplit}).Draw(t, "outcome"),
	}
	if c.Outcome == order.OutcomeSplit {
		c.Lost = ptr(eur("0.50"))
	}
	if _, err := order.Decide(s, c); err != nil {
		var refused *order.Rejection
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return s
	}
	s, _ = feed(t, s, c)
	return s
}

// checkState checks a state against the invariants.
func checkState(t *rapid.T, s *order.State) {
	if err := s.Err(); err != nil {
		t.Fatalf("fold: %v", err)
	}
	b := s.Balances()
	for name, m := range map[string]money.Money{
		"authorised": b.Authorised, "expected": b.Expected, "captured": b.Captured, "settled": b.Settled, "external": b.External,
		"reversed": b.Reversed, "refund pending": b.RefundPending, "refunded": b.Refunded, "dispute held": b.DisputeHeld,
		"dispute lost": b.DisputeLost, "overpaid": b.Overpaid,
	} {
		if m.IsNegative() {
			t.Fatalf("%s is %s (I3)", name, m)
		}
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		if c, err := p.Settled.Cmp(p.Captured); err != nil || c > 0 {
			t.Fatalf("settled %s of captured %s (I9)", p.Settled, p.Captured)
		}
		if p.OpenHold().IsNegative() || (p.Captured.IsPositive() && p.OpenHold().IsPositive()) {
			t.Fatalf("hold of %s open after capture of %s (I10)", p.OpenHold(), p.Captured)
		}
	}
	in := b.Captured.Amount().Add(b.External.Amount())
	out := decimal.Sum(b.Reversed.Amount(), b.Refunded.Amount(), b.RefundPending.Amount(), b.DisputeHeld.Amount(), b.DisputeLost.Amount())
	if got := slices.Contains(s.Flags(), order.FlagExposureExceedsCaptured); got != out.GreaterThan(in) {
		t.Fatalf("%s went out of %s, flagged: %t (I5)", out, in, got)
	}
	var want order.PaymentState
	switch c, _ := b.Gross.Cmp(s.AmountDue); {
	case s.DueKnown && c >= 0:
		want = order.Paid
	case b.Gross.IsPositive():
		want = order.PartiallyPaid
	default:
		want = order.Unpaid
	}
	if got := s.PaymentState(); got != want {
		t.Fatalf("payment state %s with gross %s of due %s, want %s (I11)", got, b.Gross, s.AmountDue, want)
	}
}

// checkSteps replays the events one by one: refunds, disputes and unknown
// statuses never change whether the order is paid (I12), stages move no money
// (I16), unrecognised statuses change no balance (I20), amounts are positive
// and within the currency's digits (I14), what was paid stays paid unless more
// is asked for or money went back (I23), and captured money counts whatever the
// order's lifecycle is (I24).
func checkSteps(t *rapid.T, s order.State, decided []order.Decided) {
	for _, d := range decided {
		before, paid := s.Balances(), s.PaymentState()
		revision := uint64(0)
		if s.Exists {
			revision = s.Revision + 1
		}
		s.Apply(order.Recorded{Event: d.Event, ID: d.ID, Revision: revision, Metadata: order.Metadata{OccurredAt: d.OccurredAt}})
		after := s.Balances()
		if paid == order.Paid && s.PaymentState() != order.Paid {
			switch d.Event.(type) {
			case order.OrderAmountChanged, order.PaymentReversed, order.LedgerCorrectionRecorded:
			default:
				t.Fatalf("%s changed PAID to %s (I23)", d.Event.EventType(), s.PaymentState())
			}
		}
		switch e := d.Event.(type) {
		case order.RefundInitiated, order.RefundCompleted, order.RefundFailed, order.RefundReversed, order.RefundObserved,
			order.DisputeFundsWithdrawn, order.DisputeFundsReinstated, order.DisputeResolved:
			if s.PaymentState() != paid {
				t.Fatalf("%s changed %s to %s (I12)", d.Event.EventType(), paid, s.PaymentState())
			}
		case order.DisputeStageEntered, order.AnomalyFlagged, order.OrderViewed, order.NotificationRecorded:
			if diff := cmp.Diff(before, after, moneyByValue); diff != "" {
				t.Fatalf("%s moved money (I16):\n%s", d.Event.EventType(), diff)
			}
		case order.GatewayStatusObserved:
			if diff := cmp.Diff(before, after, moneyByValue); !e.Recognised && diff != "" {
				t.Fatalf("an unknown status moved money (I20):\n%s", diff)
			}
		case order.PaymentCaptured:
			if !e.Amount.IsPositive() || e.Amount.Amount().Exponent() < -2 {
				t.Fatalf("captured %s (I14)", e.Amount)
			}
			if got := after.Captured.Amount().Sub(before.Captured.Amount()); !got.Equal(e.Amount.Amount()) {
				t.Fatalf("%s was captured of an order that is %s, counted %s (I24)", e.Amount, s.Lifecycle, got)
			}
		}
	}
}

var moneyByValue = cmp.Comparer(func(a, b money.Money) bool { return a.Amount().Equal(b.Amount()) })

// TestDecide_ResolvedDisputeHoldsNothing is invariant I17.
func TestDecide_ResolvedDisputeHoldsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
		due := eur("100.00")
		withdrawn, returned := eur(fmt.Sprintf("%d.00", rapid.IntRange(1, 100).Draw(t, "withdrawn"))), drawMaybe(t)
		var s order.State
		s, _ = feed(t, s, observe("b1", order.Registration{AmountDue: &due, SourceOrderID: "o1"},
			order.Totals{At: order.At{Key: "t", OccurredAt: day}, Payment: p, Total: due, Captured: true, CapturedAt: day},
			order.DisputeStage{At: order.At{Key: "cb", OccurredAt: day.Add(time.Hour)}, Payment: p, Stage: order.StageChargeback},
			order.DisputeTotals{At: order.At{Key: "d"}, Payment: p, Withdrawn: &withdrawn, Returned: returned, ModifiedAt: day.Add(time.Hour)},
		))
		before, disputed := s.Balances(), s.Disputes[0].Amount
		outcome := rapid.SampledFrom([]order.Outcome{
			order.OutcomeWon, order.OutcomeLost, order.OutcomeAccepted, order.OutcomeExpired, order.OutcomeWithdrawn, order.OutcomeSplit,
		}).Draw(t, "outcome")
		c := order.ResolveDispute{Key: "1", DisputeID: s.Disputes[0].ID, Outcome: outcome, OccurredAt: day.Add(48 * time.Hour)}
		if outcome == order.OutcomeSplit {
			c.Lost = ptr(eur("0.50"))
		}
		s, _ = feed(t, s, c)
		checkState(t, &s)
		after := s.Balances()
		if !after.DisputeHeld.IsZero() {
			t.Fatalf("%s still held after %s", after.DisputeHeld, outcome)
		}
		want := map[order.Outcome]money.Money{
			order.OutcomeWon: eur("0.00"), order.OutcomeWithdrawn: eur("0.00"), order.OutcomeSplit: eur("0.50"),
		}
		lost, ok := want[outcome]
		if !ok {
			lost = disputed
		}
		if diff := cmp.Diff(before.DisputeLost.Amount().Add(lost.Amount()).String(), after.DisputeLost.Amount().String()); diff != "" {
			t.Fatalf("lost after %s (-want +got):\n%s", outcome, diff)
		}
		if again, err := order.Decide(s, c); err != nil || len(again) != 0 {
			t.Fatalf("resolving again: %d events, %v", len(again), err)
		}
	})
}
