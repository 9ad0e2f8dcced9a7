package settlement

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Kind is what moved the money of a line.
type Kind string

// Kinds of lines. Payments and reinstated chargebacks bring money, the others cost it. A payout is the
// gateway's transfer of what it collected to the bank.
const (
	Payment            Kind = "payment"
	Refund             Kind = "refund"
	Chargeback         Kind = "chargeback"
	ChargebackReversal Kind = "chargeback_reversal"
	Fee                Kind = "fee"
	Payout             Kind = "payout"
)

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Payment, Refund, Chargeback, ChargebackReversal, Fee, Payout} }

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
}

// Incoming tells whether lines of this kind bring money.
func (k Kind) Incoming() bool { return k == Payment || k == ChargebackReversal }

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
	for name, m := range map[string]*money.Money{"fee": l.Fee, "net": l.Net} {
		if m != nil && (m.IsNegative() || m.Currency() != l.Gross.Currency()) {
			return fmt.Errorf("the %s %s is below zero, or not in %s", name, m.Format(), l.Gross.Currency())
		}
	}
	if l.Net == nil {
		return nil
	}
	want := l.Gross
	var err error
	switch {
	case l.Fee == nil:
	case l.Kind.Incoming():
		want, err = l.Gross.Sub(*l.Fee)
	default:
		want, err = l.Gross.Add(*l.Fee)
	}
	if err != nil {
		return err
	}
	if !want.Equal(*l.Net) {
		return fmt.Errorf("gross %s and fee do not make net %s, but %s", l.Gross, l.Net, want)
	}
	return nil
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
