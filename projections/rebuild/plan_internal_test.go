package rebuild

import (
	"testing"
	"time"
)

// What is left is estimated by how long the stages took the last time, and by what was sampled where that is not known. Without live
// tables there is no proof.
func TestPlan_Takes(t *testing.T) {
	t.Parallel()
	paces := map[Stage]took{
		Spilling: {events: 10_000, time: time.Second}, Loading: {events: 10_000, time: 4 * time.Second}, Indexing: {events: 20_000, time: 2 * time.Second},
	}
	const events = 1_000_000
	sampled := &sample{folding: 4e-6, copying: 6e-6, proving: 2 / provingMore}
	for name, c := range map[string]struct {
		plan  Plan
		paces map[Stage]took
		want  time.Duration
	}{
		"ByTheLast":      {Plan{Events: events, sampled: sampled}, paces, 600*time.Second + besidesTakes + 2*time.Second},
		"TheRest":        {Plan{Events: events, sampled: sampled, done: map[Stage]int64{Spilling: events, Loading: events / 2}}, paces, 300*time.Second + besidesTakes + 2*time.Second},
		"ByTheSample":    {Plan{Events: events, sampled: sampled}, nil, 1080*time.Millisecond + 5750*time.Millisecond + 2415*time.Millisecond + besidesTakes + 2*time.Second},
		"ByTheFoldAlone": {Plan{Events: events, sampled: &sample{folding: 4e-6}}, nil, 1080*time.Millisecond + 4600*time.Millisecond + 1932*time.Millisecond + besidesTakes},
		"ByBoth":         {Plan{Events: events, sampled: sampled}, map[Stage]took{Loading: paces[Loading]}, 1080*time.Millisecond + 568*time.Second + besidesTakes + 2*time.Second},
		"TheProofIsLeft": {Plan{Events: events, sampled: sampled, done: map[Stage]int64{Spilling: events, Loading: events, Indexing: events}}, paces, besidesTakes + 2*time.Second},
	} {
		if got := c.plan.takes(c.paces, 2); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
