package projections_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections"
)

// TestRunner_IsAFunctionOfTheLog does anything in any sequence: notifications about orders of all kinds, events that
// cannot be projected, rows that PostgreSQL refuses for a while, runners that come and go, subscriptions that break,
// repeat themselves and begin further back, connections that are cut in the middle of a transaction or between a
// commit and its answer, an epoch that somebody else takes. Whenever one looks, the views stand at one place of the
// log, which never goes back and is never beyond what was shown, and say what the oracle says of it. What fails is
// made smaller; -rapid.checks looks longer.
func TestRunner_IsAFunctionOfTheLog(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	pool := newPool(t, url)
	checkProperty(t, 10, func(tb shrinking, dice drawn) {
		wipe(tb, pool)
		m := newMachine(tb, dice, url, pool)
		tb.check.Repeat(map[string]func(*rapid.T){
			"append":   func(*rapid.T) { m.append() },
			"poison":   func(*rapid.T) { m.poison() },
			"release":  func(*rapid.T) { m.release() },
			"release2": func(*rapid.T) { m.release() }, // twice as often
			"start":    func(*rapid.T) { m.start() },
			"stop":     func(*rapid.T) { m.stop() },
			"disturb":  func(*rapid.T) { m.disturb() },
			"cut":      func(*rapid.T) { m.cut() },
			"overtake": func(*rapid.T) { m.overtake() },
			"refuse":   func(*rapid.T) { m.refuse() },
			"allow":    func(*rapid.T) { m.allow() },
			"retry":    func(*rapid.T) { m.retry() },
			"settle":   func(*rapid.T) { m.settle() },
			"":         func(*rapid.T) { m.look() },
		})
		if len(m.oracle.events) > 0 {
			m.log.release(m.last())
			m.allow()
			m.settle()
			booksHold(tb, pool)
		}
	})
}

// machine is what the test knows.
type machine struct {
	shrinking
	dice    drawn
	url     string
	pool    *pgxpool.Pool
	node    *node.Node
	log     *doledLog
	wire    wire
	world   *world
	oracle  oracle
	runners []*running
	// reached is where the views stood last.
	reached eventstore.Position
}

func newMachine(tb shrinking, dice drawn, url string, pool *pgxpool.Pool) *machine {
	tb.Helper()
	const sql = "ALTER TABLE ledger_data.orders DROP CONSTRAINT IF EXISTS refused" // of a check that failed
	if _, err := pool.Exec(tb.Context(), sql); err != nil {
		tb.Fatal(err)
	}
	log := newLog(tb)
	m := &machine{
		shrinking: tb, dice: dice, url: url, pool: pool, node: log, log: newDoledLog(log), world: &world{random: dice, rich: true},
		oracle: oracle{refused: make(map[string]uint64)},
	}
	m.wire.cut(-1, false)
	return m
}

// written takes what is new in the log over.
func (m *machine) written() {
	m.Helper()
	var events []eventstore.RecordedEvent
	for ev, err := range m.node.ReadAll(m.Context(), eventstore.AllRead{}) {
		if err != nil {
			m.Fatal(err)
		}
		events = append(events, ev)
	}
	m.log.appended(events)
	m.oracle.events = readTold(m, m.node)
}

// last is the end of the log.
func (m *machine) last() eventstore.Position { return m.log.events[len(m.log.events)-1].Position }

func (m *machine) append() {
	orders := 0
	if len(m.world.orders) < 5 {
		orders = 1
	}
	appendAll(m, m.node, m.world.history(m, orders, 1+m.dice.IntN(4)))
	m.written()
}

// poison writes what nobody can project into the stream of an order.
func (m *machine) poison() {
	if len(m.world.orders) == 0 || m.dice.IntN(3) > 0 {
		m.check.Skip("not now")
	}
	s := m.world.orders[m.dice.IntN(len(m.world.orders))]
	appendAll(m, m.node, []appended{{s.stream, []eventData{foreign("OrderTeleported", `{"to":"mars"}`, plainMetadata)}}})
	m.written()
}

// release lets some more events be seen.
func (m *machine) release() {
	seen := slices.IndexFunc(m.log.events, func(ev eventstore.RecordedEvent) bool { return ev.Position.Compare(m.log.released) > 0 })
	if seen < 0 {
		m.check.Skip("all is released")
	}
	m.log.release(m.log.events[min(len(m.log.events)-1, seen+m.dice.IntN(15))].Position)
}

func (m *machine) start() {
	if len(m.runners) >= 2 {
		m.check.Skip("enough of them")
	}
	cfg := config(m.log, m.url)
	cfg.Connect = m.wire.connect(m.url)
	cfg.BatchEvents, cfg.CachedOrders = 1+m.dice.IntN(12), 1+m.dice.IntN(3)
	m.runners = append(m.runners, start(m, cfg))
}

func (m *machine) stop() {
	if len(m.runners) == 0 {
		m.check.Skip("none runs")
	}
	i := m.dice.IntN(len(m.runners))
	m.runners[i].stop(m)
	m.runners = slices.Delete(m.runners, i, i+1)
}

func (m *machine) disturb() {
	kinds := []string{shownAgain, checkpointed, broken, begunBehind}
	m.log.disturb(kinds[m.dice.IntN(len(kinds))], m.dice.IntN(30))
}

func (m *machine) cut() { m.wire.cut(m.dice.IntN(12), m.dice.IntN(2) == 0) }

// overtake takes the epoch, as another runner would.
func (m *machine) overtake() {
	if _, err := m.pool.Exec(m.Context(), "SELECT ledger_data.take_checkpoint()"); err != nil {
		m.Fatal(err)
	}
}

// settleMost bounds how long the views may take to where they are to stand.
const settleMost = time.Minute

// settle waits until the views stand where they are to stand.
func (m *machine) settle() {
	m.Helper()
	if m.log.released == (eventstore.Position{}) {
		return
	}
	if len(m.runners) == 0 {
		m.start()
	}
	ctx, cancel := context.WithTimeout(m.Context(), settleMost)
	defer cancel()
	if err := waitFor(ctx, m.pool, m.log.released); err != nil {
		for _, r := range m.runners {
			m.Logf("a runner: %+v", r.Status(m.Context()))
		}
		m.Fatal(err)
	}
	m.look()
}

// refuse has PostgreSQL refuse whatever is new about one order, in a state that everything released is in the views.
func (m *machine) refuse() {
	m.settle()
	shown := m.shownOrders()
	if len(m.oracle.refused) > 0 || len(shown) == 0 {
		m.check.Skip("nothing to refuse")
	}
	s := shown[m.dice.IntN(len(shown))]
	next := uint64(0)
	for i := range m.oracle.events {
		if e := &m.oracle.events[i]; e.stream == s.stream && e.position <= m.log.released.Commit {
			next = e.revision + 1
		}
	}
	// The mark of a parked order, which has no source, is let pass.
	sql := fmt.Sprintf(`ALTER TABLE ledger_data.orders ADD CONSTRAINT refused
		CHECK (order_id <> '%s' OR source = '' OR revision < %d) NOT VALID`, s.id, next)
	if _, err := m.pool.Exec(m.Context(), sql); err != nil {
		m.Fatal(err)
	}
	m.oracle.refused[s.stream] = next
}

// shownOrders are the customers' orders with a row that can be refused: those that are not parked already.
func (m *machine) shownOrders() []*simulated {
	return slices.DeleteFunc(slices.Clone(m.world.orders), func(s *simulated) bool {
		known, parked := false, false
		for i := range m.oracle.events {
			if e := &m.oracle.events[i]; e.stream == s.stream && e.position <= m.log.released.Commit {
				known, parked = true, parked || e.kind == "OrderTeleported"
			}
		}
		return !known || parked || s.test || s.kind == order.KindPayout
	})
}

// allow ends the refusal, and has the order projected again.
func (m *machine) allow() {
	for stream := range m.oracle.refused {
		m.settle()
		if _, err := m.pool.Exec(m.Context(), "ALTER TABLE ledger_data.orders DROP CONSTRAINT refused"); err != nil {
			m.Fatal(err)
		}
		_, id, _ := order.ParseStreamName(stream)
		delete(m.oracle.refused, stream)
		m.retryOrder(id)
		m.look()
	}
}

// retry retries an order that cannot be projected now either.
func (m *machine) retry() {
	for _, p := range parkedOrders(m, m.pool) {
		m.retryOrder(p.OrderID)
		m.look()
	}
}

func (m *machine) retryOrder(id string) {
	m.Helper()
	err := projections.Retry(m.Context(), m.pool, m.node, id)
	var still *projections.StillParkedError
	if err != nil && !errors.As(err, &still) && !errors.Is(err, projections.ErrNotParked) {
		m.Fatal(err)
	}
}

// look compares the views with the oracle, whatever is going on.
func (m *machine) look() {
	m.Helper()
	at := agree(m, m.pool, m.oracle)
	if at.Known && (at.Position.Compare(m.reached) < 0 || at.Position.Compare(m.log.released) > 0) {
		m.Fatalf("the checkpoint went from %s to %s, %s was released", m.reached, at.Position, m.log.released)
	}
	m.reached = at.Position
}

var _ dice = (*rand.Rand)(nil)
