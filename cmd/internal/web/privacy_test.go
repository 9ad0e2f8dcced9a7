package web_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestErasure_ShownEverywhere: the client of an order is shown to those who may see personal data, and to
// nobody after an erasure; the history, the explanation and the client say [erased], before and after a
// rebuild, and a title that holds the data in clear is reported.
func TestErasure_ShownEverywhere(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"folder", "streams"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			shownErased(t, openShop(t, func(s *config.Settings) { s.Keys = place }))
		})
	}
}

func shownErased(t *testing.T, s *shop) {
	t.Helper()
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

// TestKeyStreams_ReachNobody: with keys in streams, feed and views hold nothing of them, and the owner can copy them.
func TestKeyStreams_ReachNobody(t *testing.T) {
	t.Parallel()
	s := openShop(t, func(s *config.Settings) { s.Keys = "streams" })
	id := s.issue(`,"register_only":true`)
	s.must(&struct{}{}, http.MethodPost, "/erase", `{"order":"`+id+`"}`)
	s.fresh()
	sheets := func() (n int) {
		t.Helper()
		for e, err := range s.ledger.Store.ReadAll(t.Context(), eventstore.AllRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == "KeySheetStored" {
				n++
			}
		}
		return n
	}
	if n := sheets(); n != 2 {
		t.Errorf("%d versions of the sheet in the log, want 2: the test is blind", n)
	}
	for _, path := range []string{"/events", "/orders/" + id + "/history", "/orders/" + id + "/explain", "/orders/" + id, "/events?after=start"} {
		status, _, text := s.call(http.MethodGet, path, "")
		if strings.Contains(text, "ledger-keys") || strings.Contains(text, "KeySheet") {
			t.Errorf("%s tells of keys: %d %s", path, status, text)
		}
	}
	pool, err := s.ledger.Database.Pool()
	if err != nil {
		t.Fatal(err)
	}
	if err := (app.RowSearch{DB: pool}).Each(t.Context(), func(table string, row []byte) {
		if strings.Contains(string(row), "ledger-keys") {
			t.Errorf("%s: %s", table, row)
		}
	}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if status, _, text := s.call(http.MethodPost, "/keys/backup", `{"dir":"`+dir+`"}`); status != http.StatusUnauthorized {
		t.Errorf("with a token: %d %s", status, text)
	}
	status, _, text := s.send(t.Context(), http.MethodPost, "/keys/backup", `{"dir":"`+dir+`"}`, http.Header{"Authorization": {"Bearer " + owner}})
	if status != http.StatusOK || !strings.Contains(text, `"copied":1`) {
		t.Errorf("as the owner: %d %s", status, text)
	}
	if status, _, text := s.call(http.MethodPost, "/scavenge", ""); status != http.StatusOK || !strings.Contains(text, `"events":1`) || sheets() != 1 {
		t.Errorf("scavenged: %d %s, %d versions of the sheet in the log", status, text, sheets())
	}
}
