package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// newer reads as the version of the program does that wrote what this one cannot read, or holds for impossible.
type newer struct{ commands.Log }

func (l newer) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		for e, err := range l.Log.ReadStream(ctx, stream, read) {
			if e.Type == "OrderTeleported" || strings.Contains(string(e.Data), "GBP") {
				e.Type, e.Data = "OrderViewed", []byte(`{}`)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// plant appends an event past the ledger.
func plant(t *testing.T, log commands.Log, stream, eventType, data string) {
	t.Helper()
	if _, err := log.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{
		ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(data), Metadata: []byte(`{"schema":1}`),
	}); err != nil {
		t.Fatal(err)
	}
}

// teleport plants an event that this version cannot read.
func teleport(t *testing.T, log commands.Log, stream string) {
	t.Helper()
	plant(t, log, stream, "OrderTeleported", `{}`)
}

// foreignDue plants an event that can be read, and cannot be true of an order in euros.
func foreignDue(t *testing.T, log commands.Log, stream string) {
	t.Helper()
	plant(t, log, stream, "OrderAmountChanged", `{"new_amount_due":{"amount":"20.00","currency":"GBP"}}`)
}

// wantUnreadable hands in a body whose order cannot be read.
func wantUnreadable(t *testing.T, in *commands.Intake, body string, want commands.Outcome) {
	t.Helper()
	r, err := in.Accept(t.Context(), commands.Notification{
		Gateway: "plain", Account: "default", Via: commands.ViaWebhook, Body: []byte(body), Verified: "none",
	})
	var unreadable *commands.UnreadableError
	if !errors.As(err, &unreadable) || r.Outcome != want || r.Code != order.FlagOrderUnreadable {
		t.Fatalf("receipt %+v, %v; want it %s with the code order_unreadable", r, err, want)
	}
}

// TestAccept_OrderThatCannotBeRead: what a gateway tells about it is kept once and acknowledged by nobody; when it
// comes again to a program that can read the order, it counts, once.
func TestAccept_OrderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plant  func(*testing.T, commands.Log, string)
		detail string
	}{
		"Undecodable": {teleport, `an event of type "OrderTeleported" cannot be read`},
		"Impossible":  {foreignDue, "with this event the order cannot be true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := openNode(t)
			in := newIntake(log)
			known := accept(t, in, "default", `{"Order":"o1","Paid":"5.00"}`)
			stream := "order-" + known.OrderID
			tc.plant(t, log, stream)
			before := len(streamTypes(t, log, stream))
			const more = `{"Order":"o1","Part":"2","Paid":"12.50"}`
			wantUnreadable(t, in, more, commands.Quarantined)
			wantUnreadable(t, newIntake(log), more, commands.Duplicate)
			if got := streamTypes(t, log, stream); len(got) != before {
				t.Errorf("written to the order all the same: %v", got)
			}
			wantKept(t, log, stream, tc.detail)

			upgraded := newIntake(newer{log})
			if r := accept(t, upgraded, "default", more); r.Outcome != commands.Accepted || r.OrderID != known.OrderID {
				t.Errorf("handed in again: %+v, want it accepted on order %s", r, known.OrderID)
			}
			if r := accept(t, upgraded, "default", more); r.Outcome != commands.Duplicate {
				t.Errorf("and once more: %+v, want a duplicate", r)
			}
			if got := strings.Count(strings.Join(streamTypes(t, log, stream), " "), "PaymentCaptured"); got != 2 {
				t.Errorf("%d payments, want 2", got)
			}
		})
	}
}

// wantKept wants one notification in quarantine, about the event at revision 4 of a stream.
func wantKept(t *testing.T, log commands.Log, stream, detail string) {
	t.Helper()
	kept := 0
	for e, err := range log.ReadStream(t.Context(), order.QuarantineStream("plain"), eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		event, _, err := order.Decode(e.Type, e.Data, e.Metadata)
		q, ok := event.(order.NotificationQuarantined)
		if err != nil || !ok || q.Code != order.FlagOrderUnreadable || string(q.Body) != `{"plain":true}` ||
			!strings.Contains(q.Detail, stream) || !strings.Contains(q.Detail, "revision 4") || !strings.Contains(q.Detail, detail) {
			t.Errorf("quarantine holds %+v, %v", event, err)
		}
		kept++
	}
	if kept != 1 {
		t.Errorf("%d quarantined, want 1", kept)
	}
}

// TestAccept_KnownOfAnOrderThatCannotBeTrue: what the order holds already is a duplicate, as ever.
func TestAccept_KnownOfAnOrderThatCannotBeTrue(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	const paid = `{"Order":"o1","Paid":"5.00"}`
	known := accept(t, newIntake(log), "default", paid)
	foreignDue(t, log, "order-"+known.OrderID)
	if r := accept(t, newIntake(log), "default", paid); r.Outcome != commands.Duplicate || r.OrderID != known.OrderID {
		t.Errorf("again: %+v, want a duplicate", r)
	}
}

// TestAccept_ReferenceThatCannotBeRead is the same for the stream that leads to the order.
func TestAccept_ReferenceThatCannotBeRead(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	accept(t, newIntake(log), "default", `{"Order":"o1"}`)
	teleport(t, log, order.ReferenceStream("plain", order.ReferenceOrder, "o1"))
	wantUnreadable(t, newIntake(log), `{"Order":"o1","Paid":"12.50"}`, commands.Quarantined)
}

// TestDo_OrderThatCannotBeRead: commands on it are refused, and leave no trace.
func TestDo_OrderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plant func(*testing.T, commands.Log, string)
		want  string
	}{
		"Undecodable": {teleport, "OrderTeleported"},
		"Impossible":  {foreignDue, "in GBP on an order in EUR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := openNode(t)
			in := newIntake(log)
			id := paidOrder(t, in, commands.NewOrders(in, nil))
			tc.plant(t, log, "order-"+id)
			head, _, err := log.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = commands.NewOrders(in, nil).Do(t.Context(), id, commands.Request{Actor: "ada", Body: json.RawMessage(`{"amount":"1.00"}`)}, refundOf("1.00"))
			var unreadable *commands.UnreadableError
			if !errors.As(err, &unreadable) || !strings.Contains(err.Error(), tc.want) || strings.Count(err.Error(), "invariant") > 1 {
				t.Errorf("refund: %v, want an UnreadableError of %s", err, tc.want)
			}
			if now, _, err := log.Head(t.Context()); err != nil || now != head {
				t.Errorf("something was written: the log ends at %s, want %s (%v)", now, head, err)
			}
		})
	}
}

// bulky keeps the whole body as evidence.
type bulky struct{ plain }

func (t bulky) Translate(n commands.Notification) commands.Translation {
	translation := t.plain.Translate(n)
	translation.Evidence = json.RawMessage(n.Body)
	return translation
}

// TestAccept_QuarantinesBodiesAsLargeAsAnAppend: of a body that no append holds besides its envelope, the digest is kept.
func TestAccept_QuarantinesBodiesAsLargeAsAnAppend(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	known := accept(t, newIntake(log), "default", `{"Order":"o1"}`)
	teleport(t, log, "order-"+known.OrderID)
	in := commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{bulky{}}})
	filler := `"Filler":"` + strings.Repeat("x", eventstore.MaxAppendSize-100) + `"}`
	if r := accept(t, in, "default", `{"Order":"o2","Reject":"pan_detected",`+filler); r.Outcome != commands.Quarantined {
		t.Errorf("rejected: %+v", r)
	}
	wantUnreadable(t, in, `{"Order":"o1","Paid":"12.50",`+filler, commands.Quarantined)
}
