package rebuild

import (
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Progress tells how far a rebuild is.
type Progress struct {
	// Stage is a Stage, or VERIFYING.
	Stage string `json:"stage"`
	// Done of Total: positions of the log while spilling, events while loading, keys while indexing, tables
	// while verifying.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Position is the last one that was read or loaded.
	Position eventstore.Position `json:"position"`
	// Events of this stage since it was begun or continued, and how many a second.
	Events int64   `json:"events"`
	Rate   float64 `json:"rate"`
	// Left estimates the rest of the stage.
	Left time.Duration `json:"left_ns"`
}

// toldEvery is the time between two reports.
const toldEvery = 200 * time.Millisecond

// meter counts and tells, not too often.
type meter struct {
	clock func() time.Time
	tell  func(Progress)

	mu      sync.Mutex
	current Progress
	began   time.Time
	first   int64 // Done at the beginning
	told    time.Time
	counted int
}

func newMeter(clock func() time.Time, tell func(Progress)) *meter {
	return &meter{clock: clock, tell: tell}
}

// begin starts a stage of which some is done already.
func (m *meter) begin(stage string, total uint64, done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = Progress{Stage: stage, Total: int64(total), Done: done}
	m.began, m.first = m.clock(), done
	m.report()
}

// add counts more; done, if it is not 0, is how far the stage is.
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
	took := m.told.Sub(m.began)
	if took > 0 {
		m.current.Rate = float64(m.current.Events) / took.Seconds()
		if done := m.current.Done - m.first; done > 0 && m.current.Total > m.current.Done {
			m.current.Left = time.Duration(float64(took) / float64(done) * float64(m.current.Total-m.current.Done))
		} else {
			m.current.Left = 0
		}
	}
	m.tell(m.current)
}
