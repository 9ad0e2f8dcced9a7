package rebuild

import (
	"context"
	"sync"
	"time"
)

// pace makes the rebuild give way to the live runner: when it takes more than twice as long as before it began until
// what is written is visible, each piece of work is followed by a pause in proportion to it, which grows for as long as
// that lasts.
type pace struct {
	fresh, usual func() (time.Duration, bool)

	mu       sync.Mutex
	baseline time.Duration
	judged   time.Time
	// share of the time that is worked, up to 1.
	share float64
}

const (
	// freshFloor: below it nobody notices.
	freshFloor = 15 * time.Millisecond
	// judgeEvery is the time between two changes of the share.
	judgeEvery = 100 * time.Millisecond
	// The share falls by slower and rises by faster between its bounds.
	slower, faster = 0.6, 1.15
	shareLeast     = 0.05
	pauseMost      = 2 * time.Second
)

func newPace(fresh, usual func() (time.Duration, bool)) *pace {
	return &pace{fresh: fresh, usual: usual, share: 1}
}

// begin takes the measure of what is usual, while nothing is done yet.
func (p *pace) begin() {
	if p.fresh == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share, p.baseline = 1, freshFloor
	if p.usual != nil {
		if usual, ok := p.usual(); ok {
			p.baseline = max(usual, freshFloor)
			return
		}
	}
	if latest, ok := p.fresh(); ok {
		p.baseline = max(latest, freshFloor)
	}
}

// judge changes the share by how fresh the views are.
func (p *pace) judge(now time.Time) float64 {
	latest, ok := p.fresh()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ok {
		p.share = 1
		return p.share
	}
	if now.Sub(p.judged) < judgeEvery {
		return p.share
	}
	p.judged = now
	if latest > 2*p.baseline {
		p.share = max(p.share*slower, shareLeast)
	} else {
		p.share = min(p.share*faster, 1)
	}
	return p.share
}

// turn is the work of one goroutine between two pauses.
type turn struct {
	pace  *pace
	began time.Time
}

func (p *pace) turn() *turn { return &turn{pace: p, began: time.Now()} }

// wait pauses as long as the share wants after what was done since the last time.
func (t *turn) wait(ctx context.Context) {
	if t.pace.fresh == nil {
		return
	}
	now := time.Now()
	pause := pauseFor(now.Sub(t.began), t.pace.judge(now))
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	t.began = time.Now()
}

func pauseFor(worked time.Duration, share float64) time.Duration {
	return min(time.Duration(float64(worked)*(1/share-1)), pauseMost)
}
