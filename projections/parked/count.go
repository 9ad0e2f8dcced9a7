package parked

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed count.sql
var countSQL string

// Count returns how many orders are parked.
func Count(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (n int, err error) {
	if err := db.QueryRow(ctx, countSQL).Scan(&n); err != nil {
		return 0, fmt.Errorf("count parked orders: %w", err)
	}
	return n, nil
}
