package order

import (
	"fmt"
	"slices"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Codes of refusals that others act on.
const (
	CodeOrderExists   = "order_exists"   // a registration of an order that is there
	CodeGatewayCannot = "gateway_cannot" // only the gateway can, and it cannot be asked to
)

func refuse(code, format string, args ...any) error {
	return &Rejection{Code: code, Reason: fmt.Sprintf(format, args...)}
}

func decideInstruct(state State, c Instruct) ([]Decided, error) {
	if state.Seen(CommandEventID(c.OrderID, c.Evidence.KeySHA256)) {
		return nil, nil
	}
	d := &decider{s: state.scratch(), orderID: c.OrderID, receivedAt: c.At}
	at := At{Key: "cmd:" + c.Evidence.KeySHA256, OccurredAt: c.At, Basis: BasisOperator}
	if register, ok := c.Action.(Register); ok {
		if state.Exists {
			return nil, refuse(CodeOrderExists, "there is such an order already")
		}
		d.emit(at, register.Order) // an order's stream begins with it
		d.emit(at, c.Evidence)
		if register.AtGateway {
			d.askGateway(at, &c, GatewayActionInitiated{Amount: register.Order.AmountDue})
		}
		return d.done()
	}
	switch {
	case !state.Exists:
		return nil, refuse("order_unknown", "there is no such order")
	case state.Kind == KindPayout:
		return nil, refuse("not_a_payment_order", "a payout cannot be changed here")
	}
	d.emit(at, c.Evidence)
	if err := d.act(at, c); err != nil {
		return nil, err
	}
	return d.done()
}

func (d *decider) act(at At, c Instruct) error {
	switch a := c.Action.(type) {
	case ChangeAmount:
		return d.changeAmount(at, &c, a)
	case CapturePayment:
		return d.capturePayment(at, &c, a)
	case VoidPayment:
		return d.voidPayment(at, &c, a)
	case WithdrawPayment:
		return d.withdrawPayment(at, &c)
	case RefundPayment:
		return d.refundPayment(at, &c, a)
	case CompleteRefund:
		return d.completeRefund(at, &c, a)
	case FailRefund:
		return d.failRefund(at, &c, a)
	case ReversePayment:
		return d.reversePayment(at, &c, a)
	case MarkReceived:
		return d.markReceived(at, &c, a)
	case CancelOrder:
		return d.closeOrder(at, &c, a.AtGateway, OrderCancelled{Cause: CauseMerchantRequest})
	case RejectOrder:
		return d.closeOrder(at, &c, a.AtGateway, OrderRejectedByCustomer{ByMerchant: true})
	case RecordDispute:
		return d.recordDispute(at, &c, a)
	case AcceptDispute:
		return d.settleDispute(c, SettleDispute{DisputeID: a.DisputeID, Outcome: OutcomeAccepted})
	case SettleDispute:
		return d.settleDispute(c, a)
	case RepresentDispute:
		return d.represent(at, a)
	case ProvisionDispute:
		return d.provisionDispute(at, a)
	case ProposeCorrection:
		return d.proposeCorrection(at, &c, a)
	case ApproveCorrection:
		return d.approveCorrection(at, &c, a)
	case DeclineCorrection:
		return d.declineCorrection(at, &c, a)
	case ResolveAnomaly:
		return d.resolveAnomaly(at, a)
	case Register:
	}
	return fmt.Errorf("decide: no rule for action %T", c.Action)
}

// payable refuses an amount that no action can move.
func (d *decider) payable(m money.Money) error {
	switch {
	case !m.IsPositive():
		return refuse("amount_not_positive", "the amount must be above zero")
	case m.Currency() != d.s.Currency:
		return refuse("currency_mismatch", "the amount is in %s and the order in %s", m.Currency(), d.s.Currency)
	}
	return nil
}

// underWay tells whether a customer or a bank is busy with a payment.
func (p *Payment) underWay() bool {
	switch p.Status {
	case PaymentProcessingStatus, PaymentPendingStatus, PaymentConfirmedStatus, PaymentUnknownStatus:
		return !p.Dead
	case PaymentInitiatedStatus, PaymentViewedStatus, PaymentFailedStatus, PaymentAbandonedStatus, PaymentExpiredStatus,
		PaymentWithdrawnStatus, PaymentAuthorizedStatus, PaymentReleasedStatus, PaymentCapturedStatus, PaymentSettledStatus,
		PaymentReversedStatus:
	}
	return p.OpenHold().IsPositive()
}

func (s *State) paymentUnderWay() bool {
	for i := range s.Payments {
		if s.Payments[i].underWay() {
			return true
		}
	}
	return false
}

func (s *State) closed() bool {
	return s.Lifecycle == LifecycleCancelled || s.Lifecycle == LifecycleRejected || s.Lifecycle == LifecycleExpired
}

// changeAmount follows Everifin's rules of Update Order.
func (d *decider) changeAmount(at At, c *Instruct, a ChangeAmount) error {
	if err := d.payable(a.Amount); err != nil {
		return err
	}
	switch {
	case d.s.closed():
		return refuse("ORDER_CANNOT_BE_UPDATED", "the order is %s", d.s.Lifecycle)
	case d.s.paymentUnderWay():
		return refuse("ORDER_CANNOT_BE_UPDATED", "a payment of the order is under way; its amount cannot change now")
	case less(a.Amount, d.s.Balances().Gross):
		return refuse("INVALID_ORDER_AMOUNT", "%s was paid already, which is more than %s", d.s.Balances().Gross, a.Amount)
	}
	switch {
	case d.s.DueKnown && d.s.AmountDue.Equal(a.Amount):
	case a.Kept:
		return refuse(CodeGatewayCannot, "the gateway has the order and keeps its amount: cancel the order and issue another one")
	case a.AtGateway:
		return d.askOnce(at, c, GatewayActionInitiated{Amount: &a.Amount})
	default:
		d.emit(at, OrderAmountChanged{NewAmountDue: a.Amount})
	}
	return nil
}

func (d *decider) markReceived(at At, c *Instruct, a MarkReceived) error {
	if d.s.closed() {
		return refuse("order_closed", "the order is %s", d.s.Lifecycle)
	}
	if !d.s.DueKnown {
		return refuse("amount_due_unknown", "what the order asks for is not known")
	}
	if d.s.paymentUnderWay() {
		return refuse("payment_under_way", "a payment of the order is under way at the gateway")
	}
	open := floorZero(sub(d.s.AmountDue, d.s.Balances().Gross))
	if !open.IsPositive() {
		return refuse("already_paid", "nothing of the order is left to be paid")
	}
	amount := open
	if a.Amount != nil {
		amount = *a.Amount
	}
	if err := d.payable(amount); err != nil {
		return err
	}
	if less(open, amount) {
		return refuse("amount_exceeds_open", "%s is left to be paid, less than %s", open, amount)
	}
	if a.AtGateway {
		if !amount.Equal(d.s.AmountDue) {
			return refuse("whole_amount_only", "the gateway marks an order as received as a whole, which is %s", d.s.AmountDue)
		}
		return d.askOnce(at, c, GatewayActionInitiated{Amount: &amount})
	}
	d.emit(at, OrderPaidExternally{Amount: amount})
	return nil
}

// closeOrder closes an order without money, as closing says; where the gateway has it, the gateway does.
func (d *decider) closeOrder(at At, c *Instruct, atGateway bool, closing Event) error {
	gross := d.s.Balances().Gross
	switch {
	case d.s.closed():
		return refuse("order_closed", "the order is %s", d.s.Lifecycle)
	case gross.IsPositive():
		return refuse("order_paid", "%s was paid; it can be refunded, the order cannot be closed", gross)
	case d.s.paymentUnderWay():
		return refuse("payment_under_way", "a payment of the order is under way at the gateway")
	case atGateway:
		return d.askOnce(at, c, GatewayActionInitiated{})
	case d.s.SourceOrderID != "" || len(d.s.Payments) > 0:
		return refuse("known_to_gateway", "the gateway has the order and must close it; the ledger records it when it does")
	}
	d.emit(at, closing)
	return nil
}

func (d *decider) settleDispute(c Instruct, a SettleDispute) error {
	decided, err := decideResolveDispute(d.s, ResolveDispute{
		Key: c.Evidence.KeySHA256, DisputeID: a.DisputeID, Outcome: a.Outcome, Lost: a.Lost, OccurredAt: c.At,
	})
	d.out = append(d.out, decided...)
	return err
}

func (d *decider) represent(at At, a RepresentDispute) error {
	dispute := d.s.dispute(a.DisputeID)
	switch {
	case dispute == nil:
		return refuse("dispute_unknown", "the order has no such dispute")
	case dispute.Resolved:
		return refuse("dispute_resolved", "the dispute has its outcome already: %s", dispute.Outcome)
	case dispute.Stage != StageChargeback:
		return refuse("dispute_not_contestable", "a dispute in the stage %s cannot be represented", dispute.Stage)
	}
	e := DisputeStageEntered{
		Stage: StageRepresentment, DisputeID: dispute.ID, Track: dispute.Track, PaymentID: dispute.PaymentID, InitiatedBy: "merchant",
	}
	if dispute.AmountKnown {
		e.DisputedAmount = &dispute.Amount
	}
	d.emit(at, e)
	return nil
}

func (d *decider) resolveAnomaly(at At, a ResolveAnomaly) error {
	switch {
	case a.Detail == "":
		return refuse("reason_required", "say what was found")
	case !slices.Contains(d.s.Flags(), a.Code):
		return refuse("anomaly_unknown", "the order has no flag %q", a.Code)
	}
	d.emit(at, AnomalyResolved(a))
	if slices.Contains(d.s.Flags(), a.Code) {
		return refuse("anomaly_stands", "%q is what the order's figures say; it goes when they do", a.Code)
	}
	return nil
}
