package rebuild

import (
	"context"
	"sync"
	"time"
)

// pace makes the rebuild give way to the live runner: when it takes more than twice as long as at the start
// until what is written is visible, each piece of work is followed by a pause that grows.
type pace struct {
	fresh func() (time.Duration, bool)

	mu       sync.Mutex
	baseline time.Duration
	pause    time.Duration
}

const (
	// freshFloor: below it nobody notices.
	freshFloor = 25 * time.Millisecond
	pauseFirst = 5 * time.Millisecond
	pauseMost  = 500 * time.Millisecond
)

func newPace(fresh func() (time.Duration, bool)) *pace {
	p := &pace{fresh: fresh}
	if fresh != nil {
		if usual, ok := fresh(); ok {
			p.baseline = usual
		}
	}
	p.baseline = max(p.baseline, freshFloor)
	return p
}

func (p *pace) wait(ctx context.Context) {
	if p.fresh == nil {
		return
	}
	latest, ok := p.fresh()
	if !ok {
		return
	}
	p.mu.Lock()
	if latest > 2*p.baseline {
		p.pause = min(max(2*p.pause, pauseFirst), pauseMost)
	} else {
		p.pause /= 2
		if p.pause < pauseFirst {
			p.pause = 0
		}
	}
	pause := p.pause
	p.mu.Unlock()
	if pause == 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
