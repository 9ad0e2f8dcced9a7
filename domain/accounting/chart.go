package accounting

import (
	"fmt"
	"regexp"
	"slices"
)

// Mode says whose books these are.
type Mode string

// Modes. Stand-alone books recognise sales. A sub-ledger leaves revenue to the system that sells: what orders ask
// for stands on Order control there.
const (
	StandAlone Mode = "stand_alone"
	SubLedger  Mode = "sub_ledger"
)

// ChartEntry is how people see an account.
type ChartEntry struct {
	Account Account
	Code    string
	Name    string
	Type    Type
}

// Renamed is what a configuration says about an account; what is empty stays.
type Renamed struct{ Code, Name string }

// chartCode keeps codes fit for plain-text accounting and spreadsheets.
var chartCode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.]{0,31}$`)

// Chart is the chart of accounts as configured, in the order of the accounts: renamed is by the codes of the chart
// without configuration. The journal stores those, so that a chart may change and the books stay.
func Chart(mode Mode, renamed map[string]Renamed) ([]ChartEntry, error) {
	switch mode {
	case "", StandAlone, SubLedger:
	default:
		return nil, fmt.Errorf("mode %q is neither %s nor %s", mode, StandAlone, SubLedger)
	}
	for code := range renamed {
		if _, ok := AccountOf(code); !ok {
			return nil, fmt.Errorf("there is no account %q; accounts are named by their codes without configuration", code)
		}
	}
	chart := make([]ChartEntry, 0, accounts)
	for _, a := range Accounts() {
		e := ChartEntry{Account: a, Code: a.Code(), Name: a.Name(), Type: a.Type()}
		if r := renamed[a.Code()]; r != (Renamed{}) {
			if r.Code != "" {
				e.Code = r.Code
			}
			if r.Name != "" {
				e.Name = r.Name
			}
		}
		if !chartCode.MatchString(e.Code) {
			return nil, fmt.Errorf("account %s: code %q is not made of letters, digits and '.'", a.Code(), e.Code)
		}
		chart = append(chart, e)
	}
	if mode == SubLedger {
		control := chart[OrderControl]
		chart[Sales].Code, chart[Sales].Name, chart[Sales].Type = control.Code, control.Name, control.Type
	}
	for i, e := range chart {
		taken := slices.IndexFunc(chart[:i], func(o ChartEntry) bool { return o.Code == e.Code })
		if taken >= 0 && (mode != SubLedger || e.Account != Sales) {
			return nil, fmt.Errorf("accounts %s and %s have one code, %q", chart[taken].Account.Code(), e.Account.Code(), e.Code)
		}
	}
	return chart, nil
}
