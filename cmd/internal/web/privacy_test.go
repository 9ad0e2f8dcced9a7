package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// TestErasure_ShownEverywhere: the client of an order is shown to those who may see personal data, and to
// nobody after an erasure; the history, the explanation and the client say [erased], before and after a
// rebuild, and a title that holds the data in clear is reported.
func TestErasure_ShownEverywhere(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	var issued struct{ ID string }
	s.must(&issued, http.MethodPost, "/orders/", `{"register_only":true,"client":{"email":"ada&bob@shop.example","first_name":"Ada"},
		"products":[{"title":"Teapot for ada&bob@shop.example","price":"5.00"}]}`)
	other := s.issue(`,"register_only":true`)
	s.fresh()
	reader, _, err := auth.NewStore(s.ledger.Settings.TokensDir()).Create("reader", []auth.Scope{auth.OrdersRead}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client := "/orders/" + issued.ID + "/client"
	if status, _, text := s.call(http.MethodGet, client, "", "Authorization", "Bearer "+reader); status != http.StatusForbidden {
		t.Errorf("orders:read sees the client: %d %s", status, text)
	}
	if status, _, text := s.send(t.Context(), http.MethodGet, client, "", nil); status != http.StatusUnauthorized {
		t.Errorf("without a token, on loopback: %d %s", status, text)
	}
	if status, _, text := s.call(http.MethodGet, client, ""); status != http.StatusOK || !strings.Contains(text, `"first_name":"Ada"`) {
		t.Errorf("the client: %d %s", status, text)
	}
	var erased struct {
		Receipts []struct {
			Leftovers []struct {
				Stream, Table string
				Revision      uint64
			} `json:"leftovers"`
		} `json:"receipts"`
	}
	s.must(&erased, http.MethodPost, "/erase", `{"order":"`+issued.ID+`"}`)
	places := map[string]bool{}
	for _, at := range erased.Receipts[0].Leftovers {
		places[strings.TrimSuffix(at.Stream, issued.ID)+at.Table] = true
	}
	if !places["order-"] || !places["ledger_data.order_history"] || len(places) != 2 {
		t.Errorf("the title holds the data in clear, and is found in %v", places)
	}
	shown := func(when string) string {
		t.Helper()
		var all strings.Builder
		for _, path := range []string{client, "/orders/" + issued.ID + "/history", "/orders/" + issued.ID + "/explain"} {
			status, _, text := s.call(http.MethodGet, path, "")
			if status != http.StatusOK || !strings.Contains(text, `"[erased]"`) || strings.Contains(text, "sealed:") || strings.Contains(text, `"Ada"`) {
				t.Errorf("%s, %s: %d %s", when, path, status, text)
			}
			all.WriteString(text)
		}
		if _, _, text := s.call(http.MethodGet, "/orders/"+other+"/client", ""); !strings.Contains(text, "kim@shop.example") {
			t.Errorf("%s, another order: %s", when, text)
		}
		return all.String()
	}
	before := shown("before a rebuild")
	if status, _, text := s.call(http.MethodPost, "/rebuild", `{}`); status != http.StatusOK || !strings.Contains(text, `"swapped":true`) {
		t.Fatalf("rebuild: %d %s", status, text)
	}
	s.fresh()
	if after := shown("after a rebuild"); after != before {
		t.Errorf("a rebuild shows something else:\n%s\n%s", before, after)
	}
}
