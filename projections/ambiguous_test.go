package projections_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// countMoves makes the database itself count the commits that moved the checkpoint, whether or not
// anybody learnt of them.
const countMoves = `
	CREATE SCHEMA counted;
	CREATE TABLE counted.moves (n bigint NOT NULL);
	INSERT INTO counted.moves VALUES (0);
	CREATE FUNCTION counted.move() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN UPDATE counted.moves SET n = n + 1; RETURN NULL; END $$;
	CREATE TRIGGER count_move AFTER UPDATE ON ledger_data.checkpoint FOR EACH ROW
		WHEN (OLD.commit_position IS DISTINCT FROM NEW.commit_position) EXECUTE FUNCTION counted.move()`

// losing tells of each proxy by its name whether to lose the answer to the COMMIT that just succeeded. A proxy makes its
// toxics itself: a name is all that they can be given.
var losing sync.Map

// loseAnswers ends the connection instead of passing on that a COMMIT succeeded.
type loseAnswers struct {
	Proxy string `json:"proxy"`
}

// committed is how PostgreSQL says so.
var committed = []byte("COMMIT\x00")

func (l *loseAnswers) Pipe(stub *toxics.ToxicStub) {
	lose, _ := losing.Load(l.Proxy)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil || (bytes.Contains(chunk.Data, committed) && lose.(func() bool)()) {
				stub.Close()
				return
			}
			stub.Output <- chunk
		}
	}
}

// TestRunner_AmbiguousCommits cuts the connection between a commit and its confirmation, at every
// third transaction: the runner cannot know what became of it. The rows are the same in the end as if
// nothing had happened.
func TestRunner_AmbiguousCommits(t *testing.T) {
	t.Parallel()
	log, direct := newLog(t), newDatabase(t)
	pool := newPool(t, direct)
	if _, err := pool.Exec(t.Context(), countMoves); err != nil {
		t.Fatal(err)
	}
	appendMany(t, log, newWorld(31).history(t, 40, 200))
	want := project(t, log, nil)

	var confirmed atomic.Int64
	var seen atomic.Int64
	cfg := config(log, losingProxy(t, direct, func() bool { return seen.Add(1)%3 == 0 }))
	cfg.BatchEvents = 5
	cfg.OnBatch = func(projections.Batch) { confirmed.Add(1) }
	r := start(t, cfg)
	reach(t, log, pool)
	r.stop(t)
	same(t, "ambiguous commits", want, dump(t, pool))
	if all, known := moves(t, pool), confirmed.Load(); all-known < all/4 {
		t.Errorf("%d of %d commits were ambiguous, want about a third", all-known, all)
	}
}

func moves(tb testing.TB, pool *pgxpool.Pool) (n int64) {
	tb.Helper()
	if err := pool.QueryRow(tb.Context(), "SELECT n FROM counted.moves").Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// losingProxy puts a proxy before the database that loses the answers to commits that it is told to, and returns the URL
// through it.
func losingProxy(tb testing.TB, direct string, lose func() bool) (through string) {
	tb.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		tb.Fatal(err)
	}
	name := "postgres " + rand.Text()
	losing.Store(name, lose)
	tb.Cleanup(func() { losing.Delete(name) })
	toxics.Register("lose_answers", new(loseAnswers))
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(proxy.Stop)
	toxic := `{"type":"lose_answers","stream":"downstream","attributes":{"proxy":"` + name + `"}}`
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		tb.Fatal(err)
	}
	u.Host = proxy.Listen
	return u.String()
}

// TestRebuild_AmbiguousCommits cuts the connection between a commit of a rebuild and its confirmation: of a unit, of the
// swap, of the way back and of a frozen copy. The rebuild says that it failed, the views show the same rows, and the
// next run ends as if nothing had happened.
func TestRebuild_AmbiguousCommits(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(45).history(t, 20, 150))
	for _, point := range []rebuild.Point{rebuild.PointUnitFolded, rebuild.PointSwapping, rebuild.PointRollingBack, rebuild.PointFreezing} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			direct, spill := newDatabase(t), t.TempDir()
			pool := newPool(t, direct)
			r := start(t, config(log, direct))
			reach(t, log, pool)
			r.stop(t)
			want := dump(t, pool)
			flow := wholeFlow
			if point == rebuild.PointFreezing {
				flow = freezeFlow
			}
			var armed, lost atomic.Bool
			cfg := rebuildConfig(t, log, losingProxy(t, direct, func() bool { return armed.Load() && lost.CompareAndSwap(false, true) }), spill)
			cfg.Reached = func(_ context.Context, at rebuild.Point) error {
				if at == point {
					armed.Store(true)
				}
				return nil
			}
			if err := flow(t.Context(), newEngine(t, cfg)); err == nil || !lost.Load() {
				t.Fatalf("no answer was lost: %v", err)
			}
			same(t, "right after it", want, dump(t, pool))
			if err := flow(t.Context(), newEngine(t, cfg)); err != nil {
				t.Fatal(err)
			}
			same(t, "in the end", want, dump(t, pool))
			if point == rebuild.PointFreezing {
				same(t, "the frozen copy", want, dumpSchema(t, pool, "ledger_data_frozen_"+frozenSchema))
				if err := newEngine(t, cfg).Drop(t.Context(), frozenSchema); err != nil {
					t.Fatal(err)
				}
			}
			nothingLeft(t, pool, spill)
		})
	}
}
