package projections_test

import (
	"bytes"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/order-ledger/order-ledger/projections"
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

// committing is set while an answer to a COMMIT is to be lost. The proxy makes its toxics itself, so
// they can share nothing else.
var committing atomic.Bool

// watchCommits lets everything through and sets committing at every third COMMIT.
type watchCommits struct{ seen int }

func (w *watchCommits) Pipe(stub *toxics.ToxicStub) {
	pipe(stub, func(sent []byte) (cut bool) {
		if bytes.Contains(sent, []byte("COMMIT\x00")) {
			w.seen++
			committing.Store(w.seen%3 == 0)
		}
		return false
	})
}

// loseAnswers ends the connection instead of passing the answer to a COMMIT on.
type loseAnswers struct{}

func (*loseAnswers) Pipe(stub *toxics.ToxicStub) {
	pipe(stub, func([]byte) (cut bool) { return committing.Swap(false) })
}

func pipe(stub *toxics.ToxicStub, look func(sent []byte) (cut bool)) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil || look(chunk.Data) {
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
	cfg := config(log, cuttingProxy(t, direct))
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

// cuttingProxy puts a proxy before the database that loses answers, and returns the URL through it.
func cuttingProxy(tb testing.TB, direct string) (through string) {
	tb.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		tb.Fatal(err)
	}
	toxics.Register("watch_commits", new(watchCommits))
	toxics.Register("lose_answers", new(loseAnswers))
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(proxy.Stop)
	for _, toxic := range []string{
		`{"type":"watch_commits","stream":"upstream"}`, `{"type":"lose_answers","stream":"downstream"}`,
	} {
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			tb.Fatal(err)
		}
	}
	u.Host = proxy.Listen
	return u.String()
}
