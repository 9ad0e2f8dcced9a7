package accounting_test

import (
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/accounting"
)

func entry(tb testing.TB, chart []accounting.ChartEntry, a accounting.Account) accounting.ChartEntry {
	tb.Helper()
	for _, e := range chart {
		if e.Account == a {
			return e
		}
	}
	tb.Fatalf("account %s is not in the chart", a)
	return accounting.ChartEntry{}
}

func TestChart(t *testing.T) {
	t.Parallel()
	renamed := map[string]accounting.Renamed{"1200": {Code: "311000"}, "2900": {Code: "379", Name: "Orders of the shop"}}
	for mode, sales := range map[accounting.Mode]accounting.ChartEntry{
		"":                    {Account: accounting.Sales, Code: "4000", Name: "Sales", Type: accounting.Income},
		accounting.StandAlone: {Account: accounting.Sales, Code: "4000", Name: "Sales", Type: accounting.Income},
		accounting.SubLedger:  {Account: accounting.Sales, Code: "379", Name: "Orders of the shop", Type: accounting.Liability},
	} {
		chart, err := accounting.Chart(mode, renamed)
		if err != nil {
			t.Fatal(err)
		}
		if got := entry(t, chart, accounting.Sales); got != sales {
			t.Errorf("mode %q: sales stand on %+v, want %+v", mode, got, sales)
		}
		if got := entry(t, chart, accounting.Receivable); got.Code != "311000" || got.Name != accounting.Receivable.Name() {
			t.Errorf("mode %q: receivables stand on %+v", mode, got)
		}
		if len(chart) != len(accounting.Accounts()) {
			t.Errorf("mode %q: %d accounts of %d", mode, len(chart), len(accounting.Accounts()))
		}
	}
}

func TestChart_Refuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mode    accounting.Mode
		renamed map[string]accounting.Renamed
		want    string
	}{
		"Mode":         {"subledger", nil, "neither"},
		"NoSuch":       {"", map[string]accounting.Renamed{"1234": {Code: "1"}}, "1234"},
		"OneCodeTwice": {"", map[string]accounting.Renamed{"1100": {Code: "1200"}}, "one code"},
		"TwiceBySub":   {accounting.SubLedger, map[string]accounting.Renamed{"1100": {Code: "2900"}}, "one code"},
		"Formula":      {"", map[string]accounting.Renamed{"1100": {Code: "=1+1"}}, "letters"},
		"Blank":        {"", map[string]accounting.Renamed{"1100": {Code: "1 100"}}, "letters"},
	} {
		if _, err := accounting.Chart(tc.mode, tc.renamed); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
		}
	}
}
