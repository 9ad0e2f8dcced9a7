package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// proofMethod changes with hashOf, slice and digest: what an earlier program took for equal is not equal by what this one looks at.
const proofMethod = 1

// Proof is a comparison of the new tables with the live ones at one position of the log.
type Proof struct {
	// Method tells how it was made; 0 before there was such a number. One of another method is there to be looked at, and
	// nothing is swapped by it.
	Method   int                 `json:"method"`
	Position eventstore.Position `json:"position"`
	// Compared is false when there was nothing to compare with: the live tables were empty.
	Compared bool `json:"compared"`
	// Live is where the live tables stood; OtherLog that they are of another log, or of a later state of this one that
	// was restored from a copy: then it is not Position.
	Live     eventstore.Position `json:"live"`
	OtherLog bool                `json:"other_log,omitempty"`
	// LiveWrites and NextWrites count the transactions of others than the projector that had written to the tables.
	LiveWrites int64     `json:"live_writes"`
	NextWrites int64     `json:"next_writes"`
	At         time.Time `json:"at"` // UTC
	// Models are the tables, by name.
	Models []ModelProof `json:"models"`
	// Digest names what was found; whoever approves a difference says it.
	Digest string `json:"digest"`
}

// Equal tells whether every row of every table is the same on both sides.
func (p *Proof) Equal() bool {
	return !slices.ContainsFunc(p.Models, func(m ModelProof) bool { return len(m.Slices) > 0 })
}

// Counts tells whether there is a proof, and whether it was made as this program makes them.
func (p *Proof) Counts() bool { return p != nil && p.Method == proofMethod }

// ModelProof is about one table.
type ModelProof struct {
	Table string `json:"table"`
	// LiveRows, NextRows and the sums of all rows' hashes, as decimal numbers.
	LiveRows int64  `json:"live_rows"`
	NextRows int64  `json:"next_rows"`
	LiveSum  string `json:"live_sum"`
	NextSum  string `json:"next_sum"`
	// Slices that differ; a slice is the rows with the same hash of the first column of the key.
	Slices []int `json:"slices,omitempty"`
	// Different counts the rows that differ, Orders the orders that they are of, in a table whose rows are of orders. OnlyLive and
	// OnlyNext count those of them that only one side has.
	Different int `json:"different,omitempty"`
	Orders    int `json:"different_orders,omitempty"`
	OnlyLive  int `json:"only_live,omitempty"`
	OnlyNext  int `json:"only_next,omitempty"`
	// Shape says in sentences which columns the two tables have not in common: every row differs by them.
	Shape []string `json:"shape,omitempty"`
	// Columns counts for each column the rows that both sides have and in which it differs, of the first Looked of those that
	// differ.
	Columns []ColumnCount `json:"columns,omitempty"`
	Looked  int           `json:"looked,omitempty"`
	// Differences shows some of them, by key.
	Differences []Difference `json:"differences,omitempty"`
}

// ColumnCount is how many rows differ in a column.
type ColumnCount struct {
	Column string `json:"column"`
	Rows   int    `json:"rows"`
}

// Values of Difference.Missing.
const (
	MissingLive = "live"
	MissingNext = "next"
)

// Difference is one row that is not the same on both sides.
type Difference struct {
	// Key is the row's key: the order first where the table has one.
	Key string `json:"key"`
	// Missing is the side that lacks the row; empty when both have it.
	Missing string `json:"missing,omitempty"`
	// Columns that differ, as JSON texts; a side that lacks the row has null for all of them.
	Columns []ColumnDifference `json:"columns"`
}

// ColumnDifference is one value that differs.
type ColumnDifference struct {
	Column string `json:"column"`
	Live   string `json:"live"`
	Next   string `json:"next"`
}

// slicesOfProof: a difference is looked for in a thousandth of a table.
const slicesOfProof = 1024

// Verify brings the next tables to where the live ones are and compares them there. The proof is stored.
func (e *Engine) Verify(ctx context.Context) (*Proof, error) {
	var proof *Proof
	e.progress.plan(CatchingUp, Verifying)
	err := e.exclusively(ctx, "verify", func(ctx context.Context, conn *pgx.Conn) (err error) {
		proof, err = e.verify(ctx, conn)
		return err
	})
	return proof, err
}

func (e *Engine) verify(ctx context.Context, conn *pgx.Conn) (*Proof, error) {
	set, err := e.builtSet(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := e.recognise(ctx, nextTables); err != nil {
		return nil, err
	}
	if err := e.catchUp(ctx, conn, CatchingUp); err != nil { // most of it, before a snapshot is held
		return nil, err
	}
	live, err := e.snapshot(ctx, schema.Live)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, live)
	at, ours, err := e.stands(ctx, live)
	if err != nil {
		return nil, err
	}
	if at.Known && ours {
		if err := projections.CatchUp(ctx, e.runnerConfig(nextTables), at.Position); err != nil {
			return nil, err
		}
	}
	next, err := e.snapshot(ctx, nextTables)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, next)
	reached, err := checkpoint.Read(ctx, next)
	if err != nil {
		return nil, err
	}
	proof := &Proof{Method: proofMethod, Position: reached.Position, Live: at.Position, OtherLog: !ours, Compared: at.Known, At: e.cfg.Clock().UTC()}
	if at.Known {
		if ours && reached.Position != at.Position {
			return nil, fmt.Errorf("compare: the live tables stand at %s, the next at %s", at, reached)
		}
		if proof.Models, err = e.compare(ctx, live, next, set.Events); err != nil {
			return nil, err
		}
	}
	if proof.LiveWrites, err = outsideWrites(ctx, live, schema.Live); err != nil {
		return nil, err
	}
	if proof.NextWrites, err = outsideWrites(ctx, next, nextTables); err != nil {
		return nil, err
	}
	proof.Digest = proof.digest()
	if err := storeProof(ctx, conn, set.Tables, proof); err != nil {
		return nil, err
	}
	return proof, e.cfg.Reached(ctx, PointProven)
}

// recognise makes sure that tables are of this log.
func (e *Engine) recognise(ctx context.Context, tables string) error {
	conn, err := e.cfg.Connect(ctx, tables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	if err := projections.RecogniseLog(ctx, conn, e.cfg.Log); errors.Is(err, projections.ErrForeignLog) {
		return errors.Join(ErrOtherLog, err)
	} else if err != nil {
		return err
	}
	return nil
}

func (e *Engine) builtSet(ctx context.Context, conn *pgx.Conn) (Set, error) {
	set, err := setOf(ctx, conn, nextTables)
	if err != nil {
		return set, err
	}
	if set.Stage != Built {
		return set, fmt.Errorf("%w: stage %s", ErrNotBuilt, set.Stage)
	}
	return set, e.sameProgram(&set)
}

// sumsInMemory: PostgreSQL takes the number of slices for that of orders, and would rather sort whole tables on disk than keep
// so many sums. The two sides are the two processes that work.
const sumsInMemory = "SET LOCAL enable_sort TO off; SET LOCAL work_mem TO '64MB'; SET LOCAL max_parallel_workers_per_gather TO 0"

// snapshot opens a connection whose statements all see the same moment.
func (e *Engine) snapshot(ctx context.Context, tables string) (*pgx.Conn, error) {
	conn, err := e.cfg.Connect(ctx, tables)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	e.background(conn)
	// The first reader of a page may have to log it whole, compressed if that is set. Who may not say so goes without.
	_, _ = conn.Exec(ctx, "SET wal_compression = off")
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL timezone TO 'UTC'; SET LOCAL jit TO off; "+sumsInMemory); err != nil {
		closeConn(ctx, conn)
		return nil, fmt.Errorf("take a snapshot of %s: %w", tables, err)
	}
	return conn, nil
}

// digest is of everything that was found, so that what is approved is exactly that.
func (p *Proof) digest() string {
	digest := sha256.New()
	fmt.Fprintf(digest, "%d %d %d %t\n", p.Method, p.Position.Commit, p.Live.Commit, p.Compared)
	for i := range p.Models {
		m := &p.Models[i]
		fmt.Fprintf(digest, "%s %d %s %d %s\n", m.Table, m.LiveRows, m.LiveSum, m.NextRows, m.NextSum)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}
