package projections

import (
	"errors"
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// Role is what a runner does at the moment.
type Role string

// Roles.
const (
	// Starting: not connected to the database yet, or not any more.
	Starting Role = "starting"
	// Standby: another runner leads; this one takes over when that one ends.
	Standby Role = "standby"
	// Leader: this runner writes.
	Leader Role = "leader"
	// Stale: another version of the program made the rows; they are neither served nor written until
	// they are rebuilt.
	Stale Role = "rebuild needed"
	// Stopped: Run returned.
	Stopped Role = "stopped"
)

// Status tells how a runner is. Times are by Config.Clock.
type Status struct {
	// Name of the worker, for health pages.
	Name string
	Role Role
	// Live: the subscription showed everything there was when it said so, and goes on as events come.
	// A leader that is not live is catching up.
	Live bool
	// Checkpoint is where the read models stand, as far as this runner knows: one that does not lead looks every
	// Config.StandbyPoll.
	Checkpoint checkpoint.Checkpoint
	// LastEventAt is the log's time of the newest projected event; zero before the first.
	LastEventAt time.Time
	// Head is the position of the last event in the log, Behind tells whether it is after the
	// checkpoint. Events between two positions cannot be counted; the last events of a log may be
	// ones that no read model wants, so a healthy runner may be behind for Config.IdleCheckpoint.
	Head   eventstore.Position
	Behind bool

	// Events, Orders and Batches count what this runner wrote since it was made.
	Events, Orders, Batches uint64
	// LastBatchEvents and LastBatchTook are of the last transaction that wrote events.
	LastBatchEvents int
	LastBatchTook   time.Duration
	// EventsPerSecond is the rate over the last second or more in which events were written; it goes
	// stale when none come.
	EventsPerSecond float64
	// Changed tells how the program that made the rows differs from this one; empty when it does not.
	Changed []fingerprint.Change
	// Parked counts the parked orders; see Checkpoint.
	Parked int

	// LastError is what ended the last session that failed, empty if none did; Failures counts the ends of sessions. That
	// another leader took over, or that the tables were exchanged, is no failure of this one.
	LastError   string
	LastErrorAt time.Time
	Failures    uint64

	recognised bool
}

// rateWindow is the least time over which a rate is measured.
const rateWindow = time.Second

// statusBoard is written by the runner's goroutines and read by anybody.
type statusBoard struct {
	clock Clock

	mu          sync.Mutex
	status      Status
	windowBegan time.Time
	windowCount uint64
}

func newStatusBoard(clock Clock) *statusBoard {
	return &statusBoard{clock: clock, status: Status{Name: "projections", Role: Starting}}
}

func (s *statusBoard) read() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *statusBoard) change(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

func (s *statusBoard) caughtUp() { s.change(func(st *Status) { st.Live = true }) }

func (s *statusBoard) failed(err error) {
	s.change(func(st *Status) {
		if !errors.Is(err, errOvertaken) { // a swap is none
			st.LastError, st.LastErrorAt = err.Error(), s.clock()
			st.Failures++
		}
		st.Role, st.Live = Starting, false
	})
}

func (s *statusBoard) committed(b *batch, began time.Time) {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.Checkpoint.Known, st.Checkpoint.Position, st.Checkpoint.UpdatedAt = true, b.to, now
	st.Parked += b.newlyParked
	if b.events == 0 {
		return
	}
	st.Batches++
	st.Events += uint64(b.events)
	st.Orders += uint64(len(b.touched))
	st.LastBatchEvents, st.LastBatchTook = b.events, now.Sub(began)
	st.LastEventAt = b.lastEvent.Created
	if s.windowBegan.IsZero() {
		s.windowBegan = began
	}
	s.windowCount += uint64(b.events)
	if took := now.Sub(s.windowBegan); took >= rateWindow {
		st.EventsPerSecond = float64(s.windowCount) / took.Seconds()
		s.windowBegan, s.windowCount = time.Time{}, 0
	}
}
