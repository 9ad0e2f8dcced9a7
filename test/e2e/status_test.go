package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestStatus_EventStoreElsewhere: a ledger whose event store is another process is found by its data directory, or by --http,
// with all it knows of health, and not any more once it was killed.
func TestStatus_EventStoreElsewhere(t *testing.T) {
	t.Parallel()
	process := harness.Launch(t, harness.NewSite(t, harness.Options{}).Command("node", "--eventstore-listen", "127.0.0.1:0"))
	var said struct{ Events string }
	if err := json.Unmarshal([]byte(process.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	s := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_EVENTSTORE=" + said.Events, "LEDGER_CANARY=50ms"}})
	if r := s.RunOK(t, "status"); row(r.Stdout, "running") != "no" {
		t.Errorf("before it serves:\n%s", r.Stdout)
	}
	l := s.Serve(t)
	harness.Eventually(t, "status tells how long it takes until what is written is visible", func() bool {
		r := s.RunOK(t, "status")
		return row(r.Stdout, "running") == fmt.Sprintf("process %d at %s", l.PID(), l.URL) && row(r.Stdout, "health") == "ready" &&
			row(r.Stdout, "age of the views") != "" && strings.HasPrefix(row(r.Stdout, "commit to visible"), "p50 ") &&
			row(r.Stdout, "differ from the log") == "0 orders, 0 other streams"
	})
	elsewhere := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_EVENTSTORE=" + said.Events}})
	if r := elsewhere.RunOK(t, "status", "--http", strings.TrimPrefix(l.URL, "http://")); row(r.Stdout, "running") != "at "+l.URL ||
		row(r.Stdout, "health") != "ready" {
		t.Errorf("by --http:\n%s", r.Stdout)
	}
	l.Kill(t)
	if r := s.RunOK(t, "status"); row(r.Stdout, "running") != "no" || row(r.Stdout, "health") != "" {
		t.Errorf("after it was killed:\n%s", r.Stdout)
	}
}

// TestStatus_WithoutCanaries: health is told also where freshness is not measured.
func TestStatus_WithoutCanaries(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{Env: []string{"LEDGER_CANARY=0"}})
	if r := l.Site.RunOK(t, "status"); row(r.Stdout, "health") != "ready" || row(r.Stdout, "commit to visible") != "not measured: --canary is 0" {
		t.Errorf("status:\n%s", r.Stdout)
	}
}

// row is what stands beside a name in a table of two columns.
func row(table, name string) string {
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "│"); len(cells) > 2 && strings.TrimSpace(cells[1]) == name {
			return strings.TrimSpace(cells[2])
		}
	}
	return ""
}
