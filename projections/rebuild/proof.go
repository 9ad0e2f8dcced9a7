package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Proof is a comparison of the new tables with the live ones at one position of the log.
type Proof struct {
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
	// Different counts the rows that differ in the slices that were looked into, Differences shows some of them.
	Different   int          `json:"different,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is one row that is not the same on both sides.
type Difference struct {
	// Key is the row's key: the order first where the table has one.
	Key string `json:"key"`
	// Columns that differ, as JSON texts; a side that lacks the row has null for all of them.
	Columns []ColumnDifference `json:"columns"`
}

// ColumnDifference is one value that differs.
type ColumnDifference struct {
	Column string `json:"column"`
	Live   string `json:"live"`
	Next   string `json:"next"`
}

const (
	// slicesOfProof: a difference is looked for in a thousandth of a table.
	slicesOfProof = 1024
	// slicesShown and differencesShown bound what is looked into for each table.
	slicesShown      = 8
	differencesShown = 20
)

// Verify brings the next tables to where the live ones are and compares them there. The proof is stored.
func (e *Engine) Verify(ctx context.Context) (*Proof, error) {
	var proof *Proof
	e.progress.plan(CatchingUp, Verifying)
	err := e.exclusively(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
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
		if err := projections.CatchUp(ctx, e.runnerConfig(), at.Position); err != nil {
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
	proof := &Proof{Position: reached.Position, Live: at.Position, OtherLog: !ours, Compared: at.Known, At: e.cfg.Clock().UTC()}
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
	return set, nil
}

func (e *Engine) runnerConfig() projections.Config {
	return projections.Config{
		Log: e.cfg.Log, Logger: e.cfg.Logger, Clock: e.cfg.Clock,
		OnBatch: func(b projections.Batch) { e.progress.add(b.Position, int64(b.Events), int64(b.Position.Commit)) },
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return e.cfg.Connect(ctx, nextTables) },
	}
}

// catchUp brings the next tables to where the live ones are now, or to the end of the log when those are of another.
func (e *Engine) catchUp(ctx context.Context, conn *pgx.Conn, stage Stage) error {
	at, ours, err := e.stands(ctx, conn)
	if err != nil || !at.Known {
		return err
	}
	if ours {
		at, err = e.awaitLive(ctx, conn, at)
	} else { // they will never be where the others are
		at.Position, err = e.head(ctx)
	}
	if err != nil {
		return err
	}
	if err := e.follow(ctx, stage, at.Position); err != nil {
		return fmt.Errorf("catch up with the live tables: %w", err)
	}
	return e.cfg.Reached(ctx, PointCaughtUp)
}

// ErrLiveBehind says that the live tables stand before the next ones, which only whoever projects can change.
var ErrLiveBehind = errors.New("rebuild: the live tables are behind the next ones, and no ledger that runs brings them up")

// liveMovesWithin is how soon live tables that are behind have to move.
const liveMovesWithin = 10 * time.Second

// awaitLive waits until the live tables, which stand at the given place, have come to where the next ones are: after a
// rollback they are behind tables that were live since.
func (e *Engine) awaitLive(ctx context.Context, conn *pgx.Conn, at checkpoint.Checkpoint) (checkpoint.Checkpoint, error) {
	tables, err := e.cfg.Connect(ctx, nextTables)
	if err != nil {
		return at, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, tables)
	next, err := checkpoint.Read(ctx, tables)
	if err != nil {
		return at, err
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for moved := e.cfg.Clock(); next.Known && at.Position.Compare(next.Position) < 0; {
		if e.cfg.Clock().Sub(moved) > liveMovesWithin {
			return at, fmt.Errorf("%w: they stand at %s and at %s", ErrLiveBehind, at, next)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return at, ctx.Err()
		}
		now, err := checkpoint.Read(ctx, conn)
		if err != nil {
			return at, err
		}
		if now.Position != at.Position {
			at, moved = now, e.cfg.Clock()
		}
	}
	return at, nil
}

// shareFollowing is the least share of the time that the next tables are brought to where the live ones are: it is to be
// less work than those take.
const shareFollowing = 0.5

// batchGivingWay bounds the events of a transaction meanwhile.
const batchGivingWay = 500

// follow brings the next tables to a position.
func (e *Engine) follow(ctx context.Context, stage Stage, to eventstore.Position) error {
	e.progress.begin(stage, to.Commit, 0, 0)
	cfg := e.runnerConfig()
	if e.pace.givesWay() {
		cfg.BatchEvents = batchGivingWay
		mine, tell := e.pace.turn(), cfg.OnBatch
		cfg.OnBatch = func(b projections.Batch) {
			tell(b)
			mine.waitAtLeast(ctx, shareFollowing)
		}
	}
	return projections.CatchUp(ctx, cfg, to)
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
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL timezone TO 'UTC'; SET LOCAL jit TO off; "+sumsInMemory); err != nil {
		closeConn(ctx, conn)
		return nil, fmt.Errorf("take a snapshot of %s: %w", tables, err)
	}
	return conn, nil
}

// table is what is compared, and by which columns its rows are known.
type table struct {
	Name string
	Key  []string
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
		SELECT c.relname::text, array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)),
		       (SELECT array_agg(o.attname::text ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped),
		       (SELECT array_agg(CASE o.atttypid WHEN 'numeric'::regtype THEN format('%1$I, scale(%1$I)', o.attname)
		                                         WHEN 'jsonb'::regtype THEN format('%I::text', o.attname)
		                                         ELSE quote_ident(o.attname) END
		                         ORDER BY o.attname) FROM pg_attribute o
		         WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped)
		  FROM pg_class c
		  JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
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

// digest is of everything that was found, so that what is approved is exactly that.
func (p *Proof) digest() string {
	digest := sha256.New()
	fmt.Fprintf(digest, "%d %d %t\n", p.Position.Commit, p.Live.Commit, p.Compared)
	for i := range p.Models {
		m := &p.Models[i]
		fmt.Fprintf(digest, "%s %d %s %d %s\n", m.Table, m.LiveRows, m.LiveSum, m.NextRows, m.NextSum)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}
