package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// errStale says that a proof does not hold any more; it is to be made anew.
var errStale = errors.New("what was proven does not hold any more")

// touchedMost bounds the orders that are compared while the live runner waits; with more, all of it is proven again.
const touchedMost = 20_000

// outsideWrites counts the transactions of others than the projector that wrote to a set of tables.
func outsideWrites(ctx context.Context, db checkpoint.Querier, tables string) (n int64, err error) {
	if err := db.QueryRow(ctx, "SELECT count(*) FROM "+tables+".outside_writes").Scan(&n); err != nil {
		return 0, fmt.Errorf("count what others wrote to %s: %w", tables, err)
	}
	return n, nil
}

// unwritten makes sure that nobody but the projector wrote to either set of tables since a proof.
func unwritten(ctx context.Context, db checkpoint.Querier, p *Proof) error {
	for tables, before := range map[string]int64{schema.Live: p.LiveWrites, nextTables: p.NextWrites} {
		n, err := outsideWrites(ctx, db, tables)
		if err != nil {
			return err
		}
		if n != before {
			return fmt.Errorf("%w: somebody wrote to %s", errStale, tables)
		}
	}
	return nil
}

// holds makes sure, while nobody moves the live tables and the next ones stand where they do, that a proof of an
// earlier position holds here: nobody else wrote, and what the projector did since then to each order made the same
// rows on both sides. Slices that were shown to differ may go on doing so.
func (e *Engine) holds(ctx context.Context, tx pgx.Tx, p *Proof, live checkpoint.Checkpoint) error {
	if err := unwritten(ctx, tx, p); err != nil {
		return err
	}
	if !p.Compared {
		return nil
	}
	if p.OtherLog {
		if live.Position != p.Live {
			return fmt.Errorf("%w: the live tables moved", errStale)
		}
		return nil
	}
	if _, err := tx.Exec(ctx, byIndexes); err != nil {
		return fmt.Errorf("compare what was written since the proof: %w", err)
	}
	touched, err := touchedOrders(ctx, tx, p.Live.Commit)
	if err != nil {
		return err
	}
	next, err := comparedTables(ctx, tx, nextTables)
	if err != nil {
		return err
	}
	there, err := comparedTables(ctx, tx, schema.Live)
	if err != nil {
		return err
	}
	byName := make(map[string]*table, len(there))
	for i := range there {
		byName[there[i].Name] = &there[i]
	}
	known := make(map[string]map[int]bool) // slices that differ
	for i := range p.Models {
		slices := make(map[int]bool, len(p.Models[i].Slices))
		for _, s := range p.Models[i].Slices {
			slices[s] = true
		}
		known[p.Models[i].Table] = slices
	}
	for i := range next {
		before := byName[next[i].Name]
		if before == nil {
			continue // the proof shows it
		}
		found, err := differingSlices(ctx, tx, before, &next[i], touched, p.Live.Commit)
		if err != nil {
			return err
		}
		for _, s := range found {
			if !known[next[i].Name][s] {
				return fmt.Errorf("%w: rows of %s that were written since then differ", errStale, next[i].Name)
			}
		}
	}
	return nil
}

// byIndexes: of tables without statistics PostgreSQL takes a third to be newer than any position, and reads all of the audit trail, while
// the live runner waits.
const byIndexes = "SET LOCAL enable_seqscan TO off; SET LOCAL jit TO off"

// touchedOrders are those that have newer events, and the lines of statements that were booked without an order.
func touchedOrders(ctx context.Context, tx pgx.Tx, since uint64) ([]string, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT order_id FROM %[1]s.order_history WHERE position > $1
		UNION SELECT order_id FROM %[2]s.order_history WHERE position > $1
		UNION SELECT order_id FROM %[1]s.journal_lines WHERE position > $1
		UNION SELECT order_id FROM %[2]s.journal_lines WHERE position > $1 LIMIT %[3]d`, schema.Live, nextTables, touchedMost+1), int64(since))
	if err != nil {
		return nil, fmt.Errorf("list what was written since the proof: %w", err)
	}
	touched, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list what was written since the proof: %w", err)
	}
	if len(touched) > touchedMost {
		return nil, fmt.Errorf("%w: too much was written since then", errStale)
	}
	return touched, nil
}

// differingSlices compares the rows of some orders, or for tables that know no order those after a position.
func differingSlices(ctx context.Context, tx pgx.Tx, live, next *table, touched []string, since uint64) ([]int, error) {
	where, args := "true", []any{}
	switch {
	case live.has("order_id") && next.has("order_id"):
		where, args = "order_id = ANY ($1)", append(args, touched)
	case live.has("position") && next.has("position"):
		where, args = "position > $1", append(args, int64(since))
	}
	side := func(tables string, t *table) string {
		return fmt.Sprintf("SELECT %s AS slice, %s AS hash FROM %s.%s t WHERE %s", t.slice(), t.Hash, tables, column(t.Name), where)
	}
	before, after := side(schema.Live, live), side(nextTables, next)
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT DISTINCT slice FROM ((%s EXCEPT ALL %s) UNION ALL (%s EXCEPT ALL %s)) d",
		before, after, after, before), args...)
	if err != nil {
		return nil, fmt.Errorf("compare what was written to %s since the proof: %w", next.Name, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("compare what was written to %s since the proof: %w", next.Name, err)
	}
	return found, nil
}
