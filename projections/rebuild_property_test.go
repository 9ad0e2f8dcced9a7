package projections_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// TestRebuild_IsWhatFollowingMakes: of any log, a runner with batches of any size and a rebuild in units of any size,
// by any number of workers, interrupted at any point and gone on with, make the same rows, bit for bit, which are those
// that the oracle tells; the digests say so too. What fails is made smaller; -rapid.checks looks longer.
func TestRebuild_IsWhatFollowingMakes(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	pool := newPool(t, url)
	checkProperty(t, 3, func(tb shrinking, dice drawn) {
		wipe(tb, pool)
		log := newLog(tb)
		w := &world{random: dice, rich: true}
		history := w.history(tb, 1+dice.IntN(5), 1+dice.IntN(40))
		for i := dice.IntN(3); i > 0; i-- { // some orders cannot be projected, in the middle or at the end
			poison := appended{w.orders[dice.IntN(len(w.orders))].stream, []eventData{foreign("OrderTeleported", `{}`, plainMetadata)}}
			at := dice.IntN(len(history) + 1)
			history = append(history[:at:at], append([]appended{poison}, history[at:]...)...)
		}
		appendAll(tb, log, history)
		cfg := config(log, url)
		cfg.BatchEvents, cfg.CachedOrders = 1+dice.IntN(50), 1+dice.IntN(5)
		cfg.Fingerprint = ownFingerprint(tb)
		r := start(tb, cfg)
		reach(tb, log, pool)
		r.stop(tb)
		o := oracle{events: readTold(tb, log)}
		agree(tb, pool, o)

		again := rebuildConfig(tb, log, url, tb.TempDir())
		again.UnitBytes, again.MarkEvery = []int64{4 << 10, 30 << 10, 1 << 20}[dice.IntN(3)], []int64{20, 1000}[dice.IntN(2)]
		again.Workers = 1 + dice.IntN(3)
		rebuildAt(tb, again, dice)
		same(tb, "rebuilt tables", dump(tb, pool), dumpSchema(tb, pool, besideNext))
		e := newEngine(tb, again)
		proof, err := e.Verify(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if !proof.Equal() || !proof.Compared {
			tb.Errorf("equal tables are not proven equal: %+v", proof)
		}
		for _, m := range proof.Models {
			if m.LiveSum != m.NextSum || m.LiveRows != m.NextRows {
				tb.Errorf("the digests of %s differ: %+v", m.Table, m)
			}
		}
		if err := e.Swap(tb.Context(), ""); err != nil {
			tb.Fatal(err)
		}
		agree(tb, pool, o)
		if err := e.Drop(tb.Context(), ""); err != nil {
			tb.Fatal(err)
		}
		keepsTheLog(tb, pool, log)
	})
}

// rebuildAt builds, is interrupted at the nth point that is passed, if there are as many, and goes on.
func rebuildAt(tb shrinking, cfg rebuild.Config, dice drawn) {
	tb.Helper()
	left := dice.IntN(12)
	interrupted := cfg
	interrupted.Workers = 1 // one at a time passes points, so that the same place is found again
	interrupted.Reached = func(context.Context, rebuild.Point) error {
		if left--; left == 0 {
			return errBroken
		}
		return nil
	}
	if err := newEngine(tb, interrupted).Run(tb.Context()); err == nil {
		return
	}
	if err := newEngine(tb, cfg).Run(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// keepsTheLog: the swapped tables know the log that they are of.
func keepsTheLog(tb testing.TB, pool *pgxpool.Pool, log projections.Log) {
	tb.Helper()
	conn, err := schema.Connect(tb.Context(), pool.Config().ConnString(), schema.Live)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(tb.Context())
	if err := projections.RecogniseLog(tb.Context(), conn, log); err != nil {
		tb.Error(err)
	}
}
