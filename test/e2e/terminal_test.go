package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestRebuild_OnATerminal draws one bar with stage, events/s and position, and ends: after success, through a running
// ledger and without one, and on Ctrl-C while it works. What was interrupted goes on.
func TestRebuild_OnATerminal(t *testing.T) {
	t.Parallel()
	files := simulate(t, 40, 5)
	s := harness.NewSite(t, harness.Options{})
	drawn := func(args ...string) harness.Command {
		c := s.Command(args...)
		c.Terminal = true
		return c
	}
	for _, gateway := range gateways() {
		if r := harness.Run(t, drawn("ingest", "--gateway", gateway, files.path(gateway))); r.Code != 0 || !strings.Contains(r.Stderr, "taking in") {
			t.Fatalf("ingest: exit code %d: %s", r.Code, r.Stderr)
		}
	}
	rebuild := func(where string, more ...string) {
		t.Helper()
		r := harness.Run(t, drawn("rebuild"))
		for _, part := range append(more, "done        100 % ", "at ", "all rows are equal") {
			if r.Code != 0 || !strings.Contains(r.Stderr, part) {
				t.Errorf("%s: exit code %d, no %q in %q", where, r.Code, part, r.Stderr)
			}
		}
	}
	rebuild("alone", "events/s")
	audit := func(where string) {
		t.Helper()
		r := harness.Run(t, drawn("audit", "--all"))
		if r.Code != 0 || !strings.Contains(r.Stderr, "audited ") || !strings.Contains(r.Stderr, "100 %") || !strings.Contains(r.Stderr, "0 differ") {
			t.Errorf("audit %s: exit code %d: %q", where, r.Code, r.Stderr)
		}
	}
	audit("alone")

	ctx := t.Context()
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "begin; lock table ledger_control.rebuild_units in exclusive mode"); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []func(*harness.Process, testing.TB) harness.Result{(*harness.Process).Interrupt, (*harness.Process).Terminate} {
		p := harness.Launch(t, drawn("rebuild"))
		p.Stderr().WaitForText(t, "loading")
		if r := signal(p, t); r.Code != 1 || !strings.HasSuffix(r.Stderr, "ledger: stopped; the same command goes on where it was\r\n") {
			t.Errorf("interrupted: exit code %d: %s", r.Code, r.Stderr)
		}
	}
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		t.Fatal(err)
	}
	rebuild("after the interruptions")
	l := s.Serve(t)
	rebuild("through a ledger", "events/s")
	audit("through a ledger")
	operator, _ := bearer(t, s, "kim", "operations")
	operator.Set("Accept", "application/x-ndjson")
	a := l.Do(t, http.MethodPost, "/audit", `{"all":true}`, operator)
	if a.Status != http.StatusOK || !strings.HasPrefix(a.Body, `{"progress":{"stage":"ORDERS","done":0,`) ||
		!strings.Contains(a.Body, `"stage":"LOG"`) || !strings.Contains(a.Body, "\n"+`{"report":{"orders":`) {
		t.Errorf("an audit in lines: %d %s", a.Status, a.Body)
	}
}
