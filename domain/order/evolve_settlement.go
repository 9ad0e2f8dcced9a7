package order

import (
	"slices"
	"strconv"
	"strings"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// Parts of an order that movements are named after.
const (
	movementPayment = "payment"
	movementRefund  = "refund"
	movementDispute = "dispute"
)

// Settlement is a line of a statement that confirmed a movement of the order's money.
type Settlement struct {
	StatementID string
	Line        int
	Kind        settlement.Kind
	Movement    string
	Amount      money.Money
}

func (s *State) applySettlement(e SettlementMatched) {
	s.Settlements = append(s.Settlements, Settlement{
		StatementID: e.StatementID, Line: e.Line, Kind: e.Kind, Movement: e.Movement, Amount: e.Amount,
	})
	i := slices.IndexFunc(s.mismatches, func(m mismatch) bool { return m.statementID == e.StatementID && m.line == e.Line })
	if i < 0 {
		return
	}
	s.mismatches = slices.Delete(s.mismatches, i, i+1)
	if at, found := slices.BinarySearch(s.flags, FlagSettlementMismatch); found && len(s.mismatches) == 0 {
		s.flags = slices.Delete(s.flags, at, at+1)
	}
}

// mismatch is a line of a statement that does not agree with the order, and why not as of late.
type mismatch struct {
	statementID string
	line        int
	reason      settlement.Reason
}

func (s *State) applyMismatch(e SettlementMismatchFlagged) {
	s.flag(FlagSettlementMismatch)
	i := slices.IndexFunc(s.mismatches, func(m mismatch) bool { return m.statementID == e.StatementID && m.line == e.Line })
	if i >= 0 {
		s.mismatches[i].reason = e.Reason
		return
	}
	s.mismatches = append(s.mismatches, mismatch{statementID: e.StatementID, line: e.Line, reason: e.Reason})
}

func lineKey(statementID string, line int) string { return statementID + ":" + strconv.Itoa(line) }

// SettlementOf tells whether a line of a statement matched a movement of the order, or does not agree with it;
// neither when it was not looked at. A matched line stays so.
func (s *State) SettlementOf(statementID string, line int) (matched bool, reason settlement.Reason) {
	if slices.ContainsFunc(s.Settlements, func(m Settlement) bool { return m.StatementID == statementID && m.Line == line }) {
		return true, ""
	}
	i := slices.IndexFunc(s.mismatches, func(m mismatch) bool { return m.statementID == statementID && m.line == line })
	if i < 0 {
		return false, ""
	}
	return false, s.mismatches[i].reason
}

// withheld sums up what the gateway kept back for money that went back to customers.
func (s *State) withheld() money.Money {
	sum := money.Zero(s.Currency)
	for i := range s.Settlements {
		switch m := &s.Settlements[i]; m.Kind {
		case settlement.Refund:
			// What somebody gave back by hand never went through the gateway.
			if f := s.refund(strings.TrimPrefix(m.Movement, movementRefund+":")); f == nil || (!f.GivenByHand && !f.External) {
				sum = add(sum, m.Amount)
			}
		case settlement.Chargeback:
			sum = add(sum, m.Amount)
		case settlement.ChargebackReversal:
			sum = sub(sum, m.Amount)
		case settlement.Payment, settlement.Fee, settlement.Payout:
		}
	}
	return sum
}
