package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestMonthEnd closes a month, lets facts about it come in afterwards, and finds the closed month as it
// was; what came late is told, and stays where it is when everything is built again.
func TestMonthEnd(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "150", "--seed", "77", "--out", dir)
	text, err := os.ReadFile(filepath.Join(dir, "decta.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	early, late := filepath.Join(dir, "early.ndjson"), filepath.Join(dir, "late.ndjson")
	for file, part := range map[string][][]byte{early: lines[:len(lines)/2], late: lines[len(lines)/2:]} {
		if err := os.WriteFile(file, bytes.Join(part, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.Run(t, "period", "close", "2026-10", "--actor", "kim"); r.Code == 0 || !strings.Contains(r.Stderr, "ledger serve") {
		t.Errorf("closed without a ledger: exit code %d, %s", r.Code, r.Stderr)
	}
	l := s.Serve(t)
	kim, lee := tokenFile(t, s, "kim", "operations"), tokenFile(t, s, "lee", "operations")
	s.RunOK(t, "ingest", "--gateway", "decta", early)
	for _, refused := range [][]string{
		{"period", "close", "2026-10"}, {"period", "close", "October", "--actor", "kim"}, {"period", "close", "2999-01", "--actor", "kim"},
		{"period", "close", "2026-10", "--actor", "kim", "--entity", "nobody"}, {"period", "reopen", "2026-10", "--reason", "x"},
		{"period", "reopen", "2026-10", "--token-file", kim, "--approver-token-file", lee, "--reason", "x"}, // it is open
	} {
		if r := s.Run(t, refused...); r.Code == 0 || r.Stderr == "" {
			t.Errorf("%v: exit code %d, %q", refused, r.Code, r.Stderr)
		}
	}
	var closed struct {
		Change struct {
			Digest string `json:"trial_balance_sha256"`
		} `json:"change"`
		Trial []struct{ Closing string } `json:"trial_balance"`
	}
	if err := json.Unmarshal([]byte(s.RunOK(t, "period", "close", "2026-10", "--actor", "kim", "--json").Stdout), &closed); err != nil ||
		len(closed.Trial) == 0 || len(closed.Change.Digest) != 64 {
		t.Fatalf("%v: %+v", err, closed)
	}
	october := s.RunOK(t, "report", "trial-balance", "--period", "2026-10", "--memo", "--json").Stdout
	s.RunOK(t, "ingest", "--gateway", "decta", late)
	if now := s.RunOK(t, "report", "trial-balance", "--period", "2026-10", "--memo", "--json").Stdout; now != october {
		t.Errorf("the closed month changed:\n%s\n%s", october, now)
	}
	s.RunOK(t, "period", "verify")
	s.Exec(t, `delete from ledger_data.journal_lines where (order_id, position) = (
		select order_id, position from ledger_data.journal_lines where posting_date < '2026-11-01' limit 1)`)
	if r := s.Run(t, "period", "verify", "--json"); r.Code != 4 || !strings.Contains(r.Stdout, `"holds": false`) {
		t.Errorf("an entry is gone, and the closed month is said to hold: exit code %d, %s", r.Code, r.Stdout)
	}
	s.RunOK(t, "audit", "--all", "--heal")
	s.RunOK(t, "period", "verify")
	chart := filepath.Join(dir, "chart.yaml")
	if err := os.WriteFile(chart, []byte("accounting: {mode: sub_ledger, accounts: {\"1200\": {code: \"311000\", name: Debtors}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	booked := s.RunOK(t, "report", "trial-balance", "--csv", "--config", chart).Stdout
	if !strings.Contains(booked, ",311000,Debtors,") || strings.Contains(booked, ",1200,Acc") || strings.Contains(booked, ",4000,") || !strings.Contains(booked, ",2900,Order control,liability,") {
		t.Errorf("the trial balance of a sub-ledger with its own codes:\n%s", booked)
	}
	s.RunOK(t, "period", "verify") // names change, what was closed does not
	if err := os.WriteFile(chart, []byte("accounting: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.RunOK(t, "report", "trial-balance", "--config", chart)
	lateRows := s.Rows(t, `select count(*) as n, min(posting_date)::text as day from ledger.journal_lines where late_posting`)
	if fmt.Sprint(lateRows[0]["n"]) == "0" || lateRows[0]["day"] != "2026-11-01" {
		t.Errorf("late postings: %v", lateRows)
	}
	if r := s.RunOK(t, "report", "late-postings", "--csv"); strings.Count(r.Stdout, "2026-11-01") == 0 {
		t.Errorf("the report of late postings: %s", r.Stdout)
	}
	order := s.Rows(t, `select order_id from ledger.journal_lines where late_posting limit 1`)[0]["order_id"].(string)
	var pack struct {
		Journal []struct {
			Late bool `json:"late_posting"`
		} `json:"journal"`
		Evidence []struct {
			Body string `json:"body_sha256"`
		} `json:"evidence"`
		Proof struct {
			Events            int
			Gapless, Balanced bool
			SHA256            string
		} `json:"proof"`
		Views struct{ Drift []any } `json:"views"`
	}
	if err := json.Unmarshal([]byte(s.RunOK(t, "audit-pack", order).Stdout), &pack); err != nil {
		t.Fatal(err)
	}
	if p := pack.Proof; !p.Gapless || !p.Balanced || p.Events == 0 || len(p.SHA256) != 64 || len(pack.Journal) == 0 || len(pack.Evidence) == 0 || len(pack.Views.Drift) > 0 {
		t.Errorf("the audit pack: %+v", pack)
	}
	before := dump(t, s)
	s.RunOK(t, "rebuild")
	wantSameViews(t, before, dump(t, s))
	s.RunOK(t, "audit", "--all")
	if a := l.Get(t, "/reports/trial-balance?period=2026-10&format=csv"); a.Status != http.StatusOK || !strings.HasPrefix(a.Body, "currency,source,") {
		t.Errorf("the report over HTTP: %d %s", a.Status, a.Body)
	}
	for path, status := range map[string]int{
		"/reports": 200, "/reports/nothing": 404, "/reports/totals?by=year": 400, "/reports/restatement": 400, "/reports/trial-balance?period=2026-13": 400,
		"/reports/restatement?known_from=2026-01-01": 200, "/periods": 200,
	} {
		if a := l.Get(t, path); a.Status != status {
			t.Errorf("GET %s: %d, want %d: %s", path, a.Status, status, a.Body)
		}
	}
	for _, approver := range []string{kim, tokenFile(t, s, "Kim", "operations"), tokenFile(t, s, "eve", "accounting:read")} {
		if r := s.Run(t, "period", "reopen", "2026-10", "--token-file", kim, "--approver-token-file", approver, "--reason", "x"); r.Code == 0 {
			t.Errorf("opened again by one person, or with a token that may not: %s", r.Stdout)
		}
	}
	s.RunOK(t, "period", "reopen", "2026-10", "--token-file", kim, "--approver-token-file", lee, "--reason", "a bill was missing")
	list := s.RunOK(t, "period", "list").Stdout
	if !strings.Contains(list, closed.Change.Digest) || !strings.Contains(list, "a bill was missing") || !strings.Contains(list, "kim/") || !strings.Contains(list, "lee/") {
		t.Errorf("the list of periods: %s", list)
	}
}

// tokenFile is a file with a new API token of somebody.
// TestEntities: two legal entities keep their own books, close their own months in their own time zone, and everything is
// the same when it is built again.
func TestEntities(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "60", "--seed", "80", "--out", dir)
	l := s.Serve(t)
	define := []string{"entity", "define", "baltics", "--time-zone", "Europe/Vilnius", "--account", "decta/default", "--actor", "kim"}
	s.RunOK(t, define...)
	s.RunOK(t, define...) // says nothing new
	for _, refused := range [][]string{
		{"entity", "define", "others", "--account", "decta/default", "--actor", "kim"}, {"entity", "define", "x", "--actor", "kim"},
		{"entity", "define", "x", "--account", "decta/x", "--time-zone", "Mars/Base", "--actor", "kim"},
	} {
		if r := s.Run(t, refused...); r.Code == 0 || r.Stderr == "" {
			t.Errorf("%v: exit code %d, %q", refused, r.Code, r.Stderr)
		}
	}
	if list := s.RunOK(t, "entity", "list").Stdout; !strings.Contains(list, "Europe/Vilnius") {
		t.Errorf("entities:\n%s", list)
	}
	s.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(dir, "decta.ndjson"))
	s.RunOK(t, "ingest", "--gateway", "everifin", filepath.Join(dir, "everifin.ndjson"))
	books := s.Rows(t, `select entity, string_agg(distinct source || '/' || source_account, ' ') as accounts, sum(debit - credit) as out
		from ledger.journal_lines group by 1 order by 1`)
	if len(books) != 2 || books[0]["accounts"] != "decta/default" || books[1]["accounts"] != "everifin/default" {
		t.Fatalf("books: %v", books)
	}
	if zone := s.Row(t, `select count(*) filter (where value_date <> (h.occurred_at at time zone 'Europe/Vilnius')::date) as wrong,
		count(*) filter (where value_date <> (h.occurred_at at time zone 'UTC')::date) as differ
		from ledger.journal_lines as j join ledger.order_history as h using (event_id) where entity = 'baltics'`); fmt.Sprint(zone["wrong"]) != "0" || fmt.Sprint(zone["differ"]) == "0" {
		t.Errorf("days of the Baltic books: %v", zone)
	}
	s.RunOK(t, "period", "close", "2026-10", "--entity", "baltics", "--actor", "kim")
	// Facts about October that come later.
	simulated := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "30", "--seed", "81", "--out", simulated)
	s.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(simulated, "decta.ndjson"))
	s.RunOK(t, "ingest", "--gateway", "everifin", filepath.Join(simulated, "everifin.ndjson"))
	late := s.Rows(t, `select entity, count(*) as n from ledger.journal_lines where late_posting group by 1`)
	if len(late) != 1 || late[0]["entity"] != "baltics" {
		t.Errorf("late postings after the Baltic books were closed: %v", late)
	}
	s.RunOK(t, "period", "close", "2026-10", "--actor", "kim")
	s.RunOK(t, "period", "verify")
	if n := strings.Count(s.RunOK(t, "period", "list").Stdout, "closed"); n != 2 {
		t.Errorf("%d closings are listed, want 2", n)
	}
	if own := s.RunOK(t, "report", "trial-balance", "--entity", "baltics", "--csv").Stdout; strings.Contains(own, "everifin") || !strings.Contains(own, "decta,default") {
		t.Errorf("the Baltic trial balance:\n%s", own)
	}
	before := dump(t, s)
	s.RunOK(t, "rebuild")
	wantSameViews(t, before, dump(t, s))
	s.RunOK(t, "audit", "--all")
	if r := s.Run(t, "report", "unknown", "--entity", "baltics"); r.Code != 2 || !strings.Contains(r.Stderr, "entities") {
		t.Errorf("a report that does not tell entities apart: exit code %d, %q", r.Code, r.Stderr)
	}
	for path, status := range map[string]int{"/entities": 200, "/reports/trial-balance?entity=baltics": 200, "/reports/disputes-open?entity=baltics": 200,
		"/reports/anomalies?entity=baltics": 400, "/reconciliation?entity=baltics": 400, "/reports/ageing?by=day": 400} {
		if a := l.Get(t, path); a.Status != status {
			t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
	}
}

func tokenFile(t *testing.T, s *harness.Site, name, scopes string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(s.RunOK(t, "token", "create", name, "--scopes", scopes).Stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestExport writes every dataset from a running ledger and from one that stands still: the bytes are the
// same, each export is recorded, and a frozen copy can be exported later.
func TestExport(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	dir := t.TempDir()
	s.RunOK(t, "simulate", "--orders", "60", "--seed", "78", "--out", dir)
	s.RunOK(t, "ingest", "--gateway", "everifin", filepath.Join(dir, "everifin.ndjson"))
	s.RunOK(t, "ingest", "--gateway", "decta", filepath.Join(dir, "decta.ndjson"))
	s.RunOK(t, "rebuild", "--as-of", "2999-01-01", "--into", "frozen")
	written := map[string][]byte{}
	export := func(turn string, running bool) {
		for _, what := range []string{"journal", "orders", "history", "trial-balance"} {
			file := filepath.Join(dir, turn+what+".csv")
			s.RunOK(t, "export", what, "--out", file, "--actor", "kim")
			s.RunOK(t, "export", "verify", file+".manifest.json")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if before, ok := written[what]; ok && !bytes.Equal(before, text) {
				t.Errorf("%s differs with the ledger running: %v", what, running)
			}
			if written[what] = text; bytes.Count(text, []byte("\n")) < 2 {
				t.Errorf("%s is empty", what)
			}
		}
	}
	export("standing-", false)
	frozen := filepath.Join(dir, "frozen.csv")
	s.RunOK(t, "export", "orders", "--views", "frozen", "--out", frozen, "--actor", "kim")
	if text, err := os.ReadFile(frozen); err != nil || !bytes.Equal(text, written["orders"]) {
		t.Errorf("%v: the frozen copy is exported differently", err)
	}
	l := s.Serve(t)
	l.WaitForViews(t)
	export("running-", true)
	if r := s.RunOK(t, "export", "journal", "--out", "-", "--actor", "kim"); !bytes.Equal([]byte(r.Stdout), written["journal"]) {
		t.Error("standard output has another journal than the file")
	}
	for _, wrong := range [][]string{
		{"export", "orders", "--out", "x", "--actor", "kim", "--format", "hledger"}, {"export", "journal", "--actor", "kim"},
		{"export", "journal", "--out", "x", "--actor", "kim", "--format", "doc"}, {"export", "journal", "--out", "x", "--actor", "kim", "--views", "nowhere"},
	} {
		if r := s.Run(t, wrong...); r.Code == 0 || r.Stderr == "" {
			t.Errorf("%v: exit code %d, %q", wrong, r.Code, r.Stderr)
		}
	}
}
