package order

import (
	"strconv"

	"github.com/order-ledger/order-ledger/domain/money"
)

// totals decides a snapshot of a payment of which the source tells cumulative
// totals (domain 4.5). The balances that it aims at depend only on what is
// known, not on the order in which it became known:
//
//	held      H   what was authorised
//	captured  C   the total, less what a partial capture released
//	released      the rest of the hold, once captured or over
//	reversed  V   the taken-back counter beyond what the hold released
func (d *decider) totals(at At, f Totals) {
	assumed, untold := false, f.Total.Currency().IsZero()
	if untold {
		var known bool
		if f.Total, assumed, known = d.untoldTotal(f.Payment, f.Method, at); !known {
			d.awaitTotal(at, f)
			return
		}
	}
	p := d.introduce(at, f.Payment, &f.Total, f.Method)
	id := p.ID
	if f.Held && p.Held.IsZero() && f.Total.IsPositive() {
		d.emit(at.with(":hold").on(f.HeldAt), PaymentAuthorized{PaymentID: id, Amount: f.Total, ExpiresAt: f.HoldEnds})
	}
	if f.Captured {
		// Without the counter, a captured hold may be a partial capture.
		ofPayment := untold || (f.TakenBack == nil && d.s.payment(id).Held.IsPositive())
		d.captureTotals(at, id, f, assumed, ofPayment)
	}
	d.releaseRest(at, id)
	d.takeBack(at, id, f)
}

// untoldTotal is the total of a snapshot that does not tell it: the payment's
// own, or what the order asks for where the payment is the order itself.
func (d *decider) untoldTotal(ref PaymentRef, method string, at At) (total money.Money, assumed, known bool) {
	p := d.introduce(at, ref, nil, method)
	switch {
	case p.AmountKnown:
		return p.Amount, false, true
	case d.s.DueKnown && ref.SourceID == d.s.SourceOrderID:
		return d.s.AmountDue, true, true
	}
	return money.Money{}, false, false
}

// awaitTotal records what a snapshot says as far as it can be without any
// amount; the rest waits.
func (d *decider) awaitTotal(at At, f Totals) {
	if f.Captured {
		d.captured(at.with(":captured").on(f.CapturedAt), Captured{
			Payment: f.Payment, Method: f.Method, Scheme: f.Scheme, ARN: f.ARN, Implied: f.CaptureImplied,
		})
	}
	id := DeriveID(d.orderID, "payment", f.Payment.SourceID)
	if f.Held && !f.Captured {
		d.emit(at.with(":hold").on(f.HeldAt), GatewayStatusObserved{PaymentID: id, Status: at.Status, Recognised: true})
	}
	if f.ReversalReported && d.s.payment(id).AwaitsReversal == nil {
		d.awaitReversal(at.on(f.ReversedAt), id, money.Money{})
	}
}

// learnTotal tells the payment of a gateway order that is one payment what it
// asks for, once a body says it; what waited for it is counted.
func (d *decider) learnTotal(at At, reg Registration) {
	if reg.AmountDue == nil || reg.SourceOrderID == "" || d.s.Kind == KindPayout {
		return
	}
	id := DeriveID(d.orderID, "payment", reg.SourceOrderID)
	p := d.s.payment(id)
	if p == nil || p.SourceID == "" || p.AmountKnown {
		return
	}
	p = d.introduce(at, PaymentRef{SourceID: reg.SourceOrderID, SourceOrderID: reg.SourceOrderID}, reg.AmountDue, "")
	if a := p.AwaitsReversal; a != nil && p.Captured.IsPositive() {
		d.takeBack(a.at(), id, Totals{At: a.at(), ReversalReported: true})
	}
}

func (d *decider) captureTotals(at At, id string, f Totals, assumed, ofPayment bool) {
	p := d.s.payment(id)
	amount := f.Total
	if p.Held.IsPositive() && f.TakenBack != nil {
		if f.ReversalReported || !less(*f.TakenBack, f.Total) { // released and reversed cannot be told apart here
			assumed = assumed || f.TakenBack.IsPositive()
		} else {
			amount = floorZero(sub(f.Total, *f.TakenBack))
		}
	}
	on := f.CapturedAt
	if on.IsZero() {
		on = at.OccurredAt
	}
	key := ":captured"
	if !f.CapturedAt.IsZero() {
		key += ":" + strconv.FormatInt(f.CapturedAt.Unix(), 10)
	}
	switch {
	case p.Captured.IsZero():
		d.capture(at.with(key).on(on), id, capture{
			Amount: amount, Method: f.Method, Scheme: f.Scheme, ARN: f.ARN, implied: f.CaptureImplied, assumed: assumed,
			ofPayment: ofPayment,
		})
	case p.captureRevisable && !assumed && !p.Captured.Equal(amount) && f.TakenBack != nil && p.Held.IsPositive():
		var more []Adjustment
		if back := sub(p.Captured, amount); back.IsPositive() && p.Reversed.IsPositive() {
			// What was taken for reversed had been released.
			more = append(more, adjustment(BalanceReversed, p.Reversed, floorZero(sub(p.Reversed, back)), id))
		}
		d.reviseCapture(id, amount, false, "the captured part of the hold was learnt", more...)
	}
}

// releaseRest ends what is left of a hold that was captured or closed: a hold
// is captured once.
func (d *decider) releaseRest(at At, id string) {
	p := d.s.payment(id)
	rest := floorZero(sub(sub(p.Held, p.Captured), p.Released))
	if !rest.IsPositive() {
		return
	}
	cause := ReleasePartialCapture
	switch {
	case p.Captured.IsPositive():
	case p.HoldEnded:
		cause = ReleaseLateHold
	default:
		return
	}
	d.emit(at.with(":released:"+add(p.Released, rest).String()), AuthorizationReleased{PaymentID: id, Amount: rest, Cause: cause})
}

// takeBack splits the taken-back counter into released holds and reversed
// captures. Without hold and capture it waits for either.
func (d *decider) takeBack(at At, id string, f Totals) {
	p := d.s.payment(id)
	at = at.on(f.ReversedAt)
	if f.ReversedStatus != "" {
		at.Status = f.ReversedStatus
	}
	counter, full := money.Money{}, false
	switch {
	case f.TakenBack != nil && f.TakenBack.IsPositive():
		counter = *f.TakenBack
		if a := p.AwaitsReversal; a != nil && less(counter, a.Amount) {
			counter = a.Amount
		}
	case p.AwaitsReversal != nil && p.AwaitsReversal.Amount.IsPositive():
		counter = p.AwaitsReversal.Amount
	case p.AwaitsReversal != nil, f.ReversalReported:
		full = true
	default:
		return
	}
	if p.Captured.IsZero() && p.Held.IsZero() {
		d.awaitReversal(at, id, counter)
		return
	}
	if p.Captured.IsZero() { // a reversal of a hold only releases it (domain rule A27)
		if open := p.OpenHold(); open.IsPositive() && (full || f.ReversalReported || p.AwaitsReversal != nil) {
			d.emit(at.with(":released:"+add(p.Released, open).String()),
				AuthorizationReleased{PaymentID: id, Amount: open, Cause: ReleaseReversed})
		}
		return
	}
	unused := floorZero(sub(p.Held, p.Captured))
	target, assumed := sub(counter, lesser(counter, unused)), false
	if full {
		if p.Reversed.IsPositive() {
			return
		}
		target, assumed = p.Captured, true
	}
	d.reverseTo(at, id, target, assumed, f)
}

func (d *decider) reverseTo(at At, id string, target money.Money, assumed bool, f Totals) {
	p := d.s.payment(id)
	delta := sub(target, p.Reversed)
	if delta.IsPositive() {
		var flags []Flag
		if assumed {
			flags = []Flag{FlagAmountAssumed}
		}
		d.emit(at.with(":reversed:"+target.String()), PaymentReversed{PaymentID: id, Amount: delta, Assumed: assumed}, flags...)
		return
	}
	if delta.IsNegative() && d.after(at.OccurredAt, p.takenBack) && f.TakenBack != nil {
		d.regressed(at, "amount_reversed", *f.TakenBack)
	}
}

// regressed flags a cumulative counter that went down in a newer snapshot.
func (d *decider) regressed(at At, counter string, value money.Money) {
	d.emit(at.with(":regressed:"+counter+":"+value.String()),
		AnomalyFlagged{Code: FlagCounterRegressed, Detail: counter + " went down to " + value.String()})
}

func (d *decider) awaitReversal(at At, id string, counter money.Money) {
	e := EnrichmentPending{PaymentID: id, Awaited: PaymentReversed{}.EventType(), Key: at.Key}
	if counter.IsPositive() {
		e.Amount = &counter
	}
	d.emit(at.with(":reversal_pending:"+counter.String()), e)
}
