package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
)

// mintedColumns are made anew by each run of a ledger: our ids, and the times and positions at which
// it learnt of things. Two runs of the same notifications differ in nothing else.
func mintedColumns() []string {
	return []string{
		"order_id", "entry_id", "payment_id", "refund_id", "dispute_id", "event_id", "notification_id", "position",
		"first_recorded_at", "last_recorded_at", "recorded_at", "received_at", "data", "metadata",
	}
}

// dump is the content of all public views, in an order of its own, without what is minted; our ids of
// orders are replaced by the gateways'.
func dump(t *testing.T, s *harness.Site) map[string][]string {
	t.Helper()
	const names = `(select order_id, source || ' ' || source_order_id as of_order from ledger.orders
		union all select order_id, source || ' ' || source_order_id from ledger.test_orders
		union all select order_id, source || ' ' || source_order_id from ledger.payouts) names`
	views := map[string][]string{}
	for _, view := range []string{
		"orders", "test_orders", "payouts", "payments", "refunds", "refund_balances", "disputes", "order_history", "dispute_timeline", "journal_lines",
	} {
		views[view] = lines(t, s.Rows(t, `select of_order, v.* from ledger.`+view+` v left join `+names+` using (order_id)`))
	}
	views["quarantine"] = lines(t, s.Rows(t, `select * from ledger.quarantine`))
	views["parked_orders"] = lines(t, s.Rows(t, `select * from ledger.parked_orders`))
	return views
}

func lines(t *testing.T, rows []harness.Row) []string {
	t.Helper()
	texts := make([]string, 0, len(rows))
	for _, row := range rows {
		for _, column := range mintedColumns() {
			delete(row, column)
		}
		for column, value := range row {
			if text, ok := value.(string); ok && isOurClock(text) {
				row[column] = "when we received it"
			}
		}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}

// isOurClock tells whether a text is a time of just now: that of a fact whose time no source told.
func isOurClock(text string) bool {
	at, err := time.Parse(time.RFC3339, text)
	return err == nil && time.Since(at).Abs() < 10*time.Minute
}

// wantSameViews compares two dumps and shows the rows that only one has.
func wantSameViews(t *testing.T, want, got map[string][]string) {
	t.Helper()
	shown := 0
	for view, rows := range want {
		count := map[string]int{}
		for _, row := range rows {
			count[row]++
		}
		for _, row := range got[view] {
			count[row]--
		}
		for row, n := range count {
			if n == 0 {
				continue
			}
			if shown++; shown > 20 {
				t.Fatal("and more")
			}
			t.Errorf("ledger.%s: %+d of the row %s", view, -n, row)
		}
	}
}
