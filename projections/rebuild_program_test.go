package projections_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/projections/fingerprint"
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
	for _, at := range []rebuild.Point{rebuild.PointMarked, rebuild.PointUnitLoaded, rebuild.PointKeyMade, rebuild.PointBuilt} {
		for name, upgrade := range map[string]func(rebuild.Config) rebuild.Config{
			"another fold": otherProgram,
			"other units":  func(cfg rebuild.Config) rebuild.Config { cfg.UnitBytes /= 3; return cfg },
		} {
			if (at == rebuild.PointKeyMade || at == rebuild.PointBuilt) && name == "other units" { // all are loaded: it goes on
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

// What another version built is never compared or swapped in, and what was live before a rollback is not thrown away either.
func TestRebuild_OfAnotherProgramIsNotTaken(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(53).history(t, 10, 100))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	if err := fingerprint.Store(t.Context(), pool, cfg.Fingerprint); err != nil {
		t.Fatal(err)
	}
	e, other := newEngine(t, cfg), newEngine(t, otherProgram(cfg))
	refused := func(when string, verbs map[string]func() error) {
		t.Helper()
		for verb, do := range verbs {
			if err := do(); !errors.Is(err, rebuild.ErrOtherProgram) || !strings.Contains(err.Error(), "fold changed") {
				t.Errorf("%s, %s: %v", when, verb, err)
			}
		}
	}
	taking := map[string]func() error{
		"verify": func() error { _, err := other.Verify(t.Context()); return err },
		"swap":   func() error { return other.Swap(t.Context(), "") },
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() {
		t.Fatalf("%+v, %v", proof, err)
	}
	refused("built", taking)
	if err := e.Swap(t.Context(), ""); err != nil {
		t.Fatalf("the version that made them: %v", err)
	}
	if err := e.Rollback(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	taking["run"] = func() error { return other.Run(t.Context()) }
	taking["all"] = func() error { _, err := other.All(t.Context(), ""); return err }
	refused("after a rollback", taking)
	if err := other.Drop(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := other.Run(t.Context()); err != nil {
		t.Errorf("after the drop: %v", err)
	}
}
