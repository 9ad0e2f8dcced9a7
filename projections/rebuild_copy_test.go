package projections_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// frozenSet is what is known of a frozen copy.
func frozenSet(tb testing.TB, e *rebuild.Engine, views string) rebuild.Set {
	tb.Helper()
	sets, err := e.Status(tb.Context())
	i := slices.IndexFunc(sets, func(s rebuild.Set) bool { return s.Views == views })
	if err != nil || i < 0 {
		tb.Fatalf("%s is not among %+v, %v", views, sets, err)
	}
	return sets[i]
}

// A frozen copy is proven to be what it was when it was made, whatever happens to the live views; a value that somebody changed, a
// row or a table that is gone, and a table that was added are named.
func TestVerifyCopy_NamesWhatIsNotWhatItWas(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(57)
	appendMany(t, log, w.history(t, 20, 200))
	then, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, config(log, url))
	reach(t, log, pool)
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if err := e.Freeze(t.Context(), "month", then); err != nil {
		t.Fatal(err)
	}
	appendMany(t, log, w.history(t, 20, 200))
	reach(t, log, pool)
	r.stop(t)
	if _, err := e.All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	orders := 0
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM month.orders").Scan(&orders); err != nil {
		t.Fatal(err)
	}
	verify := func(want ...string) {
		t.Helper()
		p, err := e.VerifyCopy(t.Context(), "month")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{}, want...), p.Changed); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
		if equal := p.Is.Digest == p.Was.Digest; equal != (len(want) == 0) {
			t.Errorf("the digest is %s, and was %s", p.Is.Digest, p.Was.Digest)
		}
		if p.Was.Digest != frozenSet(t, e, "month").Digest.Digest {
			t.Errorf("compared with another digest than that of the copy: %+v", p.Was)
		}
		i := slices.IndexFunc(p.Was.Models, func(m rebuild.ModelDigest) bool { return m.Table == "orders" })
		if i < 0 || p.Was.Models[i].Rows != int64(orders) || orders == 0 {
			t.Errorf("of %d orders: %+v", orders, p.Was.Models)
		}
	}
	do := func(sql string) {
		t.Helper()
		if tag, err := pool.Exec(t.Context(), sql); err != nil || tag.Update() && tag.RowsAffected() == 0 {
			t.Fatalf("%s: %v, %v", sql, tag, err)
		}
	}
	verify()
	const one = " WHERE order_id = (SELECT min(order_id) FROM ledger_data_frozen_month.orders)"
	do("UPDATE ledger_data_frozen_month.orders SET settled = settled + 1" + one)
	verify("orders")
	do("DELETE FROM ledger_data_frozen_month.order_history WHERE position = (SELECT max(position) FROM ledger_data_frozen_month.order_history)")
	verify("order_history", "orders")
	do("UPDATE ledger_data_frozen_month.orders SET settled = settled - 1" + one)
	verify("order_history")
	do("DROP TABLE ledger_data_frozen_month.quarantine CASCADE; CREATE TABLE ledger_data_frozen_month.mine (id int PRIMARY KEY)")
	verify("mine", "order_history", "quarantine")

	// One that an earlier version made has nothing to be compared with, and one of another method nothing that counts.
	do("UPDATE ledger_control.rebuilds SET proof = jsonb_set(proof, '{method}', '0') WHERE views = 'month'")
	if _, err := e.VerifyCopy(t.Context(), "month"); !errors.Is(err, rebuild.ErrOtherDigest) {
		t.Error(err)
	}
	do("UPDATE ledger_control.rebuilds SET proof = NULL WHERE views = 'month'")
	if _, err := e.VerifyCopy(t.Context(), "month"); !errors.Is(err, rebuild.ErrNoDigest) {
		t.Error(err)
	}
	if _, err := e.VerifyCopy(t.Context(), "october"); !errors.Is(err, rebuild.ErrNoCopy) {
		t.Error(err)
	}
}
