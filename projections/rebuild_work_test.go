package projections_test

import (
	"context"
	"os"
	"testing"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// Whoever looks at the database sees what a rebuild does and how far it is, until it ends.
func TestRebuild_TellsHowFarItIs(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(54).history(t, 20, 200))
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Workers = 2
	looked := false
	cfg.Reached = func(ctx context.Context, at rebuild.Point) error {
		if at != rebuild.PointLoaded {
			return nil
		}
		looked = true
		eventually(t, "the progress of loading", func() bool {
			w, err := rebuild.AtWork(ctx, pool)
			if err != nil || w == nil || w.Doing != "run" || w.PID != os.Getpid() {
				t.Errorf("at work: %+v, %v", w, err)
				return true
			}
			p := w.Progress
			return p != nil && p.Stage == string(rebuild.Loading) && p.Done == p.Total && p.Events == p.Total && p.Position.Commit > 0 &&
				p.Rate > 0 && p.Whole > 0.2 && p.WholeLeft > 0 && w.ToldAt.After(w.BeganAt)
		})
		return nil
	}
	if w, err := rebuild.AtWork(t.Context(), pool); err != nil || w != nil {
		t.Errorf("before: %+v, %v", w, err)
	}
	if err := newEngine(t, cfg).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("nobody looked")
	}
	eventually(t, "the lock to be gone", func() bool {
		w, err := rebuild.AtWork(t.Context(), pool)
		return err == nil && w == nil
	})
}
