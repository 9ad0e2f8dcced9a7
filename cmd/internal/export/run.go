package export

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	// Said is told how many rows are written, now and then.
	Said func(rows int64)
	// SaveEvery is how many rows may have to be written again after a crash; saveEvery if zero.
	SaveEvery int64
}

const (
	// saveEvery is how many rows are written between two moments that an export can go on from; each of these
	// waits for the disk.
	saveEvery = 500_000
	// SayEvery is how many rows are written before Said is told.
	SayEvery = 20_000
	// formatVersion is that of the files: 2 has decimals, dates and times in Parquet, where 1 had texts.
	formatVersion = 2
)

// Run writes the file and its manifest.
func (j Job) Run(ctx context.Context, db Beginner) (Manifest, error) {
	var m Manifest
	if err := j.Validate(); err != nil {
		return m, err
	}
	if j.SaveEvery <= 0 {
		j.SaveEvery = saveEvery
	}
	set, err := datasetOf(j.Spec)
	if err != nil {
		return m, err
	}
	err = pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// A text of these depends on nothing else of the server's configuration. Sorting a journal takes the least time
		// with some memory.
		if _, err := tx.Exec(ctx, "SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO 'ISO, YMD'; SET LOCAL extra_float_digits TO 1;"+
			"SELECT set_config('work_mem', '64MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')"); err != nil {
			return fmt.Errorf("prepare the export: %w", err)
		}
		w := &work{Job: j, set: &set, sums: newSums(&set)}
		m, err = w.export(ctx, tx)
		return err
	})
	return m, err
}

// work is a Job under way.
type work struct {
	Job

	set  *dataset
	at   state
	out  *output
	to   encoder
	sums *sums
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
	defer func() { _ = w.out.file.Close() }()
	m, err := w.whole(ctx, tx)
	if err != nil && (!w.resumable() || errors.Is(err, ErrOutOfBalance)) {
		return Manifest{}, errors.Join(err, w.discard())
	}
	if err != nil {
		return Manifest{}, err
	}
	return m, w.publish(m)
}

// whole writes the partial file to its end, and describes it.
func (w *work) whole(ctx context.Context, tx pgx.Tx) (Manifest, error) {
	opening, err := w.write(ctx, tx)
	if ended := w.out.end(); err == nil {
		err = ended
	}
	if err != nil {
		return Manifest{}, err
	}
	return w.manifest(ctx, tx, opening)
}

// write writes all rows, and returns the balances before the first one.
func (w *work) write(ctx context.Context, tx pgx.Tx) (opening map[account]decimal.Decimal, err error) {
	opening, kinds, err := w.opening(ctx, tx)
	if err != nil {
		return nil, err
	}
	if w.Format == Hledger || w.Format == Beancount {
		w.to = newBooks(w.out, w.Format, w.set.columns, kinds, opening, w.Params.From, w.Params.Through)
	} else if w.to, err = encoderOf(w.Format, w.out, w.set, w.at.Rows > 0); err != nil {
		return nil, err
	}
	if err := w.set.stream(ctx, tx, w.Spec, w.at.Commit, w.at.Last, w.row); err != nil {
		return nil, err
	}
	return opening, w.to.close()
}

func (w *work) row(r Row) error {
	if err := w.sums.add(r); err != nil {
		return err
	}
	if err := w.to.row(r); err != nil {
		return err
	}
	w.at.Rows++
	if w.at.Rows%w.SaveEvery == 0 && w.resumable() {
		if err := w.save(r); err != nil {
			return err
		}
	}
	if w.Said != nil && w.at.Rows%min(SayEvery, w.SaveEvery) == 0 {
		w.Said(w.at.Rows)
	}
	return nil
}

// manifest describes what was written, and refuses books that do not balance.
func (w *work) manifest(ctx context.Context, tx pgx.Tx, opening map[account]decimal.Decimal) (Manifest, error) {
	var err error
	m := Manifest{
		Version: formatVersion, What: w.What, Format: w.Format, File: filepath.Base(w.Out), Views: w.Views,
		Bytes: w.out.bytes, SHA256: hex.EncodeToString(w.out.hash.Sum(nil)), Rows: w.at.Rows, Commit: w.at.Commit, Prepare: w.at.Prepare, Sums: w.sums.shown(),
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

// publish makes the file appear once it is durable, and then its manifest.
func (w *work) publish(m Manifest) error {
	err := errors.Join(w.out.file.Sync(), w.out.file.Close())
	if err == nil {
		err = os.Rename(w.partial(), w.Out)
	}
	if err != nil {
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
