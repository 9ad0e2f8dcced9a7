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

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
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
	digestOfCopy := frozenSet(t, e, "month").Digest.Digest
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
		"freeze ledger_data_frozen_month by bob " + digestOfCopy + " ", "drop ledger_data_next by bob  ", "rollback ledger_data_before by bob  ",
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

// Whoever asks for a rebuild while another is at work does not rebuild once more as that one ends: it says so, or that the other
// goes on.
func TestFree_WhileAnotherIsAtWork(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(40).history(t, 5, 20))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	other := newEngine(t, cfg)
	if err := other.Free(t.Context()); err != nil {
		t.Errorf("nobody is at work: %v", err)
	}
	asked := make(chan error, 1)
	cfg.Reached = func(ctx ctxt, p rebuild.Point) error {
		switch p {
		case rebuild.PointPrepared:
			if err := other.Free(ctx); !errors.Is(err, rebuild.ErrBusy) {
				t.Errorf("another is at work: %v", err)
			}
		case rebuild.PointProven:
			looked := make(chan struct{})
			go func() {
				close(looked)
				asked <- other.Free(ctx)
			}()
			<-looked
			eventually(t, "the other to look", func() bool {
				var waiting bool
				err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%rebuild_at_work w%'
					AND pid <> pg_backend_pid())`).Scan(&waiting)
				return err == nil && waiting
			})
		}
		return nil
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; !errors.Is(err, rebuild.ErrJustSwapped) {
		t.Errorf("another swapped meanwhile: %v", err)
	}
}

// What was done outlives the schema that is made anew.
func TestTrace_OutlivesAReset(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(41).history(t, 5, 20))
	head, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.CatchUp(t.Context(), config(log, url), head); err != nil {
		t.Fatal(err)
	}
	conn := newConn(t, url)
	if _, err := conn.Exec(t.Context(), "UPDATE ledger_data.orders SET settled = settled + 1"); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	e.AskedBy(`"alice" \ ü`)
	var different *rebuild.DifferentError
	if _, err := e.All(t.Context(), ""); !errors.As(err, &different) {
		t.Fatal(err)
	}
	if err := e.Swap(t.Context(), different.Proof.Digest); err != nil {
		t.Fatal(err)
	}
	if err := e.Drop(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	want, err := rebuild.Trace(t.Context(), conn, 9)
	if err != nil || len(want) != 2 || want[1].Summary() == "" {
		t.Fatalf("%+v, %v", want, err)
	}
	keep, err := rebuild.KeepTrace(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	set, err := migrations.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Revert(t.Context(), conn, 0); err != nil {
		t.Fatal(err)
	}
	nothing, err := rebuild.KeepTrace(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(keep(t.Context()), nothing(t.Context())); err != nil {
		t.Fatal(err)
	}
	got, err := rebuild.Trace(t.Context(), conn, 9)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, kept (-want +got):\n%s", err, diff)
	}
}

// Columns that were not looked into in all rows that differ are not told as if they were.
func TestSummary_OfMoreThanWasLookedInto(t *testing.T) {
	t.Parallel()
	p := rebuild.Proof{Models: []rebuild.ModelProof{{
		Table: "orders", Slices: []int{1}, Different: 150_000, Orders: 150_000, Looked: 100_000, Columns: []rebuild.ColumnCount{{Column: "captured", Rows: 100_000}},
	}}}
	if got, want := p.Summary(), "orders: 150000 rows of 150000 orders (captured 100000, of the first 100000 rows)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
