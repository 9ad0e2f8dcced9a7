package reportservice

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/shopspring/decimal"
	_ "modernc.org/sqlite" // the driver
)

// seenEvents is how many ids of counted events are kept. The cursor alone makes the effect exactly-once;
// the ids notice a feed that tells an event again.
const seenEvents = 100_000

const schema = `
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL, events INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_number ON seen (number);
CREATE TABLE IF NOT EXISTS totals (
  day TEXT NOT NULL, currency TEXT NOT NULL, total TEXT NOT NULL, amount TEXT NOT NULL, events INTEGER NOT NULL,
  PRIMARY KEY (day, currency, total)) WITHOUT ROWID;
INSERT OR IGNORE INTO progress VALUES (1, '', 0);`

// Store is the service's own database.
type Store struct{ db *sql.DB }

// OpenStore opens or makes the database in a file. The caller must Close it.
func OpenStore(ctx context.Context, path string) (*Store, error) {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Cursor is where the feed is read next; empty is its beginning. Events is how many were counted.
func (s *Store) Cursor(ctx context.Context) (cursor string, events int64, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT cursor, events FROM progress").Scan(&cursor, &events); err != nil {
		return "", 0, fmt.Errorf("read the cursor: %w", err)
	}
	return cursor, events, nil
}

// Row is a day's total of a currency. Day is that of the facts, UTC; Amount is in major units.
type Row struct {
	Day      string          `json:"day"`
	Currency string          `json:"currency"`
	Total    Total           `json:"total"`
	Amount   decimal.Decimal `json:"amount"`
	Events   int64           `json:"events"`
}

// Totals returns all rows, by day.
func (s *Store) Totals(ctx context.Context) (rows []Row, err error) {
	result, err := s.db.QueryContext(ctx, "SELECT day, currency, total, amount, events FROM totals ORDER BY day, currency, total")
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for result.Next() {
		var r Row
		if err := result.Scan(&r.Day, &r.Currency, &r.Total, &r.Amount, &r.Events); err != nil {
			return nil, fmt.Errorf("read totals: %w", err)
		}
		rows = append(rows, r)
	}
	return rows, result.Err()
}

// key is that of a row of totals.
type key struct {
	day, currency string
	total         Total
}

// Count adds a page's events to the totals and moves the cursor, all or nothing. from is the cursor that
// the page was asked for: a page that somebody else counted meanwhile is refused.
func (s *Store) Count(ctx context.Context, from string, events []Event, to string) (err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("count events: %w", err), tx.Rollback())
		}
	}()
	var now string
	var number int64
	if err := tx.QueryRowContext(ctx, "SELECT cursor, events FROM progress").Scan(&now, &number); err != nil {
		return err
	}
	if now != from {
		return errors.New("another process counts into the same database")
	}
	sums, counts, known := map[key]decimal.Decimal{}, map[key]int64{}, rules()
	for i := range events {
		e := &events[i]
		number++
		added, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO seen VALUES (?, ?)", e.ID, number)
		if err != nil {
			return err
		}
		if n, err := added.RowsAffected(); err != nil || n == 0 {
			number--
			if err != nil {
				return err
			}
			continue // counted before
		}
		effects, err := e.effects(known)
		if err != nil {
			return err
		}
		for _, f := range effects {
			k := key{e.Time.UTC().Format("2006-01-02"), f.currency, f.total}
			sums[k] = sums[k].Add(f.amount)
			counts[k]++
		}
	}
	for k, sum := range sums {
		if err := addTotal(ctx, tx, k, sum, counts[k]); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM seen WHERE number <= ?", number-seenEvents); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE progress SET cursor = ?, events = ?", to, number); err != nil {
		return err
	}
	return tx.Commit()
}

func addTotal(ctx context.Context, tx *sql.Tx, k key, sum decimal.Decimal, events int64) error {
	var before decimal.Decimal
	err := tx.QueryRowContext(ctx, "SELECT amount FROM totals WHERE day = ? AND currency = ? AND total = ?", k.day, k.currency, k.total).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO totals VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET amount = excluded.amount, events = totals.events + excluded.events`,
		k.day, k.currency, k.total, fixed(before.Add(sum)), events)
	return err
}

// fixed is an amount with all the decimals that its currency was told with.
func fixed(d decimal.Decimal) string { return d.StringFixed(max(0, -d.Exponent())) }
