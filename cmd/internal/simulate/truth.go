package simulate

// Words of the figures' states.
const (
	lifecycleOpen      = "OPEN"
	lifecycleOverdue   = "OVERDUE"
	lifecycleExpired   = "EXPIRED"
	lifecycleCancelled = "CANCELLED"
	lifecycleRejected  = "REJECTED"

	disputeNone    = "NONE"
	disputeInquiry = "INQUIRY"
	disputeOpen    = "OPEN"
)

// truth is what really happened to an order so far, in minor units. Scripts
// move it directly; nothing here is read from what the gateways say.
type truth struct {
	id, reference string
	currency      currency // code "" while nothing told it
	due           int64
	dueKnown      bool

	authorised, expected, captured, settled, external, reversed int64
	refundPending, refunded, disputeHeld, disputeLost           int64
	// refundOpen: a refund is under way, its amount known or not.
	refundOpen         bool
	dispute, lifecycle string

	test   bool
	payout *payoutTruth
}

type payoutTruth struct {
	amount, paidOut int64
	state           string
}

func newTruth() truth { return truth{dispute: disputeNone, lifecycle: lifecycleOpen} }

// gross is what the customer paid: reversals undo a payment, refunds and
// disputes do not.
func (t *truth) gross() int64 { return t.captured + t.external - t.reversed }

func (t *truth) paymentState() string {
	switch gross := t.gross(); {
	case t.dueKnown && gross >= t.due:
		return "PAID"
	case gross > 0:
		return "PARTIALLY_PAID"
	}
	return "UNPAID"
}

func (t *truth) refundState() string {
	switch {
	case t.refunded > 0 && t.refunded >= t.captured+t.external:
		return "FULL"
	case t.refundOpen:
		return "PENDING"
	case t.refunded > 0:
		return "PARTIAL"
	}
	return "NONE"
}

func (t *truth) overpaid() int64 {
	if !t.dueKnown {
		return 0
	}
	return max(0, t.gross()-t.due)
}

// row writes the truth as the ledger shows it.
func (t *truth) row(gateway, scenario string) Expected {
	e := Expected{Gateway: gateway, SourceOrderID: t.id, MerchantReference: t.reference, Scenario: scenario}
	if t.currency.code != "" {
		e.Currency = &t.currency.code
	}
	text := t.currency.text
	if t.payout != nil {
		e.View = ViewPayouts
		e.Payout = &Payout{Amount: text(t.payout.amount), PaidOut: text(t.payout.paidOut), PayoutState: t.payout.state}
		return e
	}
	if t.test {
		e.View = ViewTestOrders
	}
	gross := t.gross()
	e.Figures = &Figures{
		Authorised: text(t.authorised), Expected: text(t.expected), Captured: text(t.captured), Settled: text(t.settled),
		ReceivedExternally: text(t.external), Reversed: text(t.reversed),
		RefundPending: text(t.refundPending), Refunded: text(t.refunded),
		DisputeHeld: text(t.disputeHeld), DisputeLost: text(t.disputeLost),
		GrossPaid: text(gross), Net: text(gross - t.refunded - t.disputeHeld - t.disputeLost),
		Overpaid:     text(t.overpaid()),
		PaymentState: t.paymentState(), RefundState: t.refundState(), DisputeState: t.dispute, Lifecycle: t.lifecycle,
	}
	if t.dueKnown {
		due := text(t.due)
		e.AmountDue = &due
	}
	return e
}
