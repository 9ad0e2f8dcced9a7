package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// BenchmarkPrepared tells what a database costs a test, its removal not included.
func BenchmarkPrepared(b *testing.B) {
	prepare := func(ctx context.Context, connection *pgx.Conn) error {
		_, err := connection.Exec(ctx, "CREATE TABLE prepared (n int)")
		return err
	}
	pgtest.Prepared(b, "benchmark", prepare) // the server and the template
	for b.Loop() {
		pgtest.Prepared(b, "benchmark", prepare)
	}
}
