package projections_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// Who swapped what in, and which differences were approved by it, is kept in the database and logged, whatever is swapped or dropped
// afterwards.
func TestTrace_OfWhatWasApproved(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(39).history(t, 20, 100))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	tag, err := pool.Exec(t.Context(), "UPDATE ledger_data.orders SET settled = settled + 1")
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	e := newEngine(t, cfg)
	e.AskedBy("alice")
	_, err = e.All(t.Context(), "")
	var different *rebuild.DifferentError
	if !errors.As(err, &different) {
		t.Fatal(err)
	}
	digest := different.Proof.Digest
	if done, err := e.Trace(t.Context(), 9); err != nil || len(done) != 0 {
		t.Errorf("nothing was done, and kept is %+v, %v", done, err)
	}
	if err := e.Swap(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	e.AskedBy("bob")
	if err := e.Rollback(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := e.Drop(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := e.FreezeRecorded(t.Context(), "month", day.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	done, err := e.Trace(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range done {
		got = append(got, fmt.Sprint(done[i].Doing, " ", done[i].Tables, " by ", done[i].By, " ", done[i].Proof, " ", done[i].Summary()))
		if done[i].Host != host || done[i].At.IsZero() {
			t.Errorf("%+v", done[i])
		}
	}
	n := tag.RowsAffected()
	differences := fmt.Sprintf("orders: %d rows of %d orders (settled %d)", n, n, n)
	want := []string{
		"freeze ledger_data_frozen_month by bob  ", "drop ledger_data_next by bob  ", "rollback ledger_data_before by bob  ",
		"swap ledger_data_next by alice " + digest + " " + differences,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"are live\" took", "asked_by=alice proof=" + digest + " approved=true differences=\"" + differences, "before the swap are live again", "are dropped", "asked_by=bob",
	} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, logged.String())
		}
	}
}
