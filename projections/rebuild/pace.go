package rebuild

import (
	"context"
	"sync"
	"time"
)

// pace makes the rebuild give way to the live runner. Its work is cut into pieces, and each piece is followed by a pause
// in proportion to it:
//
//   - while the live tables stand still there is nobody to give way to: no pauses;
//   - while a few events come, none either, until it takes more than twice as long as usual until what is written is
//     visible: then the pauses grow for as long as that lasts;
//   - while many come, the rebuild works no more than shareBusy of the time in any case, as a rebuild that learns from
//     what it has slowed down has slowed it down already.
type pace struct {
	fresh, usual func() (time.Duration, bool)
	// pausing is held by who pauses, so that work of several goroutines takes turns.
	pausing chan struct{}
	// working is held by who works alone.
	working chan struct{}

	mu       sync.Mutex
	baseline time.Duration
	judged   time.Time
	// share of the time that is worked.
	share float64
	// counts says that somebody tells with saw how many events come: the last at came, many at cameMany.
	counts bool
	// gave says that the rebuild gave way at some time since begin.
	gave           bool
	came, cameMany time.Time
}

const (
	// freshFloor: below it nobody notices.
	freshFloor = 15 * time.Millisecond
	// judgeEvery is the time between two changes of the share.
	judgeEvery = 100 * time.Millisecond
	// The share falls by slower and rises by faster between its bounds.
	slower, faster = 0.6, 1.15
	shareLeast     = 0.05
	shareBusy      = 0.2
	pauseMost      = 2 * time.Second
	// many is how many events a second are many, and stillAfter is when it counts that none came any more.
	many       = 20
	stillAfter = 5 * time.Second
)

func newPace(fresh, usual func() (time.Duration, bool)) *pace {
	return &pace{fresh: fresh, usual: usual, share: 1, pausing: make(chan struct{}, 1), working: make(chan struct{}, 1)}
}

// begin takes the measure of what is usual, while nothing is done yet.
func (p *pace) begin() {
	if p.fresh == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share, p.baseline, p.counts, p.gave = 1, freshFloor, false, false
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

// gaveWay tells whether the rebuild worked a part of its time only, at some time since begin.
func (p *pace) gaveWay() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gave
}

// judge changes the share by how fresh the views are.
func (p *pace) judge(now time.Time) float64 {
	latest, ok := p.fresh()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.gave = p.gave || p.share < 1 }()
	if !ok {
		p.share = 1
		return p.share
	}
	most := 1.0
	if p.counts {
		if now.Sub(p.came) >= stillAfter {
			p.share = 1
			return p.share
		}
		if now.Sub(p.cameMany) < stillAfter {
			most = shareBusy
		}
	}
	if p.share = min(p.share, most); now.Sub(p.judged) < judgeEvery {
		return p.share
	}
	p.judged = now
	if latest > 2*p.baseline {
		p.share = max(p.share*slower, shareLeast)
	} else {
		p.share = min(p.share*faster, most)
	}
	return p.share
}

// saw is told how many events came to the live tables within a time.
func (p *pace) saw(events int64, within time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = true
	if events > 0 {
		p.came = now
	}
	if float64(events) >= many*within.Seconds() {
		p.cameMany = now
	}
}

// uncounted says that nobody counts events any more.
func (p *pace) uncounted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = false
}

// givesWay tells whether the rebuild works a part of its time only, in pieces as small as it can.
func (p *pace) givesWay() bool {
	return p.fresh != nil && p.judge(time.Now()) < 1
}

// atPart is what was last judged for givesWay.
func (p *pace) atPart() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.share < 1
}

// alone waits, while the rebuild gives way, until no other goroutine works alone. It does so itself until done is called.
func (p *pace) alone(ctx context.Context) (done func()) {
	if !p.givesWay() {
		return func() {}
	}
	select {
	case p.working <- struct{}{}:
		return func() { <-p.working }
	case <-ctx.Done():
		return func() {}
	}
}

// turn is the work of one goroutine between two pauses.
type turn struct {
	pace  *pace
	began time.Time
}

func (p *pace) turn() *turn { return &turn{pace: p, began: time.Now()} }

// resume says that the work goes on only now, after waiting for something else.
func (t *turn) resume() { t.began = time.Now() }

// wait pauses as long as the share wants after what was done since the last time.
func (t *turn) wait(ctx context.Context) { t.waitAtLeast(ctx, shareLeast) }

// waitAtLeast is wait for work that is to be done for a share of the time whatever the pace is.
func (t *turn) waitAtLeast(ctx context.Context, share float64) {
	if t.pace.fresh == nil {
		return
	}
	now := time.Now()
	if pause := pauseFor(now.Sub(t.began), max(share, t.pace.judge(now))); pause > 0 {
		t.pace.pause(ctx, pause)
	}
	t.began = time.Now()
}

func (p *pace) pause(ctx context.Context, d time.Duration) {
	select {
	case p.pausing <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-p.pausing }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func pauseFor(worked time.Duration, share float64) time.Duration {
	return min(time.Duration(float64(worked)*(1/share-1)), pauseMost)
}
