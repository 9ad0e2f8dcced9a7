package push_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/copylog"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// use goes on with another log.
func (w *world) use(log *node.Node) {
	w.log = log
	w.intake = commands.NewIntake(commands.IntakeConfig{Log: w.log, Translators: []commands.Translator{decta.New()}})
}

func openNode(t *testing.T, dir string) *node.Node {
	t.Helper()
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

// pushedIDs are the events of the log that the subscribers of these tests get, from a position on.
func (w *world) pushedIDs(after eventstore.Position) []string {
	w.t.Helper()
	var ids []string
	for e, err := range w.log.ReadAll(w.t.Context(), eventstore.AllRead{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Position.Compare(after) > 0 && slices.Contains([]string{"OrderIssued", "PaymentProcessingStarted", "PaymentCaptured"}, e.Type) {
			ids = append(ids, e.ID.String())
		}
	}
	return ids
}

// history are the types of what the log tells of a subscriber, and who did it.
func (w *world) history(subscriber string) (types, actors []string) {
	w.t.Helper()
	outcomes, err := push.History(w.t.Context(), w.log, push.HistoryRequest{Subscriber: subscriber, Most: 10_000})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range slices.Backward(outcomes) {
		types, actors = append(types, outcomes[i].Type), append(actors, outcomes[i].Actor)
	}
	return types, actors
}

func (w *world) status(subscriber string) push.Status {
	w.t.Helper()
	all, err := push.List(w.t.Context(), w.pool)
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s push.Status) bool { return s.Name == subscriber })
	if i < 0 {
		return push.Status{}
	}
	return all[i]
}

func (w *world) count(query string) (n int) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), query).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// delivered waits until so many deliveries to the shop are known as delivered, and stand in the log.
func (w *world) delivered(n int) {
	w.t.Helper()
	until(w.t, "it is known as delivered", func() bool { return w.status("shop").Delivered >= int64(n) })
	w.toldAll()
}

// toldAll waits until what became of deliveries stands in the log.
func (w *world) toldAll() {
	w.t.Helper()
	until(w.t, "the log tells of everything", func() bool { return w.count("SELECT count(*) FROM ledger_push.history") == 0 })
}

// TestRestoredLog: the log is brought back from a backup that knows less than the database. Every event that
// comes afterwards is delivered, though its position is one that had been planned in the log that is gone;
// what waited of facts that are gone is not sent; and the log says what happened.
func TestRestoredLog(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var status atomic.Int64
	status.Store(200)
	r := receive(t, func(int, string) int { return int(status.Load()) }, secret(1))
	shop := w.subscriber("shop", r, nil)
	stop := w.run(time.Now, shop)
	want := w.pay(false)
	want += w.pay(false)
	w.delivered(want)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := w.log.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	status.Store(500)
	for range 8 {
		w.pay(false)
	}
	until(t, "more is planned", func() bool { return w.status("shop").Pending == 8*3 })
	stop()
	lost := map[string]bool{}
	restored := openNode(t, backup)
	end, _, err := restored.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range w.pushedIDs(end) {
		lost[id] = true
	}

	w.use(restored)
	status.Store(200)
	for range 3 {
		w.pay(false) // before anybody delivers again
	}
	stop = w.run(time.Now, shop)
	w.pay(false)
	later := w.pushedIDs(end)
	if len(later) != 4*3 {
		t.Fatalf("%d events came later", len(later))
	}
	until(t, "every later event is delivered", func() bool {
		got := r.accepted()
		return !slices.ContainsFunc(later, func(id string) bool { return !slices.Contains(got, id) })
	})
	w.toldAll()
	stop()
	for _, id := range r.accepted() {
		if lost[id] && !slices.Contains(later, id) {
			t.Errorf("%s was delivered, which is in no log any more", id)
		}
	}
	if n := len(r.accepted()); n != want+len(later) {
		t.Errorf("%d deliveries, want %d: what the log knew as delivered was sent again", n, want+len(later))
	}
	if types, _ := w.history("shop"); !slices.Contains(types, push.SubscriberReset) {
		t.Errorf("the log does not say that deliveries were planned anew: %v", types)
	}
	if n := w.count("SELECT count(*) FROM ledger_push.settled"); n != 0 {
		t.Errorf("%d rows are left of planning anew", n)
	}
}

// TestCopiedLog: in a copy every position is another. Nothing is left out or sent again.
func TestCopiedLog(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := receive(t, always(200), secret(1))
	shop := w.subscriber("shop", r, nil)
	w.pay(false)
	stop := w.run(time.Now, shop)
	w.delivered(3)
	stop()
	copied := openNode(t, t.TempDir())
	for range 20 { // positions are not the same
		filler := eventstore.EventData{ID: uuid.New(), Type: "Filler", JSON: true, Data: []byte("{}")}
		if _, err := copied.Append(t.Context(), "filler", eventstore.Any, filler); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := copylog.Copy(t.Context(), w.log, copied, nil, func(copylog.Progress) error { return nil }); err != nil {
		t.Fatal(err)
	}
	w.use(copied)
	w.pay(false)
	w.run(time.Now, shop)
	until(t, "what came later is delivered", func() bool { return len(r.accepted()) == 6 })
	if got := r.accepted(); len(slices.Compact(slices.Sorted(slices.Values(got)))) != 6 {
		t.Errorf("some were sent twice: %v", got)
	}
}

// TestForeignLog: with a log that knows nothing of the subscription nothing is sent, whatever its positions
// are, until an operator says from where.
func TestForeignLog(t *testing.T) {
	t.Parallel()
	for _, from := range []string{push.FromBeginning, push.FromNow, "position"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			r := receive(t, always(200), secret(1))
			shop := w.subscriber("shop", r, nil)
			w.pay(false)
			stop := w.run(time.Now, shop)
			w.delivered(3)
			stop()
			w.use(openNode(t, t.TempDir()))
			w.pay(false)
			first, _, err := w.log.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.pay(false)
			stop = w.run(time.Now, shop)
			until(t, "deliveries are held back", func() bool { return w.status("shop").HeldAt != nil })
			stop() // it stays so
			stop = w.run(time.Now, shop)
			w.pay(false)
			if got := len(r.accepted()); got != 3 || !strings.Contains(*w.status("shop").HeldReason, "ledger webhooks resume") {
				t.Fatalf("%d deliveries; %+v", got, w.status("shop"))
			}
			place, want := from, 3+3*3
			if from == "position" {
				if err := change("shop", time.Now).Resume(t.Context(), w.pool, "C:999999999/P:999999999"); err != nil {
					t.Fatal(err)
				}
				until(t, "a place that is not in the log is refused", func() bool { return strings.Contains(*w.status("shop").HeldReason, "C:999999999/P:999999999") })
				place, want = first.String(), 3+2*3
			}
			if err := change("shop", time.Now).Resume(t.Context(), w.pool, place); err != nil {
				t.Fatal(err)
			}
			if from == push.FromNow {
				until(t, "it is resumed", func() bool { return w.status("shop").HeldAt == nil })
				if n := w.count("SELECT count(*) FROM ledger_push.subscribers WHERE anchor_stream NOT LIKE 'order-%'"); n != 0 {
					t.Error("the anchor is no event of an order: such a stream may be cut short")
				}
				w.pay(false)
				want = 3 + 3
			}
			until(t, "deliveries go on", func() bool { return len(r.accepted()) >= want })
			w.toldAll()
			types, actors := w.history("shop")
			if i := slices.Index(types, push.SubscriberReset); i < 0 || actors[i] != "kim" {
				t.Errorf("the log does not say who resumed: %v %v", types, actors)
			}
			stop()
			if got := len(r.accepted()); got != want {
				t.Errorf("%d deliveries, want %d", got, want)
			}
		})
	}
}

// TestLostDatabase: a database that knows nothing any more gets back from the log what had become of
// deliveries: dead letters, who is disabled and why, and what need not be sent again.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	w := setup(t)
	refused := map[string]bool{}
	var refuse atomic.Bool
	r := receive(t, func(_ int, id string) int {
		if refuse.Load() || refused[id] {
			refused[id] = true
			return 500
		}
		return 200
	}, secret(1))
	shop := w.subscriber("shop", r, func(s *push.Subscriber) { s.Retry.Retries, s.DisableAfter = ptr(0), ptr(0) })
	stop := w.run(time.Now, shop)
	w.pay(false)
	w.delivered(3)
	refuse.Store(true)
	w.pay(false)
	until(t, "they are dead letters", func() bool { return w.status("shop").Dead == 3 })
	refuse.Store(false)
	letters, err := push.Letters(t.Context(), w.pool, "shop", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change("shop", time.Now).Discard(t.Context(), w.pool, letters[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := change("shop", time.Now).Disable(t.Context(), w.pool); err != nil {
		t.Fatal(err)
	}
	w.pay(false) // waits
	until(t, "it waits", func() bool { return w.status("shop").Pending == 3 })
	w.toldAll()
	stop()
	before, err := push.Letters(t.Context(), w.pool, "shop", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), "TRUNCATE ledger_push.subscribers, ledger_push.deliveries, ledger_push.history, ledger_push.settled"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Now, shop)
	until(t, "it is known again", func() bool { s := w.status("shop"); return s.Dead == 2 && s.Pending == 3 })
	s := w.status("shop")
	if s.DisabledAt == nil || *s.DisabledReason != "repaired" || s.Delivered != 3 {
		t.Errorf("%+v", s)
	}
	after, err := push.Letters(t.Context(), w.pool, "shop", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before {
		b, a := before[i], after[i]
		if b.EventID != a.EventID || b.State != a.State || b.Attempts != a.Attempts || worded(b.LastProblem) != worded(a.LastProblem) {
			t.Errorf("before %+v\nafter  %+v", b, a)
		}
	}
	if err := change("shop", time.Now).Enable(t.Context(), w.pool); err != nil {
		t.Fatal(err)
	}
	until(t, "what waited is delivered", func() bool { return len(r.accepted()) == 6 })
	r.mu.Lock()
	clear(refused)
	r.mu.Unlock()
	if n, err := change("shop", time.Now).Retry(t.Context(), w.pool, 0); err != nil || n != 2 {
		t.Fatalf("%d retried: %v", n, err)
	}
	until(t, "the dead letters are delivered", func() bool { return len(r.accepted()) == 8 })
}

func worded(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

// TestUnreadableEvent: an event that a newer program wrote is no reason to go on as if there had been none: it
// is a dead letter, told in the log. When it can be read, a retry makes its body.
func TestUnreadableEvent(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := receive(t, always(200), secret(1))
	w.run(time.Now, w.subscriber("shop", r, nil))
	w.pay(false)
	w.delivered(3)
	stream := ""
	var captured eventstore.RecordedEvent
	for e, err := range w.log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "PaymentCaptured" {
			stream, captured = e.Stream, e
		}
	}
	newer := func(eventType string, schema int) uuid.UUID {
		t.Helper()
		var m order.Metadata
		if err := json.Unmarshal(captured.Metadata, &m); err != nil {
			t.Fatal(err)
		}
		m.Schema = schema
		metadata, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		id := uuid.New()
		if _, err := w.log.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{ID: id, Type: eventType, JSON: true, Data: captured.Data, Metadata: metadata}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	unheardOf, damaged := newer("PaymentTeleported", 1), newer("PaymentCaptured", 99)
	until(t, "both are dead letters", func() bool { return w.status("shop").Dead == 2 })
	letters, err := push.Letters(t.Context(), w.pool, "shop", 0, 10)
	if err != nil || letters[0].EventID != unheardOf.String() || letters[0].Name != "unknown" || letters[1].EventID != damaged.String() ||
		letters[1].Name != "order.payment_success" || !strings.Contains(*letters[1].LastProblem, "newer") {
		t.Fatalf("%v: %+v", err, letters)
	}
	if n, err := change("shop", time.Now).Retry(t.Context(), w.pool, 0); err != nil || n != 2 {
		t.Fatalf("%d retried: %v", n, err)
	}
	until(t, "they are dead again", func() bool { return w.status("shop").Dead == 2 })
	w.pay(false)
	until(t, "others go on", func() bool { return len(r.accepted()) == 6 })
	w.toldAll()
	types, _ := w.history("shop")
	given := 0
	for _, eventType := range types {
		if eventType == push.DeliveryGivenUp {
			given++
		}
	}
	if given != 4 {
		t.Errorf("%d were told as given up, want 2 and 2: %v", given, types)
	}

	// Of an event that can be read again: the row of one that was delivered, as it were before an upgrade.
	_, err = w.pool.Exec(context.WithoutCancel(t.Context()), `UPDATE ledger_push.deliveries SET event_id = $1, revision = $2 WHERE event_id = $3`,
		captured.ID, int64(captured.Revision), damaged)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := change("shop", time.Now).Retry(t.Context(), w.pool, letters[1].ID); err != nil || n != 1 {
		t.Fatalf("%d retried: %v", n, err)
	}
	until(t, "it is delivered, with the body that it has", func() bool { return len(r.accepted()) == 7 }) // the receiver compares bodies
}
