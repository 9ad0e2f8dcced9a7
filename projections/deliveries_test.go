package projections_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

// TestRunner_AnyDeliveries does anything in any sequence to one database: appends, runners that come
// and go, two of them at once, subscriptions that repeat themselves, break and begin anew, lost
// connections. The checkpoint never goes back, is never beyond the log, and in the end the rows are
// those of one undisturbed runner: nothing skipped, nothing applied twice.
func TestRunner_AnyDeliveries(t *testing.T) {
	t.Parallel()
	at := newDatabase(t)
	pool := newPool(t, at)
	for seed := range uint64(10) {
		t.Logf("seed %d", seed)
		wipe(t, pool)
		m := &deliveries{
			random: rand.New(rand.NewPCG(seed, 41)), world: newWorld(41 + seed), log: newLog(t), at: at, pool: pool,
		}
		for range 25 {
			m.step(t)
			m.watch(t)
		}
		for len(m.runners) > 0 {
			m.stopOne(t)
		}
		r := start(t, config(m.log, at))
		reach(t, m.log, pool)
		r.stop(t)
		same(t, fmt.Sprintf("deliveries with seed %d", seed), project(t, m.log, nil), dump(t, pool))
	}
}

// deliveries is what TestRunner_AnyDeliveries knows.
type deliveries struct {
	random  *rand.Rand
	world   *world
	log     *node.Node
	at      string
	pool    *pgxpool.Pool
	runners []*running
	// reached is the highest checkpoint that was seen.
	reached eventstore.Position
}

func (m *deliveries) step(tb testing.TB) {
	tb.Helper()
	switch n := m.random.IntN(10); {
	case n < 4:
		m.append(tb)
	case n < 6 && len(m.runners) < 3:
		m.startOne(tb)
	case n < 7 && len(m.runners) > 0:
		m.stopOne(tb)
	case n < 8:
		killRunners(tb, m.pool)
	case len(m.runners) > 0:
		before := m.checkpoint(tb)
		eventually(tb, "progress, or the end of the log", func() bool {
			now := m.checkpoint(tb)
			return now.Compare(m.head(tb)) >= 0 || now.Compare(before) > 0
		})
	}
}

func (m *deliveries) append(tb testing.TB) {
	tb.Helper()
	appendAll(tb, m.log, m.world.history(tb, 1+m.random.IntN(3), 1+m.random.IntN(15)))
}

func (m *deliveries) startOne(tb testing.TB) {
	tb.Helper()
	noisy := &noisyLog{Log: m.log, random: rand.New(rand.NewPCG(m.random.Uint64(), 42))}
	cfg := config(noisy, named(tb, m.at, "runner"))
	cfg.BatchEvents = 1 + m.random.IntN(20)
	m.runners = append(m.runners, start(tb, cfg))
}

func (m *deliveries) stopOne(tb testing.TB) {
	tb.Helper()
	i := m.random.IntN(len(m.runners))
	m.runners[i].stop(tb)
	m.runners = append(m.runners[:i], m.runners[i+1:]...)
}

func (m *deliveries) checkpoint(tb testing.TB) eventstore.Position {
	tb.Helper()
	position, _, err := checkpoint.NewReader(m.pool).Checkpoint(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return position
}

func (m *deliveries) watch(tb testing.TB) {
	tb.Helper()
	now := m.checkpoint(tb)
	head := m.head(tb)
	if now.Compare(m.reached) < 0 || now.Compare(head) > 0 {
		tb.Fatalf("the checkpoint went from %s to %s, the log ends at %s", m.reached, now, head)
	}
	m.reached = now
}

// head is where the log ends; the zero position while nothing is in it.
func (m *deliveries) head(tb testing.TB) eventstore.Position {
	tb.Helper()
	head, _, err := m.log.Head(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return head
}
