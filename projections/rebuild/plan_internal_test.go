package rebuild

import (
	"testing"
	"time"
)

// What is left is estimated by how long the stages took the last time, and by the fold where that is not known.
func TestPlan_Takes(t *testing.T) {
	t.Parallel()
	paces := map[Stage]took{
		Spilling: {events: 10_000, time: time.Second}, Loading: {events: 10_000, time: 4 * time.Second},
		Indexing: {events: 20_000, time: 2 * time.Second}, Verifying: {events: 10_000, time: 2 * time.Second},
	}
	const events = 100_000
	for name, c := range map[string]struct {
		plan  Plan
		paces map[Stage]took
		want  time.Duration
	}{
		"ByTheLast":     {Plan{Events: events, FoldRate: 1}, paces, 80 * time.Second},
		"TheRest":       {Plan{Events: events, done: map[Stage]int64{Spilling: events, Loading: events / 2}}, paces, 50 * time.Second},
		"ByTheFold":     {Plan{Events: events, FoldRate: 50_000}, nil, 3500 * time.Millisecond},
		"ByBoth":        {Plan{Events: events, FoldRate: 50_000}, map[Stage]took{Loading: paces[Loading]}, 42300 * time.Millisecond},
		"NothingIsLeft": {Plan{FoldRate: 50_000}, paces, 0},
	} {
		if got := c.plan.takes(c.paces, 2); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
