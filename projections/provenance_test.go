package projections_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

// TestViews_EachRowNamesItsEvent folds random streams event by event: a part of an order that shows something else
// after an event names that event, and no part names an event that is not about it. In the database each row names an
// event that stands in the audit trail of its order.
func TestViews_EachRowNamesItsEvent(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	w := newWorld(20)
	appendMany(t, log, w.history(t, 40, 800))
	compared := 0
	for _, s := range w.orders {
		var state order.State
		before := make(map[string]part)
		for ev, err := range log.ReadStream(t.Context(), s.stream, eventstore.StreamRead{}) {
			if err != nil { // an order without events
				break
			}
			event, metadata, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
			if err != nil {
				t.Fatal(err)
			}
			this := order.Ref{ID: ev.ID, Revision: ev.Revision, Position: ev.Position.Commit}
			state.Apply(order.Recorded{Event: event, ID: ev.ID, Revision: ev.Revision, Position: ev.Position.Commit, Metadata: metadata})
			category, _, _ := order.ParseStreamName(s.stream)
			now := parts(t, detail.Of(category, s.id, &state))
			for id, p := range now {
				compared++
				switch shown := cmp.Diff(before[id].shown, p.shown); {
				case p.event == provenance.Of(this):
					if !strings.Contains(string(ev.Data), id) {
						t.Errorf("%s: %s names the %s at revision %d, which is not about it", s.stream, id, ev.Type, ev.Revision)
					}
				case shown != "" || p.event != before[id].event:
					t.Errorf("%s: the %s at revision %d changed %s, which names revision %d:\n%s",
						s.stream, ev.Type, ev.Revision, id, p.event.Revision, shown)
				}
			}
			before = now
		}
	}
	if compared == 0 {
		t.Fatal("there was nothing to compare")
	}

	start(t, config(log, at))
	reach(t, log, pool)
	for _, view := range []string{"orders", "test_orders", "payouts", "payments", "refunds", "disputes", "dispute_timeline"} {
		var rows, named int
		if err := pool.QueryRow(t.Context(), `
			SELECT count(*), count(h.event_id) FROM ledger.`+view+` AS r LEFT JOIN ledger.order_history AS h
			  ON h.order_id = r.order_id AND h.revision = r.revision AND h.position = r.position AND h.event_id = r.event_id`,
		).Scan(&rows, &named); err != nil {
			t.Fatal(err)
		}
		if rows == 0 || named != rows {
			t.Errorf("ledger.%s: %d of %d rows name an event of their order", view, named, rows)
		}
	}
}

// part is a payment, refund or dispute: what it shows, and the event that it names.
type part struct {
	shown string // as JSON
	event provenance.Event
}

func parts(tb testing.TB, o detail.Order) map[string]part {
	tb.Helper()
	all := make(map[string]part)
	add := func(id string, event provenance.Event, row any) {
		raw, err := json.Marshal(row)
		if err != nil {
			tb.Fatal(err)
		}
		all[id] = part{shown: string(raw), event: event}
	}
	for _, p := range o.Payments {
		event := p.Event
		p.Event = provenance.Event{}
		add(p.ID, event, p)
	}
	for _, f := range o.Refunds {
		event := f.Event
		f.Event = provenance.Event{}
		add(f.ID, event, f)
	}
	for _, d := range o.Disputes {
		event := d.Event
		d.Event = provenance.Event{}
		add(d.ID, event, d)
	}
	return all
}
