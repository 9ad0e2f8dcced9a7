package order_test

import (
	"errors"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

func wantRefused(t *testing.T, s order.State, a order.Action, code string) {
	t.Helper()
	decided, err := order.Decide(s, instruct("refused", a))
	var refused *order.Rejection
	if !errors.As(err, &refused) || refused.Code != code || len(decided) > 0 {
		t.Errorf("%s: %v, want a refusal %s", a.ActionName(), err, code)
	}
}

// TestRefundByHand: somebody gives the money back, and says what became of it. The gateway's counters know
// nothing of it, and a refund through the gateway afterwards counts as well.
func TestRefundByHand(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	s = after(t, s, instruct("a", refund("30.00")))
	id, then := s.Refunds[0].ID, day.AddDate(0, 1, 0)
	wantRefused(t, s, order.CompleteRefund{RefundID: "x"}, "refund_unknown")
	wantRefused(t, s, order.CompleteRefund{RefundID: id, OccurredAt: day.AddDate(1, 0, 0)}, "occurred_in_future")
	s = after(t, s, instruct("b", order.CompleteRefund{RefundID: id, OccurredAt: then, Reference: "TRX-1"}))
	b := s.Balances()
	if !b.Refunded.Equal(eur("30.00")) || !b.RefundPending.IsZero() || !b.RefundedByHand.Equal(eur("30.00")) || !s.Refunds[0].ResolvedAt.Equal(then) {
		t.Errorf("%s refunded, %s pending, at %s", b.Refunded, b.RefundPending, s.Refunds[0].ResolvedAt)
	}
	wantRefused(t, s, order.CompleteRefund{RefundID: id}, "refund_decided")
	wantRefused(t, s, order.FailRefund{RefundID: id}, "refund_decided")
	wantRefused(t, s, refund("70.01"), "refund_exceeds_refundable")

	total := eur("20.00")
	s = after(t, s, observe("gateway", order.Registration{SourceOrderID: "o1"}, order.RefundTotals{
		At: reported("refunded"), Payment: card, Refunded: &total, ModifiedAt: day.AddDate(0, 2, 0),
	}))
	if b := s.Balances(); !b.Refunded.Equal(eur("50.00")) || len(s.Flags()) > 0 {
		t.Errorf("%s refunded after the gateway told of another 20.00, flags %v", b.Refunded, s.Flags())
	}
}

// TestRefundByHand_NotMade: the money can be refunded again.
func TestRefundByHand_NotMade(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	s = after(t, s, instruct("a", refund("100.00")))
	s = after(t, s, instruct("b", order.FailRefund{RefundID: s.Refunds[0].ID, ReasonCode: "account_closed"}))
	if b := s.Balances(); !b.Refunded.IsZero() || !b.RefundPending.IsZero() || s.Refunds[0].ReasonCode != "account_closed" {
		t.Errorf("%s refunded, %s pending", b.Refunded, b.RefundPending)
	}
	after(t, s, instruct("c", refund("100.00")))
}

// TestRefundByHand_AtTheGateway: what the gateway makes, it tells, unless its answer was lost: then an
// operator who looked there may say that it is not made.
func TestRefundByHand_AtTheGateway(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	s = after(t, s, instruct("a", order.RefundPayment{AtGateway: true}))
	id := s.Refunds[0].ID
	wantRefused(t, s, order.CompleteRefund{RefundID: id}, "refund_at_gateway")
	wantRefused(t, s, order.FailRefund{RefundID: id}, "refund_at_gateway")
	lost := after(t, s, order.RecordGatewayAnswer{
		Answer: order.GatewayActionAnswered{CommandID: "a", Outcome: order.GatewayUnknown}, At: day.AddDate(0, 6, 0).Add(time.Minute),
	})
	wantRefused(t, lost, order.CompleteRefund{RefundID: id}, "refund_at_gateway")
	if failed := after(t, lost, instruct("b", order.FailRefund{RefundID: id})); !failed.Balances().RefundPending.IsZero() {
		t.Error("the refund is still pending")
	}
}

// TestRefundByHand_ReceivedOutside: what never came through the gateway goes back by hand, and no more
// than that.
func TestRefundByHand_ReceivedOutside(t *testing.T) {
	t.Parallel()
	s := after(t, registered(t, "100.00", ""), instruct("r", order.MarkReceived{Amount: ptr(eur("60.00"))}))
	wantRefused(t, s, order.RefundPayment{AtGateway: true}, "nothing_captured")
	wantRefused(t, s, order.RefundPayment{PaymentID: order.ExternalPayment, AtGateway: true}, "gateway_cannot")
	wantRefused(t, s, refund("60.01"), "refund_exceeds_refundable")
	s = after(t, s, instruct("a", refund("20.00")))
	wantRefused(t, s, refund("40.01"), "refund_exceeds_refundable")
	s = after(t, s, instruct("b", order.CompleteRefund{RefundID: s.Refunds[0].ID}))
	if b := s.Balances(); !b.Refunded.Equal(eur("20.00")) || !b.RefundedExternal.Equal(eur("20.00")) || !b.Net.Equal(eur("40.00")) {
		t.Errorf("balances %+v", b)
	}
	s = paid(t, s, "40.00")
	wantRefused(t, s, refund("1.00"), "payment_required")
	s = after(t, s, instruct("c", order.RefundPayment{PaymentID: order.ExternalPayment, ByHand: true}))
	s = after(t, s, instruct("d", order.RefundPayment{PaymentID: s.Payments[0].ID, ByHand: true}))
	if b := s.Balances(); !b.RefundPending.Equal(eur("80.00")) {
		t.Errorf("%s pending, want 40.00 of each", b.RefundPending)
	}
	wantRefused(t, s, order.RefundPayment{PaymentID: order.ExternalPayment, ByHand: true}, "refund_exceeds_refundable")
}

// TestRecordDispute: an operator opens a dispute that no gateway tells of; its money cannot be refunded;
// the other dispute actions work on it; counters of a gateway that come later hold the same money.
func TestRecordDispute(t *testing.T) {
	t.Parallel()
	by := day.AddDate(0, 7, 0)
	s := paid(t, registered(t, "100.00", ""), "100.00")
	wantRefused(t, s, order.RecordDispute{Stage: order.StageChargeback, Amount: ptr(eur("100.01"))}, "dispute_exceeds_captured")
	wantRefused(t, s, order.RecordDispute{Stage: "quarrel"}, "stage_unknown")
	wantRefused(t, registered(t, "100.00", ""), order.RecordDispute{Stage: order.StageChargeback}, "nothing_captured")

	asked := after(t, s, instruct("inquiry", order.RecordDispute{Stage: order.StageRetrieval, Amount: ptr(eur("70.00"))}))
	if b := asked.Balances(); !b.DisputeHeld.IsZero() || asked.DisputeState() != order.DisputeInquiry {
		t.Errorf("an inquiry holds %s, state %s", b.DisputeHeld, asked.DisputeState())
	}
	s = after(t, asked, instruct("chargeback", order.RecordDispute{
		Stage: order.StageChargeback, ReasonCode: "visa:10.4", ARN: "74537606324000000012345", RespondBy: &by,
	}))
	if d := s.Disputes[0]; len(s.Disputes) != 1 || !d.Held().Equal(eur("70.00")) || d.ReasonCode != "visa:10.4" || !d.RespondBy.Equal(by) {
		t.Errorf("disputes %+v", s.Disputes)
	}
	wantRefused(t, s, order.RecordDispute{Stage: order.StageChargeback}, "dispute_open")
	wantRefused(t, s, refund("30.01"), "disputed_money")

	counted := eur("70.00")
	told := after(t, s, observe("hook", order.Registration{SourceOrderID: "o1"},
		order.DisputeStage{At: reported("chargeback"), Payment: card, Stage: order.StageChargeback},
		order.DisputeTotals{At: reported("chargeback"), Payment: card, Withdrawn: &counted}))
	if b := told.Balances(); !b.DisputeHeld.Equal(eur("70.00")) || len(told.Disputes) != 1 {
		t.Errorf("%s held after the gateway told of the same, %d disputes", b.DisputeHeld, len(told.Disputes))
	}

	id := s.Disputes[0].ID
	s = after(t, s, instruct("represent", order.RepresentDispute{DisputeID: id}))
	s = after(t, s, instruct("won", order.SettleDispute{DisputeID: id, Outcome: order.OutcomeWon}))
	if b := s.Balances(); !b.Net.Equal(eur("100.00")) || s.DisputeState() != order.DisputeWon {
		t.Errorf("net %s, %s", b.Net, s.DisputeState())
	}
	wantRefused(t, s, order.RecordDispute{Stage: order.StageArbitration, OccurredAt: day.AddDate(0, 5, 0)}, "dispute_resolved")
	again := instruct("again", order.RecordDispute{Stage: order.StageChargeback})
	again.At = again.At.Add(time.Hour)
	s = after(t, s, again)
	if len(s.Disputes) != 2 || !s.Balances().DisputeHeld.Equal(eur("100.00")) {
		t.Errorf("a chargeback after the outcome: %d disputes, %s held", len(s.Disputes), s.Balances().DisputeHeld)
	}
}

// TestReject: the order is rejected, whichever comes first: the answer to our call, or the gateway's word
// that the order is cancelled, and though that answer be lost.
func TestReject(t *testing.T) {
	t.Parallel()
	atGateway := unpaidAtGateway(t)
	s := after(t, atGateway, instruct("r", order.RejectOrder{AtGateway: true}))
	answer := func(outcome order.GatewayOutcome) order.Command {
		return order.RecordGatewayAnswer{Answer: order.GatewayActionAnswered{CommandID: "r", Outcome: outcome}, At: day.AddDate(0, 6, 0)}
	}
	cancelled := observe("cancelled", order.Registration{}, order.Cancelled{At: order.At{
		Key: "cancelled", OccurredAt: day.AddDate(0, 6, 1), Basis: order.BasisStatusChange, Status: "cancelled",
	}, SourceOrderID: "o1"})
	for name, steps := range map[string][]order.Command{
		"AnswerFirst": {answer(order.GatewayAccepted), cancelled},
		"HookFirst":   {cancelled, answer(order.GatewayAccepted)},
		"AnswerLost":  {answer(order.GatewayUnknown), cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.Clone()
			for _, c := range steps {
				s = after(t, s, c)
			}
			if s.Lifecycle != order.LifecycleRejected {
				t.Errorf("the order is %s", s.Lifecycle)
			}
		})
	}
	refused := after(t, s, answer(order.GatewayRefused))
	if refused = after(t, refused, cancelled); refused.Lifecycle != order.LifecycleCancelled {
		t.Errorf("cancelled for another reason, the order is %s", refused.Lifecycle)
	}
}
