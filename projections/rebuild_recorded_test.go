package projections_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// withoutLog is a log in which some events are not.
type withoutLog struct {
	projections.Log
	without map[uuid.UUID]bool
}

func (l withoutLog) SubscribeAll(ctx ctxt, sub eventstore.AllSubscription) messages {
	return func(yield func(eventstore.Message, error) bool) {
		for message, err := range l.Log.SubscribeAll(ctx, sub) {
			if appeared, ok := message.(eventstore.EventAppeared); ok && l.without[appeared.Event.ID] {
				message = eventstore.CheckpointReached{Position: appeared.Event.Position}
			}
			if !yield(message, err) {
				return
			}
		}
	}
}

func (l withoutLog) ReadStream(ctx ctxt, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		for ev, err := range l.Log.ReadStream(ctx, stream, read) {
			if err == nil && l.without[ev.ID] {
				continue
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// recordedAt makes all events of an append recorded at another time.
func recordedAt(tb testing.TB, a *appended, at time.Time) {
	tb.Helper()
	for i := range a.events {
		var envelope map[string]any
		if err := json.Unmarshal(a.events[i].Metadata, &envelope); err != nil {
			tb.Fatal(err)
		}
		envelope["recorded_at"] = at.Format(time.RFC3339Nano)
		raw, err := json.Marshal(envelope)
		if err != nil {
			tb.Fatal(err)
		}
		a.events[i].Metadata = raw
	}
}

var checkpointLine = regexp.MustCompile(`(?m)^checkpoint .*$`)

// A copy as of a time is of the events that were recorded by then, whatever clocks were ahead or behind as they were appended: its
// rows are those of a log that has no others, and each order is what its own stream says about that time. It is so after an
// interruption, and in units of any size.
func TestFreezeRecorded_IsOfWhatWasRecordedByThen(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(37)
	all := w.history(t, 30, 400)
	by := day.Add(200*1234567*time.Microsecond + 100) // microseconds, and 100 ns
	counted := make(map[bool]int)
	without, cut := make(map[uuid.UUID]bool), make(map[string]bool)
	for i := range all {
		a := &all[i]
		late := i >= 198 // those around it are at by or differ from it by nanoseconds
		switch {
		case i%7 == 3:
			recordedAt(t, a, by.AddDate(1, 0, 0))
			late = true
		case i > 210 && i%5 == 0:
			recordedAt(t, a, by.Add(-time.Hour))
			late = false
		case i > 190 && i <= 210:
			recordedAt(t, a, by.Add(time.Duration(i%4)*300)) // the views show the same microsecond for three of them
			late = i%4 == 3
		case i > 150 && i <= 190: // which the world's own time may be on either side of
			recordedAt(t, a, by.Add(-time.Minute))
		case i > 210:
			recordedAt(t, a, by.Add(time.Minute))
		}
		quarantined := strings.HasPrefix(a.stream, "quarantine-")
		cut[a.stream] = !quarantined && (cut[a.stream] || late)
		for _, ev := range a.events {
			if _, again := without[ev.ID]; !again { // the log takes it once
				without[ev.ID] = late || cut[a.stream]
			}
		}
		counted[late]++
	}
	if counted[true] < 50 || counted[false] < 50 {
		t.Fatalf("%v", counted)
	}
	appendAll(t, log, all)
	want := checkpointLine.ReplaceAllString(project(t, withoutLog{log, without}, nil), "")
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	for i, unitBytes := range []int64{2 << 10, 100 << 20} {
		cfg := rebuildConfig(t, log, url, t.TempDir())
		cfg.UnitBytes = unitBytes
		name := fmt.Sprintf("month_%d", i)
		stopped := cfg
		stopped.Reached = func(_ ctxt, p rebuild.Point) error {
			if p == rebuild.PointUnitLoaded {
				return errInterrupted
			}
			return nil
		}
		if err := newEngine(t, stopped).FreezeRecorded(t.Context(), name, by); !errors.Is(err, errInterrupted) {
			t.Fatal(err)
		}
		e := newEngine(t, cfg)
		if err := e.FreezeRecorded(t.Context(), name, by.Add(time.Second)); err == nil || !strings.Contains(err.Error(), "as of 2026-10-01T00:04:06.9134Z") {
			t.Errorf("another moment: %v", err)
		}
		if err := e.FreezeRecorded(t.Context(), name, by); err != nil {
			t.Fatal(err)
		}
		same(t, "the copy "+name, want, checkpointLine.ReplaceAllString(dumpSchema(t, pool, "ledger_data_frozen_"+name), ""))
	}
	absent := 0
	for _, s := range w.orders {
		var revision *uint64
		err := pool.QueryRow(t.Context(), `SELECT (SELECT revision FROM month_0.orders WHERE order_id = $1 UNION ALL
			SELECT revision FROM month_0.test_orders WHERE order_id = $1 UNION ALL SELECT revision FROM month_0.payouts WHERE order_id = $1)`, s.id).Scan(&revision)
		if err != nil {
			t.Fatal(err)
		}
		past, err := refold.At(t.Context(), log, s.stream, refold.Moment{Time: by, By: refold.ByRecorded})
		switch {
		case errors.Is(err, refold.ErrNotFound) || errors.Is(err, eventstore.ErrStreamNotFound):
			if absent++; revision != nil {
				t.Errorf("%s is in the copy at revision %d, and was not known", s.stream, *revision)
			}
		case err != nil:
			t.Fatal(err)
		case revision == nil || *revision != past.Revision():
			t.Errorf("%s is in the copy: %t, and not at revision %d as of then", s.stream, revision != nil, past.Revision())
		}
	}
	if absent == 0 || absent > len(w.orders)/2 {
		t.Errorf("%d of %d orders were not known: this is no test", absent, len(w.orders))
	}
}
