package projections_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/parked"
)

// foreign is an event as somebody else's client might write it.
func foreign(eventType, data, metadata string) eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(data), Metadata: []byte(metadata)}
}

const plainMetadata = `{"ledger_id":"01J9ZZZZZZZZZZZZZZZZZZZZZZ","schema":1,"occurred_at":"2026-10-01T00:00:00Z",` +
	`"occurred_at_basis":"received","recorded_at":"2026-10-01T00:00:01Z","source":"decta","actor":"system"}`

// TestParked_AnyPoison puts one event that cannot be projected behind some that can. The order
// shows what it was before, with the flag parked; its later events are counted and in the history;
// all other orders are as if nothing had happened, in any batch size.
func TestParked_AnyPoison(t *testing.T) {
	t.Parallel()
	captured := func(orderID, currency, amount string) string {
		return fmt.Sprintf(`{"payment_id":"%s","amount":{"amount":"%s","currency":"%s"}}`, orderID, amount, currency)
	}
	for name, poison := range map[string]func(*simulated) eventstore.EventData{
		"UnknownType": func(*simulated) eventstore.EventData {
			return foreign("OrderTeleported", `{"to":"mars"}`, plainMetadata)
		},
		"NewerSchema": func(*simulated) eventstore.EventData { return foreign("OrderIssued", `{}`, `{"schema":999}`) },
		"NoJSON": func(*simulated) eventstore.EventData {
			return foreign("OrderIssued", "\xff\x00<xml/>", "not json either")
		},
		"NoMetadata": func(*simulated) eventstore.EventData { return foreign("OrderIssued", `{}`, "") },
		"WrongShape": func(*simulated) eventstore.EventData {
			return foreign("PaymentCaptured", `{"amount":"12.50"}`, plainMetadata)
		},
		"OtherCurrency": func(s *simulated) eventstore.EventData {
			return foreign("PaymentCaptured", captured(s.id, "XOF", "5"), plainMetadata)
		},
		"OtherOrder": func(*simulated) eventstore.EventData {
			return foreign("OrderRegistered", `{"order_id":"someone else"}`, plainMetadata)
		},
		"OtherCategory": func(s *simulated) eventstore.EventData {
			return foreign("OrderRegistered", `{"order_id":"`+s.id+`","kind":"payout"}`, plainMetadata)
		},
		"QuarantineHere": func(*simulated) eventstore.EventData { return foreign("NotificationQuarantined", `{}`, plainMetadata) },
		"NegativeBalance": func(s *simulated) eventstore.EventData {
			return foreign("LedgerCorrectionRecorded", fmt.Sprintf(`{"reason":"x","adjustments":[{"balance":"received_externally",`+
				`"direction":"decrease","amount":{"amount":"99999","currency":"%s"}}]}`, s.due.Currency().Code()), plainMetadata)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkPoison(t, poison)
		})
	}
}

func checkPoison(t *testing.T, poison func(*simulated) eventstore.EventData) {
	t.Helper()
	log := newLog(t)
	w := newWorld(21)
	healthy := w.history(t, 4, 30)
	victim := w.orders[0]
	victim.test, victim.kind = false, order.KindPayment
	i := slices.IndexFunc(healthy, func(a appended) bool { return a.stream == victim.stream })
	if i < 0 || !strings.HasPrefix(victim.stream, "order-") {
		t.Fatal("the victim has no history")
	}
	appendAll(t, log, healthy[:i+1])
	good := uint64(len(healthy[i].events)) - 1
	bad := poison(victim)
	if _, err := log.Append(t.Context(), victim.stream, eventstore.Any, bad); err != nil {
		t.Fatal(err)
	}
	appendAll(t, log, healthy[i+1:])

	at := newDatabase(t)
	pool := newPool(t, at)
	r := start(t, config(log, at))
	reach(t, log, pool)
	got := dump(t, pool)
	same(t, "one event at a time", got, project(t, log, func(c *projections.Config) { c.BatchEvents = 1 }))

	o, err := orders.NewReader(pool).Get(t.Context(), victim.id)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(o.Flags, order.FlagParked) || o.Revision != good {
		t.Errorf("the order is at revision %d with flags %v, want %d and parked", o.Revision, o.Flags, good)
	}
	later := 0
	for _, a := range healthy[i+1:] {
		if a.stream == victim.stream {
			later += len(a.events)
		}
	}
	held := parkedOrders(t, pool)
	if len(held) != 1 || held[0].OrderID != victim.id || held[0].EventID != bad.ID || held[0].Revision != good+1 ||
		held[0].HeldBack != int64(later) || held[0].Reason == "" {
		t.Errorf("parked: %+v, want revision %d and %d held back", held, good+1, later)
	}
	events, err := history.NewReader(pool).OfOrder(t.Context(), victim.id, 0, 1000)
	if err != nil || len(events) != int(good)+2+later {
		t.Errorf("the history has %d events, want %d: %v", len(events), int(good)+2+later, err)
	}
	if st := r.Status(t.Context()); st.Parked != 1 || st.Failures != 0 {
		t.Errorf("status: %+v", st)
	}
	same(t, "the other orders", without(project(t, healthyLog(t, healthy), nil), victim.id), without(got, victim.id))

	var still *projections.StillParkedError
	if err := projections.Retry(t.Context(), pool, log, victim.id); !errors.As(err, &still) || still.Parked.Revision != good+1 {
		t.Errorf("a retry of what cannot be projected: %v", err)
	}
	same(t, "after the retry", got, dump(t, pool))
}

func healthyLog(tb testing.TB, all []appended) projections.Log {
	tb.Helper()
	log := newLog(tb)
	appendAll(tb, log, all)
	return log
}

// without leaves out the lines of one order, and the positions, which differ from log to log.
func without(dumped, orderID string) string {
	var kept []string
	for line := range strings.Lines(dumped) {
		if !strings.Contains(line, orderID) && !strings.HasPrefix(line, "checkpoint") {
			kept = append(kept, positionLike.ReplaceAllString(line, ""))
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, "")
}

func parkedOrders(tb testing.TB, pool *pgxpool.Pool) []parked.Order {
	tb.Helper()
	held, err := parked.List(tb.Context(), pool)
	if err != nil {
		tb.Fatal(err)
	}
	return held
}

// TestParked_FromItsFirstEvent: an order without a single good event still shows that it exists.
func TestParked_FromItsFirstEvent(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"order-", "ordertest-", "payout-"} {
		log := newLog(t)
		appendAll(t, log, []appended{{prefix + "strange id é", []eventstore.EventData{
			foreign("PaymentCaptured", `{"payment_id":"p"}`, plainMetadata), foreign("OrderIssued", `{}`, plainMetadata),
		}}})
		got := project(t, log, nil)
		if strings.Count(got, "order_history ") != 2 || strings.Count(got, "parked") < 2 || !strings.Contains(got, "{parked}") {
			t.Errorf("%s: %s", prefix, got)
		}
	}
}

// TestParked_OneIDInTwoCategories: only a foreign writer can do this, and it must not stop the books.
func TestParked_OneIDInTwoCategories(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	w := newWorld(22)
	all := w.history(t, 3, 40)
	id := w.orders[0].id
	for _, category := range []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout} {
		all = append(all, appended{order.StreamName(category, id), []eventstore.EventData{foreign("OrderIssued", `{}`, plainMetadata)}})
	}
	appendAll(t, log, all)
	same(t, "one event at a time", project(t, log, nil), project(t, log, func(c *projections.Config) { c.BatchEvents = 1 }))
}

// TestParked_RefusedByPostgres: a constraint that the fold does not know of. The order is found in
// its batch and parked at the same event whatever the batch was; without the constraint, Retry
// makes everything as if nothing had ever been wrong.
func TestParked_RefusedByPostgres(t *testing.T) {
	t.Parallel()
	const constraint = "ALTER TABLE ledger_data.orders ADD CONSTRAINT strange CHECK (captured < 150 OR currency <> 'EUR')"
	log := newLog(t)
	w := newWorld(23)
	appendMany(t, log, w.history(t, 8, 70))
	// One of the refused orders also has an event, later in the same batch, that cannot be folded.
	for _, s := range w.orders {
		if s.state.Currency.Code() == "EUR" && s.state.Balances().Captured.Amount().IntPart() >= 150 {
			appendAll(t, log, []appended{{s.stream, []eventstore.EventData{foreign("OrderTeleported", `{}`, plainMetadata)}}})
			break
		}
	}
	want := project(t, log, nil)

	var first string
	sizes := []int{1, 8000}
	for _, size := range sizes {
		at := newDatabase(t)
		pool := newPool(t, at)
		if _, err := pool.Exec(t.Context(), constraint); err != nil {
			t.Fatal(err)
		}
		cfg := config(log, at)
		cfg.BatchEvents = size
		r := start(t, cfg)
		reach(t, log, pool)
		held := parkedOrders(t, pool)
		if len(held) == 0 || len(held) == len(w.orders) {
			t.Fatalf("batches of %d: %d orders are parked", size, len(held))
		}
		got := dump(t, pool)
		if first == "" {
			first = got
		}
		same(t, fmt.Sprintf("batches of %d", size), first, got)

		var still *projections.StillParkedError
		if err := projections.Retry(t.Context(), pool, log, held[0].OrderID); !errors.As(err, &still) {
			t.Errorf("a retry under the constraint: %v", err)
		}
		if _, err := pool.Exec(t.Context(), "ALTER TABLE ledger_data.orders DROP CONSTRAINT strange"); err != nil {
			t.Fatal(err)
		}
		stillParked := 0
		for _, p := range held {
			if err := projections.Retry(t.Context(), pool, log, p.OrderID); errors.As(err, &still) {
				stillParked++
			} else if err != nil {
				t.Error(err)
			}
		}
		if stillParked != 1 {
			t.Errorf("%d orders are still parked", stillParked)
		}
		same(t, "after the retries", want, dump(t, pool))
		eventually(t, "the leader to see what is parked", func() bool { return r.Status(t.Context()).Parked == 1 })
		if size == sizes[len(sizes)-1] {
			appendAll(t, log, w.history(t, 0, 20))
			reach(t, log, pool)
			same(t, "going on after the retries", project(t, log, nil), dump(t, pool))
		}
		r.stop(t)
	}
	if err := projections.Retry(t.Context(), newPool(t, newDatabase(t)), log, "nobody"); !errors.Is(err, projections.ErrNotParked) {
		t.Errorf("a retry of an order that is not parked: %v", err)
	}
}

// TestHistory_KeepsEveryByte: what jsonb cannot hold is kept in base64 and does not park the order,
// and text that PostgreSQL cannot hold is replaced.
func TestHistory_KeepsEveryByte(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"NUL":           `{"name":"a\u0000b"}`,
		"HalfSurrogate": `{"name":"a\ud800b"}`,
		"HugeNumber":    `{"n":1e999999}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newLog(t)
			w := newWorld(24)
			all := w.history(t, 2, 20)
			s := w.orders[1]
			metadata := order.Metadata{RecordedAt: day, OccurredAt: day, Source: "decta", Actor: "sys\x00tem"}
			evidence := encode(t, uuid.New(), order.NotificationRecorded{NotificationID: "n", Gateway: "decta"}, metadata)
			evidence.Data = []byte(`{"notification_id":"n","gateway":"decta","body":` + body + `}`)
			all = append(all, appended{s.stream, []eventstore.EventData{evidence}})
			appendAll(t, log, all)

			at := newDatabase(t)
			pool := newPool(t, at)
			start(t, config(log, at))
			reach(t, log, pool)
			if held := parkedOrders(t, pool); len(held) != 0 {
				t.Errorf("parked: %+v", held)
			}
			events, err := history.NewReader(pool).OfOrder(t.Context(), s.id, 0, 1000)
			if err != nil || len(events) == 0 {
				t.Fatalf("history: %v", err)
			}
			last := events[len(events)-1]
			var kept map[string][]byte
			if err := json.Unmarshal(last.Data, &kept); err != nil || string(kept[storable.UnreadableKey]) != string(evidence.Data) {
				t.Errorf("kept %.200s, %v", last.Data, err)
			}
		})
	}
}

// TestQuarantine_OncePerBody: the same event id twice in the log is one row, and what is no
// quarantined notification at all is there too.
func TestQuarantine_OncePerBody(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	w := newWorld(25)
	a := w.quarantined(t)
	b := a
	b.stream = order.QuarantineStream("decta") // another stream: the log cannot know
	appendAll(t, log, []appended{a, b, {order.QuarantineStream("decta"), []eventstore.EventData{
		foreign("OrderIssued", `{}`, plainMetadata), foreign("What", "\xff", ""),
	}}})
	at := newDatabase(t)
	pool := newPool(t, at)
	start(t, config(log, at))
	reach(t, log, pool)
	rows, err := pool.Query(t.Context(), "SELECT source, code FROM ledger.quarantine ORDER BY position")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var source, code string
		if err := rows.Scan(&source, &code); err != nil {
			t.Fatal(err)
		}
		got = append(got, source+" "+code)
	}
	want := []string{"everifin unknown_order", "decta malformed_body", "decta malformed_body"}
	if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
		t.Errorf("quarantine (-want +got): %s %v", diff, rows.Err())
	}
}
