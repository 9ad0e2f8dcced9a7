package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// Without a terminal an audit of everything says a line now and then, with rate and rest; with --json the line is JSON, and
// none of it is on standard output.
func TestAuditShow_WithoutTerminal(t *testing.T) {
	t.Parallel()
	p := app.AuditProgress{Progress: audit.Progress{Stage: audit.OrderByOrder, Done: 5000, Total: 20_000}, Rate: 812, Left: 18_400 * time.Millisecond}
	show := func(asJSON bool) string {
		var out, said bytes.Buffer
		s := (&cli{io: stdio{out: &out, err: &said}, json: asJSON}).newAuditShow(t.Context())
		defer s.end()
		s.progress(p)
		if said.Len() > 0 {
			t.Errorf("at once: %s", &said)
		}
		s.said = s.said.Add(-saidEvery)
		s.progress(p)
		s.progress(p)
		if out.Len() > 0 {
			t.Errorf("on standard output: %s", &out)
		}
		return said.String()
	}
	if got, want := show(false), "5 000 of 20 000 orders  25 %  812 orders/s  18s left\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var line app.AuditLine
	if err := json.Unmarshal([]byte(show(true)), &line); err != nil || line.Progress == nil || *line.Progress != p {
		t.Errorf("%+v, %v", line, err)
	}
}
