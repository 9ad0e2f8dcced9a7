package order

import (
	"strconv"

	"github.com/order-ledger/order-ledger/domain/money"
)

// introduce makes sure that the order knows the payment and its amount, and
// returns our id of it.
func (d *decider) introduce(at At, ref PaymentRef, amount *money.Money, method string) *Payment {
	return d.introduceVersion(at, ref, amount, method, Version{})
}

func (d *decider) introduceVersion(at At, ref PaymentRef, amount *money.Money, method string, v Version) *Payment {
	id := DeriveID(d.orderID, "payment", ref.SourceID)
	var version *Version
	if v != (Version{}) {
		version = &v
	}
	p := d.s.payment(id)
	if p == nil || p.SourceID == "" {
		d.emit(At{Key: "payment:" + ref.SourceID, OccurredAt: at.OccurredAt, Basis: at.Basis}, PaymentInitiated{
			PaymentID: id, SourcePaymentID: ref.SourceID, SourceOrderID: ref.SourceOrderID,
			Amount: amount, Method: method, Version: version,
		})
		d.countAwaiting(id)
		return d.s.payment(id)
	}
	newer := p.amountVersion.compare(v, d.receivedAt)
	if amount != nil && (!p.AmountKnown || newer > 0 || (newer == 0 && !p.Amount.Equal(*amount))) {
		d.emit(At{Key: "payment:" + ref.SourceID + ":amount:" + amount.String() + ":" + strconv.Itoa(d.s.events()),
			OccurredAt: at.OccurredAt, Basis: at.Basis},
			PaymentAmountLearned{PaymentID: id, Amount: *amount, Method: method, Version: version})
		d.countAwaiting(id)
	}
	return d.s.payment(id)
}

// repeats finds the payments whose known amount is told again, by a newer version
// and with nothing new about them. That is worth noting, or a report older than it
// that arrives later would count as the newest, but it is no event of its own.
func (d *decider) repeats(facts []Fact, own *Version) []AmountRepeated {
	var repeated []AmountRepeated
	for _, f := range facts {
		seen, ok := f.(PaymentSeen)
		if !ok || seen.Amount == nil {
			continue
		}
		for i := range d.s.Payments {
			p := &d.s.Payments[i]
			if p.SourceID == seen.Payment.SourceID && p.AmountKnown && p.Amount.Equal(*seen.Amount) &&
				(p.Method != "" || seen.Method == "") && p.amountVersion.compare(seen.Version, d.receivedAt) > 0 {
				again := AmountRepeated{PaymentID: p.ID}
				if own == nil || own.Compare(seen.Version) != 0 {
					again.Version = &seen.Version
				}
				repeated = append(repeated, again)
			}
		}
	}
	return repeated
}

// countAwaiting counts the facts that waited for the payment's amount, and
// corrects a capture that took an amount which has changed since.
func (d *decider) countAwaiting(id string) {
	p := d.s.payment(id)
	if !p.AmountKnown {
		return
	}
	if a := p.AwaitsConfirm; a != nil && p.Amount.IsPositive() {
		d.emit(a.at(), PaymentConfirmed{PaymentID: id, Amount: p.Amount})
		p = d.s.payment(id)
	}
	if a := p.AwaitsCapture; a != nil {
		d.capture(a.at(), id, capture{Amount: p.Amount, ofPayment: true})
		p = d.s.payment(id)
	}
	if a := p.AwaitsSettle; a != nil {
		d.settle(a.at(), id, p.Amount, Settled{})
		p = d.s.payment(id)
	}
	if p.captureRevisable && p.Captured.IsPositive() && !p.Captured.Equal(p.Amount) && p.Held.IsZero() {
		d.reviseCapture(id, p.Amount, true, "the amount of the payment was learnt")
	}
}

func (a *Awaiting) at() At {
	return At{Key: a.Key, OccurredAt: a.OccurredAt, Basis: a.Basis, Status: a.Status}
}

// paymentFact decides facts about one payment.
func (d *decider) paymentFact(f Fact) bool {
	at := f.about()
	switch f := f.(type) {
	case PaymentSeen:
		p := d.introduceVersion(at, f.Payment, f.Amount, f.Method, f.Version)
		if at.Status != "" {
			d.emit(at, GatewayStatusObserved{PaymentID: p.ID, Status: at.Status, Recognised: true})
		}
	case Processing:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentProcessingStarted{PaymentID: p.ID, Attempt: f.Attempt})
	case PendingAtProvider:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentPendingAtProvider{PaymentID: p.ID})
	case Failed:
		p := d.introduce(at, f.Payment, nil, "")
		attempt := f.Attempt
		if !f.Final && attempt == 0 {
			attempt = max(1, p.Attempts)
		}
		if f.ReasonCode != "" && p.ReasonCode == "" && d.s.Seen(EventID(d.orderID, at.Key, PaymentAttemptFailed{}.EventType())) {
			at = at.with(":reason:" + f.ReasonCode) // the failure was told without its reason before
		}
		d.emit(at, PaymentAttemptFailed{
			PaymentID: p.ID, Attempt: attempt, ReasonCode: f.ReasonCode, ReasonGroup: f.ReasonGroup, Phase: f.Phase,
			AfterConfirmation: p.Confirmed.IsPositive() || p.AwaitsConfirm != nil,
		}, d.deadFlags(p, f.Final)...)
	case Abandoned:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentAbandoned{PaymentID: p.ID, ReasonCode: f.ReasonCode}, d.deadFlags(p, true)...)
	case PaymentLapsed:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentExpired{PaymentID: p.ID, ReasonCode: f.ReasonCode}, d.deadFlags(p, true)...)
	case Withdrawn:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentWithdrawn{PaymentID: p.ID, ReasonCode: f.ReasonCode}, d.deadFlags(p, true)...)
	case OutcomeUnknown:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, PaymentOutcomeUnknown{PaymentID: p.ID}, FlagPaymentOutcomeUnknown)
	default:
		return d.moneyFact(f)
	}
	return true
}

// deadFlags flags a payment that ended although it was captured.
func (d *decider) deadFlags(p *Payment, final bool) []Flag {
	if final && p.Captured.IsPositive() {
		return []Flag{FlagPaidAfterClose}
	}
	return nil
}

// moneyFact decides facts that move a payment's money.
func (d *decider) moneyFact(f Fact) bool {
	at := f.about()
	switch f := f.(type) {
	case Confirmed:
		p := d.introduce(at, f.Payment, f.Amount, "")
		switch amount, known := ownAmount(p, f.Amount); {
		case !known:
			d.await(at, p.ID, PaymentConfirmed{})
		case amount.IsPositive():
			d.emit(at, PaymentConfirmed{PaymentID: p.ID, Amount: amount})
		default:
			d.emit(at, GatewayStatusObserved{PaymentID: p.ID, Status: at.Status, Recognised: true})
		}
	case Captured:
		d.captured(at, f)
	case Settled:
		d.settled(at, f)
	case Totals:
		d.totals(at, f)
	case ReversalStarted:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, ReversalInitiated{PaymentID: p.ID, Amount: f.Amount})
	case ReversalRefused:
		p := d.introduce(at, f.Payment, nil, "")
		d.emit(at, ReversalFailed{PaymentID: p.ID, Reason: f.Reason, Phase: f.Phase})
	default:
		return false
	}
	return true
}

// ownAmount is the amount told, or else the payment's own.
func ownAmount(p *Payment, told *money.Money) (money.Money, bool) {
	if told != nil {
		return *told, true
	}
	return p.Amount, p.AmountKnown
}

// await records a fact whose amount is not known yet.
func (d *decider) await(at At, paymentID string, e Event) {
	pending := EnrichmentPending{PaymentID: paymentID, Awaited: e.EventType(), Key: at.Key}
	d.emit(at.with(":pending:"+e.EventType()), pending)
}

func (d *decider) captured(at At, f Captured) {
	p := d.introduce(at, f.Payment, f.Amount, f.Method)
	amount, known := ownAmount(p, f.Amount)
	switch {
	case p.Captured.IsPositive():
		d.captureAgain(at, p, f)
	case !known:
		d.await(at, p.ID, PaymentCaptured{})
	default:
		d.capture(at, p.ID, capture{
			Amount: amount, Method: f.Method, Scheme: f.Scheme, ARN: f.ARN, implied: f.Implied, ofPayment: f.Amount == nil,
		})
	}
}

// captureAgain looks at a capture that is known already: a told amount
// corrects one that was not told; a named capture confirms an implied one.
func (d *decider) captureAgain(at At, p *Payment, f Captured) {
	if f.Amount != nil && !f.Implied && p.captureRevisable && !p.Captured.Equal(*f.Amount) {
		d.reviseCapture(p.ID, *f.Amount, false, "the amount of the capture was learnt")
		return
	}
	if f.Implied || d.s.Seen(EventID(d.orderID, at.Key, "PaymentCaptured")) && !p.captureImplied {
		return
	}
	d.emit(at, GatewayStatusObserved{
		PaymentID: p.ID, Status: at.Status, Recognised: true, ConfirmsCapture: p.captureImplied,
	})
}

// capture is what is known of a capture that is to be recorded.
type capture struct {
	Amount                      money.Money
	Method, Scheme, ARN         string
	implied, ofPayment, assumed bool
}

func (d *decider) capture(at At, paymentID string, c capture) {
	if !c.Amount.IsPositive() { // a payment of nothing moves nothing
		d.emit(at, GatewayStatusObserved{PaymentID: paymentID, Status: at.Status, Recognised: true})
		return
	}
	var flags []Flag
	if c.implied {
		flags = append(flags, FlagCaptureImplied)
	}
	if c.assumed {
		flags = append(flags, FlagAmountAssumed)
	}
	if d.isAfterClose(at, d.s.payment(paymentID)) {
		flags = append(flags, FlagPaidAfterClose)
	}
	d.emit(at, PaymentCaptured{
		PaymentID: paymentID, Amount: c.Amount, Method: c.Method, Scheme: c.Scheme, ARN: c.ARN,
		Implied: c.implied, AmountOfPayment: c.ofPayment, Assumed: c.assumed,
	}, flags...)
	d.releaseRest(at, paymentID)
}

// isAfterClose tells whether money comes after its order or payment was
// closed (domain rule A14).
func (d *decider) isAfterClose(at At, p *Payment) bool {
	if p.Dead {
		return true
	}
	switch d.s.Lifecycle {
	case LifecycleExpired, LifecycleCancelled, LifecycleRejected:
		return at.OccurredAt.IsZero() || !d.believed(at.OccurredAt).Before(d.s.LifecycleAt)
	case LifecycleOpen, LifecycleOverdue:
	}
	return false
}

// reviseCapture replaces a captured amount by one that was learnt later: that of
// the payment, which may be learnt again, or that of the capture. more are
// adjustments that follow from it.
func (d *decider) reviseCapture(paymentID string, amount money.Money, ofPayment bool, reason string, more ...Adjustment) {
	p := d.s.payment(paymentID)
	adjustments := append([]Adjustment{adjustment(BalanceCaptured, p.Captured, amount, paymentID)}, more...)
	if p.Settled.IsPositive() && (p.Settled.Equal(p.Captured) || less(amount, p.Settled)) {
		adjustments = append(adjustments, adjustment(BalanceSettled, p.Settled, amount, paymentID))
	}
	d.correct("capture:"+paymentID, LedgerCorrectionRecorded{
		CorrectsEventID: p.captureEvent.String(), Reason: reason, Adjustments: adjustments, AmountOfPayment: ofPayment,
	})
	d.releaseRest(At{Key: "correct:capture:" + paymentID}, paymentID)
}

// adjustment moves a payment's balance from one amount to another.
func adjustment(b Balance, from, to money.Money, paymentID string) Adjustment {
	a := Adjustment{Balance: b, Direction: Increase, Amount: sub(to, from), PaymentID: paymentID}
	if a.Amount.IsNegative() {
		a.Direction, a.Amount = Decrease, a.Amount.Neg()
	}
	return a
}

// correct puts right what an earlier event assumed.
func (d *decider) correct(key string, c LedgerCorrectionRecorded) {
	d.emit(At{Key: "correct:" + key + ":" + strconv.Itoa(d.s.events())}, c)
}

func (d *decider) settled(at At, f Settled) {
	p := d.introduce(at, f.Payment, f.Amount, "")
	amount, known := ownAmount(p, f.Amount)
	if f.Amount == nil && p.Captured.IsPositive() {
		amount, known = p.Captured, true
	}
	switch {
	case p.Settled.IsPositive():
		if f.Amount != nil && p.captureRevisable && !p.Captured.Equal(*f.Amount) {
			d.reviseCapture(p.ID, *f.Amount, false, "the amount of the settlement was learnt")
		}
	case !known:
		d.await(at, p.ID, PaymentSettled{})
	default:
		d.settle(at, p.ID, amount, f)
	}
}

// settle records that money arrived; it cannot have without a capture.
func (d *decider) settle(at At, paymentID string, amount money.Money, f Settled) {
	if p := d.s.payment(paymentID); p.Captured.IsZero() {
		d.capture(at, paymentID, capture{Amount: amount, ofPayment: f.Amount == nil})
	}
	if amount.IsPositive() {
		d.emit(at, PaymentSettled{
			PaymentID: paymentID, Amount: amount, SettlementRef: f.SettlementRef, Net: f.Net, Fee: f.Fee,
		})
	}
}
