package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// table is what is compared.
type table struct {
	Name string
	// Stored are the tables that hold its rows: its parts, or itself.
	Stored []string
	// Key are the columns by which its rows are known: the order where it has one, and those of the primary key.
	Key []string
	// Columns are all of them, by name.
	Columns []columnOf
	// Hash is the SQL of the hash of a row and of the names of its columns.
	Hash string
}

func (t *table) has(column string) bool {
	return slices.ContainsFunc(t.Columns, func(c columnOf) bool { return c.Name == column })
}

// slice is the SQL of a row's slice.
func (t *table) slice() string {
	return fmt.Sprintf("(hashtextextended(%s::text, 0) & %d)::int", column(t.Key[0]), slicesOfProof-1)
}

// comparedTables are all tables of a schema but those that tell of their writing.
func comparedTables(ctx context.Context, conn querier, tables string) ([]table, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.relname::text, s.names, array_agg(a.attname::text ORDER BY a.attname <> 'order_id', array_position(i.indkey::int2[], a.attnum)),
		       (SELECT array_agg(o.attname::text ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped),
		       (SELECT array_agg(format_type(o.atttypid, NULL) ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped),
		       (SELECT array_agg(o.attnotnull ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped)
		  FROM pg_class c
		  CROSS JOIN LATERAL (SELECT coalesce(array_agg(p.relname::text ORDER BY p.oid), ARRAY[c.relname::text]) AS names, coalesce(min(p.oid), c.oid) AS first
		    FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhrelid WHERE h.inhparent = c.oid) s
		  JOIN pg_index i ON i.indrelid = s.first AND i.indisprimary
		  JOIN pg_attribute a ON a.attrelid = s.first AND a.attnum > 0 AND NOT a.attisdropped AND (a.attnum = ANY (i.indkey) OR a.attname = 'order_id')
		 WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('checkpoint', 'outside_writes')
		 GROUP BY c.oid, c.relname, s.names ORDER BY c.relname`, tables)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", tables, err)
	}
	var found []table
	var name string
	var stored, key, names, types []string
	var notNull []bool
	_, err = pgx.ForEachRow(rows, []any{&name, &stored, &key, &names, &types, &notNull}, func() error {
		t := table{Name: name, Stored: slices.Clone(stored), Key: slices.Clone(key)}
		for i := range names {
			t.Columns = append(t.Columns, columnOf{names[i], types[i], notNull[i]})
		}
		t.Hash = hashOf(t.Columns)
		found = append(found, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", tables, err)
	}
	return found, nil
}

func (e *Engine) compare(ctx context.Context, live, next *pgx.Conn, events int64) ([]ModelProof, error) {
	tables, err := comparedTables(ctx, next, nextTables)
	if err != nil {
		return nil, err
	}
	there, err := comparedTables(ctx, live, schema.Live)
	if err != nil {
		return nil, err
	}
	pairs := make(map[string]pair)
	for i := range tables {
		pairs[tables[i].Name] = pair{next: &tables[i]}
	}
	for i := range there {
		p := pairs[there[i].Name]
		p.live = &there[i]
		pairs[there[i].Name] = p
	}
	e.progress.begin(Verifying, uint64(len(tables)+len(there)), 0, events)
	var before, after map[string]sliceSum
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		before, err = e.wholeSums(groupCtx, live, there)
		return err
	})
	group.Go(func() (err error) {
		after, err = e.wholeSums(groupCtx, next, tables)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	models := make([]ModelProof, 0, len(pairs))
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		m := ModelProof{Table: name}
		m.LiveRows, m.LiveSum = before[name].Rows, before[name].digest()
		m.NextRows, m.NextSum = after[name].Rows, after[name].digest()
		if before[name] != after[name] {
			if err := e.findDifferences(ctx, live, next, &m, pairs[name]); err != nil {
				return nil, err
			}
		}
		models = append(models, m)
	}
	return models, nil
}

// pair is one table on both sides; one side may lack it.
type pair struct{ live, next *table }

// sliceSum is the content of one slice of a table, or of all of it.
type sliceSum struct {
	Slice int
	Rows  int64
	Sum   string
}

// digest is for people.
func (s sliceSum) digest() string {
	digest := sha256.Sum256([]byte(s.Sum))
	return hex.EncodeToString(digest[:16])
}

// wholeSums adds the rows of tables up, the widest first; each side does so by itself, and neither waits for the other.
func (e *Engine) wholeSums(ctx context.Context, conn *pgx.Conn, tables []table) (map[string]sliceSum, error) {
	tables = slices.Clone(tables)
	slices.SortStableFunc(tables, func(a, b table) int { return widestFirst(a.Name, b.Name) })
	all := make(map[string]sliceSum, len(tables))
	for i := range tables {
		sums, err := e.sums(ctx, conn, &tables[i], false)
		if err != nil {
			return nil, err
		}
		all[tables[i].Name] = sums[0] // nothing for a table without rows
		e.progress.add(eventstore.Position{}, 1, 0)
	}
	return all, nil
}

// findDifferences looks for the slices of a table that differ, and for rows in them.
func (e *Engine) findDifferences(ctx context.Context, live, next *pgx.Conn, m *ModelProof, p pair) error {
	var before, after map[int]sliceSum
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if p.live != nil {
			before, err = e.sums(groupCtx, live, p.live, true)
		}
		return err
	})
	group.Go(func() (err error) {
		if p.next != nil {
			after, err = e.sums(groupCtx, next, p.next, true)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for slice := range slicesOfProof {
		if before[slice] != after[slice] {
			m.Slices = append(m.Slices, slice)
		}
	}
	switch {
	case len(m.Slices) == 0:
		return fmt.Errorf("compare %s: the sums of all rows differ, and those of no slice", m.Table)
	case p.live == nil || p.next == nil:
		m.Different, m.OnlyLive, m.OnlyNext = int(m.LiveRows+m.NextRows), int(m.LiveRows), int(m.NextRows)
		return nil
	}
	return m.locate(ctx, live, next, p)
}

// Tables are read in pieces of so many pages, within a quarter of a second, or some milliseconds while the rebuild gives way.
const pagesAtOnce, pagesGivingWay = 16384, 128

// sums adds up the hashes of all rows, of each slice or of all of them as slice 0.
func (e *Engine) sums(ctx context.Context, conn *pgx.Conn, t *table, bySlice bool) (map[int]sliceSum, error) {
	rows, totals := make(map[int]int64), make(map[int]*big.Int)
	pages, err := pagesOf(ctx, conn, t.Stored)
	if err != nil {
		return nil, err
	}
	for i, stored := range t.Stored {
		if err := e.addSums(ctx, conn, t, stored, pages[i], bySlice, rows, totals); err != nil {
			return nil, fmt.Errorf("take the digest of %s: %w", t.Name, err)
		}
	}
	all := make(map[int]sliceSum, len(rows))
	for slice, n := range rows {
		all[slice] = sliceSum{Slice: slice, Rows: n, Sum: totals[slice].String()}
	}
	return all, nil
}

// addSums adds those of the rows that one table stores.
func (e *Engine) addSums(
	ctx context.Context, conn *pgx.Conn, t *table, stored string, pages int64, bySlice bool, rows map[int]int64, totals map[int]*big.Int,
) error {
	slice, group := "0", "HAVING count(*) > 0"
	if bySlice {
		slice, group = t.slice(), "GROUP BY 1"
	}
	query := fmt.Sprintf("SELECT %s, count(*), sum(%s)::text FROM %s t WHERE ctid >= $1::text::tid AND ctid < $2::text::tid %s",
		slice, t.Hash, column(stored), group)
	mine := e.pace.turn()
	for from := int64(0); from < pages; {
		to := from + pagesAtOnce
		if e.pace.givesWay() {
			to = from + pagesGivingWay
		}
		found, err := conn.Query(ctx, query, fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", min(to, pages)))
		if err != nil {
			return err
		}
		var s sliceSum
		_, err = pgx.ForEachRow(found, []any{&s.Slice, &s.Rows, &s.Sum}, func() error {
			sum, ok := new(big.Int).SetString(s.Sum, 10)
			if !ok {
				return fmt.Errorf("%q is no sum of hashes", s.Sum)
			}
			if before := totals[s.Slice]; before != nil {
				sum.Add(sum, before)
			}
			rows[s.Slice] += s.Rows
			totals[s.Slice] = sum
			return nil
		})
		if err != nil {
			return err
		}
		from = to
		mine.wait(ctx)
	}
	return nil
}

func column(name string) string { return pgx.Identifier{name}.Sanitize() }
