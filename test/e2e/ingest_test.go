package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/test/harness"
)

// writeLines writes a file of notifications, one a line.
func writeLines(t *testing.T, bodies ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notifications.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(bodies, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantCounts expects the last line of an ingest and its exit code.
func wantCounts(t *testing.T, r harness.Result, code int, last string) {
	t.Helper()
	if r.Code != code || r.LastLine() != last {
		t.Errorf("exit code %d, last line %q, want %d, %q\n%s", r.Code, r.LastLine(), code, last, r.Stderr)
	}
}

// TestIngest_CountsEveryLineOnce takes files in without a running ledger: the views stand when it
// returns, and doing it again finds duplicates only.
func TestIngest_CountsEveryLineOnce(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	first := writeLines(t, dectaPaid("i-1", "I-1"), "", "   ", dectaPaid("i-2", "I-2"), dectaPaid("i-1", "I-1"), `{"id":`, "\t", "")
	second := writeLines(t, dectaRefunded("i-2", "I-2")) // its last line has no end

	r := s.Run(t, "ingest", "--gateway", "decta", first, second)
	wantCounts(t, r, 0, "accepted 3, duplicate 1, quarantined 1, failed 0")
	want := []string{"i-1 96.56 0.00", "i-2 96.56 10.00"}
	const query = `select source_order_id, captured, refunded from ledger.orders order by 1`
	if diff := cmp.Diff(want, table(s.Rows(t, query), "source_order_id", "captured", "refunded")); diff != "" {
		t.Errorf("ledger.orders (-want +got):\n%s", diff)
	}
	before := dump(t, s)

	wantCounts(t, s.Run(t, "ingest", "--gateway", "decta", second, first), 0, "accepted 0, duplicate 5, quarantined 0, failed 0")
	wantSameViews(t, before, dump(t, s))

	r = s.Run(t, "ingest", "--json", "--gateway", "decta", first)
	var counts struct{ Accepted, Duplicate, Quarantined, Failed *int }
	if err := json.Unmarshal([]byte(r.Stdout), &counts); err != nil {
		t.Fatalf("ingest --json: %v: %s", err, r.Stdout)
	}
	for name, n := range map[string]struct {
		got  *int
		want int
	}{"accepted": {counts.Accepted, 0}, "duplicate": {counts.Duplicate, 4}, "quarantined": {counts.Quarantined, 0}, "failed": {counts.Failed, 0}} {
		if n.got == nil || *n.got != n.want {
			t.Errorf("ingest --json does not say %s %d: %s", name, n.want, r.Stdout)
		}
	}
}

// TestIngest_ReadsStandardInput reads "-", alone and between files.
func TestIngest_ReadsStandardInput(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	c := s.Command("ingest", "--gateway", "connectpay", "-")
	c.Stdin = strings.NewReader(connectpay("i-c1", "I-C1", "Initiated") + "\r\n" + connectpay("i-c1", "I-C1", "Approved"))
	wantCounts(t, harness.Run(t, c), 0, "accepted 2, duplicate 0, quarantined 0, failed 0")
	if row := s.Row(t, `select payment_state from ledger.orders`); row.Text("payment_state") != "PAID" {
		t.Errorf("the order is %v", row)
	}
	c = s.Command("ingest", "--gateway", "connectpay", "-")
	c.Stdin = strings.NewReader("")
	wantCounts(t, harness.Run(t, c), 0, "accepted 0, duplicate 0, quarantined 0, failed 0")
}

// TestIngest_LongLines quarantines a line of more than 1 MiB and goes on with the next.
func TestIngest_LongLines(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	long := `{"id":"i-long","x":"` + strings.Repeat("x", 3*bodyBytesMax) + `"}`
	file := writeLines(t, dectaPaid("i-before", "I-B"), long, dectaPaid("i-after", "I-A"))
	wantCounts(t, s.Run(t, "ingest", "--gateway", "decta", file), 0, "accepted 2, duplicate 0, quarantined 1, failed 0")
	if n := s.Count(t, "ledger.orders"); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

// TestIngest_ThroughARunningLedger sends to the ledger that holds the log, which also takes webhooks.
func TestIngest_ThroughARunningLedger(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", dectaPaid("i-1", "I-1"))
	file := writeLines(t, dectaPaid("i-1", "I-1"), dectaRefunded("i-1", "I-1"), dectaPaid("i-2", "I-2"), "", "null")
	wantCounts(t, l.Site.Run(t, "ingest", "--gateway", "decta", file), 0, "accepted 2, duplicate 1, quarantined 1, failed 0")
	if n := l.Site.Count(t, "ledger.orders"); n != 2 { // without waiting: the views stand when it returns
		t.Errorf("%d orders, want 2", n)
	}
	wantCounts(t, l.Site.Run(t, "ingest", "--gateway", "decta", file), 0, "accepted 0, duplicate 4, quarantined 0, failed 0")
	if said := accept(t, l, "decta", dectaRefunded("i-1", "I-1")); said.Outcome != "duplicate" {
		t.Errorf("the webhook of what was ingested: %+v, want duplicate", said)
	}
	if metrics := l.Get(t, "/metrics").Body; !strings.Contains(metrics, `gateway="decta",outcome="accepted",via="import"} 2`) {
		t.Errorf("/metrics does not count the import:\n%s", grep(metrics, "ledger_notifications_total"))
	}
	r := l.Site.Run(t, "ingest", "--gateway", "decta", "--account", "shop-eu", file)
	if r.Code != 1 || !strings.Contains(r.Stderr, "no account shop-eu of gateway decta") {
		t.Errorf("unknown account: exit code %d: %s", r.Code, r.Stderr)
	}
	if r := l.Do(t, http.MethodPost, "/ingest/decta/default", file, http.Header{"Authorization": {"Bearer guessed"}}); r.Status != http.StatusUnauthorized {
		t.Errorf("a guessed token is answered %d, want 401", r.Status)
	}
}

// TestIngest_RefusesWhatCannotWork says why, before anything is taken in.
func TestIngest_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	file := writeLines(t, dectaPaid("i-1", "I-1"))
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"NoSuchFile", []string{"--gateway", "decta", file, "no-such-file.ndjson"}, 1, "no-such-file.ndjson"},
		{"Directory", []string{"--gateway", "decta", t.TempDir()}, 1, "directory"},
		{"NoGateway", []string{file}, 2, "--gateway is one of decta, everifin, connectpay"},
		{"UnknownAccount", []string{"--gateway", "decta", "--account", "shop-eu", file}, 1, "no account shop-eu of gateway decta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.Run(t, append([]string{"ingest"}, c.args...)...)
			if r.Code != c.code || !strings.Contains(r.Stderr, c.says) {
				t.Errorf("exit code %d: %s; want %d, %q", r.Code, r.Stderr, c.code, c.says)
			}
		})
	}
	if n := s.Count(t, "ledger.orders"); n != 0 {
		t.Errorf("%d orders were taken in", n)
	}
}

// TestIngest_StopsWhenAsked ends on SIGTERM although its input is still open, and can be done again.
func TestIngest_StopsWhenAsked(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := s.Command("ingest", "--gateway", "decta", "-")
	c.Stdin = out
	p := harness.Launch(t, c)
	_ = out.Close()
	if _, err := in.WriteString(dectaPaid("i-1", "I-1") + "\n"); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the order is there", func() bool { return s.Count(t, "ledger.orders") == 1 })
	if r := p.Terminate(t); r.Code != 1 {
		t.Errorf("SIGTERM: exit code %d, want 1: not everything was read", r.Code)
	}
	wantCounts(t, s.Run(t, "ingest", "--gateway", "decta", writeLines(t, dectaPaid("i-1", "I-1"), dectaPaid("i-2", "I-2"))), 0,
		"accepted 1, duplicate 1, quarantined 0, failed 0")
}

// TestIngest_DatabaseOfAnotherLog keeps two logs from being mixed in one database.
func TestIngest_DatabaseOfAnotherLog(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	s.RunOK(t, "ingest", "--gateway", "decta", writeLines(t, dectaPaid("i-1", "I-1")))
	before := dump(t, s)
	other := harness.NewSite(t, harness.Options{DatabaseURL: s.DatabaseURL})
	r := other.Run(t, "ingest", "--gateway", "decta", writeLines(t, dectaPaid("i-2", "I-2"), dectaRefunded("i-2", "I-2")))
	if r.Code != 1 || !strings.Contains(r.Stderr, "another log") || !strings.Contains(r.Stderr, "everything is stored") {
		t.Errorf("exit code %d: %s; want 1, that all is stored, and that the database is of another log", r.Code, r.Stderr)
	}
	wantSameViews(t, before, dump(t, s))
}

// TestIngest_IntoAConfiguredAccount keeps accounts apart; an order of one account that another one
// reports is nobody's.
func TestIngest_IntoAConfiguredAccount(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Config: `
gateways:
  - {gateway: decta, account: shop-eu, verify: {strategy: static_token, tokens: ["env:E2E_TOKEN"]}}
`, Env: []string{"E2E_TOKEN=secret"}})
	wantCounts(t, s.Run(t, "ingest", "--gateway", "decta", "--account", "shop-eu", writeLines(t, dectaPaid("i-1", "I-1"))), 0,
		"accepted 1, duplicate 0, quarantined 0, failed 0")
	wantCounts(t, s.Run(t, "ingest", "--gateway", "decta", writeLines(t, dectaPaid("i-2", "I-1"), dectaRefunded("i-1", "I-1"))), 0,
		"accepted 1, duplicate 0, quarantined 1, failed 0")
	want := []string{"default i-2 0.00", "shop-eu i-1 0.00"}
	got := table(s.Rows(t, `select source_account, source_order_id, refunded from ledger.orders order by 1`), "source_account", "source_order_id", "refunded")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger.orders (-want +got):\n%s", diff)
	}
	if row := s.Row(t, `select code from ledger.quarantine`); row.Text("code") != "account_mismatch" {
		t.Errorf("ledger.quarantine: %v, want account_mismatch", row)
	}
}
