package audit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/refold"
)

var (
	//go:embed next.sql
	nextSQL string
	//go:embed sample.sql
	sampleSQL string
	//go:embed unknown.sql
	unknownSQL string
)

// pageOrders is how many order ids are read at once.
const pageOrders = 1000

// Database is what a pass needs: a pool or a connection.
type Database interface {
	Beginner
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// next returns up to limit ids of orders of all categories that the views hold, after one, in order.
func next(ctx context.Context, db Database, after string, limit int) ([]string, error) {
	return ids(ctx, db, nextSQL, after, limit)
}

// Sample returns the ids of n orders that the views hold, chosen by seed; fewer when there are fewer.
func Sample(ctx context.Context, db Database, n int, seed string) ([]string, error) {
	return ids(ctx, db, sampleSQL, seed, n)
}

func ids(ctx context.Context, db Database, sql string, args ...any) ([]string, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list orders to audit: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list orders to audit: %w", err)
	}
	return found, nil
}

// All yields the ids of all orders: those that the views hold, and those that only the log holds up to
// where the views stand when it begins.
func All(ctx context.Context, db Database, log eventstore.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		at, err := checkpoint.Read(ctx, db)
		if err != nil {
			yield("", err)
			return
		}
		for after := ""; ; {
			page, err := next(ctx, db, after, pageOrders)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page {
				if !yield(id, nil) {
					return
				}
			}
			if len(page) < pageOrders {
				break
			}
			after = page[len(page)-1]
		}
		for id, err := range missing(ctx, db, log, at) {
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// missing yields the orders whose first event stands in the log up to a checkpoint and that have no
// row.
func missing(ctx context.Context, db Database, log eventstore.Reader, at checkpoint.Checkpoint) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var page []string
		check := func() bool {
			unknown, err := ids(ctx, db, unknownSQL, page)
			page = page[:0]
			if err != nil {
				yield("", err)
				return false
			}
			for _, id := range unknown {
				if !yield(id, nil) {
					return false
				}
			}
			return true
		}
		for ev, err := range log.ReadAll(ctx, eventstore.AllRead{}) {
			if err != nil {
				yield("", fmt.Errorf("read the log: %w", err))
				return
			}
			if !at.Reached(ev.Position) {
				break
			}
			if ev.Revision != 0 {
				continue
			}
			if _, id, ok := order.ParseStreamName(ev.Stream); ok {
				if page = append(page, storable.Text(id)); len(page) == pageOrders && !check() {
					return
				}
			}
		}
		if len(page) > 0 {
			check()
		}
	}
}

// Heal writes the rows of one order again from the log.
type Heal func(ctx context.Context, orderID string) error

// Report sums a pass up.
type Report struct {
	// Orders counts what was audited, Drifted those that differed, Healed those of them that were
	// written again.
	Orders  int `json:"orders"`
	Drifted int `json:"drifted"`
	Healed  int `json:"healed"`
	// Statements counts the statements of gateways and banks among those that drifted; their findings have
	// the name of their stream in place of an order's id.
	Statements int `json:"statements,omitempty"`
	// Seed is what the sample was chosen by; empty when there was none.
	Seed string `json:"seed,omitempty"`
	// Findings are the orders that differ, at most FindingsMost of them.
	Findings []Finding `json:"findings"`
}

// FindingsMost bounds the findings that a report carries; the counts go on.
const FindingsMost = 1000

// Pass audits orders one after the other, and heals those that differ when heal is not nil. An order
// that neither the log nor the views know is refold.ErrNotFound.
func Pass(ctx context.Context, db Database, log eventstore.Reader, orders iter.Seq2[string, error], heal Heal) (Report, error) {
	r := Report{Findings: []Finding{}}
	for id, err := range orders {
		if err != nil {
			return r, err
		}
		f, err := Order(ctx, db, log, id)
		if err != nil {
			return r, err
		}
		r.Orders++
		if len(f.Drift) == 0 {
			continue
		}
		r.Drifted++
		if heal != nil {
			if err := heal(ctx, id); err != nil {
				return r, err
			}
			again, err := Order(ctx, db, log, id)
			if err != nil && !errors.Is(err, refold.ErrNotFound) { // rows of an order that never was are gone
				return r, err
			}
			if len(again.Drift) > 0 {
				return r, fmt.Errorf("order %q still differs after it was healed: %v", id, again.Drift)
			}
			f.Healed = true
			r.Healed++
		}
		if len(r.Findings) < FindingsMost {
			r.Findings = append(r.Findings, f)
		}
	}
	return r, nil
}
