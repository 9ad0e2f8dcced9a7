package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.WithoutCancel(t.Context())) })
	return connection
}

func TestURL_GivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("Fresh", func(t *testing.T) {
			t.Parallel()
			connection := connect(t, pgtest.URL(t))
			if _, err := connection.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
				t.Fatalf("the database is not empty: %v", err)
			}
		})
	}
}

func TestPrepared_CopiesWhatWasPreparedOnce(t *testing.T) {
	t.Parallel()
	prepare := func(ctx context.Context, connection *pgx.Conn) error {
		_, err := connection.Exec(ctx, "CREATE TABLE prepared (n int); INSERT INTO prepared VALUES (1)")
		return err
	}
	for range 4 {
		t.Run("Copy", func(t *testing.T) {
			t.Parallel()
			connection := connect(t, pgtest.Prepared(t, "rows", prepare))
			var n int
			err := connection.QueryRow(t.Context(), "UPDATE prepared SET n = n + 1 RETURNING n").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			if n != 2 {
				t.Errorf("n = %d: another test's change is visible", n)
			}
		})
	}
}
