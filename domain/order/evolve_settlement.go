package order

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// Parts of an order that movements are named after.
const (
	movementPayment = "payment"
	movementRefund  = "refund"
	movementDispute = "dispute"
	movementPayout  = "payout"
	movementFee     = "line-fee" // of a line that is about something else
)

// Settlement is a line of a statement that confirmed a movement of the order's money.
type Settlement struct {
	StatementID string
	Line        int
	Kind        settlement.Kind
	Movement    string
	Amount      money.Money
	ValueDate   string // a day
	Exchanged   bool   // it was in another currency on the account
	External    bool   // it went out of the clearing of external receipts
	// Fee is what the line says that it cost besides, in the currency of the account; nil when it does not.
	Fee *money.Money
}

// feeMovement names the fee that the line charged besides.
func (m *Settlement) feeMovement() string { return movementFee + ":" + lineKey(m.StatementID, m.Line) }

// chargedBy is the line that charged a fee besides what it is about, by the name of the fee; nil for other movements.
func (s *State) chargedBy(fee string) *Settlement {
	for i := range s.Settlements {
		if m := &s.Settlements[i]; m.Fee != nil && strings.HasPrefix(fee, movementFee) && m.feeMovement() == fee {
			return m
		}
	}
	return nil
}

func (s *State) applySettlement(e SettlementMatched) {
	s.Settlements = append(s.Settlements, Settlement{
		StatementID: e.StatementID, Line: e.Line, Kind: e.Kind, Movement: e.Movement, Amount: e.Amount,
		ValueDate: e.ValueDate, Exchanged: e.Exchange != nil, External: e.External, Fee: e.Fee,
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

// withheld sums up what the gateway kept back for money that went back to customers, or out by a payout order, and what
// it took back of payments that it had settled.
func (s *State) withheld() money.Money {
	sum := money.Zero(s.Currency)
	var takenBack map[string]money.Money // payments whose settlement was reversed, until they are settled again
	for i := range s.Settlements {
		m := &s.Settlements[i]
		if !s.atGateway(m) {
			continue
		}
		switch m.Kind {
		case settlement.Refund, settlement.Chargeback, settlement.Disbursement:
			sum = add(sum, m.Amount)
		case settlement.RefundReversal, settlement.ChargebackReversal, settlement.DisbursementReversal:
			sum = sub(sum, m.Amount)
		case settlement.PaymentReversal:
			if takenBack == nil {
				takenBack = make(map[string]money.Money)
			}
			sum, takenBack[m.Movement] = add(sum, m.Amount), add(takenBack[m.Movement], m.Amount)
		case settlement.Payment:
			again := lesser(m.Amount, takenBack[m.Movement])
			if again.IsPositive() {
				sum, takenBack[m.Movement] = sub(sum, again), sub(takenBack[m.Movement], again)
			}
		case settlement.Fee, settlement.FeeReversal, settlement.Payout, settlement.PayoutReversal:
		}
	}
	return sum
}

// atGateway tells whether a line is about money that went through the gateway: what somebody gave back by hand did not.
func (s *State) atGateway(m *Settlement) bool {
	f := s.refund(strings.TrimPrefix(m.Movement, movementRefund+":"))
	return f == nil || (!f.GivenByHand && !f.External)
}

// externalPaid sums up what the accounts of statements paid, less what came back, of refunds of money that was received
// outside the gateway.
func (s *State) externalPaid() money.Money {
	sum := money.Zero(s.Currency)
	for i := range s.Settlements {
		switch m := &s.Settlements[i]; {
		case !m.External:
		case m.Kind == settlement.Refund:
			sum = add(sum, m.Amount)
		case m.Kind == settlement.RefundReversal:
			sum = sub(sum, m.Amount)
		}
	}
	return sum
}

// exchanged sums up what came in, less what went out, by lines of accounts in another currency.
func (s *State) exchanged() money.Money {
	sum := money.Zero(s.Currency)
	for i := range s.Settlements {
		switch m := &s.Settlements[i]; {
		case !m.Exchanged || m.Kind == settlement.Fee || m.Kind == settlement.FeeReversal:
		case m.Kind.Incoming():
			sum = add(sum, m.Amount)
		default:
			sum = sub(sum, m.Amount)
		}
	}
	return sum
}

// takenBack are the days of the newest lines that took back what matched a movement, by its name.
func (s *State) takenBack() map[string]time.Time {
	var days map[string]time.Time
	for i := range s.Settlements {
		m := &s.Settlements[i]
		if !m.Kind.IsReversal() || m.Kind == settlement.ChargebackReversal {
			continue
		}
		if day, err := settlement.ParseDay(m.ValueDate); err == nil {
			if days == nil {
				days = make(map[string]time.Time)
			}
			days[m.Movement] = latest(days[m.Movement], day)
		}
	}
	return days
}

// standing are the lines that matched a movement and were not taken back by a later line since, the newest first.
func (s *State) standing() []Settlement {
	var lines []Settlement
	reversed := make(map[string]money.Money)
	key := func(k settlement.Kind, movement string) string { return string(k) + " " + movement }
	for i := len(s.Settlements) - 1; i >= 0; i-- {
		m := s.Settlements[i]
		if m.Kind.IsReversal() && m.Kind != settlement.ChargebackReversal {
			k := key(m.Kind.Reversal(), m.Movement)
			reversed[k] = add(reversed[k], m.Amount)
			continue
		}
		k := key(m.Kind, m.Movement)
		if back := reversed[k]; back.IsPositive() && !less(back, m.Amount) {
			reversed[k] = sub(back, m.Amount)
			continue
		}
		lines = append(lines, m)
	}
	return lines
}
