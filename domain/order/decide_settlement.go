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
	for i := range lines {
		lines[i] = d.s.inOrderCurrency(&lines[i])
	}
	fees := feesOf(c.Lines)
	backward := func(l settlement.Line) bool { return l.Kind.IsReversal() && l.Kind != settlement.ChargebackReversal }
	d.matchLines(&c, slices.DeleteFunc(slices.Clone(lines), backward), d.s.Movements(), fees)
	// What takes a line back comes after all that could be taken back.
	lines = slices.DeleteFunc(lines, func(l settlement.Line) bool { return !backward(l) })
	standing := d.s.reversals()
	lines = slices.DeleteFunc(lines, func(l settlement.Line) bool {
		repeated := d.s.tookBack(&c, &l, standing)
		if repeated {
			d.mismatch(c.StatementID, &l, nil, settlement.AlreadyMatched)
		}
		return repeated
	})
	d.matchLines(&c, lines, standing, fees)
	return d.done()
}

// tookBack tells whether another statement had the line already, which takes something back: of the same day and amount, and
// about what the line names most exactly. The second equal line of one statement is another one.
func (s *State) tookBack(c *MatchSettlement, l *settlement.Line, standing []settlement.Movement) bool {
	equal := 0
	for i := range c.Lines {
		o := &c.Lines[i]
		if o.Number <= l.Number && o.Kind == l.Kind && o.ValueDate == l.ValueDate && s.inOrderCurrency(o).Gross.Equal(l.Gross) && slices.Equal(o.References, l.References) {
			equal++
		}
	}
	named := namedMost(l, standing)
	for i := range s.Settlements {
		m := &s.Settlements[i]
		if m.StatementID != c.StatementID && m.Kind == l.Kind && m.ValueDate == l.ValueDate && m.Amount.Equal(l.Gross) &&
			(len(named) == 0 || slices.Contains(named, m.Movement)) {
			equal--
		}
	}
	return equal <= 0
}

// namedMost are the movements that go by the most exact name that a line has for any; none when it names none.
func namedMost(l *settlement.Line, movements []settlement.Movement) []string {
	for _, reference := range l.References {
		var named []string
		for i := range movements {
			if v := &movements[i]; v.Kind == l.Kind && slices.Contains(v.References, reference) {
				named = append(named, v.ID)
			}
		}
		if len(named) > 0 {
			return named
		}
	}
	return nil
}

// inOrderCurrency is the line in the currency of the order where the account is in that one and the customer's bank took
// another: the order asked for what arrived. Fees are of the account in any case.
func (s *State) inOrderCurrency(l *settlement.Line) settlement.Line {
	line := *l
	fee := l.Kind == settlement.Fee || l.Kind == settlement.FeeReversal
	if !fee && l.Exchange != nil && l.Exchange.Amount.Currency() == s.Currency {
		line.Gross, line.Exchange = l.Exchange.Amount, nil
	}
	return line
}

func (d *decider) matchLines(c *MatchSettlement, lines []settlement.Line, movements []settlement.Movement, fees map[int]lineFee) {
	for _, result := range settlement.Match(lines, movements, c.Window) {
		line := &lines[result.Line]
		about := make([]*settlement.Movement, len(result.Movements))
		for i, at := range result.Movements {
			about[i] = &movements[at]
		}
		fee := fees[line.Number]
		if line.Kind == settlement.Fee && d.s.feeBooked(c.StatementID, &fee) {
			result.Reason = settlement.AlreadyMatched
		}
		if len(about) > 0 && result.Reason != "" && d.s.chargedBy(about[0].ID) != nil &&
			(result.Reason != settlement.AlreadyMatched || !about[0].Amount.Equal(line.Gross)) {
			result.Reason, about = settlement.NotBooked, nil // a fee of another amount or time may be what any line gives back: nobody knows
		}
		if result.Reason != "" {
			d.mismatch(c.StatementID, line, about, result.Reason)
			continue
		}
		d.settlementMatched(c.StatementID, line, about, fee.movement(), result.Parts)
	}
}

func settledKey(statementID string, l *settlement.Line) string {
	return "settlement:" + lineKey(statementID, l.Number)
}

func (d *decider) mismatch(statementID string, l *settlement.Line, about []*settlement.Movement, reason settlement.Reason) {
	e := SettlementMismatchFlagged{
		StatementID: statementID, Line: l.Number, Kind: l.Kind, Reason: reason, Reference: l.Reference(),
		Amount: l.Gross, ValueDate: l.ValueDate,
	}
	key := settledKey(statementID, l) + ":" + string(reason)
	if len(about) > 0 {
		e.Movement, e.Booked = about[0].ID, &about[0].Amount
		key += ":" + e.Movement + ":" + e.Booked.String()
	}
	d.emit(At{Key: key}, e)
}

// settlementMatched records one event for each movement that the line confirms, and what it adds; the line
// of a fee confirms the fee that it charges.
func (d *decider) settlementMatched(statementID string, l *settlement.Line, about []*settlement.Movement, fee string, parts int) {
	at := At{Key: settledKey(statementID, l), Basis: BasisSourceDay}
	if day, err := settlement.ParseDay(l.ValueDate); err == nil {
		at.OccurredAt = day
	}
	e := SettlementMatched{
		StatementID: statementID, Line: l.Number, Kind: l.Kind, Reference: l.Reference(), SettlementRef: l.SettlementRef,
		Amount: l.Gross, Fee: l.Fee, Net: l.Net, ValueDate: l.ValueDate, Exchange: l.Exchange,
	}
	if parts > 1 {
		e.Parts = parts
	}
	if len(about) == 0 {
		e.Movement = fee
		d.emit(at, e)
		d.bookLine(at, &e, l)
		return
	}
	exchanged := exchangedParts(l, about)
	for i, movement := range about {
		part := at
		if len(about) > 1 {
			e.Amount, e.Exchange = movement.Amount, exchanged[i]
		}
		if i > 0 { // the fee is the line's, once
			e.Fee, e.Net, part = nil, nil, at.with(":"+movement.ID)
		}
		e.Movement = movement.ID
		e.PaymentID, e.RefundID, e.DisputeID = d.s.partsOf(movement.ID)
		e.FeeKind, e.External = "", false
		if of := d.s.chargedBy(movement.ID); of != nil {
			e.PaymentID, e.RefundID, e.DisputeID = d.s.partsOf(of.Movement)
			e.FeeKind = feeKind(of.Kind)
		}
		switch f := d.s.refund(e.RefundID); l.Kind {
		case settlement.Refund:
			e.External = f != nil && f.External
		case settlement.RefundReversal:
			e.External = slices.ContainsFunc(d.s.Settlements, func(m Settlement) bool { return m.Movement == e.Movement && m.External })
		default:
		}
		d.emit(part, e)
		d.bookLine(part, &e, l)
	}
}

// exchangedParts shares what a line came to in another currency out among the movements that it sums up, so that the
// parts make the whole.
func exchangedParts(l *settlement.Line, about []*settlement.Movement) []*settlement.Exchange {
	parts := make([]*settlement.Exchange, len(about))
	if l.Exchange == nil {
		return parts
	}
	weights := make([]int64, len(about))
	for i, movement := range about {
		weights[i] = movement.Amount.Amount().Shift(movement.Amount.Currency().MinorUnits()).IntPart()
	}
	amounts, err := money.Allocate(l.Exchange.Amount, weights)
	if err != nil { // too large to be weighed: the first has it all
		amounts = make([]money.Money, len(about))
		amounts[0] = l.Exchange.Amount
	}
	for i := range parts {
		if amounts[i].IsPositive() {
			parts[i] = &settlement.Exchange{Amount: amounts[i], Rate: l.Exchange.Rate, Inverse: l.Exchange.Inverse}
		}
	}
	return parts
}

// partsOf tells which parts of the order a movement is of.
func (s *State) partsOf(movement string) (paymentID, refundID, disputeID string) {
	part, id, _ := strings.Cut(movement, ":")
	switch part {
	case movementPayment:
		paymentID = id
	case movementRefund:
		refundID = id
		if f := s.refund(id); f != nil {
			paymentID = f.PaymentID
		}
	case movementDispute:
		disputeID, _, _ = strings.Cut(id, ":")
		if f := s.dispute(disputeID); f != nil {
			paymentID = f.PaymentID
		}
	}
	return paymentID, refundID, disputeID
}

// bookLine records what a matched line adds to what is known: the arrival of a payment's money, and fees.
func (d *decider) bookLine(at At, e *SettlementMatched, l *settlement.Line) {
	fee := e.Fee
	switch l.Kind {
	case settlement.Payment:
		fee = d.settleLine(at, e)
	case settlement.Fee:
		cost := l.Cash() // with what the line says that it cost besides
		fee = &cost
	case settlement.PaymentReversal, settlement.Refund, settlement.RefundReversal, settlement.Chargeback, settlement.ChargebackReversal,
		settlement.FeeReversal, settlement.Disbursement, settlement.DisbursementReversal, settlement.Payout, settlement.PayoutReversal:
	}
	if fee != nil && fee.IsPositive() {
		d.emit(at, FeeCharged{PaymentID: e.PaymentID, FeeKind: feeKind(l.Kind), Amount: *fee, FromSettlement: true})
	}
}

// settleLine books the arrival of a payment's money as far as the gateway has not told of it, and returns
// the fee that is still to be booked.
func (d *decider) settleLine(at At, e *SettlementMatched) (fee *money.Money) {
	p := d.s.payment(e.PaymentID)
	arrived := lesser(e.Amount, floorZero(sub(sub(p.Captured, p.Reversed), p.Settled)))
	if !arrived.IsPositive() {
		return e.Fee
	}
	settled := PaymentSettled{PaymentID: e.PaymentID, Amount: arrived, SettlementRef: e.SettlementRef, Fee: e.Fee}
	if e.Fee != nil && e.Fee.SameCurrency(arrived) && !less(arrived, *e.Fee) {
		net := sub(arrived, *e.Fee)
		settled.Net = &net
	}
	d.emit(at, settled)
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
	case settlement.Payment, settlement.PaymentReversal:
		return feeProcessing
	case settlement.Refund, settlement.RefundReversal:
		return feeRefund
	case settlement.Chargeback, settlement.ChargebackReversal:
		return feeDispute
	case settlement.Fee, settlement.FeeReversal, settlement.Disbursement, settlement.DisbursementReversal, settlement.Payout, settlement.PayoutReversal:
	}
	return feeOther
}

// settledMovement tells whether a line matched the movement, and none took it back since.
func (s *State) settledMovement(id string) bool {
	return slices.ContainsFunc(s.standing(), func(m Settlement) bool { return m.Movement == id })
}

// Movements are what moved the order's money at the gateway, as statements tell of it: captured payments
// less what was reversed before clearing, completed refunds, what disputes took and gave back, and what payout orders
// sent out.
func (s *State) Movements() []settlement.Movement {
	var all []settlement.Movement
	standing := s.standing()
	takenBack := s.takenBack()
	move := func(id string, kind settlement.Kind, amount money.Money, at time.Time, references ...string) {
		if amount.IsPositive() {
			references = slices.DeleteFunc(references, func(r string) bool { return r == "" })
			if day, ok := takenBack[id]; ok { // an older line that is repeated is not a new one
				at = latest(at, day.AddDate(0, 0, 1))
			}
			all = append(all, settlement.Movement{
				ID: id, Kind: kind, References: references, Amount: amount, At: at,
				Taken: slices.ContainsFunc(standing, func(m Settlement) bool { return m.Movement == id }),
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
		for _, step := range v.movements() {
			kind := settlement.Chargeback
			if step.Stage == fundsReinstated {
				kind = settlement.ChargebackReversal
			}
			move(movementDispute+":"+v.ID+":"+strconv.Itoa(step.Seq), kind, step.Amount, step.OccurredAt, v.ARN, v.CaseNo, source, order)
		}
	}
	if o := &s.Payout; o.PaidOut.IsPositive() {
		move(movementPayout+":"+o.ID, settlement.Disbursement, o.PaidOut, o.completedAt, s.SourceOrderID, s.MerchantReference, o.ID)
	}
	return all
}

// reversals are what lines may take back: every line that stands, by the names that its movement has.
func (s *State) reversals() []settlement.Movement {
	names, every := make(map[string][]string), []string{}
	for _, v := range s.Movements() {
		names[v.ID], every = v.References, append(every, v.References...)
	}
	namesOf := func(m *Settlement) []string {
		if of := s.chargedBy(m.Movement); of != nil {
			m = of
		}
		if m.Kind == settlement.Fee || m.Kind == settlement.FeeReversal { // charged alone: about any part of the order
			return every
		}
		return names[m.Movement]
	}
	var all []settlement.Movement
	for i := range s.Settlements { // what took a line back before is not unknown when another statement repeats it
		if m := &s.Settlements[i]; m.Kind.IsReversal() && m.Kind != settlement.ChargebackReversal {
			all = append(all, settlement.Movement{ID: m.Movement, Kind: m.Kind, References: namesOf(m), Amount: m.Amount, Taken: true})
		}
	}
	for i := range s.Settlements { // fees that lines charged besides what they are about, which may have been taken back itself
		m := &s.Settlements[i]
		if day, err := settlement.ParseDay(m.ValueDate); err == nil && m.Fee != nil && m.Fee.IsPositive() && m.Kind != settlement.FeeReversal {
			fee := m.feeMovement()
			all = append(all, settlement.Movement{
				ID: fee, Kind: settlement.FeeReversal, References: namesOf(m), Amount: *m.Fee, At: day,
				Taken: slices.ContainsFunc(s.Settlements, func(o Settlement) bool { return o.Movement == fee }),
			})
		}
	}
	for _, m := range s.standing() {
		day, err := settlement.ParseDay(m.ValueDate)
		if err != nil || m.Kind == settlement.Chargeback || m.Kind == settlement.ChargebackReversal {
			continue // chargebacks have reversals in our books
		}
		kind := m.Kind.Reversal()
		i := slices.IndexFunc(all, func(v settlement.Movement) bool { return v.Kind == kind && v.ID == m.Movement && !v.Taken })
		if i >= 0 { // lines that made one movement up are one
			all[i].Amount = add(all[i].Amount, m.Amount)
			continue
		}
		all = append(all, settlement.Movement{ID: m.Movement, Kind: kind, References: namesOf(&m), Amount: m.Amount, At: day})
	}
	return all
}
