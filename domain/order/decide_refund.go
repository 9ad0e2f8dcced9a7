package order

import (
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// refundFact decides facts about refunds.
func (d *decider) refundFact(f Fact) bool {
	switch f := f.(type) {
	case RefundReported:
		d.refundReported(f.At, f)
	case RefundTotals:
		d.refundTotals(f)
	case RefundWord:
		d.refundWord(f.At, f)
	default:
		return false
	}
	return true
}

// refundReported decides a fact about a refund that the source identifies.
func (d *decider) refundReported(at At, f RefundReported) {
	id := d.refundIDOf(f)
	paymentID := ""
	if f.Payment != nil {
		paymentID = d.introduce(at, *f.Payment, nil, "").ID
	}
	if r := d.s.refund(id); r == nil || r.SourceID == "" || (f.Amount != nil && !r.AmountKnown) {
		key := "refund:" + f.SourceRefundID
		if f.Amount != nil {
			key += ":" + f.Amount.String()
		}
		d.emit(At{Key: key, OccurredAt: at.OccurredAt, Basis: at.Basis}, RefundInitiated{
			RefundID: id, SourceRefundID: f.SourceRefundID, PaymentID: paymentID, Amount: f.Amount,
		})
		d.countAwaitingRefund(id)
	}
	r := d.s.refund(id)
	switch f.Step {
	case RefundStepInitiated:
		d.emit(at, GatewayStatusObserved{RefundID: id, Status: at.Status, Recognised: true})
	case RefundStepCompleted:
		amount := r.Amount
		if f.Amount != nil {
			amount = *f.Amount
		}
		switch {
		case r.Completed.IsPositive():
		case amount.IsPositive():
			d.emit(at, RefundCompleted{RefundID: id, PaymentID: paymentID, Amount: amount})
		default:
			d.emit(at.with(":pending"), EnrichmentPending{RefundID: id, Awaited: RefundCompleted{}.EventType(), Key: at.Key})
		}
	case RefundStepFailed:
		d.emit(at, RefundFailed{RefundID: id, PaymentID: paymentID, ReasonCode: f.ReasonCode, Phase: "processing"})
	case RefundStepUnknown:
		d.emit(at, GatewayStatusObserved{RefundID: id, Status: at.Status, Recognised: true}, FlagRefundOutcomeUnknown)
	case RefundStepReversed:
		if back := sub(r.Completed, r.Reversed); back.IsPositive() {
			d.emit(at, RefundReversed{RefundID: id, PaymentID: paymentID, Amount: back})
		}
	}
}

// refundIDOf recognises a refund: by the source's id, or as the one that we asked for and the source
// names for the first time.
func (d *decider) refundIDOf(f RefundReported) string {
	derived := DeriveID(d.orderID, "refund", f.SourceRefundID)
	var ours []string
	for i := range d.s.Refunds {
		r := &d.s.Refunds[i]
		switch {
		case r.ID == derived || r.SourceID == f.SourceRefundID:
			return r.ID
		case r.SourceID == "" && r.Open && !r.External && (f.Amount == nil || (r.AmountKnown && r.Amount.Equal(*f.Amount))):
			ours = append(ours, r.ID)
		}
	}
	if len(ours) > 0 && (f.Amount != nil || len(ours) == 1) {
		return ours[0]
	}
	return derived
}

func (d *decider) countAwaitingRefund(id string) {
	r := d.s.refund(id)
	if a := r.AwaitsComplete; a != nil && r.AmountKnown && r.Amount.IsPositive() {
		d.emit(a.at(), RefundCompleted{RefundID: id, PaymentID: r.PaymentID, Amount: r.Amount})
	}
}

// refundTotals decides cumulative refund counters and the statuses beside
// them (domain 4.5, A7, A8).
func (d *decider) refundTotals(f RefundTotals) {
	p := d.introduce(f.At, f.Payment, nil, "")
	id, ended := p.ID, p.refundClosed
	lastOf := func(step RefundStep) int {
		for i := len(f.Steps) - 1; i >= 0; i-- {
			if f.Steps[i].Step == step {
				return i
			}
		}
		return -1
	}
	// The counters grow where their last status stands among the steps: what
	// was announced before it ended with it, what comes after is still open.
	completed, reversed := lastOf(RefundStepCompleted), lastOf(RefundStepReversed)
	if completed < 0 {
		d.countRefunded(id, f, nil)
	}
	if reversed < 0 {
		d.countRefundReversed(id, f, nil)
	}
	for i := range f.Steps {
		st := &f.Steps[i]
		switch st.Step {
		case RefundStepInitiated:
			d.refundInitiated(id, st, f, ended, !slices.ContainsFunc(f.Steps[i+1:], func(later RefundStepAt) bool { return later.Step != RefundStepReversed }))
		case RefundStepFailed:
			d.refundFailed(id, st)
		case RefundStepCompleted:
			if i == completed {
				d.countRefunded(id, f, st)
			}
		case RefundStepReversed:
			if i == reversed {
				d.countRefundReversed(id, f, st)
			}
		case RefundStepUnknown:
			d.emit(st.At, GatewayStatusObserved{PaymentID: id, Status: st.Status, Recognised: true}, FlagRefundOutcomeUnknown)
		}
	}
}

// refundInitiated opens a refund, unless an earlier notification told of a
// later end of a refund: the status is an old one then. A reversal is about
// one that ended before; last is the newest besides reversals.
func (d *decider) refundInitiated(paymentID string, st *RefundStepAt, f RefundTotals, ended mark, last bool) {
	if d.s.Seen(EventID(d.orderID, st.Key, "RefundInitiated")) && !last {
		return
	}
	if ended != (mark{}) && !d.after(st.OccurredAt, ended) {
		d.emit(st.At, GatewayStatusObserved{PaymentID: paymentID, Status: st.Status, Recognised: true})
		return
	}
	var amount *money.Money
	if last && f.Pending != nil && f.Pending.IsPositive() {
		amount = f.Pending
	}
	open := d.s.openRefund(paymentID)
	if open == nil {
		id := DeriveID(d.orderID, "refund", st.Key)
		d.emit(st.At, RefundInitiated{RefundID: id, PaymentID: paymentID, Amount: amount})
		return
	}
	if amount != nil && !open.AmountKnown {
		d.emit(st.with(":amount:"+amount.String()), RefundInitiated{RefundID: open.ID, PaymentID: paymentID, Amount: amount})
		return
	}
	if d.s.asked(open) { // what we asked for is open since then
		d.emit(st.At, GatewayStatusObserved{PaymentID: paymentID, RefundID: open.ID, Status: st.Status, Recognised: true})
	}
}

func (d *decider) refundFailed(paymentID string, st *RefundStepAt) {
	id := DeriveID(d.orderID, "refund", st.Key)
	if open := d.openRefundAt(paymentID, st.OccurredAt); open != nil {
		id = open.ID
	}
	d.emit(st.At, RefundFailed{RefundID: id, PaymentID: paymentID, Phase: st.Phase})
}

// clockTolerance is how far the clock of a gateway may be behind ours.
const clockTolerance = 2 * time.Minute

// openRefundAt is the newest refund that was open at a time of the source's; nil for none. One that we
// asked for was begun by our clock, and the source's may be behind it, or count in seconds.
func (d *decider) openRefundAt(paymentID string, at time.Time) *Refund {
	for i := len(d.s.Refunds) - 1; i >= 0; i-- {
		r := &d.s.Refunds[i]
		if r.PaymentID != paymentID || !r.Open {
			continue
		}
		since := r.InitiatedAt
		if d.s.asked(r) {
			since = since.Add(-clockTolerance)
		}
		if r.begunUnknown || !since.After(at) {
			return r
		}
	}
	return nil
}

// countRefunded turns the refund counter into a completion of its growth.
func (d *decider) countRefunded(paymentID string, f RefundTotals, completed *RefundStepAt) {
	p := d.s.payment(paymentID)
	at := f.At.on(f.ModifiedAt)
	isNew := false
	if completed != nil {
		at.OccurredAt, at.Basis, at.Status = completed.OccurredAt, completed.Basis, completed.Status
		isNew = d.after(completed.OccurredAt, p.refundEnded)
	}
	usable := f.Refunded != nil && (f.Refunded.IsPositive() || completed == nil || p.refundCounter.IsPositive())
	if !usable {
		if completed != nil && isNew {
			d.assumeRefund(paymentID, completed)
		}
		return
	}
	delta := sub(*f.Refunded, p.refundCounter)
	switch {
	case delta.IsPositive():
		at = at.with(":amount_refunded:" + f.Refunded.String())
		if several := d.openRefundsOf(paymentID, delta); len(several) > 0 {
			for _, r := range several {
				d.emit(at.with(":"+r.ID), RefundCompleted{RefundID: r.ID, PaymentID: paymentID, Amount: r.Amount})
			}
			return
		}
		id := DeriveID(d.orderID, "refund", f.Key+":"+f.Refunded.String())
		if open := d.s.openRefund(paymentID); open != nil {
			id = open.ID
		}
		d.emit(at, RefundCompleted{RefundID: id, PaymentID: paymentID, Amount: delta})
	case delta.IsNegative() && p.refundAssumed != uuid.Nil:
		last := d.lastCompleted(paymentID)
		if last == nil { // all of it came back meanwhile
			return
		}
		a := adjustment(BalanceRefunded, p.refundCounter, *f.Refunded, paymentID)
		a.RefundID = last.ID
		d.correct("refund:"+last.ID, LedgerCorrectionRecorded{
			CountedAt: at.counted(), CorrectsEventID: p.refundAssumed.String(), Reason: "the amount of the refund was learnt", Adjustments: []Adjustment{a},
		})
	case delta.IsNegative() && d.after(f.ModifiedAt, p.refundCounted):
		d.regressed(f.At, "amount_refunded", *f.Refunded)
	case completed != nil && isNew:
		if open := d.s.openRefund(paymentID); open != nil {
			d.emit(completed.At, RefundObserved{RefundID: open.ID, PaymentID: paymentID, Extent: ExtentUnknown})
		}
	}
}

// openRefundsOf tells which of several open refunds a growth of the counter completes: the one of just
// that amount, else the oldest that come to it together. Nil when none do, or when fewer than two are
// open.
func (d *decider) openRefundsOf(paymentID string, grown money.Money) []Refund {
	var open []Refund
	for i := range d.s.Refunds {
		if r := d.s.Refunds[i]; r.PaymentID == paymentID && r.Open && r.AmountKnown {
			open = append(open, r)
		}
	}
	if len(open) < 2 {
		return nil
	}
	sum := money.Zero(grown.Currency())
	for i := range open {
		if open[i].Amount.Equal(grown) {
			return open[i : i+1]
		}
	}
	for i := range open {
		if sum = add(sum, open[i].Amount); sum.Equal(grown) {
			return open[:i+1]
		}
	}
	return nil
}

// assumeRefund books a refund whose amount no counter tells: what was
// announced, else all that is left (domain rule A7).
func (d *decider) assumeRefund(paymentID string, st *RefundStepAt) {
	p := d.s.payment(paymentID)
	id, flags := DeriveID(d.orderID, "refund", st.Key), []Flag{FlagRefundAmountAssumed}
	amount, assumed := floorZero(p.left()), true
	if open := d.s.openRefund(paymentID); open != nil {
		id = open.ID
		if open.AmountKnown {
			amount, assumed, flags = open.Amount, false, nil
		}
	}
	if !amount.IsPositive() {
		d.emit(st.At, RefundObserved{RefundID: id, PaymentID: paymentID, Extent: ExtentUnknown}, FlagRefundAmountUnknown)
		return
	}
	d.emit(st.At, RefundCompleted{RefundID: id, PaymentID: paymentID, Amount: amount, Assumed: assumed}, flags...)
}

func (d *decider) countRefundReversed(paymentID string, f RefundTotals, reversed *RefundStepAt) {
	p := d.s.payment(paymentID)
	at := f.At.on(f.ModifiedAt)
	if reversed != nil {
		at.OccurredAt, at.Basis, at.Status = reversed.OccurredAt, reversed.Basis, reversed.Status
	}
	last := d.lastCompleted(paymentID)
	told := f.RefundReversed != nil && (f.RefundReversed.IsPositive() || reversed == nil)
	switch {
	case told && less(p.refundBackCounter, *f.RefundReversed):
		id := DeriveID(d.orderID, "refund", f.Key+":reversed")
		if last != nil {
			id = last.ID
		}
		d.emit(at.with(":amount_refund_reversal:"+f.RefundReversed.String()), RefundReversed{
			RefundID: id, PaymentID: paymentID, Amount: sub(*f.RefundReversed, p.refundBackCounter),
		})
	case told && less(*f.RefundReversed, p.refundBackCounter) && d.after(f.ModifiedAt, p.refundCounted):
		d.regressed(f.At, "amount_refund_reversal", *f.RefundReversed)
	case !told && reversed != nil && last != nil && p.refundBackCounter.IsZero():
		d.emit(reversed.At, RefundReversed{
			RefundID: last.ID, PaymentID: paymentID, Amount: sub(last.Completed, last.Reversed), Assumed: true,
		}, FlagRefundAmountAssumed)
	}
}

// lastCompleted is the newest refund of a payment through the gateway of which money is out.
func (d *decider) lastCompleted(paymentID string) *Refund {
	for i := len(d.s.Refunds) - 1; i >= 0; i-- {
		if r := &d.s.Refunds[i]; r.PaymentID == paymentID && !r.GivenByHand && less(r.Reversed, r.Completed) {
			return r
		}
	}
	return nil
}

// refundWord decides a word about refunds without amount or id (domain rules
// A17, A18). Beginnings and ends are matched by counting them, so that an end
// that arrives before its beginning leaves nothing open.
func (d *decider) refundWord(at At, f RefundWord) {
	p := d.introduce(at, f.Payment, nil, "")
	open := d.s.openRefund(p.ID)
	switch f.Step {
	case RefundStepInitiated:
		d.refundWordInitiated(at, p.ID, open, f.Amount)
	case RefundStepFailed:
		if open != nil && !p.captureImplied {
			d.emit(at, RefundFailed{RefundID: open.ID, PaymentID: p.ID, Phase: "processing"})
		}
	case RefundStepCompleted:
		d.refundWordCompleted(at, p.ID, open, f)
	case RefundStepReversed, RefundStepUnknown:
		d.emit(at, GatewayStatusObserved{PaymentID: p.ID, Status: at.Status, Recognised: true})
	}
}

func (d *decider) refundWordInitiated(at At, paymentID string, open *Refund, amount *money.Money) {
	if open != nil {
		d.emit(at, GatewayStatusObserved{PaymentID: paymentID, RefundID: open.ID, Status: at.Status, Recognised: true})
		return
	}
	n, id := 0, ""
	for i := range d.s.Refunds {
		r := &d.s.Refunds[i]
		if r.PaymentID != paymentID {
			continue
		}
		if n++; id == "" && !r.Announced {
			id = r.ID // its end arrived first
		}
	}
	if id == "" {
		id = DeriveID(d.orderID, "refund", paymentID+":"+strconv.Itoa(n+1))
	}
	var flags []Flag
	if amount == nil {
		flags = []Flag{FlagRefundAmountUnknown}
	}
	d.emit(at.with(":refund:"+id), RefundInitiated{RefundID: id, PaymentID: paymentID, Amount: amount}, flags...)
}

func (d *decider) refundWordCompleted(at At, paymentID string, open *Refund, f RefundWord) {
	p := d.s.payment(paymentID)
	n := 0
	for i := range d.s.Refunds {
		if d.s.Refunds[i].PaymentID == paymentID {
			n++
		}
	}
	id := DeriveID(d.orderID, "refund", paymentID+":"+strconv.Itoa(n+1))
	if open != nil {
		id = open.ID
	}
	amount := f.Amount
	if amount == nil && !f.Partial {
		left := floorZero(p.left())
		amount = &left
	} else if amount == nil && open != nil && open.AmountKnown {
		amount = &open.Amount
	}
	switch {
	case amount != nil && amount.IsPositive():
		d.emit(at.with(":refund:"+id), RefundCompleted{RefundID: id, PaymentID: paymentID, Amount: *amount})
	case open != nil && f.Partial:
		d.emit(at.with(":refund:"+id), RefundObserved{RefundID: id, PaymentID: paymentID, Extent: ExtentPartial},
			FlagRefundAmountUnknown)
	case open != nil:
		d.emit(at.with(":refund:"+id), RefundObserved{RefundID: id, PaymentID: paymentID, Extent: ExtentFull})
	case f.Partial && n == 0:
		d.emit(at.with(":refund:"+id), RefundObserved{RefundID: id, PaymentID: paymentID, Extent: ExtentPartial},
			FlagRefundAmountUnknown)
	default:
		d.emit(at, GatewayStatusObserved{PaymentID: paymentID, Status: at.Status, Recognised: true})
	}
}
