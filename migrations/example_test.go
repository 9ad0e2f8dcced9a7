package migrations_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/migrations"
)

// A ledger brings the schema up to date before it projects anything.
func ExampleApply() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("LEDGER_DATABASE_URL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer conn.Close(ctx)
	_, err = migrations.Apply(ctx, conn, migrations.Options{
		Applied: func(m migrations.Migration) { fmt.Println(m, "-", m.Reason) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
