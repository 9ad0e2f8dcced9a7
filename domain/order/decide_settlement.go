package order

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// MatchSettlement compares the lines of a statement that are about an order with the order's movements. It
// states a fact of a gateway's or a bank's: it is never refused, and what does not agree is flagged. A line
// that is matched stays so; one that is not may be given again when more is known.
type MatchSettlement struct {
	StatementID string
	Lines       []settlement.Line
	Window      settlement.Window
	At          time.Time // UTC
}

func (MatchSettlement) isCommand() {}

func decideMatchSettlement(state State, c MatchSettlement) ([]Decided, error) {
	if !state.Exists {
		return nil, &Rejection{Code: "order_unknown", Reason: "there is no such order"}
	}
	d := &decider{s: state.scratch(), orderID: state.ID, receivedAt: c.At}
	lines := slices.DeleteFunc(slices.Clone(c.Lines), func(l settlement.Line) bool {
		return d.s.Seen(EventID(d.orderID, settledKey(c.StatementID, &l), SettlementMatched{}.EventType()))
	})
	movements := d.s.Movements()
	for _, result := range settlement.Match(lines, movements, c.Window) {
		line := &lines[result.Line]
		var about *settlement.Movement
		if result.Movement >= 0 {
			about = &movements[result.Movement]
		}
		if line.Kind == settlement.Fee && d.s.settledMovement(feeMovement(line)) {
			result.Reason = settlement.AlreadyMatched
		}
		if result.Reason != "" {
			d.mismatch(c.StatementID, line, about, result.Reason)
			continue
		}
		d.settlementMatched(c.StatementID, line, about, result.Parts)
	}
	return d.done()
}

func settledKey(statementID string, l *settlement.Line) string {
	return "settlement:" + lineKey(statementID, l.Number)
}

func (d *decider) mismatch(statementID string, l *settlement.Line, about *settlement.Movement, reason settlement.Reason) {
	e := SettlementMismatchFlagged{
		StatementID: statementID, Line: l.Number, Kind: l.Kind, Reason: reason, Reference: l.Reference(),
		Amount: l.Gross, ValueDate: l.ValueDate,
	}
	key := settledKey(statementID, l) + ":" + string(reason)
	if about != nil {
		e.Movement, e.Booked = about.ID, &about.Amount
		key += ":" + about.ID + ":" + about.Amount.String()
	}
	d.emit(At{Key: key}, e)
}

func (d *decider) settlementMatched(statementID string, l *settlement.Line, about *settlement.Movement, parts int) {
	at := At{Key: settledKey(statementID, l), Basis: BasisSourceField}
	if day, err := time.Parse(time.DateOnly, l.ValueDate); err == nil {
		at.OccurredAt = day
	}
	e := SettlementMatched{
		StatementID: statementID, Line: l.Number, Kind: l.Kind, Movement: feeMovement(l), Reference: l.Reference(),
		SettlementRef: l.SettlementRef, Amount: l.Gross, Fee: l.Fee, Net: l.Net, ValueDate: l.ValueDate,
	}
	if parts > 1 {
		e.Parts = parts
	}
	if about != nil {
		e.Movement = about.ID
		switch part, id, _ := strings.Cut(about.ID, ":"); part {
		case movementPayment:
			e.PaymentID = id
		case movementRefund:
			e.RefundID = id
			if f := d.s.refund(id); f != nil {
				e.PaymentID = f.PaymentID
			}
		case movementDispute:
			e.DisputeID, _, _ = strings.Cut(id, ":")
			if f := d.s.dispute(e.DisputeID); f != nil {
				e.PaymentID = f.PaymentID
			}
		}
	}
	d.emit(at, e)
	fee := l.Fee
	switch l.Kind {
	case settlement.Payment:
		fee = d.settleLine(at, e.PaymentID, l)
	case settlement.Fee:
		fee = &l.Gross
	case settlement.Refund, settlement.Chargeback, settlement.ChargebackReversal, settlement.Payout:
	}
	if fee == nil || !fee.IsPositive() {
		return
	}
	d.emit(at, FeeCharged{PaymentID: e.PaymentID, FeeKind: feeKind(l.Kind), Amount: *fee, FromSettlement: true})
}

// settleLine books the arrival of a payment's money as far as the gateway has not told of it, and returns
// the fee that is still to be booked.
func (d *decider) settleLine(at At, paymentID string, l *settlement.Line) (fee *money.Money) {
	p := d.s.payment(paymentID)
	arrived := lesser(l.Gross, floorZero(sub(sub(p.Captured, p.Reversed), p.Settled)))
	if !arrived.IsPositive() {
		return l.Fee
	}
	e := PaymentSettled{PaymentID: paymentID, Amount: arrived, SettlementRef: l.SettlementRef, Fee: l.Fee}
	if l.Fee != nil && !less(arrived, *l.Fee) {
		net := sub(arrived, *l.Fee)
		e.Net = &net
	}
	d.emit(at, e)
	return nil
}

// Kinds of fees that statements tell of; see FeeCharged.
const (
	feeProcessing = "processing"
	feeRefund     = "refund"
	feeDispute    = "dispute"
	feeOther      = "statement"
)

func feeKind(k settlement.Kind) string {
	switch k {
	case settlement.Payment:
		return feeProcessing
	case settlement.Refund:
		return feeRefund
	case settlement.Chargeback, settlement.ChargebackReversal:
		return feeDispute
	case settlement.Fee, settlement.Payout:
	}
	return feeOther
}

// Parts of an order that movements are named after.
const (
	movementPayment = "payment"
	movementRefund  = "refund"
	movementDispute = "dispute"
)

// feeMovement names a fee that a line charges for the order: there is none in our books before it.
func feeMovement(l *settlement.Line) string {
	if l.Kind != settlement.Fee {
		return ""
	}
	return strings.Join([]string{"fee", l.ValueDate, l.Gross.String(), l.SettlementRef, strings.Join(l.References, ",")}, ":")
}

func (s *State) settledMovement(id string) bool {
	return slices.ContainsFunc(s.Settlements, func(m Settlement) bool { return m.Movement == id })
}

// Movements are what moved the order's money at the gateway, as statements tell of it: captured payments
// less what was reversed before clearing, completed refunds, and what disputes took and gave back.
func (s *State) Movements() []settlement.Movement {
	var all []settlement.Movement
	move := func(id string, kind settlement.Kind, amount money.Money, at time.Time, references ...string) {
		if amount.IsPositive() {
			references = slices.DeleteFunc(references, func(r string) bool { return r == "" })
			all = append(all, settlement.Movement{
				ID: id, Kind: kind, References: references, Amount: amount, At: at, Taken: s.settledMovement(id),
			})
		}
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		move(movementPayment+":"+p.ID, settlement.Payment, sub(p.Captured, p.Reversed), p.capturedAt, p.SourceID, p.SourceOrderID, p.ID)
	}
	ofPayment := func(id string) (source, order string) {
		if p := s.payment(id); p != nil {
			return p.SourceID, p.SourceOrderID
		}
		return "", ""
	}
	for i := range s.Refunds {
		f := &s.Refunds[i]
		source, order := ofPayment(f.PaymentID)
		move(movementRefund+":"+f.ID, settlement.Refund, sub(f.Completed, f.Reversed), f.ResolvedAt, f.SourceID, source, order, f.ID)
	}
	for i := range s.Disputes {
		v := &s.Disputes[i]
		source, order := ofPayment(v.PaymentID)
		for j := range v.Steps {
			step := &v.Steps[j]
			kind := settlement.Chargeback
			if step.Moved.IsPositive() {
				kind = settlement.ChargebackReversal
			}
			if step.Stage == fundsWithdrawn || step.Stage == fundsReinstated {
				move(movementDispute+":"+v.ID+":"+strconv.Itoa(step.Seq), kind, step.Amount, step.OccurredAt, v.ARN, v.CaseNo, source, order)
			}
		}
	}
	return all
}
