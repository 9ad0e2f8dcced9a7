package audit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
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

// next returns up to limit ids of orders of all categories that the views hold anything of, after one, in order.
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

// held yields the ids of all orders that the views hold anything of.
func held(ctx context.Context, db Database) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
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
				return
			}
			after = page[len(page)-1]
		}
	}
}

// Each yields ids.
func Each(ids []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// windowEvents is how much of the log is compared at once.
const windowEvents = 20_000

// All audits everything: the orders that the views hold anything of, those that only the log knows up to where the views
// stand, and what belongs to no order. tell, which may be nil, is called often.
func All(ctx context.Context, db Database, log eventstore.Reader, heal Heal, tell func(Progress)) (Report, error) {
	if tell == nil {
		tell = func(Progress) {}
	}
	total, err := count(ctx, db)
	if err != nil {
		return Report{}, err
	}
	r, err := Pass(ctx, db, log, counted(held(ctx, db), total, tell), heal)
	if err != nil {
		return r, err
	}
	stand, err := checkpoint.Read(ctx, db)
	tell(Progress{Stage: AlongTheLog, Total: int64(stand.Position.Commit)})
	for complete, after := false, (*eventstore.Position)(nil); err == nil && !complete; {
		var w Window
		if w, err = Besides(ctx, db, log, after, windowEvents, heal != nil); err != nil {
			break
		}
		for i := range w.Findings {
			r.addBesides(&w.Findings[i])
		}
		var missing Report
		missing, err = Pass(ctx, db, log, Each(w.Missing), heal)
		r.add(&missing)
		complete, after = w.Complete, &w.To
		tell(Progress{Stage: AlongTheLog, Done: int64(w.To.Commit), Total: max(int64(stand.Position.Commit), int64(w.To.Commit))})
	}
	return r, err
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
	// Statements counts the statements of gateways and banks among those that drifted, Others the streams of
	// quarantine and of periods; their findings have the name of their stream in place of an order's id.
	Statements int `json:"statements,omitempty"`
	Others     int `json:"others,omitempty"`
	// Seed is what the sample was chosen by; empty when there was none.
	Seed string `json:"seed,omitempty"`
	// Findings are the orders that differ, at most FindingsMost of them.
	Findings []Finding `json:"findings"`
}

// FindingsMost bounds the findings that a report carries; the counts go on.
const FindingsMost = 1000

// add sums two passes up.
func (r *Report) add(more *Report) {
	r.Orders, r.Drifted, r.Healed = r.Orders+more.Orders, r.Drifted+more.Drifted, r.Healed+more.Healed
	room := FindingsMost - len(r.Findings)
	r.Findings = append(r.Findings, more.Findings[:min(room, len(more.Findings))]...)
}

// addBesides counts a finding about what belongs to no order.
func (r *Report) addBesides(f *Finding) {
	if strings.HasPrefix(f.OrderID, settlement.StreamPrefix) {
		r.Statements++
	} else {
		r.Others++
	}
	r.Drifted++
	if f.Healed {
		r.Healed++
	}
	if len(r.Findings) < FindingsMost {
		r.Findings = append(r.Findings, *f)
	}
}

// bookingsAtOnce is how many lines of statements that belong to no order are audited in one snapshot.
const bookingsAtOnce = 1000

// Pass audits orders one after the other, and heals those that differ when heal is not nil; bookings of lines of statements
// that follow each other are audited together. An order that neither the log nor the views know is refold.ErrNotFound.
func Pass(ctx context.Context, db Database, log eventstore.Reader, orders iter.Seq2[string, error], heal Heal) (Report, error) {
	r := Report{Findings: []Finding{}}
	var waiting []string // bookings
	together := func() error {
		if len(waiting) == 0 {
			return nil
		}
		found, err := bookings(ctx, db, log, waiting)
		for i := range found {
			if err = r.found(ctx, db, log, &found[i], heal); err != nil {
				break
			}
		}
		waiting = waiting[:0]
		return err
	}
	for id, err := range orders {
		if err != nil {
			return r, err
		}
		if strings.HasPrefix(id, settlement.BookingStreamPrefix) {
			if waiting = append(waiting, id); len(waiting) < bookingsAtOnce {
				continue
			}
			if err := together(); err != nil {
				return r, err
			}
			continue
		}
		f, err := Order(ctx, db, log, id)
		if err == nil {
			err = r.found(ctx, db, log, &f, heal)
		}
		if err != nil {
			return r, err
		}
	}
	err := together()
	return r, err
}

// found counts a finding, and heals what differs.
func (r *Report) found(ctx context.Context, db Database, log eventstore.Reader, f *Finding, heal Heal) error {
	r.Orders++
	if len(f.Drift) == 0 {
		return nil
	}
	r.Drifted++
	if heal != nil {
		if err := heal(ctx, f.OrderID); err != nil {
			return err
		}
		again, err := Order(ctx, db, log, f.OrderID)
		if err != nil && !errors.Is(err, refold.ErrNotFound) { // rows of an order that never was are gone
			return err
		}
		if len(again.Drift) > 0 {
			return fmt.Errorf("order %q still differs after it was healed: %v", f.OrderID, again.Drift)
		}
		f.Healed = true
		r.Healed++
	}
	if len(r.Findings) < FindingsMost {
		r.Findings = append(r.Findings, *f)
	}
	return nil
}
