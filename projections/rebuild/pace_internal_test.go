package rebuild

import (
	"testing"
	"time"
)

// A rebuild pauses longer and longer while the live views take more than twice as long as usual, and not at
// all once they are as before.
func TestPace_GivesWayWhileTheViewsAreSlow(t *testing.T) {
	t.Parallel()
	latest, known := 40*time.Millisecond, true
	p := newPace(func() (time.Duration, bool) { return latest, known })
	p.wait(t.Context())
	if p.pause != 0 {
		t.Errorf("it pauses for %s though nothing is slow", p.pause)
	}
	latest = 81 * time.Millisecond
	var before time.Duration
	for range 3 {
		p.wait(t.Context())
		if p.pause <= before {
			t.Errorf("after a pause of %s it pauses for %s", before, p.pause)
		}
		before = p.pause
	}
	latest = 79 * time.Millisecond
	for range 8 {
		p.wait(t.Context())
	}
	if p.pause != 0 {
		t.Errorf("it still pauses for %s", p.pause)
	}
	known = false
	latest = time.Hour
	if p.wait(t.Context()); p.pause != 0 {
		t.Error("it pauses though nobody measures")
	}
}
