package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// Without a terminal a rebuild says now and then how far it is, and that it gives way; with --json it is told each time, on
// standard output. A status of another process says the same.
func TestRebuildShow_WithoutTerminal(t *testing.T) {
	t.Parallel()
	p := rebuild.Progress{
		Stage: string(rebuild.Loading), Done: 3000, Total: 4000, Position: eventstore.Position{Commit: 71}, Events: 3000, Rate: 812,
		Left: time.Second, Whole: 0.58, WholeLeft: 18_400 * time.Millisecond, GivesWay: true,
	}
	show := func(asJSON bool) (string, string) {
		var out, said bytes.Buffer
		s := (&cli{io: stdio{out: &out, err: &said}, json: asJSON}).newRebuildShow(t.Context())
		defer s.end()
		s.progress(p)
		if said.Len() > 0 {
			t.Errorf("at once: %s", &said)
		}
		s.said = s.said.Add(-saidEvery)
		s.progress(p)
		s.progress(p)
		return out.String(), said.String()
	}
	out, said := show(false)
	if want := "loading      75 %; of everything 58 %  gives way  812 events/s  18s left  at 71\n"; said != want || out != "" {
		t.Errorf("%q, want %q; on standard output: %q", said, want, out)
	}
	out, said = show(true)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 || said != "" {
		t.Errorf("%q; said: %q", lines, said)
	}
	var line app.RebuildLine
	if err := json.Unmarshal([]byte(strings.SplitAfter(out, "\n")[0]), &line); err != nil || line.Progress == nil || *line.Progress != p {
		t.Errorf("%+v, %v", line, err)
	}
	if !strings.Contains(out, `"gives_way":true`) {
		t.Error(out)
	}
	var status bytes.Buffer
	(&cli{io: stdio{out: &status, err: &status}}).showAtWork(&rebuild.Work{Doing: "rebuild", Progress: &p})
	if !strings.Contains(status.String(), "gives way") {
		t.Errorf("the status: %s", &status)
	}
	p.GivesWay = false
	if _, said := show(false); strings.Contains(said, "gives way") {
		t.Errorf("it does not: %s", said)
	}
}
