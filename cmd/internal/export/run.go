package export

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// ErrOutOfBalance says that the journal's opening balances and movements do not make its closing balances:
// nothing is written.
var ErrOutOfBalance = errors.New("the books do not balance")

// Beginner is a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Job is one export to one file.
type Job struct {
	Spec

	// Out is the file to write; it and its manifest appear when they are whole. What was written before
	// stands in Out.partial, and is gone on with where the format allows it.
	Out string
	// Sign signs the manifest.
	Sign ed25519.PrivateKey
	// Said is told how many rows are written, each time that SaveEvery more are.
	Said func(rows int64)
	// SaveEvery is how many rows may have to be written again after a crash; DefaultSaveEvery if zero.
	SaveEvery int64
}

// DefaultSaveEvery is how many rows are written between two moments that an export can go on from.
const DefaultSaveEvery = 50_000

// state is what an interrupted export goes on from.
type state struct {
	Spec    string                       `json:"spec"`
	Commit  uint64                       `json:"commit_position"`
	Prepare uint64                       `json:"prepare_position"`
	Bytes   int64                        `json:"bytes"`
	Rows    int64                        `json:"rows"`
	Hash    []byte                       `json:"hash"`
	Last    []int64                      `json:"last"`
	Sums    map[string]map[string]string `json:"sums"`
	Moved   []Balance                    `json:"moved"`
}

// Run writes the file and its manifest.
func (j Job) Run(ctx context.Context, db Beginner) (Manifest, error) {
	var m Manifest
	if (j.Format == Hledger || j.Format == Beancount) && j.What != Journal {
		return m, fmt.Errorf("%s is a format of the journal, not of %s", j.Format, j.What)
	}
	if j.SaveEvery <= 0 {
		j.SaveEvery = DefaultSaveEvery
	}
	set, err := datasetOf(j.Spec)
	if err != nil {
		return m, err
	}
	err = pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// A text of these depends on nothing else of the server's configuration.
		if _, err := tx.Exec(ctx, "SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO 'ISO, YMD'; SET LOCAL extra_float_digits TO 1"); err != nil {
			return fmt.Errorf("prepare the export: %w", err)
		}
		w := &work{Job: j, set: &set, roles: rolesOf(&set), sums: map[string][]total{}, moved: map[account]*total{}, hash: sha256.New()}
		w.last = make([]int64, len(w.roles.order))
		m, err = w.export(ctx, tx)
		return err
	})
	return m, err
}

// work is a Job under way.
type work struct {
	Job

	set   *dataset
	at    state
	file  *os.File
	hash  hash.Hash
	to    encoder
	roles roles
	sums  map[string][]total // by currency; of roles.amounts
	moved map[account]*total
	last  []int64
}

func (w *work) partial() string { return w.Out + ".partial" }
func (w *work) saved() string   { return w.Out + ".partial.json" }

func (w *work) export(ctx context.Context, tx pgx.Tx) (Manifest, error) {
	var commit, prepare *int64
	views := pgx.Identifier{w.Views}.Sanitize()
	if err := tx.QueryRow(ctx, "SELECT commit_position, prepare_position FROM "+views+".checkpoint").Scan(&commit, &prepare); err != nil {
		return Manifest{}, fmt.Errorf("read where the views of %s stand: %w", w.Views, err)
	}
	if commit == nil || prepare == nil {
		return Manifest{}, errors.New("the views show nothing yet")
	}
	if err := w.open(uint64(*commit), uint64(*prepare)); err != nil {
		return Manifest{}, err
	}
	defer func() { _ = w.file.Close() }()
	opening, kinds, err := w.opening(ctx, tx)
	if err != nil {
		return Manifest{}, err
	}
	out := io.MultiWriter(w.file, w.hash)
	if w.Format == Hledger || w.Format == Beancount {
		w.to, err = newBooks(out, w.Format, w.set.columns, kinds, opening, w.Params.From, w.Params.Through)
	} else {
		w.to, err = encoderOf(w.Format, out, w.set.columns, w.at.Rows > 0)
	}
	if err != nil {
		return Manifest{}, err
	}
	if err := w.set.stream(ctx, tx, w.Spec, w.at.Commit, w.at.Last, w.row); err != nil {
		return Manifest{}, err
	}
	if err := w.to.close(); err != nil {
		return Manifest{}, fmt.Errorf("write %s: %w", w.partial(), err)
	}
	m, err := w.manifest(ctx, tx, opening)
	if err != nil {
		if errors.Is(err, ErrOutOfBalance) {
			err = errors.Join(err, w.discard())
		}
		return Manifest{}, err
	}
	return m, w.publish(m)
}

// open opens the partial file, and goes on with it when it is of the same rows.
func (w *work) open(commit, prepare uint64) error {
	spec, err := json.Marshal(w.Spec)
	if err != nil {
		return err
	}
	w.at = state{Spec: string(spec), Commit: commit, Prepare: prepare}
	var before state
	text, err := os.ReadFile(w.saved())
	resumes := err == nil && w.Format.resumable() && json.Unmarshal(text, &before) == nil && before.Spec == w.at.Spec &&
		before.Commit <= commit && (w.What == Journal || w.What == History)
	if resumes {
		if into, ok := w.hash.(encoding.BinaryUnmarshaler); !ok || into.UnmarshalBinary(before.Hash) != nil {
			resumes = false
		}
	}
	if w.file, err = os.OpenFile(w.partial(), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if info, err := w.file.Stat(); err != nil || info.Size() < before.Bytes {
		resumes = false
	}
	if !resumes {
		before = state{}
		w.hash.Reset()
	} else {
		w.at = before
		w.restore()
	}
	if err := w.file.Truncate(before.Bytes); err != nil {
		return err
	}
	_, err = w.file.Seek(before.Bytes, io.SeekStart)
	return err
}

// restore takes up the sums of the rows that are written.
func (w *work) restore() {
	for currency, columns := range w.at.Sums {
		w.sums[currency] = make([]total, len(w.roles.amounts))
		for i, column := range w.roles.amounts {
			w.sums[currency][i].sum, _ = decimal.NewFromString(columns[w.set.columns[column].Name]) // written by save
		}
	}
	for _, b := range w.at.Moved {
		sum, _ := decimal.NewFromString(b.Moved)
		w.moved[account{b.Account, b.Currency}] = &total{sum: sum}
	}
}

func (w *work) row(r Row) error {
	if err := w.add(r); err != nil {
		return err
	}
	if err := w.to.row(r); err != nil {
		return fmt.Errorf("write %s: %w", w.partial(), err)
	}
	if w.at.Rows++; w.at.Rows%w.SaveEvery != 0 {
		return nil
	}
	if w.Format.resumable() && (w.What == Journal || w.What == History) {
		if err := w.save(); err != nil {
			return err
		}
	}
	if w.Said != nil {
		w.Said(w.at.Rows)
	}
	return nil
}

// add sums a row up.
func (w *work) add(r Row) error {
	roles := &w.roles
	var err error
	for i, column := range roles.order {
		if w.last[i], err = strconv.ParseInt(string(r[column]), 10, 64); err != nil {
			return fmt.Errorf("column %s: %w", w.set.columns[column].Name, err)
		}
	}
	var currency []byte
	if roles.currency >= 0 {
		currency = r[roles.currency]
	}
	sums, ok := w.sums[string(currency)]
	if !ok {
		sums = make([]total, len(roles.amounts))
		w.sums[string(currency)] = sums
	}
	for i, column := range roles.amounts {
		if err := sums[i].add(r[column], 1); err != nil {
			return fmt.Errorf("column %s: %w", w.set.columns[column].Name, err)
		}
	}
	if w.What != Journal {
		return nil
	}
	a := account{string(r[roles.account]), string(currency)}
	moved := w.moved[a]
	if moved == nil {
		moved = &total{}
		w.moved[a] = moved
	}
	return errors.Join(moved.add(r[roles.debit], 1), moved.add(r[roles.credit], -1))
}

// roles are the columns that are summed up, and those that the order is by.
type roles struct {
	currency, account, debit, credit int
	amounts, order                   []int
}

func rolesOf(d *dataset) roles {
	index := func(name string) int {
		return slices.IndexFunc(d.columns, func(c Column) bool { return c.Name == name })
	}
	r := roles{currency: index("currency"), account: index("account"), debit: index("debit"), credit: index("credit")}
	for i := range d.columns {
		if d.columns[i].Kind == Amount {
			r.amounts = append(r.amounts, i)
		}
	}
	for _, name := range d.order {
		if i := index(name); d.columns[i].Kind == Integer {
			r.order = append(r.order, i)
		}
	}
	return r
}

// total is an exact sum of decimals. Those that are short are added up as integers of the same scale.
type total struct {
	sum   decimal.Decimal
	minor int64 // of scale decimals
	scale int32
}

// shortDigits is how many digits surely fit, so often that minor does not overflow before it is moved over.
const (
	shortDigits = 15
	minorMost   = 1 << 62
)

func (t *total) add(amount []byte, sign int64) error {
	var n int64
	scale, digits := int32(0), 0
	for i, b := range amount {
		switch {
		case b >= '0' && b <= '9' && digits < shortDigits:
			n = n*10 + int64(b-'0')
			if digits++; scale > 0 {
				scale++
			}
		case b == '.' && scale == 0:
			scale = 1
		case b == '-' && i == 0:
			sign = -sign
		default:
			exact, err := decimal.NewFromString(string(amount))
			if err != nil {
				return err
			}
			if amount[0] == '-' {
				sign = -sign // it is in the number
			}
			t.sum = t.sum.Add(exact.Mul(decimal.NewFromInt(sign)))
			return nil
		}
	}
	if scale > 0 {
		scale--
	}
	if scale != t.scale || t.minor > minorMost-(1<<51) || t.minor < -minorMost+(1<<51) {
		t.sum, t.minor, t.scale = t.value(), 0, scale
	}
	t.minor += sign * n
	return nil
}

func (t *total) value() decimal.Decimal { return t.sum.Add(decimal.New(t.minor, -t.scale)) }

// save makes what is written durable, and remembers where it ends.
func (w *work) save() error {
	if err := w.to.flush(); err != nil {
		return fmt.Errorf("write %s: %w", w.partial(), err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", w.partial(), err)
	}
	var err error
	if w.at.Bytes, err = w.file.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	if from, ok := w.hash.(encoding.BinaryMarshaler); ok {
		if w.at.Hash, err = from.MarshalBinary(); err != nil {
			return err
		}
	}
	w.at.Last, w.at.Sums, w.at.Moved = slices.Clone(w.last), w.shownSums(), nil
	for a, moved := range w.moved {
		w.at.Moved = append(w.at.Moved, Balance{Account: a.Code, Currency: a.Currency, Moved: moved.value().String()})
	}
	return writeWhole(w.saved(), w.at)
}

func (w *work) shownSums() map[string]map[string]string {
	shown := map[string]map[string]string{}
	for currency, sums := range w.sums {
		shown[currency] = map[string]string{}
		for i, column := range w.roles.amounts {
			shown[currency][w.set.columns[column].Name] = sums[i].value().String()
		}
	}
	return shown
}

// opening reads the balances before the first row, and the types of accounts.
func (w *work) opening(ctx context.Context, tx pgx.Tx) (map[account]decimal.Decimal, map[string]string, error) {
	if w.What != Journal {
		return nil, nil, nil
	}
	rows, err := tx.Query(ctx, "SELECT account, type FROM "+pgx.Identifier{w.Views}.Sanitize()+".accounts")
	if err != nil {
		return nil, nil, fmt.Errorf("read the chart of accounts: %w", err)
	}
	kinds := map[string]string{}
	var code, kind string
	if _, err := pgx.ForEachRow(rows, []any{&code, &kind}, func() error { kinds[code] = kind; return nil }); err != nil {
		return nil, nil, fmt.Errorf("read the chart of accounts: %w", err)
	}
	if w.Params.From == nil {
		return map[account]decimal.Decimal{}, kinds, nil
	}
	opening, err := w.balances(ctx, tx, "posting_date < @day::date", *w.Params.From)
	return opening, kinds, err
}

func (w *work) balances(ctx context.Context, tx pgx.Tx, condition string, day time.Time) (map[account]decimal.Decimal, error) {
	rows, err := tx.Query(ctx, "SELECT account, currency, sum(debit - credit)::text FROM "+pgx.Identifier{w.Views}.Sanitize()+".journal_lines WHERE "+condition+
		" AND position <= @up_to AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of)"+
		" AND (@as_at::date IS NULL OR value_date <= @as_at) AND (@entity::text IS NULL OR entity = @entity) GROUP BY 1, 2 HAVING sum(debit - credit) <> 0",
		pgx.NamedArgs{"day": day.Format(time.DateOnly), "up_to": int64(w.at.Commit), "as_of": w.Params.AsOf, "as_at": date(w.Params.AsAt), "entity": entity(w.Params.Entity)})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	balances := map[account]decimal.Decimal{}
	var a account
	var text string
	_, err = pgx.ForEachRow(rows, []any{&a.Code, &a.Currency, &text}, func() error {
		balance, err := decimal.NewFromString(text)
		balances[a] = balance
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return balances, nil
}

// manifest describes what was written, and refuses books that do not balance.
func (w *work) manifest(ctx context.Context, tx pgx.Tx, opening map[account]decimal.Decimal) (Manifest, error) {
	size, err := w.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Version: 1, What: w.What, Format: w.Format, File: filepath.Base(w.Out), Views: w.Views, Bytes: size, SHA256: hex.EncodeToString(w.hash.Sum(nil)),
		Rows: w.at.Rows, Commit: w.at.Commit, Prepare: w.at.Prepare, Sums: w.shownSums(),
	}
	for to, at := range map[*string]*string{&m.From: date(w.Params.From), &m.Through: date(w.Params.Through), &m.AsAt: date(w.Params.AsAt)} {
		if at != nil {
			*to = *at
		}
	}
	m.Entity = w.Params.Entity
	if w.Params.AsOf != nil {
		m.AsOf = w.Params.AsOf.UTC().Format(time.RFC3339Nano)
	}
	if w.What == TrialBalance {
		if err := w.zero(); err != nil {
			return Manifest{}, err
		}
	}
	if w.What == Journal {
		if m.Balances, err = w.proven(ctx, tx, opening); err != nil {
			return Manifest{}, err
		}
	}
	return m, m.sign(w.Sign)
}

// zero refuses a trial balance that is not: its opening balances, movements and closing balances sum to
// zero per currency.
func (w *work) zero() error {
	for currency, columns := range w.shownSums() {
		for _, name := range []string{"opening", "closing"} {
			if sum, err := decimal.NewFromString(columns[name]); err != nil || !sum.IsZero() {
				return fmt.Errorf("%w: the %s balances in %s sum to %s", ErrOutOfBalance, name, currency, columns[name])
			}
		}
		if columns["debit"] != columns["credit"] {
			return fmt.Errorf("%w: debits in %s are %s, credits %s", ErrOutOfBalance, currency, columns["debit"], columns["credit"])
		}
	}
	return nil
}

// proven compares opening balances and the rows that were written with closing balances of the database.
func (w *work) proven(ctx context.Context, tx pgx.Tx, opening map[account]decimal.Decimal) ([]Balance, error) {
	end := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	if w.Params.Through != nil {
		end = *w.Params.Through
	}
	closing, err := w.balances(ctx, tx, "posting_date <= @day::date", end)
	if err != nil {
		return nil, err
	}
	for currency, columns := range w.shownSums() {
		if columns["debit"] != columns["credit"] {
			return nil, fmt.Errorf("%w: debits of %s %s, credits of %s", ErrOutOfBalance, columns["debit"], currency, columns["credit"])
		}
	}
	movements, all := map[account]decimal.Decimal{}, map[account]decimal.Decimal{}
	for a, moved := range w.moved {
		movements[a] = moved.value()
	}
	maps.Copy(all, opening)
	maps.Copy(all, movements)
	maps.Copy(all, closing)
	var balances []Balance
	for _, a := range sortedAccounts(all) {
		if sum := opening[a].Add(movements[a]); !sum.Equal(closing[a]) {
			return nil, fmt.Errorf("%w: account %s opens with %s %s, moves by %s and closes with %s", ErrOutOfBalance, a.Code, opening[a], a.Currency, movements[a], closing[a])
		}
		balances = append(balances, Balance{
			Account: a.Code, Currency: a.Currency, Opening: opening[a].String(), Moved: movements[a].String(), Closing: closing[a].String(),
		})
	}
	return balances, nil
}

// publish makes the file appear, and then its manifest.
func (w *work) publish(m Manifest) error {
	if err := errors.Join(w.file.Sync(), w.file.Close(), os.Rename(w.partial(), w.Out)); err != nil {
		return fmt.Errorf("write %s: %w", w.Out, err)
	}
	if err := writeWhole(w.Out+manifestSuffix, m); err != nil {
		return err
	}
	if err := os.Remove(w.saved()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (w *work) discard() error {
	err := os.Remove(w.partial())
	if removed := os.Remove(w.saved()); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// writeWhole writes a JSON file that is there whole or not at all, durably.
func writeWhole(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(text, '\n'))
}

// writeDurably writes a file that is there whole or not at all.
func writeDurably(path string, text []byte) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes durable which files a folder has.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
