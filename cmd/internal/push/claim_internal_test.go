package push

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

func openDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Prepared(t, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestClaim_LongBacklog: while a receiver is down 100,000 deliveries wait, of orders whose first one is to be
// tried later. Looking for what is due reads a few pages, and not all of them each second.
func TestClaim_LongBacklog(t *testing.T) {
	t.Parallel()
	const orders, each = 20_000, 5
	pool := openDatabase(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare, ordered) VALUES ('shop', 1, 1, true)")
	exec(`INSERT INTO ledger_push.deliveries (subscriber, event_id, order_id, name, body, due_at, planned_at, head)
		SELECT 'shop', gen_random_uuid(), 'O' || n % $1::int, 'order.issued', repeat('x', 500), now(), now(), n <= $1 FROM generate_series(1, $1::int * $2::int) n`, orders, each)
	exec("VACUUM ANALYZE ledger_push.deliveries")
	s := Subscriber{Name: "shop", Ordered: true}.WithDefaults()
	now := time.Now().Add(time.Second)
	taken := 0
	for { // every head fails, and is due an hour later
		claimed, err := claim(t.Context(), pool, &s, 1_000, now, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if len(claimed) == 0 {
			break
		}
		taken += len(claimed)
	}
	if taken != orders {
		t.Fatalf("%d deliveries were taken, want the first of each of %d orders", taken, orders)
	}
	for what, at := range map[string]time.Time{"nothing is due": now, "heads are due": now.Add(2 * time.Hour)} {
		began := time.Now()
		claimed, err := claim(t.Context(), pool, &s, 64, at, at.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d taken in %s", what, len(claimed), time.Since(began))
		if pages := pagesRead(t, pool, at); pages > 2_000 { // the table has 8,000 and more; 64 rows are written anew, in several indexes
			t.Errorf("%s: a claim reads %d pages", what, pages)
		}
	}
}

// pagesRead are the pages that a claim looks at.
func pagesRead(t *testing.T, pool *pgxpool.Pool, at time.Time) int {
	t.Helper()
	var text []byte
	err := pool.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+claimSQL, "shop", at, at.Add(time.Hour), 64).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
		Time float64 `json:"Execution Time"`
	}
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pages, %.1f ms", plans[0].Plan.Hit+plans[0].Plan.Read, plans[0].Time)
	return plans[0].Plan.Hit + plans[0].Plan.Read
}

// TestArrange: of an order's deliveries only the first is taken while they are ordered, all of them otherwise,
// and an operator's retry of an earlier one comes before what waits.
func TestArrange(t *testing.T) {
	t.Parallel()
	pool := openDatabase(t)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare) VALUES ('shop', 1, 1);
		INSERT INTO ledger_push.deliveries (subscriber, event_id, order_id, name, body, due_at, planned_at, state, dead_at) VALUES
		  ('shop', gen_random_uuid(), 'A', '1', '', now(), now(), 'DEAD', now()), ('shop', gen_random_uuid(), 'A', '2', '', now(), now(), 'PENDING', NULL),
		  ('shop', gen_random_uuid(), 'A', '3', '', now(), now(), 'PENDING', NULL), ('shop', gen_random_uuid(), 'B', '4', '', now(), now(), 'PENDING', NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	s := Subscriber{Name: "shop"}.WithDefaults()
	claimable := func() string {
		t.Helper()
		now := time.Now().Add(time.Hour)
		claimed, err := claim(t.Context(), pool, &s, 100, now, now)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for i := range claimed {
			names[claimed[i].name] = true
		}
		text := ""
		for _, name := range []string{"1", "2", "3", "4"} {
			if names[name] {
				text += name
			}
		}
		return text
	}
	arranged := func(ordered bool) {
		t.Helper()
		if err := arrange(t.Context(), pool, "shop", ordered); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "234"},
		{func() { arranged(true) }, "24"},
		{func() { arranged(true) }, "24"},
		{func() {
			if _, err := (Change{Subscriber: "shop", Actor: "kim", At: time.Now()}).Retry(t.Context(), pool, 0); err != nil {
				t.Fatal(err)
			}
		}, "14"},
		{func() { arranged(false) }, "1234"},
	} {
		if step.do(); claimable() != step.want {
			t.Errorf("%s can be taken, want %s", claimable(), step.want)
		}
	}
}
