package app_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// TestDatabasePlace: URLs of one database name it the same however they are written, and those of two do not.
func TestDatabasePlace(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://kim:secret@localhost/ledger":      "127.0.0.1:5432/ledger",
		"host=::1 port=5432 user=ann dbname=ledger":   "127.0.0.1:5432/ledger",
		"postgres://kim@DB.internal:6000/ledger":      "db.internal:6000/ledger",
		"postgres://kim@db.internal:6000":             "db.internal:6000/kim", // as PostgreSQL takes it
		"postgres://ann@db.internal:6000":             "db.internal:6000/ann",
		"postgres:///ledger?host=/Run/pg&user=ledger": "/Run/pg:5432/ledger",
	} {
		if got, err := app.DatabasePlace(url); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", url, got, err, want)
		}
	}
}
