package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
)

// reading pages through orders, and reads one with its parts.
func reading(t *testing.T, m *merchant) {
	var ids []string
	for i := range 5 {
		ids = append(ids, m.issue(t, "everifin", fmt.Sprintf(`,"number":"READ-%d"`, i)).id)
	}
	m.ledger.WaitForViews(t)
	var seen []string
	pages := 0
	for path := "/orders/?limit=2&gateway=everifin&q=read-&payment_state=UNPAID&lifecycle=OPEN&currency=EUR&from=2026-01-01"; path != ""; pages++ {
		a := m.call(t, "GET", path, "")
		var page struct {
			Orders []struct {
				ID string `json:"order_id"`
			} `json:"orders"`
			Next string `json:"next"`
		}
		a.JSON(t, &page)
		if a.Status != http.StatusOK || len(page.Orders) == 0 {
			t.Fatalf("answered %d %s", a.Status, a.Body)
		}
		for _, o := range page.Orders {
			seen = append(seen, o.ID)
		}
		path = page.Next
	}
	slices.Reverse(seen)
	if !slices.Equal(seen, ids) || pages != 3 {
		t.Errorf("%d pages show %v, want %v", pages, seen, ids)
	}
	s := &sale{merchant: m, t: t, id: ids[0]}
	s.gateway = s.look().Payments[0].Source
	s.pays()
	m.ledger.WaitForViews(t)
	var payment struct {
		Details struct {
			Code       string `json:"code"`
			IsTerminal bool   `json:"isTerminal"`
		} `json:"status_details"`
	}
	a := m.call(t, "GET", "/orders/"+s.id+"/payments/"+s.gateway, "")
	if a.JSON(t, &payment); payment.Details.Code != "SETTLED" || !payment.Details.IsTerminal {
		t.Errorf("the payment is %s", a.Body)
	}
	for path, status := range map[string]int{
		"/orders/?number=READ-3": 200, "/orders/?limit=0": 400, "/orders/?nothing=1": 400, "/orders/?after=x": 400, "/orders/?from=1": 400,
		"/orders/?gateway=other": 400, "/orders/" + s.id + "/payments": 200, "/orders/" + s.id + "/refunds": 200,
		"/orders/" + s.id + "/payments/none": 404, "/orders/none/payments": 404, "/orders/00000000000000000000000000/refunds": 404,
	} {
		if a := m.call(t, "GET", path, ""); a.Status != status {
			t.Errorf("GET %s: %d, want %d: %s", path, a.Status, status, a.Body)
		}
		if a := m.ledger.Get(t, path); a.Status != status {
			t.Errorf("GET %s without a token, on loopback: %d, want %d", path, a.Status, status)
		}
	}
	a = m.call(t, "GET", "/orders/"+s.id, "")
	tag := a.Header.Get("ETag")
	again := m.ledger.Do(t, "GET", "/orders/"+s.id, "", http.Header{"If-None-Match": {tag}})
	if tag == "" || a.Header.Get("Last-Modified") == "" || a.Header.Get("Retry-After") != "" || again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("a paid order: ETag %s, Retry-After %q; asked again with it: %d %s", tag, a.Header.Get("Retry-After"), again.Status, again.Body)
	}
	open := m.call(t, "GET", "/orders/"+ids[1], "")
	if wait, err := strconv.Atoi(open.Header.Get("Retry-After")); err != nil || wait < 5 || wait > 900 {
		t.Errorf("an open order is to be asked about again after %q s", open.Header.Get("Retry-After"))
	}
}
