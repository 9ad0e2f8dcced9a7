package projections_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/localpg"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// killRunners ends every connection to the database that is named like a runner's, and tells how
// many.
func killRunners(tb testing.TB, pool *pgxpool.Pool) int {
	tb.Helper()
	var n int
	err := pool.QueryRow(tb.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'runner'`).Scan(&n)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// named makes connections to url show a name to the server.
func named(tb testing.TB, at, name string) string {
	tb.Helper()
	u, err := url.Parse(at)
	if err != nil {
		tb.Fatal(err)
	}
	values := u.Query()
	values.Set("application_name", name)
	u.RawQuery = values.Encode()
	return u.String()
}

// TestRunner_KilledConnections ends the runner's connection again and again, at no particular
// moment, while it catches up: before, in the middle of and after transactions, and while their
// answers are under way.
func TestRunner_KilledConnections(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	appendMany(t, log, newWorld(11).history(t, 30, 300))

	cfg := config(log, named(t, at, "runner"))
	cfg.BatchEvents = 10
	r := start(t, cfg)
	kills, random := 0, rand.New(rand.NewPCG(11, 11))
	eventually(t, "enough kills, or the end", func() bool {
		kills += killRunners(t, pool)
		before, more := r.Status(t.Context()).Batches, uint64(random.IntN(4))
		eventually(t, "some progress between two kills", func() bool {
			st := r.Status(t.Context())
			return !st.Behind || st.Batches >= before+more
		})
		return kills >= 25 || !r.Status(t.Context()).Behind
	})
	if kills == 0 {
		t.Fatal("nothing was killed")
	}
	reach(t, log, pool)
	same(t, "killed connections", project(t, log, nil), dump(t, pool))
	if st := r.Status(t.Context()); st.Failures == 0 || st.LastError == "" {
		t.Errorf("%d kills, and the status tells of %d failures", kills, st.Failures)
	}
}

// TestRunner_PostgresRestarts stops the whole server while events come in, and starts it again.
func TestRunner_PostgresRestarts(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	dir := t.TempDir() + "/postgres"
	server := startServer(t, dir)
	at := server.URL()
	applyTo(t, at)
	w := newWorld(12)

	appendAll(t, log, w.history(t, 10, 60))
	pool := newPool(t, at)
	r := start(t, config(log, at))
	reach(t, log, pool)

	stopServer(t, server)
	appendAll(t, log, w.history(t, 5, 60)) // the log does not need the database
	eventually(t, "the runner to notice", func() bool { return r.Status(t.Context()).Role == projections.Starting })

	again := startServer(t, dir)
	defer stopServer(t, again)
	if again.URL() != at {
		t.Skip("the server came back on another port: somebody took its own")
	}
	eventually(t, "the runner to come back", func() bool { return r.Status(t.Context()).Role == projections.Leader })
	reach(t, log, pool)
	same(t, "a restarted server", project(t, log, nil), dump(t, pool))
	r.stop(t)
}

func startServer(tb testing.TB, dir string) *localpg.Server {
	tb.Helper()
	server, err := localpg.Start(tb.Context(), localpg.Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		tb.Fatal(err)
	}
	return server
}

func stopServer(tb testing.TB, server *localpg.Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), deadline)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		tb.Fatal(err)
	}
}

func applyTo(tb testing.TB, at string) {
	tb.Helper()
	if _, err := migrations.Apply(tb.Context(), newConn(tb, at), migrations.Options{}); err != nil {
		tb.Fatal(err)
	}
}

// TestRunner_TwoOnOneDatabase: one leads, the other stands by and takes over when the first ends or
// loses its connection; the epoch grows each time and no event is lost or doubled.
func TestRunner_TwoOnOneDatabase(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	w := newWorld(13)
	appendAll(t, log, w.history(t, 10, 60))

	first := start(t, config(log, at))
	eventually(t, "the first to lead", func() bool { return first.Status(t.Context()).Role == projections.Leader })
	second := start(t, config(log, at))
	eventually(t, "the second to stand by", func() bool { return second.Status(t.Context()).Role == projections.Standby })
	reach(t, log, pool)
	eventually(t, "the second to tell where the first has brought the views", func() bool { return !second.Status(t.Context()).Behind })
	if n := second.Status(t.Context()).Events; n != 0 {
		t.Errorf("a standby projected %d events", n)
	}
	before := first.Status(t.Context()).Checkpoint.Epoch

	first.stop(t)
	appendAll(t, log, w.history(t, 5, 60))
	reach(t, log, pool)
	eventually(t, "the second to tell that it leads and projects", func() bool {
		st := second.Status(t.Context())
		return st.Role == projections.Leader && st.Checkpoint.Epoch > before && st.Events > 0
	})
	if st := first.Status(t.Context()); st.Role != projections.Stopped {
		t.Errorf("the first is %s", st.Role)
	}
	same(t, "two runners", project(t, log, nil), dump(t, pool))
}

// TestRunner_LostTheLockUnnoticed: a leader whose epoch was taken by another writes nothing more.
func TestRunner_LostTheLockUnnoticed(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	w := newWorld(14)
	appendAll(t, log, w.history(t, 10, 60))
	var raised atomic.Int64
	cfg := config(log, at)
	cfg.BatchEvents = 5
	cfg.OnBatch = func(b projections.Batch) {
		if b.Events == 0 || raised.Add(1)%5 != 0 {
			return
		}
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "SELECT ledger_data.take_checkpoint()"); err != nil {
			t.Error(err)
		}
	}
	r := start(t, cfg)
	reach(t, log, pool)
	same(t, "a taken epoch", project(t, log, nil), dump(t, pool))
	eventually(t, "the leader to notice", func() bool { return r.Status(t.Context()).Checkpoint.Epoch > 2 })
	if n := r.Status(t.Context()).Failures; n != 0 {
		t.Errorf("%d failures: to be overtaken, as by every swap, is none", n)
	}
}

// TestRunner_ComesBackAtOnceInQuietTimes: who wrote a checkpoint and no rows has led, and is back after the shortest pause,
// however often it is interrupted: by rebuilds that exchange the tables, for example, while nothing comes but canaries.
func TestRunner_ComesBackAtOnceInQuietTimes(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	cfg := config(log, at)
	cfg.BackoffFirst, cfg.BackoffMost = 20*time.Millisecond, time.Hour
	start(t, cfg)
	w := newWorld(17)
	const interruptions = 20 // doubled as often, the pause would be minutes
	for range interruptions {
		a := w.quarantined(t)
		a.stream = "ref-decta-order-" + w.id()
		reachPosition(t, pool, appendAll(t, log, []appended{a}))
		if _, err := pool.Exec(t.Context(), "SELECT ledger_data.take_checkpoint()"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunner_Fights: many runners, connections killed at random, events coming in all the time.
func TestRunner_Fights(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	for range 3 {
		cfg := config(log, named(t, at, "runner"))
		cfg.BatchEvents = 7
		start(t, cfg)
	}
	random := rand.New(rand.NewPCG(15, 15))
	for i, a := range newWorld(15).history(t, 20, 200) {
		last := appendAll(t, log, []appended{a})
		if i%20 == 19 {
			killRunners(t, pool)
		}
		if random.IntN(40) == 0 {
			reachPosition(t, pool, last)
		}
	}
	reach(t, log, pool)
	same(t, "a fight", project(t, log, nil), dump(t, pool))
}

// TestRunner_NoDatabaseYet: a runner that is started before the schema exists begins when it does.
func TestRunner_NoDatabaseYet(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), pgtest.URL(t)
	appendAll(t, log, newWorld(16).history(t, 5, 20))
	r := start(t, config(log, at))
	eventually(t, "a failure", func() bool { return r.Status(t.Context()).Failures > 1 })
	applyTo(t, at)
	reach(t, log, newPool(t, at))
	if st := r.Status(t.Context()); st.LastErrorAt.After(time.Now()) || st.Role != projections.Leader {
		t.Errorf("status %+v", st)
	}
}

// TestRunner_ForeignLogBehindCanaries: the same is true when the two logs differ in nothing that makes rows.
func TestRunner_ForeignLogBehindCanaries(t *testing.T) {
	t.Parallel()
	logOf := func(canaries int) *node.Node {
		log := newLog(t)
		appendAll(t, log, newWorld(17).history(t, 5, 60))
		for range canaries {
			canary := eventstore.EventData{ID: uuid.New(), Type: "CanaryReleased", JSON: true, Data: []byte("{}")}
			appendAll(t, log, []appended{{stream: "canary-views", events: []eventData{canary}}})
		}
		return log
	}
	at := newDatabase(t)
	log := logOf(10)
	r := start(t, config(log, at))
	reach(t, log, newPool(t, at))
	r.stop(t)
	var refusals sync.WaitGroup // a runner is patient before it refuses
	for _, canaries := range []int{0, 20} {
		refusals.Go(func() {
			refusesLog(t, config(logOf(canaries), at), fmt.Sprintf("the same orders with %d other canaries", canaries))
		})
	}
	refusals.Wait()
	again := start(t, config(log, at))
	eventually(t, "the log itself is taken", func() bool { return again.Status(t.Context()).Role == projections.Leader })
}

// refusesLog runs a runner that is to end because the log is another one.
func refusesLog(tb testing.TB, cfg projections.Config, what string) {
	tb.Helper()
	runner, err := projections.NewRunner(cfg)
	if err != nil {
		tb.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(tb.Context(), deadline)
	defer cancel()
	if err := runner.Run(ctx); !errors.Is(err, projections.ErrForeignLog) {
		tb.Errorf("%s: %v", what, err)
	}
}

// TestRunner_ForeignLog: read models of one log refuse to go on with another, shorter or longer.
func TestRunner_ForeignLog(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	appendAll(t, log, newWorld(17).history(t, 5, 60))
	r := start(t, config(log, at))
	reach(t, log, pool)
	r.stop(t)
	before := dump(t, pool)
	others := make(map[int]*node.Node)
	for _, notifications := range []int{10, 200} {
		others[notifications] = newLog(t)
		appendAll(t, others[notifications], newWorld(18).history(t, 5, notifications))
	}
	var refusals sync.WaitGroup // a runner is patient before it refuses
	for notifications, other := range others {
		refusals.Go(func() {
			refusesLog(t, config(other, at), fmt.Sprintf("another log of %d notifications", notifications))
		})
	}
	refusals.Go(func() {
		err := projections.CatchUp(t.Context(), config(log, at), eventstore.Position{Commit: 1 << 40, Prepare: 1 << 40})
		if !errors.Is(err, projections.ErrForeignLog) {
			t.Errorf("caught up beyond the end of the log: %v", err)
		}
	})
	refusals.Wait()
	same(t, "another log", before, dump(t, pool))
}
