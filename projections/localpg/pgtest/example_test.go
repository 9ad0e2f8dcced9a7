package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// A test that needs a schema prepares it once per process and works on a copy of its own.
func ExamplePrepared() {
	_ = func(t *testing.T) {
		url := pgtest.Prepared(t, "schema", func(ctx context.Context, connection *pgx.Conn) error {
			_, err := connection.Exec(ctx, "CREATE TABLE orders (order_id text PRIMARY KEY)")
			return err
		})
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
}
