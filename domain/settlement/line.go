package settlement

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Kind is what moved the money of a line.
type Kind string

// Kinds of lines. A payout is the gateway's transfer of what it collected to the bank; a disbursement is money
// that a payout order sends to somebody. A reversal takes back what a line of the other kind said.
const (
	Payment              Kind = "payment"
	PaymentReversal      Kind = "payment_reversal"
	Refund               Kind = "refund"
	RefundReversal       Kind = "refund_reversal"
	Chargeback           Kind = "chargeback"
	ChargebackReversal   Kind = "chargeback_reversal"
	Fee                  Kind = "fee"
	FeeReversal          Kind = "fee_reversal"
	Disbursement         Kind = "disbursement"
	DisbursementReversal Kind = "disbursement_reversal"
	Payout               Kind = "payout"
	PayoutReversal       Kind = "payout_reversal"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{
		Payment, PaymentReversal, Refund, RefundReversal, Chargeback, ChargebackReversal, Fee, FeeReversal,
		Disbursement, DisbursementReversal, Payout, PayoutReversal,
	}
}

// Reversal is the kind of a line that takes one of this kind back, and the other way round.
func (k Kind) Reversal() Kind {
	if taken, ok := strings.CutSuffix(string(k), "_reversal"); ok {
		return Kind(taken)
	}
	return k + "_reversal"
}

// IsReversal tells whether lines of this kind take something back.
func (k Kind) IsReversal() bool { return strings.HasSuffix(string(k), "_reversal") }

// OfPayoutOrder tells whether lines of this kind may be about an order that sends money out.
func (k Kind) OfPayoutOrder() bool {
	return k == Disbursement || k == DisbursementReversal || k == Fee || k == FeeReversal
}

// OfPayout tells whether lines of this kind are about the gateway's transfers to the bank, and not about orders.
func (k Kind) OfPayout() bool { return k == Payout || k == PayoutReversal }

// Line is one line of a statement. Amounts are never negative: the kind tells the direction.
type Line struct {
	// Number counts the lines of a statement, from 1.
	Number int `json:"line"`
	// FileLine is where it stands in the file, from 1.
	FileLine int  `json:"file_line"`
	Kind     Kind `json:"kind"`
	// ID is what the statement calls the line itself, if it does.
	ID string `json:"id,omitempty"`
	// References are what the line calls the payment, refund or order, the most exact first.
	References []string `json:"references,omitempty"`
	// SettlementRef is the gateway's name for the payout that the line is part of.
	SettlementRef string `json:"settlement_ref,omitempty"`
	// ValueDate is a day like 2026-10-31.
	ValueDate string `json:"value_date"`
	// Gross is what was paid, refunded, charged back, charged or paid out.
	Gross money.Money `json:"gross"`
	// Fee is what the gateway kept for it, and Net what is left: of a payment gross - fee, of what costs
	// money gross + fee. Nil when the statement does not say.
	Fee *money.Money `json:"fee,omitempty"`
	Net *money.Money `json:"net,omitempty"`
	// Exchange is what the gross came to where the account is in another currency; fee and net are in that one then.
	Exchange *Exchange `json:"exchange,omitempty"`
}

// Incoming tells whether lines of this kind bring money. A payout costs the gateway's account what it brings
// the bank's: here it is outgoing.
func (k Kind) Incoming() bool {
	switch k {
	case Payment, RefundReversal, ChargebackReversal, FeeReversal, DisbursementReversal, PayoutReversal:
		return true
	case PaymentReversal, Refund, Chargeback, Fee, Disbursement, Payout:
	}
	return false
}

// Side is whose account a statement is about.
type Side string

// Sides: what the gateway holds for the merchant, and what the merchant's bank does.
const (
	AtGateway Side = "gateway"
	AtBank    Side = "bank"
)

// Reference is the first reference; empty when there is none.
func (l *Line) Reference() string {
	if len(l.References) == 0 {
		return ""
	}
	return l.References[0]
}

// date is the value date; the zero time for a line that Check refuses.
func (l *Line) date() time.Time {
	at, err := ParseDay(l.ValueDate)
	if err != nil {
		return time.Time{}
	}
	return at
}

// ParseDay reads a day like 2026-10-31 of a year that a statement may be of.
func ParseDay(text string) (time.Time, error) {
	const first, last = 1970, 2200
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < first || at.Year() > last {
		return time.Time{}, fmt.Errorf("%q is no day like 2026-10-31", text)
	}
	return at, nil
}

// Check says what is wrong with a line by itself.
func (l *Line) Check() error {
	if _, err := ParseDay(l.ValueDate); err != nil {
		return fmt.Errorf("value date: %w", err)
	}
	if !l.Gross.IsPositive() {
		return fmt.Errorf("the amount %s is not above zero", l.Gross)
	}
	if l.Exchange != nil {
		if err := l.Exchange.check(l.Gross.Currency()); err != nil {
			return err
		}
	}
	moved := l.moved()
	for name, m := range map[string]*money.Money{"fee": l.Fee, "net": l.Net} {
		if m != nil && (m.IsNegative() || m.Currency() != moved.Currency()) {
			return fmt.Errorf("the %s %s is below zero, or not in %s", name, m.Format(), moved.Currency())
		}
	}
	if l.Net == nil {
		return nil
	}
	if want := l.Cash(); !want.Equal(*l.Net) {
		return fmt.Errorf("gross %s and fee do not make net %s, but %s", moved, l.Net, want)
	}
	return nil
}

// moved is the gross in the currency of the account.
func (l *Line) moved() money.Money {
	if l.Exchange != nil {
		return l.Exchange.Amount
	}
	return l.Gross
}

// Cash is what the line moved on the account, its fee included: never negative, unless the fee is more than what came
// in. It is in the currency of the account.
func (l *Line) Cash() money.Money {
	cash := l.moved()
	if l.Fee == nil {
		return cash
	}
	fee := *l.Fee
	if l.Kind.Incoming() {
		fee = fee.Neg()
	}
	if sum, err := cash.Add(fee); err == nil {
		return sum
	}
	return cash // Check refuses a fee in another currency
}

// Format is what a statement was read from.
type Format string

// Formats of statements.
const (
	CSV     Format = "csv"
	Camt053 Format = "camt.053"
	Camt054 Format = "camt.054"
)

// Header is what a statement says as a whole.
type Header struct {
	Format Format `json:"format"`
	// Gateway and Account are whose payments the lines are about.
	Gateway string `json:"gateway"`
	Account string `json:"account"`
	Side    Side   `json:"side"`
	// FileSHA256 is the digest of the file, hex, and FileName what it was called.
	FileSHA256 string `json:"file_sha256"`
	FileName   string `json:"file_name,omitempty"`
	// StatementRef is what the file calls itself, if it does.
	StatementRef string `json:"statement_ref,omitempty"`
	// Opening and Closing are the balances that a bank statement begins and ends with.
	Opening *money.Money `json:"opening,omitempty"`
	Closing *money.Money `json:"closing,omitempty"`
	// Days is how many days a value date may lie from ours; see Window.
	Days int `json:"window_days"`
}

// Statement is a file that was read.
type Statement struct {
	Header

	Lines []Line
	// Earlier are the names (see ID) of the same file as earlier versions read it, where they read it differently: what was
	// taken in under one of them counts.
	Earlier []string
}

// ID names a statement by what it says: its lines, and whose they are. The same lines in a file of another
// name, form or encoding are the same statement.
func (s *Statement) ID() string {
	lines := slices.Clone(s.Lines)
	for i := range lines {
		lines[i].FileLine = 0
	}
	content, err := json.Marshal(struct {
		Gateway, Account, StatementRef string
		Side                           Side
		Lines                          []Line
	}{s.Gateway, s.Account, s.StatementRef, s.Side, lines})
	if err != nil {
		panic(err) // texts, numbers and money only
	}
	sum := sha256.Sum256(content)
	const bytes = 16
	return hex.EncodeToString(sum[:bytes])
}
