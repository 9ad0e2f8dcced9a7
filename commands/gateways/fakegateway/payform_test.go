package fakegateway_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/money"
)

// TestPayform: a customer pays or declines on the page that a checkout leads to, once.
func TestPayform(t *testing.T) {
	t.Parallel()
	var told []string
	server := httptest.NewUnstartedServer(nil)
	site := "http://" + server.Listener.Addr().String()
	fake := fakegateway.New(fakegateway.Options{Site: site, Deliver: func(_ context.Context, h fakegateway.Hook) error {
		told = append(told, string(h.Body))
		return nil
	}})
	server.Config.Handler = fake
	server.Start()
	t.Cleanup(server.Close)
	for do, status := range map[string]string{"pay": `"status":"paid"`, "decline": `"status":"failed"`} {
		id, err := fake.Payout(t.Context(), do, money.MustParse("5.00", "EUR"))
		if err != nil {
			t.Fatal(err)
		}
		if err := fake.Turn(t.Context(), id, "issued", ""); err != nil {
			t.Fatal(err)
		}
		if page := visit(t, http.MethodGet, site+"/pay/"+id, ""); !strings.Contains(page, "5.00 EUR") || !strings.Contains(page, "<button") {
			t.Errorf("the page is %s", page)
		}
		before := len(told)
		visit(t, http.MethodPost, site+"/pay/"+id, do)
		if len(told) != before+1 || !strings.Contains(told[before], status) {
			t.Errorf("%s: the gateway told %v, want %s", do, told[before:], status)
		}
		page := visit(t, http.MethodPost, site+"/pay/"+id, "pay")
		if again := do == "decline"; again != (len(told) == before+2) || !again && strings.Contains(page, "<button") {
			t.Errorf("%s, and then paid: the gateway told %v, the page is %s", do, told[before:], page)
		}
	}
	if page := visit(t, http.MethodGet, site+"/pay/none", ""); strings.Contains(page, "<button") {
		t.Errorf("the page of no order is %s", page)
	}
}

func visit(t *testing.T, method, address, do string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(url.Values{"do": {do}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
