package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/test/harness"
)

// TestReconciliation runs the ledger beside gateways whose webhooks get lost: it asks, and its views
// show the money. The account of DECTA demands that webhooks are confirmed.
func TestReconciliation(t *testing.T) {
	t.Parallel()
	var post func(fakegateway.Hook)
	fake := fakegateway.New(fakegateway.Options{Deliver: func(_ context.Context, h fakegateway.Hook) error {
		post(h)
		return nil
	}})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	l := harness.Serve(t, harness.Options{
		Config: fmt.Sprintf(`
gateways:
  - gateway: decta
    verify: {strategy: none}
    confirm: true
    api: {url: "%[1]s/decta/api/v0.6", key: "env:E2E_KEY", per_second: 100}
  - gateway: everifin
    verify: {strategy: none}
    api: {url: "%[1]s/everifin/api/v2", token_url: "%[1]s/everifin/token", client_id: %[2]s, client_secret: "env:E2E_SECRET", per_second: 100}
`, server.URL, fakegateway.ClientID),
		Env: []string{"E2E_KEY=" + fakegateway.DectaKey, "E2E_SECRET=" + fakegateway.ClientSecret},
	})
	post = func(h fakegateway.Hook) {
		if a := l.Post(t, h.Gateway, string(h.Body)); a.Status != http.StatusOK {
			t.Errorf("a webhook of %s was answered %d %s", h.Gateway, a.Status, a.Body)
		}
	}
	d, err := decta.NewClient(decta.ClientConfig{Account: "default", BaseURL: server.URL + "/decta/api/v0.6", Key: fakegateway.DectaKey})
	if err != nil {
		t.Fatal(err)
	}
	e, err := everifin.NewClient(everifin.ClientConfig{
		Account: "default", BaseURL: server.URL + "/everifin/api/v2", TokenURL: server.URL + "/everifin/token",
		ClientID: fakegateway.ClientID, ClientSecret: fakegateway.ClientSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []commands.Gateway{d, e} {
		answer, err := client.Create(t.Context(), commands.GatewayOrder{
			InstructionID: "i-1", Reference: "SO-" + client.Gateway(), Amount: money.MustParse("50.00", "EUR"), Description: "Kettle",
		})
		if err != nil {
			t.Fatal(err)
		}
		if client.Gateway() == fakegateway.Everifin {
			fake.LoseHooks(1)
		}
		if err := fake.Pay(t.Context(), answer.PaymentID); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, "both orders are paid", func() bool {
		return len(l.Site.Rows(t, `select 1 from ledger.orders where payment_state = 'PAID' and captured = 50`)) == 2
	})
	told := l.Site.Rows(t, `select 1 from ledger.order_history where event_type = 'NotificationRecorded' and data->>'via' = 'reconciliation'`)
	if len(told) < 2 {
		t.Errorf("%d notifications came by asking, want at least one for each gateway", len(told))
	}
}

// TestErase erases an order's personal data with the binary; the receipt stands in the order's stream.
func TestErase(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	file := filepath.Join(t.TempDir(), "decta.ndjson")
	if err := os.WriteFile(file, []byte(dectaPaid("e-1", "SO-ERASE")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.RunOK(t, "ingest", "--gateway", "decta", file)
	if r := s.Run(t, "erase", "SO-ERASE"); r.Code != 2 || !strings.Contains(r.Stderr, "--actor") {
		t.Errorf("nobody erases: exit code %d, %s", r.Code, r.Stderr)
	}
	if r := s.Run(t, "erase", "SO-NONE", "--actor", "kim"); r.Code != 3 {
		t.Errorf("an order that is none: exit code %d, %s", r.Code, r.Stderr)
	}
	var receipts [2]struct {
		Actor     string `json:"actor"`
		ErasedAt  string `json:"erased_at"`
		PublicKey string `json:"public_key"`
	}
	for i, actor := range []string{"kim", "lee"} {
		r := s.RunOK(t, "erase", "SO-ERASE", "--actor", actor, "--json")
		if err := json.Unmarshal([]byte(r.Stdout), &receipts[i]); err != nil {
			t.Fatalf("%v in %s", err, r.Stdout)
		}
	}
	if receipts[0] != receipts[1] || receipts[0].Actor != "kim" || receipts[0].PublicKey == "" {
		t.Errorf("receipts %+v", receipts)
	}
	if r := s.RunOK(t, "explain", "SO-ERASE"); strings.Count(r.Stdout, "PersonalDataErased") != 1 {
		t.Errorf("the order's events are\n%s", r.Stdout)
	}
	if err := os.Remove(filepath.Join(s.Dir, "keys", "master.key")); err != nil {
		t.Fatal(err)
	}
	if r := s.Run(t, "erase", "SO-ERASE", "--actor", "kim"); r.Code == 0 || !strings.Contains(r.Stderr, "bring it back") {
		t.Errorf("the master key is gone: exit code %d, %s", r.Code, r.Stderr)
	}
}
