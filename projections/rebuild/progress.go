package rebuild

import (
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// What a rebuild does besides the stages of its tables, in Progress.
const (
	CatchingUp Stage = "CATCHING_UP"
	Verifying  Stage = "VERIFYING"
	Swapping   Stage = "SWAPPING"
)

// Progress tells how far a rebuild is.
type Progress struct {
	// Stage is Spilling, Loading, Indexing, CatchingUp, Verifying or Swapping.
	Stage string `json:"stage"`
	// Done of Total: positions of the log while spilling, catching up and swapping, events while loading, keys while
	// indexing, tables while verifying.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Position is the last one that was read, loaded or compared.
	Position eventstore.Position `json:"position"`
	// Events of this stage since it was begun or continued, and how many a second; while indexing and verifying those
	// whose rows are done with.
	Events int64   `json:"events"`
	Rate   float64 `json:"rate"`
	// Left estimates the rest of the stage.
	Left time.Duration `json:"left_ns"`
	// Whole is the part of all that is asked for that is done, from 0 to 1, and WholeLeft estimates the rest of it, by
	// how long the stages usually take.
	Whole     float64       `json:"whole"`
	WholeLeft time.Duration `json:"whole_left_ns"`
	// GivesWay: it works a part of its time only at the moment, as events come to the live tables.
	GivesWay bool `json:"gives_way"`
}

// share is how long a stage usually takes, as a part of the whole.
func (s Stage) share() float64 {
	switch s {
	case Spilling:
		return 9
	case Loading:
		return 55
	case Indexing:
		return 17
	case Verifying:
		return 16
	case CatchingUp, Swapping:
		return 1.5
	case Built, Retired, Frozen, Trial:
	}
	return 0
}

// toldEvery is the time between two reports.
const toldEvery = 200 * time.Millisecond

// meter counts and tells, not too often.
type meter struct {
	clock    func() time.Time
	tell     func(Progress)
	givesWay func() bool

	mu      sync.Mutex
	current Progress
	began   time.Time
	first   int64 // Done at the beginning of the stage
	told    time.Time
	counted int
	// eventsEach is how many events a step of a stage stands for that does not count them.
	eventsEach float64

	// paces is how long the stages took that were done to their end since plan was called.
	paces map[Stage]took

	// todo are the stages after the current one; past, doing and ahead are shares.
	todo               []Stage
	past, doing, ahead float64
	wholeBegan         time.Time
	wholeFirst         float64
}

func newMeter(clock func() time.Time, tell func(Progress), givesWay func() bool) *meter {
	return &meter{clock: clock, tell: tell, givesWay: givesWay, paces: make(map[Stage]took)}
}

// plan says which stages are to come, in their order.
func (m *meter) plan(stages ...Stage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.todo, m.past, m.doing, m.ahead = stages, 0, 0, 0
	m.paces, m.current = make(map[Stage]took), Progress{}
	for _, s := range stages {
		m.ahead += s.share()
	}
	m.wholeBegan, m.wholeFirst = time.Time{}, 0
}

// begin starts a stage of which some is done already. Steps stand for events when events is not 0.
func (m *meter) begin(stage Stage, total uint64, done, events int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finish()
	at := m.current.Position
	m.current = Progress{Stage: string(stage), Total: int64(total), Done: done, Position: at}
	m.began, m.first, m.eventsEach = m.clock(), done, 0
	if events > 0 && total > 0 {
		m.eventsEach = float64(events) / float64(total)
	}
	m.past += m.doing
	m.doing = 0
	for i, s := range m.todo { // stages before it were done earlier
		if s == stage {
			for _, skipped := range m.todo[:i] {
				m.past += skipped.share()
				m.ahead -= skipped.share()
			}
			m.doing, m.todo = stage.share(), m.todo[i+1:]
			m.ahead -= m.doing
			break
		}
	}
	if m.wholeBegan.IsZero() {
		m.wholeBegan, m.wholeFirst = m.began, m.whole()
	}
	m.report()
}

// end is called when all stages are done, and tells how long each took.
func (m *meter) end() map[Stage]took {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finish()
	return m.paces
}

// finish notes how long the current stage took.
func (m *meter) finish() {
	if p := &m.current; p.Stage != "" && p.Events > 0 {
		m.paces[Stage(p.Stage)] = took{events: p.Events, time: m.clock().Sub(m.began)}
	}
}

// whole is the part that is done of everything.
func (m *meter) whole() float64 {
	all := m.past + m.doing + m.ahead
	if all <= 0 {
		return 0
	}
	part := 0.0
	if m.current.Total > 0 {
		part = min(1, max(0, float64(m.current.Done)/float64(m.current.Total)))
	}
	return (m.past + m.doing*part) / all
}

// add counts n events, or steps; done, if it is not 0, is how far the stage is.
func (m *meter) add(at eventstore.Position, n, done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current.Events += n
	if at.Compare(m.current.Position) > 0 {
		m.current.Position = at
	}
	if done > 0 {
		m.current.Done = done
	} else {
		m.current.Done += n
	}
	if m.eventsEach > 0 {
		m.current.Events = int64(float64(m.current.Done-m.first) * m.eventsEach)
	}
	const askClockEvery = 256
	if m.counted++; n == 1 && m.current.Total > askClockEvery && m.counted%askClockEvery != 0 {
		return
	}
	if m.clock().Sub(m.told) >= toldEvery || m.current.Done >= m.current.Total {
		m.report()
	}
}

func (m *meter) report() {
	m.told = m.clock()
	m.tell(m.asOf(m.told))
}

// now is how far the work is, without a stage before it is begun. When that was not told for a while, as nothing was counted
// meanwhile, it is told again.
func (m *meter) now() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	if m.current.Stage != "" && now.Sub(m.told) >= toldEvery {
		m.report()
	}
	return m.asOf(now)
}

func (m *meter) asOf(now time.Time) Progress {
	p := m.current
	if p.Stage == "" {
		return p
	}
	if took := now.Sub(m.began); took > 0 {
		p.Rate = float64(p.Events) / took.Seconds()
		p.Left = rest(took, float64(p.Done-m.first), float64(p.Total-p.Done))
	}
	p.Whole, p.GivesWay = m.whole(), m.givesWay()
	p.WholeLeft = rest(now.Sub(m.wholeBegan), p.Whole-m.wholeFirst, 1-p.Whole)
	return p
}

// rest is how long the rest takes at the pace of what is done; 0 when that is not known.
func rest(took time.Duration, done, left float64) time.Duration {
	if took <= 0 || done <= 0 || left <= 0 {
		return 0
	}
	return time.Duration(float64(took) / done * left)
}
