package order

import (
	"slices"
	"strconv"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
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
	i := slices.Index(s.mismatches, lineKey(e.StatementID, e.Line))
	if i < 0 {
		return
	}
	s.mismatches = slices.Delete(s.mismatches, i, i+1)
	if at, found := slices.BinarySearch(s.flags, FlagSettlementMismatch); found && len(s.mismatches) == 0 {
		s.flags = slices.Delete(s.flags, at, at+1)
	}
}

func (s *State) applyMismatch(e SettlementMismatchFlagged) {
	if key := lineKey(e.StatementID, e.Line); !slices.Contains(s.mismatches, key) {
		s.mismatches = append(s.mismatches, key)
	}
	s.flag(FlagSettlementMismatch)
}

func lineKey(statementID string, line int) string { return statementID + ":" + strconv.Itoa(line) }

// withheld sums up what the gateway kept back for money that went back to customers.
func (s *State) withheld() money.Money {
	sum := money.Zero(s.Currency)
	for i := range s.Settlements {
		switch m := &s.Settlements[i]; m.Kind {
		case settlement.Refund, settlement.Chargeback:
			sum = add(sum, m.Amount)
		case settlement.ChargebackReversal:
			sum = sub(sum, m.Amount)
		case settlement.Payment, settlement.Fee, settlement.Payout:
		}
	}
	return sum
}
