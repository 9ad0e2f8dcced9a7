package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/test/harness"
)

// rebuilt is what the last line of `ledger rebuild --json` tells.
type rebuilt struct {
	Answer struct {
		Sets []struct {
			Tables string `json:"tables"`
			Stage  string `json:"stage"`
		} `json:"sets"`
		Proof struct {
			Compared bool `json:"compared"`
			Digest   string
			Models   []struct {
				Table     string `json:"table"`
				LiveRows  int    `json:"live_rows"`
				Different int    `json:"different"`
			} `json:"models"`
		} `json:"proof"`
		Refused bool `json:"refused"`
		Swapped bool `json:"swapped"`
	} `json:"answer"`
}

func readRebuilt(t *testing.T, r harness.Result) rebuilt {
	t.Helper()
	var told rebuilt
	if err := json.Unmarshal([]byte(r.LastLine()), &told); err != nil {
		t.Fatalf("the last line is no answer: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	return told
}

const oidOfOrders = `select 'ledger_data.orders'::regclass::oid::text as oid`

// TestRebuild_UnderARunningLedger plans, builds, proves, swaps, and goes back, while the ledger serves: what
// the views show is the same, who could read them still can, and new notifications show at once.
func TestRebuild_UnderARunningLedger(t *testing.T) {
	t.Parallel()
	files := simulate(t, 60, 3)
	s := harness.NewSite(t, harness.Options{})
	for _, gateway := range gateways() {
		s.RunOK(t, "ingest", "--gateway", gateway, files.path(gateway))
	}
	const accountant = "pg_read_all_stats" // a role that is there anyway
	s.Exec(t, "grant usage on schema ledger to "+accountant)
	s.Exec(t, "grant select on ledger.orders to "+accountant)
	before := dump(t, s)
	first := s.Row(t, oidOfOrders).Text("oid")

	// Nobody serves: the command does it itself.
	if r := s.RunOK(t, "rebuild", "plan"); !strings.Contains(r.Stdout, "order_history") || !strings.Contains(r.Stdout, "takes about") {
		t.Errorf("the plan: %s", r.Stdout)
	}
	told := readRebuilt(t, s.RunOK(t, "rebuild", "--json"))
	if !told.Answer.Swapped || !told.Answer.Proof.Compared || len(told.Answer.Proof.Models) < 10 {
		t.Errorf("the answer: %+v", told)
	}
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("after the swap: %s", diff)
	}
	if s.Row(t, oidOfOrders).Text("oid") == first {
		t.Error("nothing was swapped")
	}

	// A ledger serves: it does it, and goes on serving.
	l := s.Serve(t)
	serving := s.Row(t, oidOfOrders).Text("oid")
	for _, change := range [][]string{{"rebuild"}, {"audit", "--all", "--heal"}, {"parked", "retry", "R-1"}, {"ingest", "--gateway", "decta", files.path("decta")}} {
		const other = "postgres://somebody@127.0.0.1:1/other"
		if r := s.Run(t, append(change, "--database-url", other)...); r.Code != 1 || !strings.Contains(r.Stderr, "another database than 127.0.0.1:1/other") {
			t.Errorf("ledger %v of another database than the ledger's: exit code %d: %s", change, r.Code, r.Stderr)
		}
	}
	if s.Row(t, oidOfOrders).Text("oid") != serving {
		t.Error("a rebuild of another database swapped that of the running ledger")
	}
	s.RunOK(t, "rebuild")
	accept(t, l, "decta", dectaPaid("r-1", "R-1"))
	l.WaitForViews(t)
	if answer := l.Get(t, "/orders/R-1"); answer.Status != http.StatusOK {
		t.Errorf("an order that came after the swap: %d %s", answer.Status, answer.Body)
	}
	s.RunOK(t, "rebuild", "rollback")
	harness.Eventually(t, "the same order shows after the way back", func() bool {
		return l.Get(t, "/orders/R-1").Status == http.StatusOK
	})
	if r := s.RunOK(t, "rebuild", "status"); !strings.Contains(r.Stdout, "BUILT") {
		t.Errorf("the status: %s", r.Stdout)
	}
	s.RunOK(t, "rebuild", "drop")
	if r := s.Run(t, "rebuild", "rollback"); r.Code != 3 {
		t.Errorf("a way back from nothing: exit code %d: %s", r.Code, r.Stderr)
	}
	if s.Row(t, `select has_table_privilege('`+accountant+`', 'ledger.orders', 'select')::text as may`).Text("may") != "true" {
		t.Error("who could read a view cannot any more")
	}
	s.RunOK(t, "audit", "--all")
}

// TestRebuild_RefusesADifference shows the order and the column, exits with 4, and swaps when told the digest.
func TestRebuild_RefusesADifference(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	s := l.Site
	accept(t, l, "decta", dectaPaid("d-1", "D-1"))
	l.WaitForViews(t)
	id := s.Row(t, "select order_id from ledger.orders").Text("order_id")
	s.Exec(t, "update ledger_data.orders set settled = settled + 7")
	r := s.Run(t, "rebuild")
	if r.Code != 4 || !strings.Contains(r.Stdout, id) || !strings.Contains(r.Stdout, "settled") || !strings.Contains(r.Stderr, "--approve ") {
		t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := s.Run(t, "rebuild", "swap"); r.Code != 4 {
		t.Errorf("a swap that nobody approved: exit code %d", r.Code)
	}
	_, digest, _ := strings.Cut(r.Stderr, "--approve ")
	digest, _, _ = strings.Cut(digest, "`")
	s.RunOK(t, "rebuild", "swap", "--approve", digest)
	s.RunOK(t, "audit", "--all")
	for _, args := range [][]string{
		{"rebuild", "--as-of", "2026-10-31"}, {"rebuild", "--into", "x"}, {"rebuild", "verify", "--approve", "x"}, {"rebuild", "sideways"},
	} {
		if r := s.Run(t, args...); r.Code != 2 {
			t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
		}
	}
}

// TestRebuild_FreezesAMonth makes a copy of all views that later events do not change.
func TestRebuild_FreezesAMonth(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	s := l.Site
	accept(t, l, "decta", dectaPaid("m-1", "M-1"))
	l.WaitForViews(t)
	position := s.Row(t, "select max(position)::text as position from ledger.order_history").Text("position")
	accept(t, l, "decta", dectaPaid("m-2", "M-2"))
	l.WaitForViews(t)
	if r := s.RunOK(t, "rebuild", "--as-of", position, "--into", "month_2026_10"); !strings.Contains(r.Stderr, "digest ") {
		t.Errorf("the digest of the copy is not told: %s", r.Stderr)
	}
	accept(t, l, "decta", dectaPaid("m-3", "M-3"))
	l.WaitForViews(t)
	if frozen, live := s.Count(t, "month_2026_10.orders"), s.Count(t, "ledger.orders"); frozen != 1 || live != 3 {
		t.Errorf("%d frozen orders and %d live ones", frozen, live)
	}
	s.RunOK(t, "rebuild", "--as-of", "2099-01-01", "--into", "all_of_it")
	if n := s.Count(t, "all_of_it.orders"); n != 3 {
		t.Errorf("%d orders as of the far future", n)
	}
	if r := s.RunOK(t, "rebuild", "verify", "--into", "month_2026_10"); !strings.Contains(r.Stderr, "is what it was") {
		t.Errorf("the verdict: %s%s", r.Stdout, r.Stderr)
	}
	if r := s.RunOK(t, "rebuild", "status"); !strings.Contains(r.Stdout, "digest ") {
		t.Errorf("the status: %s", r.Stdout)
	}
	s.Exec(t, "update ledger_data_frozen_month_2026_10.orders set captured = 0")
	if r := s.Run(t, "rebuild", "verify", "--into", "month_2026_10"); r.Code != 4 || !strings.Contains(r.Stderr, "not what it was when it was made: orders") {
		t.Errorf("a copy that somebody changed: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := s.Run(t, "rebuild", "verify", "--into", "no_such_copy"); r.Code != 3 {
		t.Errorf("a copy that is not there: exit code %d: %s", r.Code, r.Stderr)
	}
	s.RunOK(t, "rebuild", "drop", "--into", "month_2026_10")
	if n := s.Row(t, "select count(*)::int as n from pg_namespace where nspname like '%month%'").Text("n"); n != "0" {
		t.Errorf("%s schemas are left", n)
	}
	if r := l.Terminate(t); r.Code != 0 {
		t.Errorf("the ledger ended with %d", r.Code)
	}
	s.RunOK(t, "rebuild", "verify", "--into", "all_of_it")
	s.Exec(t, "delete from ledger_data_frozen_all_of_it.payments")
	if r := s.Run(t, "rebuild", "verify", "--into", "all_of_it", "--json"); r.Code != 4 || !strings.Contains(r.Stdout, `"changed":["payments"]`) {
		t.Errorf("without a running ledger: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestServe_RebuildsIfNeeded: views of another version are rebuilt at the start, without anybody's doing.
func TestServe_RebuildsIfNeeded(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_REBUILD_IF_NEEDED=1"}})
	l := s.Serve(t)
	accept(t, l, "decta", dectaPaid("n-1", "N-1"))
	l.WaitForViews(t)
	l.Terminate(t)
	s.Exec(t, `update ledger_data.checkpoint set fingerprint = fingerprint || '{"fold": "of another version"}'`)
	s.Exec(t, `update ledger_data.orders set merchant_reference = 'as another version had it'`)
	l = s.Serve(t)
	accept(t, l, "decta", dectaPaid("n-2", "N-2"))
	l.WaitForViews(t)
	if n := s.Row(t, "select count(*)::int as n from ledger.orders where merchant_reference in ('N-1', 'N-2')").Text("n"); n != "2" {
		t.Errorf("%s orders as this version has them, want 2", n)
	}
	s.RunOK(t, "audit", "--all")
}
