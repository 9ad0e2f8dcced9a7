package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// table is what is compared.
type table struct {
	Name string
	// Key are the columns by which its rows are known: the order where it has one, and those of the primary key.
	Key []string
	// Columns are all of them. Hashed is what is hashed: besides the columns that by which equal values may be shown in two
	// ways, the scales of 12.5 and 12.50 for one.
	Columns, Hashed []string
}

func (t *table) has(column string) bool { return slices.Contains(t.Columns, column) }

// slice is the SQL of a row's slice.
func (t *table) slice() string {
	return fmt.Sprintf("(hashtextextended(%s::text, 0) & %d)::int", column(t.Key[0]), slicesOfProof-1)
}

// hash is the SQL of the hash of a row and of the names of its columns.
func (t *table) hash() string {
	names := fnv.New32a()
	for _, c := range t.Columns {
		_, _ = names.Write([]byte(c + "\n"))
	}
	return fmt.Sprintf("hash_record_extended(ROW(%s), %d)", strings.Join(t.Hashed, ", "), names.Sum32())
}

// comparedTables are all tables of a schema but those that tell of their writing.
func comparedTables(ctx context.Context, conn querier, tables string) ([]table, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attname <> 'order_id', array_position(i.indkey::int2[], a.attnum)),
		       (SELECT array_agg(o.attname::text ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped),
		       (SELECT array_agg(CASE o.atttypid WHEN 'numeric'::regtype THEN format('%1$I, scale(%1$I)', o.attname)
		                                         WHEN 'jsonb'::regtype THEN format('%I::text', o.attname)
		                                         ELSE quote_ident(o.attname) END
		                         ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped)
		  FROM pg_class c
		  JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attnum = ANY (i.indkey) OR a.attname = 'order_id')
		 WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('checkpoint', 'outside_writes')
		 GROUP BY c.oid, c.relname ORDER BY c.relname`, tables)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", tables, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
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
	e.progress.begin(Verifying, uint64(len(pairs)), 0, events)
	models := make([]ModelProof, 0, len(pairs))
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		m, err := e.compareTable(ctx, live, next, name, pairs[name])
		if err != nil {
			return nil, err
		}
		models = append(models, m)
		e.progress.add(eventstore.Position{}, 1, 0)
	}
	return models, nil
}

// pair is one table on both sides; one side may lack it.
type pair struct{ live, next *table }

// sliceSum is the content of one slice of a table.
type sliceSum struct {
	Slice int
	Rows  int64
	Sum   string
}

func (e *Engine) compareTable(ctx context.Context, live, next *pgx.Conn, name string, p pair) (ModelProof, error) {
	m := ModelProof{Table: name}
	var before, after map[int]sliceSum
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if p.live != nil {
			before, err = e.sums(groupCtx, live, p.live)
		}
		return err
	})
	group.Go(func() (err error) {
		if p.next != nil {
			after, err = e.sums(groupCtx, next, p.next)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return m, err
	}
	m.LiveRows, m.LiveSum = total(before)
	m.NextRows, m.NextSum = total(after)
	for slice := range slicesOfProof {
		if before[slice] != after[slice] {
			m.Slices = append(m.Slices, slice)
		}
	}
	switch {
	case len(m.Slices) == 0:
		return m, nil
	case p.live == nil || p.next == nil:
		m.Different = int(m.LiveRows + m.NextRows)
		return m, nil
	}
	return m, m.locate(ctx, live, next, p)
}

// Tables are read in pieces of so many pages, within a quarter of a second, or some milliseconds while the rebuild gives way.
const pagesAtOnce, pagesGivingWay = 16384, 128

// piecesVersion is the first version of PostgreSQL that finds a range of pages without reading the others.
const piecesVersion = 140000

// sums adds up the hashes of all rows of each slice.
func (e *Engine) sums(ctx context.Context, conn *pgx.Conn, t *table) (map[int]sliceSum, error) {
	var pages int64
	var version int
	err := conn.QueryRow(ctx, "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint, current_setting('server_version_num')::int",
		column(t.Name)).Scan(&pages, &version)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", t.Name, err)
	}
	query := fmt.Sprintf("SELECT %s, count(*), sum(%s)::text FROM %s t WHERE ctid >= $1::text::tid AND ctid < $2::text::tid GROUP BY 1",
		t.slice(), t.hash(), column(t.Name))
	rows, totals := make(map[int]int64), make(map[int]*big.Int)
	mine := e.pace.turn()
	for from := int64(0); from < pages; {
		to := from + pagesAtOnce
		if e.pace.givesWay() {
			to = from + pagesGivingWay
		}
		if version < piecesVersion {
			to = pages
		}
		found, err := conn.Query(ctx, query, fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", min(to, pages)))
		if err != nil {
			return nil, fmt.Errorf("take the digest of %s: %w", t.Name, err)
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
			return nil, fmt.Errorf("take the digest of %s: %w", t.Name, err)
		}
		from = to
		mine.wait(ctx)
	}
	bySlice := make(map[int]sliceSum, len(rows))
	for slice, n := range rows {
		bySlice[slice] = sliceSum{Slice: slice, Rows: n, Sum: totals[slice].String()}
	}
	return bySlice, nil
}

func column(name string) string { return pgx.Identifier{name}.Sanitize() }

// total adds slices up, for people.
func total(slicesOf map[int]sliceSum) (rows int64, sum string) {
	digest := sha256.New()
	for _, slice := range slices.Sorted(maps.Keys(slicesOf)) {
		s := slicesOf[slice]
		rows += s.Rows
		fmt.Fprintf(digest, "%d %d %s\n", s.Slice, s.Rows, s.Sum)
	}
	return rows, hex.EncodeToString(digest.Sum(nil)[:16])
}

// locate finds rows that differ in the first of the slices that do.
func (m *ModelProof) locate(ctx context.Context, live, next *pgx.Conn, p pair) error {
	looked := m.Slices[:min(len(m.Slices), slicesShown)]
	before, err := hashes(ctx, live, p.live, looked)
	if err != nil {
		return err
	}
	after, err := hashes(ctx, next, p.next, looked)
	if err != nil {
		return err
	}
	keys := make(map[string]struct{})
	for key, hash := range before {
		if other, ok := after[key]; !ok || other != hash {
			keys[key] = struct{}{}
		}
	}
	for key := range after {
		if _, ok := before[key]; !ok {
			keys[key] = struct{}{}
		}
	}
	m.Different = len(keys)
	all := slices.Sorted(maps.Keys(keys))
	for _, key := range all[:min(len(all), differencesShown)] {
		d, err := differenceOf(ctx, live, next, p, key)
		if err != nil {
			return err
		}
		m.Differences = append(m.Differences, d)
	}
	return nil
}

// keyText is the key of a row in one text, as JSON.
func keyText(t *table) string {
	text := ""
	for i, k := range t.Key {
		if i > 0 {
			text += ", "
		}
		text += column(k)
	}
	return "jsonb_build_array(" + text + ")::text"
}

func hashes(ctx context.Context, conn *pgx.Conn, t *table, of []int) (map[string]int64, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf("SELECT %s, %s FROM %s t WHERE %s = ANY ($1)", keyText(t), t.hash(), column(t.Name), t.slice()), of)
	if err != nil {
		return nil, fmt.Errorf("look for differences in %s: %w", t.Name, err)
	}
	found := make(map[string]int64)
	var key string
	var hash int64
	if _, err := pgx.ForEachRow(rows, []any{&key, &hash}, func() error { found[key] = hash; return nil }); err != nil {
		return nil, fmt.Errorf("look for differences in %s: %w", t.Name, err)
	}
	return found, nil
}

func differenceOf(ctx context.Context, live, next *pgx.Conn, p pair, key string) (Difference, error) {
	d := Difference{Key: plainKey(key)}
	var sides [2]map[string]json.RawMessage
	for i, side := range []struct {
		conn *pgx.Conn
		t    *table
	}{{live, p.live}, {next, p.next}} {
		conn, t := side.conn, side.t
		rows, err := conn.Query(ctx, fmt.Sprintf("SELECT to_jsonb(t) FROM %s t WHERE %s = $1", column(t.Name), keyText(t)), key)
		if err != nil {
			return d, fmt.Errorf("show a difference in %s: %w", t.Name, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[map[string]json.RawMessage])
		if err != nil {
			return d, fmt.Errorf("show a difference in %s: %w", t.Name, err)
		}
		if len(found) > 0 {
			sides[i] = found[0]
		}
	}
	names := make(map[string]struct{})
	for _, side := range sides {
		for name := range side {
			names[name] = struct{}{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := value(sides[0], name), value(sides[1], name)
		if before != after {
			d.Columns = append(d.Columns, ColumnDifference{Column: name, Live: before, Next: after})
		}
	}
	return d, nil
}

func value(row map[string]json.RawMessage, name string) string {
	if v, ok := row[name]; ok {
		return string(v)
	}
	return "null"
}

// plainKey shows a key of one text without brackets.
func plainKey(key string) string {
	var parts []any
	if json.Unmarshal([]byte(key), &parts) != nil {
		return key
	}
	text := ""
	for i, p := range parts {
		if i > 0 {
			text += " "
		}
		if n, ok := p.(float64); ok {
			text += strconv.FormatFloat(n, 'f', -1, 64)
			continue
		}
		text += fmt.Sprint(p)
	}
	return text
}
