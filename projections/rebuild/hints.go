package rebuild

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// hints has PostgreSQL note on the pages of the widest tables that their rows are committed, while the pages wait in memory for
// being written. Otherwise the first reader of a table notes it, which has the whole table written again, and logged too
// where the database has checksums and a checkpoint lay between.
//
// It only saves work: pages that it misses are noted by the first reader.
type hints struct {
	mu sync.Mutex
	// begun is how many pages each of hintedTables had when a loader began its unit; rows of that unit come after.
	begun map[*loader][]int64
	read  []int64 // pages that were read
}

// hintedTables are the widest of those that have no parts.
var hintedTables = []string{"orders", "payments"}

func newHints() *hints {
	return &hints{begun: make(map[*loader][]int64), read: make([]int64, len(hintedTables))}
}

// begin is called before a loader's first unit.
func (h *hints) begin(ctx context.Context, l *loader) error {
	pages, err := pagesOf(ctx, l.conn, hintedTables)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun[l] = pages
	return nil
}

// end is called after a loader's last unit.
func (h *hints) end(l *loader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.begun, l)
}

// committed is called when a loader's unit is on disk, and reads the pages that no unit writes to any more, unless the rebuild
// gives way.
func (h *hints) committed(ctx context.Context, l *loader) error {
	pages, err := pagesOf(ctx, l.conn, hintedTables)
	if err != nil {
		return err
	}
	from, to := h.take(l, pages)
	for i, table := range hintedTables {
		if from[i] >= to[i] || l.engine.pace.givesWay() {
			continue
		}
		_, err := l.conn.Exec(ctx, "SELECT count(*) FROM "+column(table)+" WHERE ctid >= $1::text::tid AND ctid < $2::text::tid",
			fmt.Sprintf("(%d,0)", from[i]), fmt.Sprintf("(%d,0)", to[i]))
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	return nil
}

// take tells which pages a loader is to read now: one range for each of hintedTables.
func (h *hints) take(l *loader, pages []int64) (from, to []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun[l] = pages
	from, to = h.read, slices.Clone(pages)
	for _, begun := range h.begun {
		for i := range to {
			to[i] = min(to[i], begun[i])
		}
	}
	for i := range to {
		to[i] = max(to[i], from[i])
	}
	h.read = to
	return from, to
}

// pagesOf tells how large tables are.
func pagesOf(ctx context.Context, conn *pgx.Conn, tables []string) (pages []int64, err error) {
	err = conn.QueryRow(ctx, "SELECT array_agg(pg_relation_size(quote_ident(t)::regclass) / current_setting('block_size')::bigint ORDER BY n) FROM unnest($1::text[]) WITH ORDINALITY AS of (t, n)",
		tables).Scan(&pages)
	if err != nil {
		return nil, fmt.Errorf("measure the tables: %w", err)
	}
	return pages, nil
}
