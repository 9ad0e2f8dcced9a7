package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Plan tells what a rebuild would do and need, before anything is done. All but Target are estimates.
type Plan struct {
	// Target is the position that the new tables are built to first: where the live ones stand.
	Target eventstore.Position `json:"target"`
	// Continues is the stage at which an interrupted rebuild would go on; empty when none was begun. BeginsAnew says why one
	// that was begun would not be continued.
	Continues  Stage  `json:"continues,omitempty"`
	BeginsAnew string `json:"begins_anew,omitempty"`
	Events     int64  `json:"events"`
	// Tables are the live ones: small ones are counted, of others PostgreSQL's statistics are told. Without live tables of
	// this log there are none.
	Tables []PlannedTable `json:"tables"`
	// DatabaseBytes is what the new tables take in the end, WorkBytes what PostgreSQL takes besides while it works (its
	// write-ahead log and sorting), SpillBytes the file of events. FreeBytes is what is free where events are spilled to; 0
	// when it is not known.
	DatabaseBytes int64  `json:"database_bytes"`
	WorkBytes     int64  `json:"work_bytes"`
	SpillBytes    int64  `json:"spill_bytes"`
	FreeBytes     uint64 `json:"free_bytes,omitempty"`
	// Fits is false when a rebuild would refuse to begin for want of disk space.
	Fits bool `json:"fits"`
	// FoldRate is how many events one worker folds in a second, measured on the first of the log.
	FoldRate float64 `json:"fold_rate"`
	// Takes is how long the rest takes while nobody else uses the machine. Measured says that the stages of building are estimated by
	// how long they took the last time on this database. Otherwise they are by folding the first of the log and writing its rows for a
	// moment; the proof always is by reading pieces of the live tables.
	Takes    time.Duration `json:"takes_ns"`
	Measured bool          `json:"measured"`

	// done counts the events that stages are done with.
	done    map[Stage]int64
	sampled *sample
}

// PlannedTable is one table that is built.
type PlannedTable struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // with its indexes
}

const (
	// countedBytes is up to which size the rows of a table are counted.
	countedBytes = 16 << 20
	// spilledPart is the size of spilled events, and tablesPart that of all tables with their indexes, in hundredths of the
	// size of the events' data and metadata.
	spilledPart = 45
	tablesPart  = 170
	// workMost and workPart of the tables are what PostgreSQL writes besides: its write-ahead log grows up to max_wal_size and
	// some more, sorting takes about as much as the widest index.
	workMost = 3 << 30
	workPart = 0.9
)

// NoSpaceError says that the disk is too small.
type NoSpaceError struct {
	Needed int64
	Free   uint64
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("rebuild: about %d MiB of disk space are needed, and %d MiB are free", e.Needed>>20, e.Free>>20)
}

// Plan looks at the live tables and at the beginning of the log.
func (e *Engine) Plan(ctx context.Context) (*Plan, error) {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	p := new(Plan)
	if p.Target, err = e.liveTarget(ctx, conn); err != nil {
		return nil, err
	}
	if err := e.measure(ctx, conn, p); err != nil {
		return nil, err
	}
	if err := e.continues(ctx, conn, p); err != nil {
		return nil, err
	}
	if e.cfg.FreeBytes != nil {
		if free, ok := e.cfg.FreeBytes(); ok {
			p.FreeBytes = free
		}
	}
	p.Fits = p.FreeBytes == 0 || uint64(e.needed(p)) <= p.FreeBytes
	paces, err := readPaces(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := e.tryOut(ctx, p, paces); err != nil {
		return nil, err
	}
	_, p.Measured = paces[Loading]
	p.Takes = p.takes(paces, e.cfg.Workers)
	e.planned = p
	return p, nil
}

// tryOut measures how long what comes takes, as far as that is not known of the last time.
func (e *Engine) tryOut(ctx context.Context, p *Plan, paces map[Stage]took) error {
	defer func() { p.sampled.bulk = nil }() // a rebuild needs the memory
	if _, known := paces[Loading]; !known && p.done[Indexing] == 0 {
		if err := p.sampled.write(ctx, e); err != nil {
			return err
		}
	}
	if !p.sampled.compared {
		return nil
	}
	return p.sampled.read(ctx, e)
}

// continues looks for what was begun and how far it is.
func (e *Engine) continues(ctx context.Context, conn *pgx.Conn, p *Plan) error {
	set, err := setOf(ctx, conn, nextTables)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := e.sameProgram(&set); err != nil {
		p.BeginsAnew = err.Error()
		return nil //nolint:nilerr // the plan tells it; it is no failure
	}
	if set.Stage == Built {
		if err := e.meets(ctx, conn); errors.Is(err, ErrLiveStale) {
			p.BeginsAnew = err.Error()
			return nil
		} else if err != nil {
			return err
		}
	}
	p.Continues, p.done = set.Stage, make(map[Stage]int64)
	for _, stage := range paced() {
		if stage == set.Stage {
			break
		}
		p.done[stage] = p.Events
	}
	if set.Stage == Loading {
		p.done[Loading] = set.Loaded
	}
	return nil
}

// measure estimates events and disk space.
func (e *Engine) measure(ctx context.Context, conn *pgx.Conn, p *Plan) error {
	at, ours, err := e.stands(ctx, conn)
	if err != nil {
		return err
	}
	known := at.Known && ours
	if known {
		if err := p.measureTables(ctx, conn); err != nil {
			return err
		}
	}
	if p.sampled, err = e.takeSample(ctx, !known); err != nil {
		return err
	}
	if p.sampled.folding > 0 {
		p.FoldRate = 1 / p.sampled.folding
	}
	if !known || p.sampled.whole {
		p.Events = p.sampled.counted
	}
	p.sampled.compared = at.Known
	raw := float64(p.Events) * p.sampled.bytes / 100
	p.SpillBytes = int64(raw * spilledPart)
	if !known {
		p.DatabaseBytes = int64(raw * tablesPart)
	}
	p.WorkBytes = min(workMost, int64(float64(p.DatabaseBytes)*workPart))
	return nil
}

func (p *Plan) measureTables(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT coalesce(whole.relname, c.relname)::text, sum(CASE WHEN c.reltuples < 0 THEN s.n_live_tup ELSE greatest(c.reltuples::bigint, s.n_live_tup) END)::bigint,
		       sum(pg_total_relation_size(c.oid))::bigint
		  FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid
		  LEFT JOIN pg_inherits part ON part.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = part.inhparent
		 WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('checkpoint', 'outside_writes') GROUP BY 1 ORDER BY 1`, schema.Live)
	if err != nil {
		return fmt.Errorf("measure the tables: %w", err)
	}
	if p.Tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[PlannedTable]); err != nil {
		return fmt.Errorf("measure the tables: %w", err)
	}
	for i := range p.Tables {
		t := &p.Tables[i]
		if t.Bytes <= countedBytes || t.Rows == 0 { // statistics are late, and are lost when PostgreSQL is killed
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+column(t.Table)).Scan(&t.Rows); err != nil {
				return fmt.Errorf("count the rows of %s: %w", t.Table, err)
			}
		}
		p.DatabaseBytes += t.Bytes
		if t.Table == "order_history" || t.Table == "quarantine" {
			p.Events += t.Rows
		}
	}
	return nil
}

// needed is the disk space that a rebuild takes where FreeBytes is counted.
func (e *Engine) needed(p *Plan) int64 {
	if e.cfg.DatabaseHere {
		return p.SpillBytes + p.DatabaseBytes + p.WorkBytes
	}
	return p.SpillBytes
}

// checkSpace refuses to begin what cannot end.
func (e *Engine) checkSpace(ctx context.Context, conn *pgx.Conn) error {
	if e.cfg.FreeBytes == nil {
		return nil
	}
	free, ok := e.cfg.FreeBytes()
	if !ok {
		return nil
	}
	p := e.planned
	if p == nil {
		p = new(Plan)
		if err := e.measure(ctx, conn, p); err != nil {
			return err
		}
	}
	needed := e.needed(p)
	if uint64(needed) > free {
		return &NoSpaceError{Needed: needed, Free: free}
	}
	return nil
}
