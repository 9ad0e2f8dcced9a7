package projections_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// rebuildConfig is an engine's configuration with small units, and with time enough on any machine.
func rebuildConfig(tb testing.TB, log projections.Log, url, dir string) rebuild.Config {
	tb.Helper()
	return rebuild.Config{
		Log: log, Dir: dir, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Fingerprint: ownFingerprint(tb),
		Connect: func(ctx context.Context, name string) (*pgx.Conn, error) { return schema.Connect(ctx, url, name) },
		Tables: rebuild.Tables{
			Create: migrations.CreateTables, Exchange: migrations.Exchange, CopyViews: migrations.CopyViews,
			IsBusy: migrations.ReadersBusy,
		},
		UnitBytes: 20 << 10, MarkEvery: 100, ReadersWait: 500 * time.Millisecond, SwapTimeout: deadline,
	}
}

func newEngine(tb testing.TB, cfg rebuild.Config) *rebuild.Engine {
	tb.Helper()
	e, err := rebuild.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

const besideNext, besideBefore = "ledger_data_next", "ledger_data_before"

// A rebuild makes exactly the rows that following the log made, in units and parts of any size, poisoned
// orders and all.
func TestRebuild_MakesTheRowsThatTheRunnerMade(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	w := newWorld(31)
	appendMany(t, log, w.history(t, 40, 600))
	for i, poison := range []eventstore.EventData{
		foreign("OrderTeleported", `{"to":"mars"}`, plainMetadata),
		foreign("OrderIssued", "\xff\x00<xml/>", "not json either"),
		foreign("PaymentCaptured", `{"payment_id":"x","amount":{"amount":"5","currency":"XOF"}}`, plainMetadata),
	} {
		appendAll(t, log, []appended{{stream: w.orders[i].stream, events: []eventstore.EventData{poison}}})
	}
	appendAll(t, log, []appended{{stream: "order-01J9ZZZZZZZZZZZZZZZZZZZZZZ", events: []eventstore.EventData{foreign("X", "{}", "{}")}},
		{stream: "quarantine-somebody", events: []eventstore.EventData{foreign("X", "{}", "{}")}}})
	appendMany(t, log, w.history(t, 10, 200))
	url := newDatabase(t)
	pool := newPool(t, url)
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	for _, unitBytes := range []int64{2 << 10, 30 << 10, 100 << 20} {
		cfg := rebuildConfig(t, log, url, t.TempDir())
		cfg.UnitBytes = unitBytes
		e := newEngine(t, cfg)
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "rebuilt tables", want, dumpSchema(t, pool, besideNext))
		same(t, "keys and checks", shape(t, pool, schema.Live), shape(t, pool, besideNext))
		proof, err := e.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !proof.Equal() || !proof.Compared {
			t.Errorf("equal tables are not proven equal: %+v", proof)
		}
		if err := e.Drop(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

// shape lists keys, indexes and constraints, without the schema's name.
func shape(tb testing.TB, pool *pgxpool.Pool, name string) string {
	tb.Helper()
	var b strings.Builder
	dumpQuery(tb, pool, &b, `SELECT 'shape', line FROM (
		SELECT regexp_replace(indexdef, '\m`+name+`\.', '') AS line FROM pg_indexes WHERE schemaname = '`+name+`'
		UNION ALL SELECT conrelid::regclass::oid::regclass::text || conname FROM pg_constraint WHERE false
		UNION ALL SELECT conname || ' ' || regexp_replace(pg_get_constraintdef(oid), '\m`+name+`\.', '', 'g') FROM pg_constraint
		 WHERE connamespace = '`+name+`'::regnamespace) lines ORDER BY line COLLATE "C"`)
	return b.String()
}

// While a runner leads and events come in, everything is rebuilt and swapped, with readers that never see
// anything but a whole state; what is written afterwards shows, and after the way back too.
func TestRebuild_SwapsUnderARunnerAndBack(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(32)
	appendMany(t, log, w.history(t, 30, 300))
	cfg := config(log, url)
	cfg.Fingerprint = ownFingerprint(t)
	r := start(t, cfg)
	reach(t, log, pool)

	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	defer func() {
		stop()
		busy.Wait()
	}()
	busy.Go(func() { // events come in all the time, and no more than the machine can take
		traffic := time.NewTicker(2 * time.Millisecond)
		defer traffic.Stop()
		for ctx.Err() == nil {
			<-traffic.C
			if a, ok := w.notify(t, w.orders[w.random.IntN(len(w.orders))]); ok {
				if _, err := log.Append(t.Context(), a.stream, eventstore.Any, a.events...); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		}
	})
	var reads atomic.Int64
	var back atomic.Bool // from now on the views may be of an earlier moment
	busy.Go(func() { readWhole(ctx, t, pool, &reads, &back) })

	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	oid := func() (id uint32) {
		if err := pool.QueryRow(t.Context(), "SELECT 'ledger_data.orders'::regclass::oid").Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := oid()
	proof, err := e.All(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !proof.Equal() || len(proof.Models) < 10 {
		t.Errorf("the proof: %+v", proof)
	}
	if oid() == first {
		t.Fatal("the tables were not swapped")
	}
	before := reads.Load()
	eventually(t, "readers after the swap", func() bool { return reads.Load() > before+5 })
	back.Store(true)
	if err := e.Rollback(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if oid() != first {
		t.Fatal("the way back does not lead back")
	}
	// And forth again: what was live is verified anew.
	if err := e.Swap(t.Context(), ""); !errors.Is(err, rebuild.ErrNotProven) {
		t.Errorf("swapped without a proof: %v", err)
	}
	if _, err := e.All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	stop()
	busy.Wait()
	reach(t, log, pool)
	if st := r.Status(t.Context()); st.Role != projections.Leader || st.LastError != "" {
		t.Errorf("the runner is %s: %s", st.Role, st.LastError)
	}
	r.stop(t)
	same(t, "after two swaps and a way back", project(t, log, nil), dump(t, pool))
	if err := e.Drop(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if sets, err := e.Status(t.Context()); err != nil || len(sets) != 0 {
		t.Errorf("after the drop: %v, %v", sets, err)
	}
}

// Giving way to events that come makes the same rows: here over an external event store, with canaries of the rebuild's own,
// as the command does it beside a ledger of another process.
func TestRebuild_GivesWay(t *testing.T) {
	t.Parallel()
	server, err := protocol.Start(t.Context(), protocol.Options{Node: newLog(t), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	log, err := esdbstore.Open(esdbstore.Options{ConnectionString: "esdb://" + server.Addr().String() + "?tls=false"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	url := newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(33)
	appendMany(t, log, w.history(t, 10, 60))
	r := start(t, config(log, url))
	reach(t, log, pool)

	ctx, stop := context.WithCancel(t.Context())
	var besides sync.WaitGroup
	defer besides.Wait()
	defer stop()
	besides.Go(func() { // hundreds of events a second
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if a, ok := w.notify(t, w.orders[w.random.IntN(len(w.orders))]); ok {
				appendAll(t, log, []appended{a})
			}
		}
	})
	prober := freshness.New(freshness.Config{
		Log: log, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Views: func() checkpoint.Querier { return pool },
	})
	besides.Go(func() { _ = prober.Run(ctx) }) // it only measures
	eventually(t, "the first canary", func() bool { _, ok := prober.Latest(); return ok })

	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Fresh, cfg.Usual, cfg.Watched, cfg.Workers = prober.Latest, prober.Usual, prober.Often, 1
	var tablesOf, lowered sync.Map // of connections, and of those that everything else is preferred to
	connect := cfg.Connect
	cfg.Connect = func(ctx context.Context, tables string) (*pgx.Conn, error) {
		conn, err := connect(ctx, tables)
		tablesOf.Store(conn, tables)
		return conn, err
	}
	cfg.Background = func(conn *pgx.Conn) {
		if tables, ok := tablesOf.Load(conn); ok && !conn.IsClosed() {
			lowered.Store(tables, nil)
		}
	}
	gaveWay := false // as is told; from one goroutine at a time, until it ends
	cfg.Progress = func(p rebuild.Progress) { gaveWay = gaveWay || p.GivesWay }
	keys := 0 // of the widest table when units are loaded
	transactions := 0
	cfg.Reached = func(ctx context.Context, p rebuild.Point) error {
		if p != rebuild.PointUnitLoaded {
			return nil
		}
		transactions++
		return pool.QueryRow(ctx, "SELECT count(*) FROM pg_indexes WHERE schemaname = $1 AND tablename = 'order_history_0'", besideNext).Scan(&keys)
	}
	proof, err := newEngine(t, cfg).All(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !proof.Equal() {
		t.Errorf("the proof: %+v", proof)
	}
	if keys == 0 {
		t.Error("it did not give way")
	}
	if !gaveWay {
		t.Error("it did not tell that it gives way")
	}
	if transactions <= 9 { // one for each part, and one for what belongs to no order, are enough for who does not give way
		t.Errorf("%d transactions, which were open for long", transactions)
	}
	if _, ok := lowered.Load(besideNext); !ok {
		t.Error("its connections are preferred like all others")
	}
	eventually(t, "the live checkpoint was tidied meanwhile", func() bool {
		var vacuums int
		err := pool.QueryRow(t.Context(), "SELECT sum(vacuum_count) FROM pg_stat_all_tables WHERE relname = 'checkpoint'").Scan(&vacuums)
		return err == nil && vacuums > 0
	})
	stop()
	besides.Wait()
	reach(t, log, pool)
	r.stop(t)
	same(t, "rebuilt while events came", project(t, log, nil), dump(t, pool))
}

// readWhole reads the views again and again: orders and their history are of one moment, and never of an
// earlier one until the way back.
func readWhole(ctx context.Context, tb testing.TB, pool *pgxpool.Pool, reads *atomic.Int64, back *atomic.Bool) {
	tb.Helper()
	var least int64
	for ctx.Err() == nil {
		var orders, newest, events int64
		err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM ledger.orders), (SELECT max(position) FROM ledger.order_history),
			(SELECT count(*) FROM ledger.order_history)`).Scan(&orders, &newest, &events)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			tb.Errorf("a reader failed: %v", err)
			return
		}
		if events < least && !back.Load() {
			tb.Errorf("%d events, and %d before", events, least)
		}
		if orders == 0 || newest == 0 {
			tb.Errorf("a reader saw %d orders", orders)
		}
		least = events
		reads.Add(1)
	}
}

// Rows that are not what the log says are found, shown with order and column, and swapped away only by
// whoever names the digest of just this difference.
func TestRebuild_ShowsADifferenceAndWantsItApproved(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(33).history(t, 20, 200))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	victim := firstOrder(t, pool, schema.Live)
	for _, sql := range []string{
		"UPDATE ledger_data.orders SET settled = settled + 1 WHERE order_id = $1",
		"DELETE FROM ledger_data.order_history WHERE order_id = $1 AND revision = 0",
		"INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ($1, 'invented', 'x', now())",
	} {
		if _, err := pool.Exec(t.Context(), sql, victim); err != nil {
			t.Fatal(err)
		}
	}
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	_, err := e.All(t.Context(), "")
	var different *rebuild.DifferentError
	if !errors.As(err, &different) {
		t.Fatalf("the difference was not seen: %v", err)
	}
	found := make(map[string]rebuild.ModelProof)
	for _, m := range different.Proof.Models {
		if m.Different > 0 {
			found[m.Table] = m
		}
	}
	for table, column := range map[string]string{"orders": "settled", "order_history": "event_id", "payments": "status"} {
		m := found[table]
		if m.Different != 1 || len(m.Differences) != 1 || !strings.Contains(m.Differences[0].Key, victim) {
			t.Errorf("%s: %+v", table, m)
			continue
		}
		seen := false
		for _, c := range m.Differences[0].Columns {
			seen = seen || c.Column == column && c.Live != c.Next
		}
		if !seen {
			t.Errorf("%s: column %s is not shown: %+v", table, column, m.Differences[0])
		}
	}
	if len(found) != 3 {
		t.Errorf("differences in %d tables, want 3", len(found))
	}
	if err := e.Swap(t.Context(), "0123456789abcdef"); !errors.As(err, &different) {
		t.Errorf("another digest approved it: %v", err)
	}
	if err := e.Swap(t.Context(), different.Proof.Digest); err != nil {
		t.Fatal(err)
	}
	same(t, "the approved tables", want, dump(t, pool))
}

// What was proven is what is swapped: whatever is changed in either set of tables after the proof is found, and wants
// an approval of its own; what the projector wrote since then is compared.
func TestRebuild_AProofIsOfWhatIsSwapped(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"a new row":             "UPDATE ledger_data_next.orders SET merchant_reference = 'changed'",
		"a live row":            "UPDATE ledger_data.orders SET merchant_reference = 'changed'",
		"a row that was hidden": "DELETE FROM ledger_data.payments",
		"the scale of money":    "UPDATE ledger_data_next.orders SET captured = captured + 0.0000",
		"a table":               "CREATE TABLE ledger_data.more (id int PRIMARY KEY); INSERT INTO ledger_data.more VALUES (1); UPDATE ledger_data.refunds SET status = status",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, url := newLog(t), newDatabase(t)
			pool := newPool(t, url)
			w := newWorld(37)
			appendMany(t, log, w.history(t, 20, 200))
			r := start(t, config(log, url))
			reach(t, log, pool)
			e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
			if err := e.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() {
				t.Fatalf("%+v, %v", proof, err)
			}
			appendMany(t, log, w.history(t, 5, 50)) // the projector goes on
			reach(t, log, pool)
			if _, err := pool.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			var different *rebuild.DifferentError
			if err := e.Swap(t.Context(), ""); !errors.As(err, &different) {
				t.Fatalf("it was swapped: %v", err)
			}
			if _, err := pool.Exec(t.Context(), "DELETE FROM ledger_data.order_history WHERE position = (SELECT min(position) FROM ledger_data.order_history)"); err != nil {
				t.Fatal(err)
			}
			again := different.Proof.Digest
			if err := e.Swap(t.Context(), again); !errors.As(err, &different) || different.Proof.Digest == again {
				t.Errorf("the approval of one difference was taken for another: %v", err)
			}
			if err := e.Swap(t.Context(), different.Proof.Digest); err != nil {
				t.Error(err)
			}
			r.stop(t)
		})
	}
}

// A proof that was made in another way counts for nothing, whatever it says and whoever approves it: earlier programs took a debit and a
// credit of one amount for equal.
func TestRebuild_AProofOfAnotherMethod(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(54).history(t, 10, 100))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	const other = "digest-of-an-earlier-program"
	refused := func(when, approve string) {
		t.Helper()
		err := e.Swap(t.Context(), approve)
		if !errors.Is(err, rebuild.ErrOtherMethod) || !strings.Contains(err.Error(), "`ledger rebuild verify`") {
			t.Errorf("%s: %v", when, err)
		}
	}
	var different *rebuild.DifferentError
	for method, plant := range map[string]string{
		"of a program that had no number": `UPDATE ledger_control.rebuilds SET proof = (proof - 'method') || '{"digest": "` + other + `"}'`,
		"of a later program":              `UPDATE ledger_control.rebuilds SET proof = proof || '{"method": 99, "digest": "` + other + `"}'`,
	} {
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() || !proof.Counts() {
			t.Fatalf("%+v, %v", proof, err)
		}
		exec(plant)
		refused("equal, "+method, "")
		exec("UPDATE ledger_data.orders SET merchant_reference = 'changed'")
		proof, err := e.Verify(t.Context())
		if err != nil || proof.Equal() || proof.Digest == other {
			t.Fatalf("%+v, %v", proof, err)
		}
		exec(plant)
		refused("approved, "+method, other)
		sets, err := e.Status(t.Context())
		if err != nil || len(sets) == 0 || sets[len(sets)-1].Proof == nil || sets[len(sets)-1].Proof.Counts() {
			t.Errorf("the status: %+v, %v", sets, err)
		}
		// A whole rebuild compares anew, and goes by that alone.
		if _, err := e.All(t.Context(), other); !errors.As(err, &different) || !different.Proof.Counts() {
			t.Fatalf("all, approved, %s: %v", method, err)
		}
		if err := e.Swap(t.Context(), different.Proof.Digest); err != nil {
			t.Errorf("verified anew, %s: %v", method, err)
		}
		same(t, "swapped", want, dump(t, pool))
	}
}

// What the projector writes between the proof and the swap is compared too, and swaps when it is equal without being
// proven anew.
func TestRebuild_ComparesWhatWasWrittenSinceTheProof(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(38)
	appendMany(t, log, w.history(t, 20, 200))
	r := start(t, config(log, url))
	reach(t, log, pool)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	proofs := 0
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		if at == rebuild.PointProven {
			proofs++
		}
		return nil
	}
	e := newEngine(t, cfg)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendMany(t, log, w.history(t, 5, 50))
	reach(t, log, pool)
	r.stop(t)
	// As a projector with a bug would have written it.
	conn := newConn(t, url)
	if _, err := conn.Exec(t.Context(), `SET ledger.projecting TO 'on'; UPDATE ledger_data.orders SET settled = settled + 1
		WHERE order_id = (SELECT order_id FROM ledger_data.order_history JOIN ledger_data.orders USING (order_id) ORDER BY order_history.position DESC LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	var different *rebuild.DifferentError
	if err := e.Swap(t.Context(), ""); !errors.As(err, &different) || proofs != 2 {
		t.Fatalf("after %d proofs: %v", proofs, err)
	}
	if _, err := conn.Exec(t.Context(), `UPDATE ledger_data.orders SET settled = settled - 1
		WHERE order_id = (SELECT order_id FROM ledger_data.order_history JOIN ledger_data.orders USING (order_id) ORDER BY order_history.position DESC LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() {
		t.Fatalf("%v, %v", proof, err)
	}
	r = start(t, config(log, url))
	appendMany(t, log, w.history(t, 5, 50))
	reach(t, log, pool)
	if err := e.Swap(t.Context(), ""); err != nil || proofs != 3 {
		t.Errorf("after %d proofs: %v", proofs, err)
	}
	r.stop(t)
}

// So is what lines of statements post that belong to no order.
func TestRebuild_ComparesBookingsSinceTheProof(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(38).history(t, 10, 100))
	catchUp := func() {
		t.Helper()
		head, _, err := log.Head(t.Context())
		if err == nil {
			err = projections.CatchUp(t.Context(), config(log, url), head)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() {
		t.Fatalf("%+v, %v", proof, err)
	}
	appendBooking(t, log, imported, "one", settlement.LineBookedType, settlement.LineBooked{
		StatementID: "s1", Line: 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: money.MustParse("12.50", "EUR"), ValueDate: "2026-10-02"})
	catchUp()
	// As a projector with a bug would have forgotten it.
	if _, err := newConn(t, url).Exec(t.Context(),
		"SET ledger.projecting TO 'on'; DELETE FROM ledger_data.journal_lines WHERE order_id = 'settlement-booked-one'"); err != nil {
		t.Fatal(err)
	}
	var different *rebuild.DifferentError
	if err := e.Swap(t.Context(), ""); !errors.As(err, &different) {
		t.Errorf("swapped: %v", err)
	}
}

// Tables that were built from another log are neither verified nor swapped in.
func TestRebuild_OfAnotherLog(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(39).history(t, 10, 100))
	cfg := rebuildConfig(t, log, url, t.TempDir())
	e := newEngine(t, cfg)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newLog(t)
	appendMany(t, other, newWorld(40).history(t, 10, 200))
	cfg.Log = other
	e = newEngine(t, cfg)
	if _, err := e.Verify(t.Context()); !errors.Is(err, rebuild.ErrOtherLog) {
		t.Errorf("verified: %v", err)
	}
	if err := e.Swap(t.Context(), ""); !errors.Is(err, rebuild.ErrOtherLog) {
		t.Errorf("swapped: %v", err)
	}
}

func TestRebuild_OnlyOneAtATime(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(34).history(t, 5, 40))
	cfg := rebuildConfig(t, log, url, t.TempDir())
	second := newEngine(t, cfg)
	var inside error
	cfg.Reached = func(ctx context.Context, at rebuild.Point) error {
		if at == rebuild.PointSpilled {
			inside = second.Run(ctx)
		}
		return nil
	}
	if err := newEngine(t, cfg).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inside, rebuild.ErrBusy) {
		t.Errorf("a second rebuild: %v", inside)
	}
}

// A frozen copy shows what was known at a position, whatever is projected or rebuilt later.
func TestRebuild_FreezesAllViewsAtAPosition(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(35)
	appendMany(t, log, w.history(t, 20, 200))
	then, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := project(t, log, nil)
	appendMany(t, log, w.history(t, 20, 200))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)

	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if err := e.Freeze(t.Context(), "month_2026_10", then); err != nil {
		t.Fatal(err)
	}
	same(t, "the frozen tables", want, dumpSchema(t, pool, "ledger_data_frozen_month_2026_10"))
	if _, err := e.All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	var position int64
	if err := pool.QueryRow(t.Context(), "SELECT max(position) FROM month_2026_10.order_history").Scan(&position); err != nil || uint64(position) > then.Commit {
		t.Errorf("the frozen views end at %d, %v, want at most %s", position, err, then)
	}
	if err := e.Freeze(t.Context(), "month_2026_10", then); err == nil {
		t.Error("froze twice into one schema")
	}
	beyond := then
	beyond.Commit += 1_000_000
	var after *rebuild.BeyondError
	if err := e.Freeze(t.Context(), "future", beyond); !errors.As(err, &after) {
		t.Errorf("froze what is not written yet: %v", err)
	}
	// A schema that is there already is somebody else's: it is not frozen into, and never removed.
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA accounting; CREATE TABLE accounting.precious (id int)"); err != nil {
		t.Fatal(err)
	}
	if err := e.Freeze(t.Context(), "accounting", then); !errors.Is(err, rebuild.ErrSchemaTaken) {
		t.Errorf("froze into a schema of somebody else: %v", err)
	}
	unfinished := rebuildConfig(t, log, url, t.TempDir())
	unfinished.Reached = func(ctx context.Context, at rebuild.Point) error {
		if at != rebuild.PointBuilt {
			return nil
		}
		_, err := pool.Exec(ctx, "CREATE SCHEMA month_2026_11; CREATE TABLE month_2026_11.precious (id int)")
		return err
	}
	if err := newEngine(t, unfinished).Freeze(t.Context(), "month_2026_11", then); err == nil {
		t.Error("froze into a schema that was made meanwhile")
	}
	if err := e.Drop(t.Context(), "month_2026_11"); err != nil {
		t.Error(err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT FROM accounting.precious, month_2026_11.precious; DROP SCHEMA month_2026_11 CASCADE"); err != nil {
		t.Errorf("what was somebody else's: %v", err)
	}
	for _, name := range []string{"ledger", "Month", "a b", "public; drop", "a__b", "", "public", "pg_mine", "ledger_data_next"} {
		if err := e.Freeze(t.Context(), name, then); err == nil {
			t.Errorf("froze into schema %q", name)
		}
	}
	if err := e.Drop(t.Context(), "month_2026_10"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%month%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d schemas are left, %v", left, err)
	}
}

// Rows that PostgreSQL refuses park their order as the runner does, and nothing else stops.
func TestRebuild_ParksWhatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(36).history(t, 20, 200))
	// The check is part of both sets of tables.
	if _, err := pool.Exec(t.Context(), refuseOpen(schema.Live)); err != nil {
		t.Fatal(err)
	}
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	if len(parkedOrders(t, pool)) == 0 {
		t.Fatal("nothing was refused: the test shows nothing")
	}
	e := newEngine(t, refusing(rebuildConfig(t, log, url, t.TempDir())))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt tables", dump(t, pool), dumpSchema(t, pool, besideNext))
	var left int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%trial%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d schemas of trials are left, %v", left, err)
	}
}
