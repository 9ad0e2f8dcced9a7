package rebuild

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A rebuild works less and less of its time while the live views take more than twice as long as usual, and all of it
// once they are as before, or nobody measures.
func TestPace_GivesWayWhileTheViewsAreSlow(t *testing.T) {
	t.Parallel()
	latest, known := 40*time.Millisecond, true
	p := newPace(func() (time.Duration, bool) { return latest, known }, func() (time.Duration, bool) { return 40 * time.Millisecond, true })
	now := time.Now()
	p.begin()
	judge := func() float64 {
		now = now.Add(judgeEvery)
		return p.judge(now)
	}
	if share := judge(); share != 1 {
		t.Errorf("it works %v of its time though nothing is slow", share)
	}
	latest = 81 * time.Millisecond
	before := 1.0
	for range 3 {
		share := judge()
		if share >= before {
			t.Errorf("after %v of its time it works %v", before, share)
		}
		if again := p.judge(now.Add(judgeEvery / 2)); again != share {
			t.Errorf("it was judged twice on one measurement: %v, %v", share, again)
		}
		before = share
	}
	if pause := pauseFor(10*time.Millisecond, 0.25); pause != 30*time.Millisecond {
		t.Errorf("a quarter of the time is a pause of %s after 10ms", pause)
	}
	for range 20 {
		judge()
	}
	if share := judge(); share != shareLeast || pauseFor(time.Hour, share) != pauseMost {
		t.Errorf("it goes down to %v", share)
	}
	latest = 79 * time.Millisecond
	for range 25 {
		judge()
	}
	if share := judge(); share != 1 {
		t.Errorf("it still works %v of its time", share)
	}
	latest = time.Hour
	judge()
	known = false
	if share := judge(); share != 1 {
		t.Errorf("it works %v of its time though nobody measures", share)
	}
}

// While many events come the rebuild works a small part of its time though nothing is slow yet, and while none come all of
// it though canaries are slow: they are nobody.
func TestPace_GoesByTheEventsThatCome(t *testing.T) {
	t.Parallel()
	latest := time.Millisecond
	p := newPace(func() (time.Duration, bool) { return latest, true }, nil)
	p.begin()
	now := time.Now()
	p.saw(many, time.Second, now)
	if share := p.judge(now); share != shareBusy || !p.givesWay() {
		t.Errorf("it works %v of its time while many events come", share)
	}
	now = now.Add(stillAfter)
	p.saw(1, time.Second, now)
	for range 20 {
		now = now.Add(judgeEvery)
		p.judge(now)
	}
	if share := p.judge(now); share != 1 {
		t.Errorf("it works %v of its time while few events come and nothing is slow", share)
	}
	latest = time.Hour
	now = now.Add(judgeEvery)
	if share := p.judge(now); share >= 1 {
		t.Error("it does not give way to few events that are slow")
	}
	now = now.Add(stillAfter)
	p.saw(0, stillAfter, now)
	if share := p.judge(now); share != 1 {
		t.Errorf("it works %v of its time while no events come", share)
	}
}

// Goroutines pause one after the other: all of them together work no more than the share of the time.
func TestPace_PausesAreNotTakenTogether(t *testing.T) {
	t.Parallel()
	p := newPace(nil, nil)
	const each, pauses = 10 * time.Millisecond, 5
	began := time.Now()
	var all sync.WaitGroup
	for range pauses {
		all.Go(func() { p.pause(context.Background(), each) })
	}
	all.Wait()
	if took := time.Since(began); took < pauses*each {
		t.Errorf("%d pauses of %s took %s", pauses, each, took)
	}
}
