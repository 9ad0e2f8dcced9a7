package projections_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// What a crash of the machine leaves of the spilled events, which are not synced, costs time and nothing else: the rows are
// those of the log.
func TestRebuild_MakesDamagedSpillAgain(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(91).history(t, 30, 400))
	pool := newPool(t, url)
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	for name, damage := range map[string]func(*os.File, int64) error{
		"ZerosAtTheEnd":    func(f *os.File, size int64) error { _, err := f.WriteAt(make([]byte, size/3), size-size/3); return err },
		"ZerosInTheMiddle": func(f *os.File, size int64) error { _, err := f.WriteAt(make([]byte, 4096), size/2); return err },
		"OneBit": func(f *os.File, size int64) error {
			var b [1]byte
			if _, err := f.ReadAt(b[:], size/3); err != nil {
				return err
			}
			b[0] ^= 1
			_, err := f.WriteAt(b[:], size/3)
			return err
		},
		"CutOff": func(f *os.File, size int64) error { return f.Truncate(size / 2) },
		"Empty":  func(f *os.File, _ int64) error { return f.Truncate(0) },
	} {
		cfg := rebuildConfig(t, log, url, t.TempDir())
		damaged := false
		cfg.Reached = func(_ context.Context, at rebuild.Point) error {
			if at != rebuild.PointSpilled {
				return nil
			}
			f, err := os.OpenFile(filepath.Join(cfg.Dir, besideNext+".spill"), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			damaged = true
			return damage(f, info.Size())
		}
		e := newEngine(t, cfg)
		if err := e.Run(t.Context()); err != nil || !damaged {
			t.Errorf("%s: %v, damaged %t", name, err, damaged)
			continue
		}
		same(t, name, want, dumpSchema(t, pool, besideNext))
		if err := e.Drop(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

// A crash of the machine may bring back the file of a copy that was dropped, as of a later time and of the same name. What it
// holds was not known yet.
func TestRebuild_TakesNoSpillOfALaterTime(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(92)
	appendMany(t, log, w.history(t, 10, 100))
	then, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := project(t, log, nil)
	appendMany(t, log, w.history(t, 10, 100))
	later, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.CatchUp(t.Context(), config(log, url), later); err != nil {
		t.Fatal(err)
	}
	cfg := rebuildConfig(t, log, url, t.TempDir())
	file := filepath.Join(cfg.Dir, "ledger_data_frozen_month.spill")
	var old []byte
	cfg.Reached = func(_ context.Context, at rebuild.Point) (err error) {
		switch {
		case at == rebuild.PointSpilled && old == nil:
			old, err = os.ReadFile(file)
		case at == rebuild.PointPrepared && old != nil:
			err = os.WriteFile(file, old, 0o600)
		}
		return err
	}
	e := newEngine(t, cfg)
	if err := e.Freeze(t.Context(), "month", later); err != nil || old == nil {
		t.Fatalf("%v, %d bytes were spilled", err, len(old))
	}
	if err := e.Drop(t.Context(), "month"); err != nil {
		t.Fatal(err)
	}
	if err := e.Freeze(t.Context(), "month", then); err != nil {
		t.Fatal(err)
	}
	same(t, "the frozen tables", want, dumpSchema(t, pool, "ledger_data_frozen_month"))
}
