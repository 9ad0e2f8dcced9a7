package projections_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// A runner whose connection works in another schema writes the rows that the live one would write, into
// its own tables only.
func TestRunner_ProjectsBesideTheLiveTables(t *testing.T) {
	t.Parallel()
	const beside = "ledger_data_2"
	log := newLog(t)
	appendMany(t, log, newWorld(11).history(t, 12, 80))
	want := project(t, log, nil)

	url := newDatabase(t)
	live := newPool(t, url)
	untouched := dump(t, live)
	if err := pgx.BeginFunc(t.Context(), live, func(tx pgx.Tx) error {
		return migrations.CreateTables(t.Context(), tx, beside)
	}); err != nil {
		t.Fatal(err)
	}
	poolConfig, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	schema.Use(poolConfig.ConnConfig, beside)
	shadow, err := pgxpool.NewWithConfig(t.Context(), poolConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shadow.Close)

	cfg := config(log, url)
	cfg.Connect = func(ctx context.Context) (*pgx.Conn, error) { return schema.Connect(ctx, url, beside) }
	r := start(t, cfg)
	reach(t, log, shadow)
	r.stop(t)
	same(t, "the tables beside", want, dumpSchema(t, live, beside))
	same(t, "the live tables", untouched, dump(t, live))
	if strings.Count(want, "order_history ") < 80 {
		t.Error("the history is too short to show anything")
	}

	victim := firstOrder(t, live, beside)
	if _, err := shadow.Exec(t.Context(), "UPDATE orders SET captured = captured + 1 WHERE order_id = $1", victim); err != nil {
		t.Fatal(err)
	}
	if err := projections.Heal(t.Context(), shadow, log, victim); err != nil {
		t.Fatal(err)
	}
	same(t, "the healed tables beside", want, dumpSchema(t, live, beside))
}

func firstOrder(tb testing.TB, pool *pgxpool.Pool, name string) (id string) {
	tb.Helper()
	if err := pool.QueryRow(tb.Context(), "SELECT min(order_id) FROM "+name+".orders").Scan(&id); err != nil {
		tb.Fatal(err)
	}
	return id
}
