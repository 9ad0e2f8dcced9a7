package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/projections/audit"
)

// TestAuditMeter tells rate and rest of each stage, five times a second and at its end.
func TestAuditMeter(t *testing.T) {
	t.Parallel()
	var told []AuditProgress
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	m := auditMeter{tell: func(p AuditProgress) { told = append(told, p) }, clock: func() time.Time { return now }}
	take := func(after time.Duration, stage audit.Stage, done int64) {
		now = now.Add(after)
		m.take(audit.Progress{Stage: stage, Done: done, Total: 1000})
	}
	take(0, audit.OrderByOrder, 0)
	take(100*time.Millisecond, audit.OrderByOrder, 30)
	take(400*time.Millisecond, audit.OrderByOrder, 100)
	take(time.Millisecond, audit.OrderByOrder, 1000)
	take(time.Second, audit.AlongTheLog, 400)
	take(time.Second, audit.AlongTheLog, 600)
	at := func(stage audit.Stage, done int64, rate float64, left time.Duration) AuditProgress {
		return AuditProgress{Progress: audit.Progress{Stage: stage, Done: done, Total: 1000}, Rate: rate, Left: left}
	}
	want := []AuditProgress{
		at(audit.OrderByOrder, 0, 0, 0), at(audit.OrderByOrder, 100, 200, 4500*time.Millisecond), at(audit.OrderByOrder, 1000, 1000/0.501, 0),
		at(audit.AlongTheLog, 400, 0, 0), at(audit.AlongTheLog, 600, 200, 2*time.Second),
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
