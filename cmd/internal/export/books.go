package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// account is one account in one currency.
type account struct{ Code, Currency string }

// name is how plain-text accounting programs call an account.
func (a account) hledger(kinds map[string]string) string {
	return map[string]string{"asset": "assets", "liability": "liabilities", "income": "revenues", "expense": "expenses", "memo": "memo"}[kinds[a.Code]] + ":" + a.Code
}

func (a account) beancount(kinds map[string]string) string {
	return map[string]string{"asset": "Assets", "liability": "Liabilities", "income": "Income", "expense": "Expenses", "memo": "Equity:Memo"}[kinds[a.Code]] + ":A" + strings.ReplaceAll(a.Code, ".", "-")
}

// books writes the journal as a plain-text journal: opening balances, one transaction for each entry, and
// assertions of the closing balances.
type books struct {
	to      *bufio.Writer
	format  Format
	kinds   map[string]string // types of accounts by code
	at      map[string]int    // columns by name
	entry   string
	balance map[account]decimal.Decimal
	begun   bool
	through time.Time // of the assertions
}

func newBooks(w io.Writer, f Format, columns []Column, kinds map[string]string, opening map[account]decimal.Decimal, from, through *time.Time) *books {
	b := &books{to: bufio.NewWriterSize(w, bufferBytes), format: f, kinds: kinds, at: map[string]int{}, balance: maps.Clone(opening)}
	for i := range columns {
		b.at[columns[i].Name] = i
	}
	if through != nil {
		b.through = *through
	}
	if from != nil && b.through.Before(*from) { // there may be no row to tell a later day
		b.through = *from
	}
	if f == Beancount {
		opened := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		for _, code := range slices.Sorted(maps.Keys(kinds)) {
			b.printf("%s open %s\n", opened, account{Code: code}.beancount(kinds))
		}
		b.begun = true
	}
	if from != nil && len(opening) > 0 {
		b.begin(from.Format(time.DateOnly), "opening balances", nil)
		for _, a := range sortedAccounts(opening) {
			b.posting(a, opening[a].String())
		}
	}
	return b
}

func sortedAccounts(of map[account]decimal.Decimal) []account {
	return slices.SortedFunc(maps.Keys(of), func(a, b account) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Currency, b.Currency))
	})
}

func (b *books) printf(format string, args ...any) { _, _ = fmt.Fprintf(b.to, format, args...) } // close tells an error

func (b *books) begin(date, what string, notes [][2]string) {
	if b.begun {
		b.printf("\n")
	}
	b.begun = true
	if b.format == Hledger {
		b.printf("%s %s\n", date, what)
		for _, n := range notes {
			b.printf("    ; %s:%s\n", n[0], n[1])
		}
		return
	}
	b.printf("%s * %q\n", date, what)
	for _, n := range notes {
		b.printf("  %s: %q\n", n[0], n[1])
	}
}

func (b *books) posting(a account, amount string) {
	if b.format == Hledger {
		b.printf("    %-24s  %s %s\n", a.hledger(b.kinds), amount, a.Currency)
		return
	}
	b.printf("  %-24s  %s %s\n", a.beancount(b.kinds), amount, a.Currency)
}

func (b *books) value(r Row, column string) string {
	return string(r[b.at[column]])
}

func (b *books) row(r Row) error {
	date := b.value(r, "posting_date")
	if entry := b.value(r, "entry_id"); entry != b.entry {
		b.entry = entry
		b.begin(date, entry, [][2]string{
			{"event", b.value(r, "event_id")}, {"order", b.value(r, "order_id")}, {"valued", b.value(r, "value_date")},
			{"source", plainNote(b.value(r, "source") + "/" + b.value(r, "source_account"))},
		})
	}
	amount := b.value(r, "debit")
	if strings.Trim(amount, "0.") == "" {
		amount = "-" + b.value(r, "credit")
	}
	moved, err := decimal.NewFromString(amount)
	if err != nil {
		return fmt.Errorf("entry %s: %w", b.entry, err)
	}
	a := account{Code: b.value(r, "account"), Currency: b.value(r, "currency")}
	if _, known := b.kinds[a.Code]; !known {
		return fmt.Errorf("entry %s: account %q is not in the chart", b.entry, a.Code)
	}
	b.balance[a] = b.balance[a].Add(moved)
	if day, err := time.Parse(time.DateOnly, date); err == nil && day.After(b.through) {
		b.through = day
	}
	b.posting(a, amount)
	return nil
}

// plainNote keeps a text from ending or changing a comment.
func plainNote(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == ',' || r == ';' {
			return ' '
		}
		return r
	}, text)
}

// close asserts the closing balances: hledger at the end of the last day, Beancount at the beginning of the
// next.
func (b *books) close() error {
	if len(b.balance) > 0 && b.format == Hledger {
		b.printf("\n%s closing balances\n", b.through.Format(time.DateOnly))
		for _, a := range sortedAccounts(b.balance) {
			b.printf("    %-24s  0 %s = %s %s\n", a.hledger(b.kinds), a.Currency, b.balance[a].String(), a.Currency)
		}
	}
	if len(b.balance) > 0 && b.format == Beancount {
		b.printf("\n")
		for _, a := range sortedAccounts(b.balance) {
			b.printf("%s balance %s  %s %s\n", b.through.AddDate(0, 0, 1).Format(time.DateOnly), a.beancount(b.kinds), b.balance[a].String(), a.Currency)
		}
	}
	return b.to.Flush()
}

func (b *books) flush() error { return nil }
