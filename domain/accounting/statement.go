package accounting

import (
	"fmt"
	"slices"

	"github.com/order-ledger/order-ledger/domain/settlement"
)

// ReleaseAccounts are what people may release a line from suspense to: accounts that no order, refund or dispute is counted
// on. What belongs to one of those is corrected there: money that came outside the gateway is received on its order, and
// released to 1110.
func ReleaseAccounts() []Account {
	return []Account{PayoutsInTransit, ExternalClearing, GatewayFees, DisputeFees, ExchangeDifference}
}

// ReleaseAccount finds one of ReleaseAccounts by its code in the chart without configuration.
func ReleaseAccount(code string) (Account, error) {
	a, ok := AccountOf(code)
	if !ok || !slices.Contains(ReleaseAccounts(), a) {
		return 0, fmt.Errorf("%q is no account to release to: it is one of %v", code, ReleaseAccounts())
	}
	return a, nil
}

// StatementEntry is the entry of a line of a statement that belongs to no order:
//
//	fee       Dr 5200          Cr 1010
//	payout    Dr 1105          Cr 1010   as the gateway shows it: it is on its way
//	          Dr 1010          Cr 1105   as the bank shows it: it arrived
//	suspense  Dr 1010 / 9900   Cr 9900 / 1010
//
// and the other way round for what takes such a line back. released is the entry that takes what stood in suspense out of
// it: back, where an order has it now, or to the account that people said. Errors: *UnbalancedError, and that of ReleaseAccount.
func StatementEntry(b *settlement.LineBooked, released bool) ([]Line, error) {
	lines := statementLines(b)
	switch {
	case released && b.To != "":
		to, err := ReleaseAccount(b.To)
		if err != nil {
			return nil, err
		}
		lines = transfer(nil, Suspense, to, b.Cash())
	case released:
		for i := range lines {
			lines[i].Amount = lines[i].Amount.Neg()
		}
	}
	if !balanced(lines) {
		return nil, &UnbalancedError{EventType: settlement.LineBookedType}
	}
	return lines, nil
}

func statementLines(b *settlement.LineBooked) []Line {
	var lines []Line
	switch b.As {
	case settlement.BookedFee:
		return transfer(lines, Bank, GatewayFees, b.Cash())
	case settlement.BookedSuspense:
		return transfer(lines, Bank, Suspense, b.Cash())
	case settlement.BookedPayout:
		if b.Fee != nil {
			lines = transfer(lines, GatewayFees, Bank, *b.Fee)
		}
		moved := b.Gross // signed as the statement's account sees it
		if !b.Incoming() {
			moved = moved.Neg()
		}
		if b.Exchange == nil {
			return transfer(lines, Bank, PayoutsInTransit, moved)
		}
		return exchange(transfer(lines, CurrencyExchange, PayoutsInTransit, moved), Bank, b.Incoming(), b.Gross, b.Exchange)
	}
	return lines
}
