package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/orders"
)

// TestConditional_LastModified: who asks by the time of an answer is told that nothing changed, but never when
// something did within the second, seconds after the answer or not.
func TestConditional_LastModified(t *testing.T) {
	t.Parallel()
	changed := time.Date(2026, 11, 29, 10, 0, 0, 300e6, time.UTC)
	ask := func(changed, now time.Time, header ...string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "/orders/x", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		api.Conditional(w, r, &detail.Order{Order: &orders.Order{Revision: 3, LastRecordedAt: changed}}, now)
		return w.Code, w.Header().Get("Last-Modified")
	}
	const since = "If-Modified-Since"
	for _, seen := range []time.Duration{100 * time.Millisecond, 20 * time.Second} {
		_, at := ask(changed, changed.Add(seen))
		if status, _ := ask(changed.Add(600*time.Millisecond), changed.Add(time.Hour), since, at); status != http.StatusOK {
			t.Errorf("seen %s after the change: a later change of the same second is %d", seen, status)
		}
	}
	_, at := ask(changed, changed.Add(time.Hour))
	if at != "Sun, 29 Nov 2026 10:00:00 GMT" {
		t.Errorf("Last-Modified: %s", at)
	}
	if status, _ := ask(changed, changed.Add(2*time.Hour), since, at); status != http.StatusNotModified {
		t.Errorf("nothing changed: %d", status)
	}
	if status, _ := ask(changed.Add(time.Second), changed.Add(2*time.Hour), since, at); status != http.StatusOK {
		t.Errorf("changed a second later: %d", status)
	}
	if status, _ := ask(changed.Add(-time.Hour), changed.Add(2*time.Hour), since, at); status != http.StatusOK {
		t.Errorf("changed after the clock was put back by an hour: %d", status)
	}
	if status, _ := ask(changed, changed.Add(2*time.Hour), since, at, "If-None-Match", `"2"`); status != http.StatusOK {
		t.Errorf("another revision is known: %d", status)
	}
	if status, _ := ask(changed, changed.Add(2*time.Hour), since, "yesterday"); status != http.StatusOK {
		t.Errorf("no time: %d", status)
	}
}
