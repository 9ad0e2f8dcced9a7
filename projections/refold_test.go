package projections_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/refold"
)

func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// TestRefold_AsOfIsWhatTheViewsSaid projects a history one append at a time and keeps what the views
// say of an order after each. Asked later, by position and by the time of recording, the log gives
// the same answers.
func TestRefold_AsOfIsWhatTheViewsSaid(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	start(t, config(log, url))
	w := newWorld(41)
	victim := w.addOrder()
	type answer struct {
		position eventstore.Position
		recorded time.Time
		said     string
	}
	var then []answer
	for range 25 {
		recorded := w.now().Add(time.Millisecond)
		a, ok := w.notify(t, victim)
		if !ok {
			continue
		}
		at := appendAll(t, log, []appended{a})
		reachPosition(t, pool, at)
		then = append(then, answer{at, recorded, asJSON(t, viewsSay(t, pool, victim.id))})
		appendAll(t, log, w.history(t, 1, 2)) // others go on
	}
	if len(then) < 10 {
		t.Fatalf("only %d answers", len(then))
	}
	for i, a := range then {
		for _, m := range []refold.Moment{{Position: &a.position}, {Time: a.recorded, By: refold.ByRecorded}} {
			past, err := refold.At(t.Context(), log, victim.stream, m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a.said, asJSON(t, past.Order)); diff != "" {
				t.Errorf("answer %d as of %s (-then +now):\n%s", i, m, diff)
			}
		}
	}
	first := eventstore.Position{}
	if _, err := refold.At(t.Context(), log, "order-nobody", refold.Moment{Position: &first}); err == nil {
		t.Error("an order that nobody knows was found")
	}
	early := refold.Moment{Time: then[0].recorded.Add(-time.Second), By: refold.ByRecorded}
	if _, err := refold.At(t.Context(), log, victim.stream, early); !errors.Is(err, refold.ErrNotFound) {
		t.Errorf("before its first event: %v", err)
	}
}

// TestRefold_ByOccurred: news that came late counts from when it happened, and not before.
func TestRefold_ByOccurred(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	w := newWorld(42)
	s := w.addOrder()
	for s.test || s.kind == order.KindPayout || s.due.Currency().Code() != "EUR" {
		s = w.addOrder()
	}
	happened := day.Add(-48 * time.Hour)
	at := func(key string, occurred time.Time) order.At {
		return order.At{Key: key, OccurredAt: occurred, Basis: order.BasisStatusChange, Status: key}
	}
	p := order.PaymentRef{SourceID: "p", SourceOrderID: "src"}
	part := w.amount("EUR")
	a, _ := w.notifyOf(t, s, order.Captured{At: at("paid", happened), Payment: p, Amount: &s.due})
	b, _ := w.notifyOf(t, s, order.RefundReported{
		At: at("refunded", happened.Add(time.Hour)), SourceRefundID: "r", Payment: &p, Step: order.RefundStepCompleted, Amount: &part,
	})
	appendAll(t, log, []appended{b, a}[1:])
	appendAll(t, log, []appended{b})
	ask := func(m refold.Moment) (refold.Past, error) { return refold.At(t.Context(), log, s.stream, m) }

	if _, err := ask(refold.Moment{Time: happened, By: refold.ByRecorded}); !errors.Is(err, refold.ErrNotFound) {
		t.Errorf("nothing was recorded then: %v", err)
	}
	if _, err := ask(refold.Moment{Time: happened.Add(-time.Second), By: refold.ByOccurred}); !errors.Is(err, refold.ErrNotFound) {
		t.Errorf("nothing had happened: %v", err)
	}
	paid, err := ask(refold.Moment{Time: happened.Add(time.Minute), By: refold.ByOccurred})
	if err != nil || paid.Order.Order.PaymentState != order.Paid || !paid.Order.Order.Refunded.IsZero() {
		t.Errorf("paid, not yet refunded: %+v, %v", paid.Order.Order, err)
	}
	refunded, err := ask(refold.Moment{Time: happened.Add(time.Hour), By: refold.ByOccurred})
	if err != nil || !refunded.Order.Order.Refunded.Equal(part) {
		t.Errorf("refunded: %+v, %v", refunded.Order.Order, err)
	}
}

// TestRefold_Explain: the changes, applied one after the other, lead from nothing to the result, and
// each stands at the event that made it.
func TestRefold_Explain(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(43)
	appendMany(t, log, w.history(t, 6, 90))
	poisoned := w.known()[1]
	appendAll(t, log, []appended{{poisoned.stream, []eventstore.EventData{
		foreign("OrderTeleported", `{}`, plainMetadata), foreign("OrderIssued", `{}`, plainMetadata)}}})
	start(t, config(log, url))
	reach(t, log, pool)
	for _, s := range w.known() {
		e, err := refold.Explain(t.Context(), log, s.stream)
		if err != nil {
			t.Fatal(err)
		}
		said := viewsSay(t, pool, s.id)
		want, err := detail.Diff(nil, &said)
		if err != nil {
			t.Fatal(err)
		}
		if s == poisoned {
			if e.Parked == "" || !e.Steps[len(e.Steps)-1].HeldBack || !e.Steps[len(e.Steps)-2].HeldBack || e.Steps[0].HeldBack {
				t.Errorf("a parked order: %s, %+v", e.Parked, e.Steps)
			}
		} else if e.Parked != "" {
			t.Errorf("parked: %s", e.Parked)
		}
		got := map[string]string{}
		for i, step := range e.Steps {
			if step.Revision != uint64(i) || step.EventType == "" || step.Position == "" {
				t.Errorf("step %d is %+v", i, step.Place)
			}
			for _, c := range step.Changes {
				if got[c.Field] != c.Before {
					t.Errorf("step %d changes %s from %q, it was %q", i, c.Field, c.Before, got[c.Field])
				}
				got[c.Field] = c.After
			}
		}
		skip := []string{"last_recorded_at", "flags"}
		for _, c := range want {
			own := slices.ContainsFunc(skip, func(name string) bool { return c.Field == "order."+name || c.Field == "payout."+name }) ||
				slices.ContainsFunc([]string{".revision", ".position", ".event_id"}, func(name string) bool { return strings.HasSuffix(c.Field, name) })
			if !own && got[c.Field] != c.After {
				t.Errorf("%s: the steps lead to %q, the views say %q", c.Field, got[c.Field], c.After)
			}
		}
	}
}

// TestParseMoment reads what people type.
func TestParseMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"C:12/P:12": "C:12/P:12", "12": "C:12/P:12", "2026-10-31": "2026-10-31T23:59:59.999999999Z",
		"2026-10-31T12:00:00+02:00": "2026-10-31T10:00:00Z",
	} {
		m, err := refold.ParseMoment(text, "")
		if err != nil || m.String() != want || m.By != refold.ByRecorded {
			t.Errorf("%s: %s, %v; want %s", text, m, err, want)
		}
	}
	for _, wrong := range [][2]string{{"", ""}, {"yesterday", ""}, {"2026-10-31", "guessed"}, {"12", "occurred"}} {
		if m, err := refold.ParseMoment(wrong[0], wrong[1]); err == nil {
			t.Errorf("%q by %q is %s", wrong[0], wrong[1], m)
		}
	}
}

// TestRefold_ByOccurredAtAnyMoment leaves out what had not happened yet, whatever that is: what remains
// can be told at any moment, and at the end of time it is what the views say.
func TestRefold_ByOccurredAtAnyMoment(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	w := newWorld(44)
	appendMany(t, log, w.history(t, 16, 220))
	asked := 0
	for _, s := range w.known() {
		whole, err := refold.At(t.Context(), log, s.stream, refold.Moment{})
		if err != nil {
			t.Fatal(err)
		}
		last, err := refold.At(t.Context(), log, s.stream, refold.Moment{Time: day.AddDate(10, 0, 0), By: refold.ByOccurred})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asJSON(t, whole.Order), asJSON(t, last.Order)); diff != "" {
			t.Errorf("%s at the end of time (-views +as of):\n%s", s.stream, diff)
		}
		for i := range 20 {
			m := refold.Moment{Time: day.Add(time.Duration(i*17-40) * time.Second), By: refold.ByOccurred}
			past, err := refold.At(t.Context(), log, s.stream, m)
			switch {
			case errors.Is(err, refold.ErrNotFound):
			case err != nil || past.Parked != "":
				t.Errorf("%s as of %s: %v, %s", s.stream, m, err, past.Parked)
			default:
				asked++
				if past.Events > whole.Events {
					t.Errorf("%s as of %s: %d events of %d", s.stream, m, past.Events, whole.Events)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d answers", asked)
	}
}
