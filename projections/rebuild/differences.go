package rebuild

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A table that differs is read once more on both sides, in the order of its keys, so that every row that differs is counted in
// constant memory. What is looked into and shown of them is bounded.
const (
	// columnsLooked bounds the rows whose columns are compared.
	columnsLooked = 100_000
	// differencesShown and shownBytes of values bound the rows that a proof shows of a table; of each sort of difference, which is
	// the columns that differ, it shows one in any case, for up to sortsShown of them.
	differencesShown = 1000
	shownBytes       = 2 << 20
	sortsShown       = 100
	lookedAtOnce     = 500
)

// locate counts the rows that differ, and looks into them.
func (m *ModelProof) locate(ctx context.Context, live, next *pgx.Conn, p pair) error {
	m.Shape = shapes(p)
	before, after := side{conn: live, table: p.live, key: p.live.Key}, side{conn: next, table: p.next, key: p.next.Key}
	if !slices.ContainsFunc(p.next.Key, func(name string) bool { return !p.live.has(name) }) { // which an earlier version may have keyed otherwise
		before.key = p.next.Key
	}
	keys, err := m.count(ctx, &before, &after)
	if err != nil {
		return fmt.Errorf("look for differences in %s: %w", m.Table, err)
	}
	m.Looked = len(keys)
	columns, sorts, shown := make(map[string]int), make(map[string]bool), 0
	for batch := range slices.Chunk(keys, lookedAtOnce) {
		was, err := before.rows(ctx, batch)
		if err != nil {
			return fmt.Errorf("look for differences in %s: %w", m.Table, err)
		}
		is, err := after.rows(ctx, batch)
		if err != nil {
			return fmt.Errorf("look for differences in %s: %w", m.Table, err)
		}
		for _, key := range batch {
			d := differenceOf(key, was[key], is[key], p)
			if len(d.Columns) == 0 { // the shape of the table alone
				continue
			}
			sort := d.Missing
			for _, c := range d.Columns {
				if d.Missing == "" {
					columns[c.Column]++
					sort += " " + c.Column
				}
			}
			if bounded := len(m.Differences) >= differencesShown || shown >= shownBytes; !bounded || (!sorts[sort] && len(sorts) < sortsShown) {
				m.Differences = append(m.Differences, d)
				shown += d.size()
			}
			sorts[sort] = true
		}
	}
	for name, rows := range columns {
		m.Columns = append(m.Columns, ColumnCount{Column: name, Rows: rows})
	}
	slices.SortFunc(m.Columns, func(a, b ColumnCount) int { return cmp.Or(b.Rows-a.Rows, strings.Compare(a.Column, b.Column)) })
	return nil
}

// shapes tells the columns that the two sides have not in common.
func shapes(p pair) []string {
	var found []string
	for i := range p.next.Columns {
		switch c := &p.next.Columns[i]; {
		case !p.live.has(c.Name):
			found = append(found, fmt.Sprintf("the live table has no column %s", c.Name))
		case !slices.ContainsFunc(p.live.Columns, func(o columnOf) bool { return o.Name == c.Name && o.Type == c.Type }):
			found = append(found, fmt.Sprintf("column %s is of another type in the live table than %s", c.Name, c.Type))
		}
	}
	for i := range p.live.Columns {
		if name := p.live.Columns[i].Name; !p.next.has(name) {
			found = append(found, fmt.Sprintf("the new table has no column %s", name))
		}
	}
	return found
}

// side is a table on one of the two sides, and the columns by which its rows are known.
type side struct {
	conn  *pgx.Conn
	table *table
	key   []string
}

// keyText is the key of a row in one text, as JSON.
func (s *side) keyText() string {
	names := make([]string, len(s.key))
	for i, k := range s.key {
		names[i] = column(k)
	}
	return "jsonb_build_array(" + strings.Join(names, ", ") + ")::text"
}

// hashed is the keys and hashes of rows, one after the other.
type hashed struct {
	rows pgx.Rows
	key  string
	hash int64
	more bool
}

func (h *hashed) next() (err error) {
	if h.more = h.rows.Next(); !h.more {
		return h.rows.Err()
	}
	return h.rows.Scan(&h.key, &h.hash)
}

func (s *side) sorted(ctx context.Context, of []int) (*hashed, error) {
	rows, err := s.conn.Query(ctx, fmt.Sprintf(`SELECT %s COLLATE "C" AS key, %s FROM %s t WHERE %s = ANY ($1) ORDER BY key`,
		s.keyText(), s.table.Hash, column(s.table.Name), s.table.slice()), of)
	if err != nil {
		return nil, err
	}
	h := &hashed{rows: rows}
	return h, h.next()
}

// count counts the rows that differ, and the orders that they are of, and returns the keys of the first of them.
func (m *ModelProof) count(ctx context.Context, live, next *side) (keys []string, err error) {
	before, err := live.sorted(ctx, m.Slices)
	if err != nil {
		return nil, err
	}
	defer before.rows.Close()
	after, err := next.sorted(ctx, m.Slices)
	if err != nil {
		return nil, err
	}
	defer after.rows.Close()
	newest := ""
	differs := func(key string) {
		m.Different++
		if order := orderOf(key); next.key[0] == "order_id" && order != newest {
			m.Orders++
			newest = order
		}
		if len(keys) < columnsLooked {
			keys = append(keys, key)
		}
	}
	for before.more || after.more {
		var stepBefore, stepAfter bool
		switch {
		case !after.more || (before.more && before.key < after.key):
			stepBefore = true
			m.OnlyLive++
			differs(before.key)
		case !before.more || after.key < before.key:
			stepAfter = true
			m.OnlyNext++
			differs(after.key)
		default:
			stepBefore, stepAfter = true, true
			if before.hash != after.hash {
				differs(after.key)
			}
		}
		if stepBefore {
			if err := before.next(); err != nil {
				return nil, err
			}
		}
		if stepAfter {
			if err := after.next(); err != nil {
				return nil, err
			}
		}
	}
	return keys, nil
}

// orderOf is what stands first in the text of a key, quotes and all.
func orderOf(key string) string {
	for i := len(`["`); i < len(key); i++ {
		switch key[i] {
		case '\\':
			i++
		case '"':
			return key[:i]
		}
	}
	return key
}

// rows reads rows by the texts of their keys.
func (s *side) rows(ctx context.Context, keys []string) (map[string]map[string]json.RawMessage, error) {
	var names, values []string
	for i, name := range s.key {
		at := slices.IndexFunc(s.table.Columns, func(c columnOf) bool { return c.Name == name })
		if c := &s.table.Columns[at]; c.NotNull { // those of the primary key are, and are enough
			names, values = append(names, "t."+column(name)), append(values, fmt.Sprintf("(k.key::jsonb ->> %d)::%s", i, c.Type))
		}
	}
	rows, err := s.conn.Query(ctx, fmt.Sprintf("SELECT %s, to_jsonb(t) FROM %s t WHERE (%s) IN (SELECT %s FROM unnest($1::text[]) AS k (key))",
		s.keyText(), column(s.table.Name), strings.Join(names, ", "), strings.Join(values, ", ")), keys)
	if err != nil {
		return nil, err
	}
	found := make(map[string]map[string]json.RawMessage, len(keys))
	var key string
	var row map[string]json.RawMessage
	_, err = pgx.ForEachRow(rows, []any{&key, &row}, func() error {
		found[key], row = row, nil
		return nil
	})
	return found, err
}

// differenceOf tells the columns of a row that both sides have and that differ; all that one side has when the other lacks the row.
func differenceOf(key string, live, next map[string]json.RawMessage, p pair) Difference {
	d := Difference{Key: plainKey(key)}
	names := slices.Sorted(maps.Keys(next))
	switch {
	case live == nil:
		d.Missing = MissingLive
	case next == nil:
		d.Missing, names = MissingNext, slices.Sorted(maps.Keys(live))
	}
	for _, name := range names {
		before, after := value(live, name), value(next, name)
		if before != after && p.live.has(name) && p.next.has(name) {
			d.Columns = append(d.Columns, ColumnDifference{Column: name, Live: before, Next: after})
		}
	}
	return d
}

func (d *Difference) size() int {
	n := len(d.Key)
	for i := range d.Columns {
		n += len(d.Columns[i].Column) + len(d.Columns[i].Live) + len(d.Columns[i].Next)
	}
	return n
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
