package projections_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

var errInterrupted = errors.New("interrupted here")

// interrupted runs an engine until it passes a point.
func interrupted(tb testing.TB, cfg rebuild.Config, at rebuild.Point) {
	tb.Helper()
	cfg.Reached = func(_ context.Context, p rebuild.Point) error {
		if p == at {
			return errInterrupted
		}
		return nil
	}
	if err := newEngine(tb, cfg).Run(tb.Context()); !errors.Is(err, errInterrupted) {
		tb.Fatalf("not interrupted: %v", err)
	}
}

// otherProgram changes the fingerprint, as an upgrade of the ledger does.
func otherProgram(cfg rebuild.Config) rebuild.Config {
	cfg.Fingerprint = maps.Clone(cfg.Fingerprint)
	cfg.Fingerprint["fold"] = "of another version"
	return cfg
}

// What one version of the program began, another one begins anew, wherever it was interrupted: rows of two versions are never
// mixed. So is one whose units are of another size: their numbers mean something else.
func TestRebuild_AnotherProgramBeginsAnew(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(52).history(t, 20, 200))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	for _, at := range []rebuild.Point{rebuild.PointMarked, rebuild.PointUnitLoaded, rebuild.PointKeyMade} {
		for name, upgrade := range map[string]func(rebuild.Config) rebuild.Config{
			"another fold": otherProgram,
			"other units":  func(cfg rebuild.Config) rebuild.Config { cfg.UnitBytes /= 3; return cfg },
		} {
			if at == rebuild.PointKeyMade && name == "other units" { // all are loaded: it goes on
				continue
			}
			cfg := rebuildConfig(t, log, url, t.TempDir())
			interrupted(t, cfg, at)
			// As the earlier version would have written it.
			if _, err := pool.Exec(t.Context(), "UPDATE ledger_data_next.order_history SET actor = 'of another fold'"); err != nil {
				t.Fatal(err)
			}
			next := newEngine(t, upgrade(cfg))
			plan, err := next.Plan(t.Context())
			if err != nil || plan.BeginsAnew == "" || plan.Continues != "" {
				t.Errorf("%s after %s: the plan: %+v, %v", name, at, plan, err)
			}
			if err := next.Run(t.Context()); err != nil {
				t.Fatalf("%s after %s: %v", name, at, err)
			}
			same(t, name+" after "+string(at), want, dumpSchema(t, pool, besideNext))
			if err := next.Drop(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Tables that another version finished may be what was live before a rollback: they are neither thrown away nor taken.
func TestRebuild_OfAnotherProgramIsNotTaken(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(53).history(t, 10, 100))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	e := newEngine(t, cfg)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() {
		t.Fatalf("%+v, %v", proof, err)
	}
	other := newEngine(t, otherProgram(cfg))
	for verb, do := range map[string]func() error{
		"run":    func() error { return other.Run(t.Context()) },
		"verify": func() error { _, err := other.Verify(t.Context()); return err },
		"swap":   func() error { return other.Swap(t.Context(), "") },
		"all":    func() error { _, err := other.All(t.Context(), ""); return err },
	} {
		if err := do(); !errors.Is(err, rebuild.ErrOtherProgram) || !strings.Contains(err.Error(), "fold changed") {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := e.Swap(t.Context(), ""); err != nil {
		t.Errorf("the version that made them: %v", err)
	}
}
