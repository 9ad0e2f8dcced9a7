package order

import (
	"strconv"
	"strings"

	"github.com/order-ledger/order-ledger/domain/settlement"
)

// lineFee is a fee that a line charges for the order: there is none in our books before it.
type lineFee struct {
	content string // what all equal fees have in common
	id      string // what the statement calls the line, if it does
	n       int    // counts the lines of the statement with this content and no id, from 1
}

// feesOf names the fees of a statement's lines about an order, by the lines' numbers.
func feesOf(lines []settlement.Line) map[int]lineFee {
	fees, equal := map[int]lineFee{}, map[string]int{}
	for i := range lines {
		l := &lines[i]
		if l.Kind != settlement.Fee {
			continue
		}
		fee := lineFee{id: l.ID, content: strings.Join([]string{
			"fee", l.ValueDate, l.Gross.String(), l.SettlementRef, strings.Join(l.References, ","),
		}, ":")}
		if fee.id == "" {
			equal[fee.content]++
			fee.n = equal[fee.content]
		}
		fees[l.Number] = fee
	}
	return fees
}

// movement is the fee's name; empty for the line of something else.
func (f *lineFee) movement() string {
	switch {
	case f.id != "":
		return f.content + ":id:" + f.id
	case f.n > 1:
		return f.content + ":" + strconv.Itoa(f.n)
	}
	return f.content
}

// feeBooked tells whether a fee was booked before, by this statement or another one. Lines without ids are told apart by
// how many equal ones a statement has. Where only one of two statements gives ids, an equal fee is taken for the same:
// it is flagged, and not booked twice.
func (s *State) feeBooked(statementID string, f *lineFee) bool {
	if s.settledMovement(f.movement()) {
		return true
	}
	others := 0
	for i := range s.Settlements {
		m := &s.Settlements[i]
		if m.Kind != settlement.Fee || m.StatementID == statementID {
			continue
		}
		suffix, equal := strings.CutPrefix(m.Movement, f.content)
		withID := strings.HasPrefix(suffix, ":id:")
		if equal && (suffix == "" || suffix[0] == ':') && (f.id == "" || !withID) {
			others++
		}
	}
	if f.id != "" {
		return others > 0
	}
	return others >= f.n
}
