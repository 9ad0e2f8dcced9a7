package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// listed is a page of a list.
type listed struct {
	Orders []struct {
		ID   string `json:"order_id"`
		Test bool   `json:"test"`
	} `json:"orders"`
	Payouts []struct {
		ID    string `json:"order_id"`
		State string `json:"payout_state"`
	} `json:"payouts"`
	Next string `json:"next"`
}

// TestLists_TestOrdersAndPayouts: test orders and payouts are in lists of their own, and found by all names.
func TestLists_TestOrdersAndPayouts(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	live := s.issue(`,"number":"L-1","register_only":true`)
	test := s.issue(`,"number":"T-1","is_test":true,"register_only":true`)
	for i, status := range []string{"created", "paid", "failed"} {
		body := fmt.Sprintf(`{"id":"out-%d","type":"payout","number":"P-%d","status":%q,"currency":"EUR","total":%d,"issued":1795132800,"modified":1795132801}`, i, i, status, 10+i)
		if err := deliver(t.Context(), s.url+"/webhooks/decta", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	s.fresh()
	var page listed
	for query, want := range map[string][]string{"": {live}, "?test=false": {live}, "?test=true": {test}, "?test=true&number=T-1": {test}, "?test=true&number=L-1": nil} {
		page = listed{}
		s.must(&page, http.MethodGet, "/orders/"+query, "")
		var got []string
		for _, o := range page.Orders {
			got = append(got, o.ID)
			if o.Test != (o.ID == test) {
				t.Errorf("%q: %+v", query, o)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	var states []string
	for at := "/payouts/?limit=2"; at != ""; at = page.Next {
		page = listed{}
		s.must(&page, http.MethodGet, at, "")
		for _, p := range page.Payouts {
			states = append(states, p.State)
		}
	}
	if want := []string{"FAILED", "PAID", "REQUESTED"}; !slices.Equal(states, want) { // newest first
		t.Errorf("payouts are %v, want %v", states, want)
	}
	for query, n := range map[string]int{
		"payout_state=PAID": 1, "number=P-2": 1, "source_order_id=out-0": 1, "q=p-": 3, "q=OUT": 0, "gateway=everifin": 0, "currency=EUR": 3, "flag=x": 0, "from=2031-01-01": 0,
	} {
		page = listed{}
		if s.must(&page, http.MethodGet, "/payouts/?"+query, ""); len(page.Payouts) != n {
			t.Errorf("%s: %d payouts, want %d", query, len(page.Payouts), n)
		}
	}
	for _, name := range []string{"out-1", "P-1"} {
		var found struct {
			Payout struct {
				Source string `json:"source_order_id"`
			} `json:"payout"`
		}
		if s.must(&found, http.MethodGet, "/orders/"+name, ""); found.Payout.Source != "out-1" {
			t.Errorf("by the name %s: %+v", name, found)
		}
	}
	for _, wrong := range []string{"/payouts/?payout_state=GONE", "/payouts/?payment_state=PAID", "/orders/?test=maybe", "/orders/?refund_state=x"} {
		if status, _, text := s.call(http.MethodGet, wrong, ""); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, status, text)
		}
	}
}
