package projections_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// doledLog is a log of which subscriptions see no more than was released. Whatever a server may do besides is put in
// their way by disturb.
type doledLog struct {
	projections.Log

	mu       sync.Mutex
	changed  chan struct{}
	events   []eventstore.RecordedEvent
	released eventstore.Position
	pending  []disturbance
}

// disturbance is something that a subscription shows, or does, out of turn.
type disturbance struct {
	kind string
	n    int
}

// What disturbs subscriptions.
const (
	shownAgain   = "an event is shown again"
	checkpointed = "a checkpoint of the server"
	broken       = "the subscription breaks"
	begunBehind  = "the next subscription begins further back than it was asked to"
)

func newDoledLog(log projections.Log) *doledLog {
	return &doledLog{Log: log, changed: make(chan struct{})}
}

// change does something, and tells subscriptions.
func (d *doledLog) change(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *doledLog) appended(events []eventstore.RecordedEvent) {
	d.change(func() { d.events = events })
}

func (d *doledLog) release(to eventstore.Position) { d.change(func() { d.released = to }) }

func (d *doledLog) disturb(kind string, n int) {
	d.change(func() { d.pending = append(d.pending, disturbance{kind, n}) })
}

// take takes the next disturbance that is of one of the kinds.
func (d *doledLog) take(kinds ...string) (disturbance, bool) {
	i := slices.IndexFunc(d.pending, func(p disturbance) bool { return slices.Contains(kinds, p.kind) })
	if i < 0 {
		return disturbance{}, false
	}
	p := d.pending[i]
	d.pending = slices.Delete(d.pending, i, i+1)
	return p, true
}

func (d *doledLog) SubscribeAll(ctx ctxt, sub eventstore.AllSubscription) messages {
	return func(yield func(eventstore.Message, error) bool) {
		next := d.begin(sub)
		caughtUp := false
		for {
			m, wait, err := d.next(sub.Filter, &next)
			switch {
			case wait != nil && !caughtUp:
				caughtUp, m = true, eventstore.CaughtUp{}
			case wait != nil:
				select {
				case <-wait:
				case <-ctx.Done():
					yield(nil, ctx.Err())
					return
				}
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// begin is the first event to show.
func (d *doledLog) begin(sub eventstore.AllSubscription) (next int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sub.After != nil {
		for next < len(d.events) && d.events[next].Position.Compare(*sub.After) <= 0 {
			next++
		}
	}
	if p, ok := d.take(begunBehind); ok {
		next = max(0, next-p.n)
	}
	return next
}

// next is what to show now, or what to wait for.
func (d *doledLog) next(filter eventstore.Filter, next *int) (m eventstore.Message, wait <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.take(shownAgain, checkpointed, broken); ok {
		switch {
		case p.kind == broken:
			return nil, nil, errBroken
		case *next == 0:
		case p.kind == checkpointed:
			return eventstore.CheckpointReached{Position: d.events[*next-1].Position}, nil, nil
		default:
			return eventstore.EventAppeared{Event: d.events[max(0, *next-1-p.n)]}, nil, nil
		}
	}
	for ; *next < len(d.events) && d.events[*next].Position.Compare(d.released) <= 0; *next++ {
		ev := d.events[*next]
		if slices.ContainsFunc(filter.StreamPrefixes, func(p string) bool { return strings.HasPrefix(ev.Stream, p) }) {
			*next++
			return eventstore.EventAppeared{Event: ev}, nil, nil
		}
	}
	return nil, d.changed, nil
}

// wire are connections to PostgreSQL that can be cut at a place in what is said.
type wire struct {
	mu     sync.Mutex
	left   int // what is still sent, in writes; negative is everything
	answer bool
}

// cut breaks the connection that sends what comes after n more writes: before the server gets it, or after it has
// answered, and nobody learns of it.
func (w *wire) cut(n int, answered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.answer = n, answered
}

// sends tells how to break now.
func (w *wire) sends() (now, answered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, answered = w.left == 0, w.answer
	if w.left >= 0 {
		w.left--
	}
	return now, answered
}

// connect is projections.Connect over the wire.
func (w *wire) connect(url string) projections.Connect {
	return func(ctx context.Context) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		schema.Use(config, schema.Live)
		config.TLSConfig, config.Fallbacks = nil, nil
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &cuttable{Conn: conn, wire: w}, nil
		}
		return pgx.ConnectConfig(ctx, config)
	}
}

// cuttable is one connection of a wire.
type cuttable struct {
	net.Conn
	wire *wire
	lost atomic.Bool // what the server says from now on is not passed on
}

func (c *cuttable) Write(b []byte) (int, error) {
	now, answered := c.wire.sends()
	if now && !answered {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	if now {
		c.lost.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cuttable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lost.Load() {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
