package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestBackup copies the log of a running ledger, checks it, brings it back in
// another place, and finds the same orders there.
func TestBackup_OfARunningLedger(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	files := t.TempDir()
	l.Site.RunOK(t, "simulate", "--orders", "40", "--seed", "3", "--out", files)
	l.Site.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(files, "decta.ndjson"))
	copied := filepath.Join(t.TempDir(), "copy")
	l.Site.RunOK(t, "backup", copied)
	if r := l.Site.Run(t, "backup", copied); r.Code == 0 {
		t.Error("a second backup to the same folder succeeded")
	}
	want := ordersDigest(t, l.Site)
	if r := l.Terminate(t); r.Code != 0 {
		t.Fatalf("stop: exit code %d\n%s", r.Code, r.Stderr)
	}

	var report struct {
		Sound  bool   `json:"sound"`
		Events uint64 `json:"Events"`
	}
	if err := json.Unmarshal([]byte(l.Site.RunOK(t, "verify", "--json", copied).Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Sound || report.Events == 0 {
		t.Errorf("verify says %+v", report)
	}
	other := harness.NewSite(t, harness.Options{})
	other.RunOK(t, "restore", copied)
	if r := other.Run(t, "restore", copied); r.Code == 0 {
		t.Error("a backup was restored over a log")
	}
	restored := other.Serve(t)
	restored.WaitForViews(t)
	if got := ordersDigest(t, other); got != want {
		t.Errorf("the restored ledger shows other orders:\n%s\nwant\n%s", got, want)
	}
}

// TestCopyLog moves a ledger to another event store, through its protocol, and
// goes on there.
func TestCopyLog_ToAnotherEventStore(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, harness.Options{})
	files := t.TempDir()
	site.RunOK(t, "simulate", "--orders", "40", "--seed", "4", "--out", files)
	site.RunOK(t, "ingest", "--gateway", "connectpay", filepath.Join(files, "connectpay.ndjson"))
	want := ordersDigest(t, site)

	// Consumers that have got half of it, and a lake that has all: they go on where the log is then.
	events, lake := "/events?format=ndjson&test=true", filepath.Join(t.TempDir(), "lake")
	grow := []string{"export", "history", "--format", "parquet", "--lake", lake, "--actor", "kim", "--json"}
	from := site.Serve(t)
	whole := strings.SplitAfter(strings.TrimSpace(from.Get(t, events).Body), "\n")
	half := whole[:len(whole)/2]
	var last struct{ Cursor string }
	if err := json.Unmarshal([]byte(half[len(half)-1]), &last); err != nil {
		t.Fatal(err)
	}
	site.RunOK(t, grow...)
	from.Terminate(t)

	store := harness.NewSite(t, harness.Options{})
	command := store.Command("node", "--eventstore-listen", "127.0.0.1:0")
	process := harness.Launch(t, command)
	var said struct {
		Events string `json:"events"`
	}
	if err := json.Unmarshal([]byte(process.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	for _, again := range []string{"copied", "copied 0,"} {
		if r := site.RunOK(t, "copy-log", "--from", "embedded", "--to", said.Events); !strings.HasPrefix(r.LastLine(), again) {
			t.Errorf("copy-log says %q, want %q…", r.LastLine(), again)
		}
	}
	moved := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_EVENTSTORE=" + said.Events}})
	ledger := moved.Serve(t)
	ledger.WaitForViews(t)
	if got := ordersDigest(t, moved); got != want {
		t.Errorf("the moved ledger shows other orders:\n%s\nwant\n%s", got, want)
	}
	result := moved.RunOK(t, "ingest", "--gateway", "connectpay", filepath.Join(files, "connectpay.ndjson"))
	if !strings.HasPrefix(result.LastLine(), "accepted 0,") {
		t.Errorf("after the move everything is known, but ingest says %q", result.LastLine())
	}

	files = filepath.Join(files, "decta.ndjson")
	moved.RunOK(t, "ingest", "--gateway", "decta", files)
	moved.RunOK(t, append(grow, "--ledger", ledger.URL)...)
	moved.RunOK(t, "export", "verify", lake, "--recorded", // of two data directories, with a key each
		"--public-key", strings.TrimSpace(site.RunOK(t, "export", "key").Stdout), "--public-key", strings.TrimSpace(moved.RunOK(t, "export", "key").Stdout))
	all := feedIDs(t, ledger, "?test=true")
	var ids []string
	for _, line := range half {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff(all, append(ids, feedIDs(t, ledger, "?test=true&after="+last.Cursor)...)); diff != "" || len(all) <= len(whole) {
		t.Errorf("before and after the move (-log +consumer):\n%s", diff)
	}
	if diff := cmp.Diff(all, lakeIDs(t, lake)); diff != "" {
		t.Errorf("before and after the move (-log +lake):\n%s", diff)
	}
}

// ordersDigest is one text of all that ledger.orders says about money.
func ordersDigest(t *testing.T, s *harness.Site) string {
	t.Helper()
	row := s.Row(t, `select count(*) || ' orders: ' || coalesce(string_agg(order_id || ' ' || payment_state || ' ' || net::text || ' ' ||
		coalesce(amount_due::text, '?'), E'\n' order by order_id), '') as digest from ledger.orders`)
	return row.Text("digest")
}
