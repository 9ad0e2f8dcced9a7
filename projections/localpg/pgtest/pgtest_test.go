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

// Not parallel: it changes the environment.
func TestServerVariable_AnotherServerIsUsedAndLeftClean(t *testing.T) {
	server := pgtest.Server(t)
	t.Setenv(pgtest.ServerVariable, server.DatabaseURL("postgres"))
	t.Run("Test", func(t *testing.T) {
		url := pgtest.Prepared(t, "foreign", func(ctx context.Context, connection *pgx.Conn) error {
			_, err := connection.Exec(ctx, "CREATE TABLE prepared (n int)")
			return err
		})
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := pgx.ParseConfig(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		if config.Port != theirs.Port {
			t.Errorf("the database is on port %d, want %d", config.Port, theirs.Port)
		}
		if _, err := connect(t, url).Exec(t.Context(), "INSERT INTO prepared VALUES (1)"); err != nil {
			t.Error(err)
		}
	})
	var left int
	err := connect(t, server.DatabaseURL("postgres")).QueryRow(t.Context(),
		"SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'").Scan(&left)
	if err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d databases are left on the other server", left)
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
