package localpg_test

import (
	"context"
	"fmt"
	"os"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// A ledger that was given no database brings its own.
func ExampleStart() {
	ctx := context.Background()
	server, err := localpg.Start(ctx, localpg.Options{
		Dir:      "./ledger-data/postgres",
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer func() { _ = server.Stop(ctx) }()
	fmt.Println("psql", server.URL())
}
