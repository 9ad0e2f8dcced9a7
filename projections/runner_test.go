package projections_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

// project runs one runner from nothing to the end of the log and returns what it wrote.
func project(tb testing.TB, log projections.Log, change func(*projections.Config)) string {
	tb.Helper()
	url := newDatabase(tb)
	pool := newPool(tb, url)
	cfg := config(log, url)
	if change != nil {
		change(&cfg)
	}
	r := start(tb, cfg)
	reach(tb, log, pool)
	r.stop(tb)
	return dump(tb, pool)
}

// same compares dumps and shows the first lines that differ.
func same(tb testing.TB, what, want, got string) {
	tb.Helper()
	if want == got {
		return
	}
	diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
	tb.Errorf("%s: the databases differ (-want +got):\n%.4000s", what, diff)
}

// TestRunner_SameRowsInAnyBatchSize is design D17: for one log position the content of every view
// is a pure function of the log, whatever the batches and the cache were.
func TestRunner_SameRowsInAnyBatchSize(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(2).history(t, 20, 160))
	want := project(t, log, func(c *projections.Config) { c.BatchEvents = 1 << 20 })
	if n := strings.Count(want, "order_history "); n < 160 {
		t.Fatalf("only %d events were projected", n)
	}
	for _, batch := range []int{1, 2, 7, 100} {
		for _, cached := range []int{1, 1000} {
			t.Run(fmt.Sprintf("Batch%dCache%d", batch, cached), func(t *testing.T) {
				t.Parallel()
				got := project(t, log, func(c *projections.Config) { c.BatchEvents, c.CachedOrders = batch, cached })
				same(t, "another batch size", want, got)
			})
		}
	}
	t.Run("BatchBytes1", func(t *testing.T) {
		t.Parallel()
		same(t, "one event per batch by size", want, project(t, log, func(c *projections.Config) { c.BatchBytes = 1 }))
	})
}

// TestRunner_AnyRestarts stops the runner at random positions, with random batch sizes, and finds
// the same rows at the end: nothing skipped, nothing doubled.
func TestRunner_AnyRestarts(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(3).history(t, 12, 80))
	want := project(t, log, nil)
	at := newDatabase(t)
	pool := newPool(t, at)
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 3))
		wipe(t, pool)
		for range 1 + random.IntN(3) {
			stopAfter := 1 + random.IntN(6)
			cfg := config(log, at)
			cfg.BatchEvents = 1 + random.IntN(30)
			reached := make(chan struct{}, 1)
			cfg.OnBatch = func(projections.Batch) {
				if stopAfter--; stopAfter == 0 {
					reached <- struct{}{}
				}
			}
			r := start(t, cfg)
			eventually(t, "some batches, or the end", func() bool {
				select {
				case <-reached:
					return true
				default:
					return !r.Status(t.Context()).Behind
				}
			})
			r.stop(t)
		}
		r := start(t, config(log, at))
		reach(t, log, pool)
		r.stop(t)
		same(t, fmt.Sprintf("restarts with seed %d", seed), want, dump(t, pool))
	}
}

// TestRunner_FollowsLive projects what is appended while it runs.
func TestRunner_FollowsLive(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	r := start(t, config(log, url))
	for _, a := range newWorld(4).history(t, 10, 60) {
		reachPosition(t, pool, appendAll(t, log, []appended{a}))
	}
	same(t, "live", project(t, log, nil), dump(t, pool))
	eventually(t, "the status of a runner that has caught up", func() bool {
		st := r.Status(t.Context())
		return st.Role == projections.Leader && st.Live && !st.Behind && st.Events > 0 && st.LastError == ""
	})
}

// TestRunner_CheckpointMovesWithoutRows: events that no read model wants are progress all the same,
// or a wait for the end of the log would last for ever.
func TestRunner_CheckpointMovesWithoutRows(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	start(t, config(log, url))
	w := newWorld(5)
	for range 3 {
		a := w.quarantined(t)
		a.stream = "ref-decta-order-" + w.id()
		last := appendAll(t, log, []appended{a})
		reachPosition(t, pool, last)
	}
	if got := dump(t, pool); strings.Count(got, "\n") != 1 {
		t.Errorf("a stream of references was projected: %s", got)
	}
}

// TestRunner_ShownTwice feeds a subscription that shows each message up to three times and begins
// anew at a place long projected, in any mixture with checkpoints.
func TestRunner_ShownTwice(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(6).history(t, 12, 80))
	want := project(t, log, nil)
	for seed := range uint64(4) {
		noisy := &noisyLog{Log: log, random: rand.New(rand.NewPCG(seed, 6))}
		at := newDatabase(t)
		pool := newPool(t, at)
		r := start(t, config(noisy, at))
		reach(t, log, pool)
		r.stop(t)
		same(t, "a noisy subscription", want, dump(t, pool))
		if noisy.repeated == 0 || noisy.broken == 0 {
			t.Errorf("the subscription repeated %d messages and broke %d times", noisy.repeated, noisy.broken)
		}
		// The last break may have met the runner while it was stopping, which is no failure.
		if st := r.Status(t.Context()); st.Failures != uint64(noisy.broken) && st.Failures+1 != uint64(noisy.broken) {
			t.Errorf("%d failures, the subscription broke %d times: %s", st.Failures, noisy.broken, st.LastError)
		}
	}
}

// TestRunner_SkippedEvent: a subscription that leaves one event out is noticed at the order's next
// event, not papered over by reading the order's stream, and what was left out is read when it
// begins anew.
func TestRunner_SkippedEvent(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	appendMany(t, log, newWorld(8).history(t, 3, 40))
	skipping := &skippingLog{Log: log}
	r := start(t, config(skipping, at))
	reach(t, log, pool)
	if st := r.Status(t.Context()); st.Failures != 1 || !strings.Contains(st.LastError, "skipped") {
		t.Errorf("%d failures, the last: %s", st.Failures, st.LastError)
	}
	same(t, "a skipped event", project(t, log, nil), dump(t, pool))
}

// skippingLog leaves out one event of its first subscription.
type skippingLog struct {
	projections.Log
	subscriptions int
}

func (s *skippingLog) SubscribeAll(ctx ctxt, sub eventstore.AllSubscription) messages {
	s.subscriptions++
	first := s.subscriptions == 1
	return func(yield func(eventstore.Message, error) bool) {
		shown := 0
		for m, err := range s.Log.SubscribeAll(ctx, sub) {
			if _, ok := m.(eventstore.EventAppeared); ok {
				if shown++; first && shown == 20 {
					continue
				}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// noisyLog shows messages twice, shows checkpoints where none are due, and ends subscriptions at
// random.
type noisyLog struct {
	projections.Log
	random           *rand.Rand
	repeated, broken int
}

func (n *noisyLog) SubscribeAll(ctx ctxt, sub eventstore.AllSubscription) messages {
	return func(yield func(eventstore.Message, error) bool) {
		var shown []eventstore.Message
		for m, err := range n.Log.SubscribeAll(ctx, sub) {
			if n.broken < 20 && n.random.IntN(60) == 0 {
				n.broken++
				yield(nil, errBroken)
				return
			}
			if !yield(m, err) {
				return
			}
			shown = append(shown, m)
			if e, ok := m.(eventstore.EventAppeared); ok && n.random.IntN(8) == 0 {
				if !yield(eventstore.CheckpointReached{Position: e.Event.Position}, nil) {
					return
				}
			}
			for n.random.IntN(6) == 0 {
				n.repeated++
				if !yield(shown[n.random.IntN(len(shown))], nil) {
					return
				}
			}
		}
	}
}

// TestRunner_CheckpointElsewhere: a checkpoint that somebody else moved stops the runner for good.
func TestRunner_CheckpointElsewhere(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(7)
	appendAll(t, log, w.history(t, 5, 20))
	runner, err := projections.NewRunner(config(log, url))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(t.Context()) }()
	reach(t, log, pool)
	if _, err := pool.Exec(t.Context(),
		"UPDATE ledger_data.checkpoint SET commit_position = commit_position - 1"); err != nil {
		t.Fatal(err)
	}
	appendAll(t, log, w.history(t, 1, 20))
	select {
	case err := <-ended:
		if !isMismatch(err) {
			t.Errorf("the runner ended with %v", err)
		}
	case <-after(deadline):
		t.Fatal("the runner goes on")
	}
}

// TestCheckpoint_Outcomes moves a checkpoint in every way it can be moved.
func TestCheckpoint_Outcomes(t *testing.T) {
	t.Parallel()
	conn := newConn(t, newDatabase(t))
	ctx := t.Context()
	at := func(n uint64) eventstore.Position { return eventstore.Position{Commit: n, Prepare: n} }
	move := func(from checkpoint.Checkpoint, to eventstore.Position) checkpoint.Outcome {
		var b pgxBatch
		checkpoint.QueueMove(&b, from, to, nil)
		return checkpoint.OutcomeOf(conn.SendBatch(ctx, &b).Close())
	}
	first, err := checkpoint.TakeOver(ctx, conn)
	if err != nil || first.Known {
		t.Fatalf("an empty database stands at %v, %v", first, err)
	}
	moved := checkpoint.Checkpoint{Known: true, Position: at(10), Epoch: first.Epoch}
	for _, step := range []struct {
		name string
		from checkpoint.Checkpoint
		to   uint64
		want checkpoint.Outcome
	}{
		{"FromTheStart", first, 10, checkpoint.Moved},
		{"TheSameAgain", first, 10, checkpoint.AlreadyThere},
		{"FromElsewhere", first, 11, checkpoint.Mismatch},
		{"Backwards", moved, 9, checkpoint.Mismatch},
		{"OfAnUnknownEpoch", checkpoint.Checkpoint{Known: true, Position: at(10), Epoch: first.Epoch + 1}, 12, checkpoint.Mismatch},
		{"On", moved, 12, checkpoint.Moved},
	} {
		if got := move(step.from, at(step.to)); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	second, err := checkpoint.TakeOver(ctx, conn)
	if err != nil || second.Epoch != first.Epoch+1 || second.Position != at(12) {
		t.Fatalf("the second leader begins at %v, %v", second, err)
	}
	if got := move(checkpoint.Checkpoint{Known: true, Position: at(12), Epoch: first.Epoch}, at(13)); got != checkpoint.SomebodyAhead {
		t.Errorf("a past leader: %s", got)
	}
}
