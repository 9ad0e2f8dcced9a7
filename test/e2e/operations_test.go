package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
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
	if r := l.Site.Run(t, "verify", "--events=false"); r.Code != 2 {
		t.Errorf("verify of nothing: exit code %d", r.Code)
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

// TestRestore_BesideOldViews brings an older log back beside views that know more. They are refused, also after the log has
// grown beyond them, and a rebuild that is approved makes views of this log, which show everything that comes from then on.
func TestRestore_BesideOldViews(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	s := l.Site
	accept(t, l, "decta", dectaPaid("k-1", "K-1"))
	copied := filepath.Join(t.TempDir(), "copy")
	s.RunOK(t, "backup", copied)
	for _, name := range []string{"lost-1", "lost-2", "lost-3"} {
		accept(t, l, "decta", dectaPaid(name, name))
	}
	l.WaitForViews(t)
	l.Terminate(t)
	events := filepath.Join(s.Dir, "events")
	if err := os.RemoveAll(events); err != nil {
		t.Fatal(err)
	}
	s.RunOK(t, "restore", copied)
	at := func() (position uint64) {
		t.Helper()
		position, err := strconv.ParseUint(s.Row(t, "select commit_position::text as at from ledger_data.checkpoint").Text("at"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return position
	}
	old := at()
	refused := func(when string) {
		t.Helper()
		if r := harness.Launch(t, s.Command("serve")).Wait(t); r.Code != 1 || !strings.Contains(r.Stderr, "of another log") {
			t.Errorf("%s: exit code %d: %s", when, r.Code, r.Stderr)
		}
	}
	refused("the log is shorter")

	r := s.Run(t, "rebuild")
	if r.Code != 4 || !strings.Contains(r.Stderr, "of another log") {
		t.Fatalf("rebuild: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	grow(t, events, old+20)
	refused("the log has grown beyond")
	_, digest, _ := strings.Cut(r.Stderr, "--approve ")
	digest, _, _ = strings.Cut(digest, "`")
	s.RunOK(t, "rebuild", "swap", "--approve", digest)
	if r := s.Run(t, "rebuild", "rollback"); r.Code != 1 || !strings.Contains(r.Stderr, "another log") {
		t.Errorf("the way back to another log: exit code %d: %s", r.Code, r.Stderr)
	}
	l = s.Serve(t)
	for _, name := range []string{"new-1", "new-2", "new-3"} {
		accept(t, l, "decta", dectaPaid(name, name))
	}
	l.WaitForViews(t)
	if n := s.Row(t, "select count(*)::text || ' ' || count(*) filter (where merchant_reference like 'new%')::text as n from ledger.orders").Text("n"); n != "4 3" {
		t.Errorf("%s orders and new ones, want 4 3", n)
	}
	s.RunOK(t, "audit", "--all")
}

// grow appends what makes no rows until the log has come to a position.
func grow(t *testing.T, events string, to uint64) {
	t.Helper()
	log, err := node.Open(node.Options{Dir: events})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		result, err := log.Append(t.Context(), "canary-views", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "CanaryReleased", JSON: true, Data: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		if result.Position.Commit >= to {
			return
		}
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
	// A new target with the old mark gets everything again.
	fresh := filepath.Join(t.TempDir(), "events")
	for range 2 {
		if r := site.RunOK(t, "copy-log", "--from", "embedded", "--to", fresh); strings.HasPrefix(r.LastLine(), "copied 0,") {
			t.Errorf("copy-log to a new log says %q", r.LastLine())
		}
		if err := os.RemoveAll(fresh); err != nil {
			t.Fatal(err)
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
