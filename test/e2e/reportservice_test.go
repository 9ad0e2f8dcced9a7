package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/test/harness"
)

// report is a reporting service with a database of its own.
type report struct{ file string }

func (r report) command(l *harness.Ledger, args ...string) harness.Command {
	return harness.Command{
		Args: append([]string{"report-service", "--database", r.file, "--ledger", l.URL}, args...), Env: []string{"LEDGER_LOG_JSON=1"},
	}
}

// totals are the service's rows: day, currency and total to amount.
func (r report) totals(t *testing.T) (byDay, bySum map[string]string) {
	t.Helper()
	result := harness.Run(t, harness.Command{Args: []string{"report-service", "totals", "--json", "--database", r.file}})
	var rows []struct {
		Day, Currency, Total string
		Amount               decimal.Decimal
	}
	if err := json.Unmarshal([]byte(result.Stdout), &rows); err != nil {
		t.Fatalf("%v: %s%s", err, result.Stdout, result.Stderr)
	}
	byDay, bySum = map[string]string{}, map[string]string{}
	sums := map[string]decimal.Decimal{}
	for _, row := range rows {
		byDay[row.Day+" "+row.Currency+" "+row.Total] = row.Amount.String()
		sums[row.Currency+" "+row.Total] = sums[row.Currency+" "+row.Total].Add(row.Amount)
	}
	for name, sum := range sums {
		if !sum.IsZero() {
			bySum[name] = sum.String()
		}
	}
	return byDay, bySum
}

// TestReportService_AgreesWithTheViews kills the ledger and the service again and again while webhooks
// come in; in the end the service's totals are the views', and those of a service that nobody disturbed.
func TestReportService_AgreesWithTheViews(t *testing.T) {
	t.Parallel()
	traffic := simulate(t, 400, 11)
	l := harness.Serve(t, harness.Options{})
	r := report{file: filepath.Join(t.TempDir(), "report.sqlite")}
	for i, gateway := range gateways() {
		lines := traffic.lines(t, gateway)
		half := writeLines(t, lines[:len(lines)/2]...)
		l.Site.RunOK(t, "ingest", "--gateway", gateway, half)
		service := harness.Launch(t, r.command(l))
		service.Stderr().WaitForLine(t, `"msg":"counted"`)
		ingest := harness.Launch(t, l.Site.Command("ingest", "--gateway", gateway, traffic.path(gateway)))
		if i%2 == 0 {
			service.Kill(t) // wherever it is
			service = harness.Launch(t, r.command(l))
		}
		l.Kill(t)
		ingest.Wait(t)
		service.Stderr().WaitForLine(t, "asking again") // the service outlives its ledger
		service.Kill(t)
		l = l.Site.Serve(t)
		l.Site.RunOK(t, "ingest", "--gateway", gateway, traffic.path(gateway))
	}
	l.WaitForViews(t)
	again := report{file: filepath.Join(t.TempDir(), "undisturbed.sqlite")}
	for _, which := range []report{r, again} {
		if done := harness.Run(t, which.command(l, "--once")); done.Code != 0 {
			t.Fatalf("exit code %d: %s", done.Code, done.Stderr)
		}
	}
	byDay, bySum := r.totals(t)
	undisturbed, _ := again.totals(t)
	if diff := cmp.Diff(undisturbed, byDay); diff != "" {
		t.Errorf("days (-undisturbed +killed):\n%s", diff)
	}
	want := map[string]string{}
	for _, row := range l.Site.Rows(t, `select currency || ' ' || total as name, trim_scale(sum(amount))::text as amount from (
		select currency, 'revenue' as total, gross_paid as amount from ledger.orders union all
		select currency, 'refunds', refunded from ledger.orders union all
		select currency, 'disputes', dispute_held + dispute_lost from ledger.orders) q
		where currency is not null group by currency, total having sum(amount) <> 0`) {
		want[row["name"].(string)] = row["amount"].(string)
	}
	if diff := cmp.Diff(want, bySum); diff != "" || len(want) < 6 {
		t.Errorf("%d sums (-views +service):\n%s", len(want), diff)
	}
	if diff := cmp.Diff(dailyCash(t, l), cashOf(t, byDay)); diff != "" {
		t.Errorf("cash of the days (-books +service):\n%s", diff)
	}
	perDay := dailyTotals(t, l)
	for name, amount := range byDay {
		if amount == "0" {
			delete(byDay, name)
		}
	}
	if diff := cmp.Diff(perDay, byDay); diff != "" || len(perDay) < 20 {
		t.Errorf("%d days (-views +service):\n%s", len(perDay), diff)
	}
}

// dailyCash is what the books moved at the bank and in clearing on each day, fees apart: day and currency
// to amount.
func dailyCash(t *testing.T, l *harness.Ledger) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, row := range l.Site.Rows(t, `select concat_ws(' ', value_date, currency) as name, trim_scale(sum(debit - credit))::text as amount
		from ledger.journal_lines join ledger.orders using (order_id, currency)
		where account in ('1010', '1100', '1110', '5200', '5210') group by value_date, currency having sum(debit - credit) <> 0`) {
		out[row.Text("name")] = row.Text("amount")
	}
	return out
}

// cashOf is the same, of the service's totals.
func cashOf(t *testing.T, byDay map[string]string) map[string]string {
	t.Helper()
	sums := map[string]decimal.Decimal{}
	for name, amount := range byDay {
		words := strings.Fields(name) // day, currency, total
		sum := decimal.RequireFromString(amount)
		if words[2] != "revenue" {
			sum = sum.Neg()
		}
		sums[words[0]+" "+words[1]] = sums[words[0]+" "+words[1]].Add(sum)
	}
	out := map[string]string{}
	for name, sum := range sums {
		if !sum.IsZero() {
			out[name] = sum.String()
		}
	}
	return out
}

// dailyTotals are what an accountant finds in the views: day, currency and total to amount.
func dailyTotals(t *testing.T, l *harness.Ledger) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, row := range l.Site.Rows(t, `select concat_ws(' ', day, currency, total) as name, trim_scale(sum(amount))::text as amount from (
		select (occurred_at at time zone 'UTC')::date as day, data -> 'amount' ->> 'currency' as currency,
			case when event_type in ('RefundCompleted', 'RefundReversed') then 'refunds' else 'revenue' end as total,
			(data -> 'amount' ->> 'amount')::numeric * case when event_type in ('PaymentReversed', 'RefundReversed') then -1 else 1 end as amount
		from ledger.order_history h
		where event_type in ('PaymentCaptured', 'OrderPaidExternally', 'PaymentReversed', 'RefundCompleted', 'RefundReversed')
			and exists (select from ledger.orders o where o.order_id = h.order_id)
		union all
		select (t.occurred_at at time zone 'UTC')::date, t.currency, 'disputes', -t.moved -- what moved to the merchant
		from ledger.dispute_timeline t join ledger.orders using (order_id)) q
		group by day, currency, total having sum(amount) <> 0`) {
		out[row.Text("name")] = row.Text("amount")
	}
	return out
}

// TestReportService_ExactlyOnceThroughKills gives the service pages of one event each, so that nearly
// every moment is one of writing, and kills it again and again: each event counts once.
func TestReportService_ExactlyOnceThroughKills(t *testing.T) {
	t.Parallel()
	const kills, perLife = 25, 5 // pages at least
	var asked, last atomic.Int64
	last.Store(math.MaxInt64) // while the service is killed the feed has no end
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if n >= last.Load() {
			_, _ = fmt.Fprintf(w, `{"events":[],"cursor":"%d","more":false}`, n)
			return
		}
		_, _ = fmt.Fprintf(w, `{"events":[{"id":"event-%d","type":"PaymentCaptured","time":"2026-11-01T12:00:00Z",
			"dataschema":"urn:order-ledger:schema:PaymentCaptured:1","data":{"amount":{"amount":"0.10","currency":"EUR"}}}],
			"cursor":"%d","more":true}`, n, n+1)
		asked.Add(1)
	}))
	t.Cleanup(feed.Close)
	r := report{file: filepath.Join(t.TempDir(), "report.sqlite")}
	command := r.command(&harness.Ledger{URL: feed.URL}, "--once")
	for range kills {
		until := asked.Load() + perLife
		service := harness.Launch(t, command)
		harness.Eventually(t, "the service asks for pages", func() bool { return asked.Load() >= until })
		service.Kill(t)
	}
	last.Store(asked.Load() + 1)
	if done := harness.Run(t, command); done.Code != 0 {
		t.Fatalf("exit code %d: %s", done.Code, done.Stderr)
	}
	want := decimal.New(last.Load(), -1).String()
	if got, _ := r.totals(t); got["2026-11-01 EUR revenue"] != want {
		t.Errorf("%d events of 0.10 are %v, want %s", last.Load(), got, want)
	}
}

// TestReportService_AnotherLedger stops at a ledger that is not the one that it has followed.
func TestReportService_AnotherLedger(t *testing.T) {
	t.Parallel()
	one, two := harness.Serve(t, harness.Options{}), harness.Serve(t, harness.Options{})
	for _, l := range []*harness.Ledger{one, two} {
		l.Post(t, "decta", dectaPaid("same", "R-same")) // told the same, they are two ledgers all the same
	}
	r := report{file: filepath.Join(t.TempDir(), "report.sqlite")}
	if done := harness.Run(t, harness.Command{Args: []string{"report-service", "totals", "--database", r.file}}); done.Code == 0 {
		t.Errorf("totals of a database that does not exist: %s", done.Stdout)
	}
	if done := harness.Run(t, r.command(one, "--once")); done.Code != 0 {
		t.Fatalf("exit code %d: %s", done.Code, done.Stderr)
	}
	before, _ := r.totals(t)
	done := harness.Run(t, r.command(two, "--once"))
	if done.Code == 0 || !strings.Contains(done.Stderr, "cursor_of_another_ledger") {
		t.Errorf("exit code %d: %s", done.Code, done.Stderr)
	}
	if after, _ := r.totals(t); !cmp.Equal(before, after) || len(before) == 0 {
		t.Errorf("totals changed from %v to %v", before, after)
	}
}
