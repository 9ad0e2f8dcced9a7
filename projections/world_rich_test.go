package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

var payoutStates = []order.PayoutStatus{
	order.PayoutStateRequested, order.PayoutStateProcessing, order.PayoutStatePaid, order.PayoutStateFailed, order.PayoutStateCancelled,
	order.PayoutStateReversed,
}

// richFact makes up something that might happen to an order, of every sort that sources tell of: also what is
// told without its amount, in cumulative counters, in a word, or about the order as a whole.
func (w *world) richFact(s *simulated, now time.Time) order.Fact {
	s.facts++
	at := order.At{
		Key: fmt.Sprintf("%s:rich:%d", s.id, s.facts), OccurredAt: now.Add(-time.Duration(w.random.IntN(100)) * time.Second),
		Basis: order.BasisStatusChange, Status: fmt.Sprintf("word %d", w.random.IntN(9)),
	}
	if w.random.IntN(6) == 0 {
		at.OccurredAt, at.Basis = time.Time{}, order.BasisReceived
	}
	p := order.PaymentRef{SourceID: fmt.Sprintf("p%d", w.random.IntN(3)), SourceOrderID: "src-" + s.id[:8]}
	var told *money.Money
	if w.random.IntN(3) > 0 {
		m := w.amount(s.due.Currency().Code())
		told = &m
	}
	if s.kind == order.KindPayout {
		return order.PayoutReported{At: at, Status: payoutStates[w.random.IntN(len(payoutStates))], Amount: told}
	}
	counter := w.amount(s.due.Currency().Code())
	switch w.random.IntN(30) {
	case 0:
		return order.PaymentSeen{At: at, Payment: p, Amount: told, Method: "wallet", Version: order.Version{ModifiedAt: now}}
	case 1:
		return order.PendingAtProvider{At: at, Payment: p}
	case 2:
		return order.Failed{At: at, Payment: p, Attempt: w.random.IntN(3), ReasonCode: "116", Final: w.random.IntN(2) == 0}
	case 3:
		return order.Abandoned{At: at, Payment: p, ReasonCode: "left"}
	case 4:
		return order.PaymentLapsed{At: at, Payment: p}
	case 5:
		return order.Withdrawn{At: at, Payment: p, ReasonCode: "taken back"}
	case 6:
		return order.OutcomeUnknown{At: at, Payment: p}
	case 7:
		return order.Confirmed{At: at, Payment: p, Amount: told}
	case 8:
		return order.Captured{At: at, Payment: p, Amount: told, Method: "card", Implied: w.random.IntN(2) == 0}
	case 9:
		return order.Settled{At: at, Payment: p, Amount: told}
	case 10, 11, 12:
		held := w.random.IntN(2) == 0
		return order.Totals{
			At: at, Payment: p, Total: s.due, Held: held, HeldAt: at.OccurredAt, Captured: w.random.IntN(2) == 0, CapturedAt: at.OccurredAt,
			TakenBack: told, ReversalReported: w.random.IntN(2) == 0, ReversedAt: at.OccurredAt, ReversedStatus: "reversed",
		}
	case 13:
		return order.ReversalStarted{At: at, Payment: p, Amount: told}
	case 14:
		return order.ReversalRefused{At: at, Payment: p, Reason: "no", Phase: "init"}
	case 15:
		return order.RefundReported{At: at, SourceRefundID: fmt.Sprintf("r%d", w.random.IntN(2)), Payment: &p, Step: order.RefundStepCompleted, Amount: told}
	case 16, 17:
		f := order.RefundTotals{At: at, Payment: p, Refunded: told, ModifiedAt: at.OccurredAt}
		if w.random.IntN(3) == 0 {
			f.RefundReversed = &counter
		}
		return f
	case 18, 28, 29:
		steps := []order.RefundStep{order.RefundStepInitiated, order.RefundStepCompleted, order.RefundStepFailed}
		return order.RefundWord{At: at, Payment: p, Step: steps[w.random.IntN(len(steps))], Partial: w.random.IntN(2) == 0, Amount: told}
	case 19, 20:
		f := order.DisputeTotals{At: at, Payment: p, Withdrawn: told, ModifiedAt: at.OccurredAt, PaidAgain: w.random.IntN(4) == 0}
		if w.random.IntN(2) == 0 {
			f.Returned = &counter
		}
		if told == nil {
			f.Chargebacks = []order.At{at}
		}
		return f
	case 21:
		stages := []order.Stage{order.StageGoodFaith, order.StagePreCompliance, order.StageCompliance, order.StagePreArbitration}
		by := now.AddDate(0, 0, w.random.IntN(30))
		return order.DisputeStage{At: at, Payment: p, Stage: stages[w.random.IntN(len(stages))], Amount: told, CaseNo: "c", RespondBy: &by}
	case 22:
		return order.Expired{At: at}
	case 23:
		return order.Cancelled{At: at, SourceOrderID: "src-" + s.id[:8]}
	case 24:
		return order.Rejected{At: at}
	case 25:
		return order.PaidOutside{At: at, Amount: told}
	case 26:
		words := []string{"UNPAID", "PAID", "strange"}
		at.Status = words[w.random.IntN(len(words))]
		return order.OrderStatusObserved{At: at, SourceOrderID: "src-" + s.id[:8]}
	}
	return order.Viewed{At: at, Payment: &p}
}

// endDispute ends a dispute of the order once in a while.
func (w *world) endDispute(tb testing.TB, s *simulated, now time.Time) []order.Decided {
	tb.Helper()
	if len(s.state.Disputes) == 0 || w.random.IntN(6) > 0 {
		return nil
	}
	d := &s.state.Disputes[w.random.IntN(len(s.state.Disputes))]
	if d.Resolved {
		return nil
	}
	outcomes := []order.Outcome{
		order.OutcomeWon, order.OutcomeLost, order.OutcomeAccepted, order.OutcomeExpired, order.OutcomeWithdrawn, order.OutcomeSplit,
	}
	end := order.ResolveDispute{Key: w.id(), DisputeID: d.ID, Outcome: outcomes[w.random.IntN(len(outcomes))], OccurredAt: now}
	if end.Outcome == order.OutcomeSplit {
		lost := w.amount(s.due.Currency().Code())
		end.Lost = &lost
	}
	decided, err := order.Decide(s.state, end)
	if err != nil {
		tb.Logf("a dispute goes on: %v", err)
	}
	return decided
}

// leaveOut takes from what a notification says about its order what not all of them say, or has it say that another
// amount is due.
func (w *world) leaveOut(s *simulated, r *order.Registration) {
	switch w.random.IntN(12) {
	case 0:
		r.AmountDue = nil
	case 1:
		s.due = w.amount(s.due.Currency().Code())
	case 2:
		r.MerchantReference = ""
	case 3:
		r.SourceOrderID = ""
	}
}
