package web_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestResponseTypes_AsTheDocsSay: each response type answers exactly the fields that the table in docs/api.md
// gives it, for an order that has all there is.
func TestResponseTypes_AsTheDocsSay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (yes|) ?\\| (yes|) ?\\| (yes|) ?\\|").FindAllStringSubmatch(string(text), -1) {
		for i, group := range []string{"minimum", "standard", "full"} {
			if row[2+i] == "yes" {
				want[group] = append(want[group], row[1])
			}
		}
	}
	if len(want["full"]) < 20 {
		t.Fatalf("the table was not found: %v", want)
	}
	s := openShop(t)
	for group, number := range map[string]string{"minimum": "R-1", "standard": "R-2", "full": "R-3"} {
		var got map[string]any
		s.must(&got, http.MethodPost, "/orders/?response_type="+group, `{"number":"`+number+`","products":[{"title":"Kettle","price":"50.00","quantity":2,
			"discount_amount":"1.00","tax_percent":"21"}],"due":1990000000,"deny_overdue_payment":true,"skip_capture":true,"max_payment_attempts":3,
			"refund_limit_percentage":"80","success_redirect":"https://shop.example/s","in_progress_redirect":"https://shop.example/p",
			"failure_redirect":"https://shop.example/f","cancel_redirect":"https://shop.example/c","client":{"email":"kim@shop.example"}}`)
		slices.Sort(want[group])
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want[group]) {
			t.Errorf("%s answers\n%v, the table says\n%v", group, names, want[group])
		}
	}
}

// TestPayment_Detail: one payment says the gateway's word and ours, when it came there, and what went back of it.
func TestPayment_Detail(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.issue(`,"number":"D-1"`)
	gateway := s.look(id).Order.Source
	if err := s.fake.Pay(t.Context(), gateway); err != nil {
		t.Fatal(err)
	}
	s.must(nil, http.MethodPost, "/orders/"+id+"/refunds", `{"amount":"20.00"}`)
	payment := s.look(id).Payments[0].ID
	var got map[string]any
	s.must(&got, http.MethodGet, "/orders/"+id+"/payments/"+payment, "")
	status, _ := got["status"].(map[string]any)
	refunds, _ := got["refunds"].([]any)
	if status["code"] != "paid" || status["ledger"] != "CAPTURED" || status["isTerminal"] != true || len(refunds) != 1 {
		t.Errorf("status %v, refunds %v", status, refunds)
	}
	for name, value := range map[string]any{
		"order_id": id, "payment_id": payment, "gateway": "decta", "account": "default", "source_order_id": gateway, "merchant_reference": "D-1",
	} {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if got["created_at"] == nil || got["finalized_at"] == nil || got["confirmed_at"] != nil {
		t.Errorf("times: created %v, confirmed %v, finalized %v", got["created_at"], got["confirmed_at"], got["finalized_at"])
	}
}
