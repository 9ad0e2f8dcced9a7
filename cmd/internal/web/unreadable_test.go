package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// TestUnreadable: an order holds an event of a newer version of the program, or one that cannot be true of it. Webhooks
// about it are kept in quarantine and answered so that they come again, actions are refused, nothing is written to it, and
// other orders go on.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for i, event := range []struct{ name, data, told string }{
		{"OrderTeleported", `{}`, "OrderTeleported"},
		{"OrderAmountChanged", `{"new_amount_due":{"amount":"50.00","currency":"GBP"}}`, "cannot be true"},
	} {
		id := s.issue("")
		source := s.look(id).Order.Source
		stream := "order-" + id
		written, err := s.ledger.Store.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{
			ID: uuid.New(), Type: event.name, JSON: true, Data: []byte(event.data), Metadata: []byte(`{"schema":1}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		paid := `{"type":"order","id":"` + source + `","status":"paid","currency":"EUR","total":50.00,"is_test":false,"issued":1795132800,` +
			`"modified":1795132900,"status_changes":[{"new_status":"paid","on":1795132900}]}`
		for range 2 {
			status, header, text := s.call(http.MethodPost, "/webhooks/decta", paid)
			if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(text, `"order_unreadable"`) {
				t.Errorf("%s: the webhook is answered %d %s", event.name, status, text)
			}
		}
		for path, body := range map[string]string{"refunds": `{"amount":"1.00"}`, "cancel": `{}`} {
			status, _, text := s.call(http.MethodPost, "/orders/"+id+"/"+path, body)
			if status != http.StatusServiceUnavailable || !strings.Contains(text, `"order_unreadable"`) || !strings.Contains(text, event.told) {
				t.Errorf("%s: %s is answered %d %s", event.name, path, status, text)
			}
		}
		for e, err := range s.ledger.Store.ReadStream(t.Context(), stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
			if err != nil || e.Revision != written.Revision {
				t.Errorf("the order ends with %s at revision %d (%v), want %d", e.Type, e.Revision, err, written.Revision)
			}
		}
		if _, _, text := s.call(http.MethodGet, "/metrics", ""); !strings.Contains(text,
			`code="order_unreadable",gateway="decta",outcome="quarantined",via="webhook"} `+strconv.Itoa(i+1)) {
			t.Errorf("%s: /metrics does not count what was quarantined once", event.name)
		}
	}
	s.issue("")
}
