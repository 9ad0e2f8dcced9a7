package accounting

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// TrialLine is one line of a trial balance: an account of one gateway account in one currency. Amounts are
// decimals in major units, with a debit balance positive.
type TrialLine struct {
	Currency      string `json:"currency"`
	Source        string `json:"source"`
	SourceAccount string `json:"source_account"`
	Account       string `json:"account"`
	Name          string `json:"name"`
	Type          string `json:"type"`
	Opening       string `json:"opening"`
	Debit         string `json:"debit"`
	Credit        string `json:"credit"`
	Closing       string `json:"closing"`
	// BaseAccount is the account's code in the chart without configuration; empty is Account.
	BaseAccount string `json:"base_account,omitempty"`
}

// HashTrialBalance is the digest of a trial balance, hex. The order of its lines does not matter, nor do
// codes, names and types, which people may change; trailing zeros of amounts do not either.
func HashTrialBalance(lines []TrialLine) string {
	texts := make([]string, len(lines))
	for i := range lines {
		l := &lines[i]
		texts[i] = fmt.Sprintf("%q %q %q %q %s %s %s %s\n", l.Currency, l.Source, l.SourceAccount, cmp.Or(l.BaseAccount, l.Account),
			plain(l.Opening), plain(l.Debit), plain(l.Credit), plain(l.Closing))
	}
	slices.Sort(texts)
	sum := sha256.Sum256([]byte(strings.Join(texts, "")))
	return hex.EncodeToString(sum[:])
}

// plain is a decimal without zeros at its end.
func plain(amount string) string {
	if strings.Contains(amount, ".") {
		amount = strings.TrimSuffix(strings.TrimRight(amount, "0"), ".")
	}
	return amount
}
