package audit

import (
	"context"
	_ "embed"
	"fmt"
	"iter"
)

//go:embed count.sql
var countSQL string

// Stage is a part of an audit of everything.
type Stage string

// Stages in their order.
const (
	// OrderByOrder audits the orders that the views hold anything of.
	OrderByOrder Stage = "ORDERS"
	// AlongTheLog looks for orders that only the log knows, and for what belongs to none.
	AlongTheLog Stage = "LOG"
)

// Progress tells how far an audit of everything is: Done of Total, orders of a stage OrderByOrder, commit positions of a
// stage AlongTheLog. Total is what there was when the stage began.
type Progress struct {
	Stage Stage `json:"stage"`
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// count returns how many orders the views hold.
func count(ctx context.Context, db Database) (n int64, err error) {
	if err := db.QueryRow(ctx, countSQL).Scan(&n); err != nil {
		return 0, fmt.Errorf("count orders to audit: %w", err)
	}
	return n, nil
}

// counted tells before each order how many were yielded before it, and at the end how many there were.
func counted(orders iter.Seq2[string, error], total int64, tell func(Progress)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		done := int64(0)
		for id, err := range orders {
			tell(Progress{Stage: OrderByOrder, Done: done, Total: max(total, done)})
			if !yield(id, err) {
				return
			}
			done++
		}
		tell(Progress{Stage: OrderByOrder, Done: done, Total: done})
	}
}
