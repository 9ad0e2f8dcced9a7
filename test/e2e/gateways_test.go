package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

// erased is the answer of `ledger erase --json`.
type erased struct {
	Receipts []struct {
		OrderID    string   `json:"order_id"`
		Actor      string   `json:"actor"`
		ErasedAt   string   `json:"erased_at"`
		Tokens     int      `json:"tokens"`
		Events     int      `json:"events_scanned"`
		Rows       int      `json:"rows_scanned"`
		OutOfReach []string `json:"out_of_reach"`
		Leftovers  []struct {
			Stream string `json:"stream"`
			Table  string `json:"table"`
			File   string `json:"file"`
		} `json:"leftovers"`
	} `json:"receipts"`
	PublicKey string `json:"public_key"`
}

// TestErase_Subject erases a person from a running ledger: all orders with that person's data and no
// others; what stands in clear is found in the log and in the tables; a rebuild afterwards succeeds.
func TestErase_Subject(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"folder", "streams"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			eraseSubject(t, openShopAt(t, fakegateway.Options{}, "LEDGER_KEYS="+place))
		})
	}
}

func eraseSubject(t *testing.T, m *merchant) {
	t.Helper()
	mine := map[string]bool{}
	for _, members := range []string{"", `,"number":"for kim@shop.example"`} {
		mine[m.issue(t, "decta", members).id] = true
	}
	other := m.call(t, "POST", "/orders/", `{"client":{"email":"lee@shop.example"},"products":[{"title":"Cup","price":"1.00"}]}`)
	if other.Status != http.StatusCreated {
		t.Fatalf("answered %d %s", other.Status, other.Body)
	}
	m.ledger.WaitForViews(t)
	exports, link := t.TempDir(), filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(exports, link); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"orders.csv", "orders.parquet", "orders.xlsx"} {
		m.ledger.Site.RunOK(t, "export", "orders", "--format", strings.TrimPrefix(filepath.Ext(file), "."), "--out", filepath.Join(link, file), "--actor", "dpo")
	}
	if err := os.Remove(link); err != nil { // it leads nowhere by now, as that of a past month does
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	m.ledger.Site.RunOK(t, "keys", "backup", keys)
	moved, to := filepath.Join(exports, "orders.xlsx"), t.TempDir()
	if err := os.Rename(moved, filepath.Join(to, "sent.xlsx")); err != nil {
		t.Fatal(err)
	}
	r := m.ledger.Site.Run(t, "erase", "--subject", "Kim@Shop.example", "--actor", "dpo", "--exports", to, "--json")
	var answer erased
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil || r.Code != 4 || len(answer.Receipts) != 2 {
		t.Fatalf("exit code %d, %v: %s %s", r.Code, err, r.Stdout, r.Stderr)
	}
	for _, receipt := range answer.Receipts {
		var streams, tables, files int
		for _, l := range receipt.Leftovers {
			switch {
			case l.Table != "":
				tables++
			case l.File != "":
				files++
			default:
				streams++
			}
		}
		if files != 3 { // the number of an order names the person
			t.Errorf("%d of three exports are reported: %+v", files, receipt)
		}
		if !slices.Equal(receipt.OutOfReach, []string{moved}) {
			t.Errorf("out of reach: %q, want %q", receipt.OutOfReach, moved)
		}
		if !mine[receipt.OrderID] || receipt.Tokens != 1 || receipt.Events == 0 || receipt.Rows == 0 || streams == 0 || tables < 2 {
			t.Errorf("receipt %+v", receipt)
		}
	}
	again := m.ledger.Site.RunOK(t, "erase", "--subject", "kim@shop.example", "--actor", "dpo")
	if !strings.Contains(again.Stdout+again.Stderr, "0 orders erased") {
		t.Errorf("a second time: %s %s", again.Stdout, again.Stderr)
	}
	m.ledger.Site.RunOK(t, "rebuild")
	if rows := m.ledger.Site.Rows(t, `select 1 from ledger.order_history where event_type = 'PersonalDataErased'`); len(rows) != 2 {
		t.Errorf("%d erasures show after a rebuild", len(rows))
	}
	m.ledger.Site.RunOK(t, "scavenge")
	m.ledger.Terminate(t)
	m.ledger.Site.RunOK(t, "scavenge")
	m.ledger.Site.RunOK(t, "verify")
	restoreKeys(t, m.ledger.Site, keys)
	for _, place := range []string{"streams", "folder"} {
		m.ledger.Site.RunOK(t, "keys", "move", "--to", place)
		if r := m.ledger.Site.RunOK(t, "erase", "--subject", "lee@shop.example", "--actor", "dpo"); !strings.Contains(r.Stdout+r.Stderr, "0 orders erased") {
			t.Errorf("moved to %s, and: %s %s", place, r.Stdout, r.Stderr)
		}
	}
}

// restoreKeys brings a copy of keys back that is older than the erasure of kim: lee's data can be read, and kim's
// cannot. A master key that is lost is not made anew.
func restoreKeys(t *testing.T, s *harness.Site, from string) {
	t.Helper()
	held := filepath.Join(s.Dir, "keys")
	if err := os.RemoveAll(filepath.Join(held, "sheets")); err != nil {
		t.Fatal(err)
	}
	if r := s.RunOK(t, "keys", "restore", from); !strings.Contains(r.Stdout+r.Stderr, "2 orders of the log are erased") {
		t.Errorf("restored: %s %s", r.Stdout, r.Stderr)
	}
	if err := os.Rename(filepath.Join(held, "master.key"), filepath.Join(held, "master.away")); err != nil {
		t.Fatal(err)
	}
	if r := s.Run(t, "erase", "--subject", "lee@shop.example", "--actor", "dpo"); r.Code == 0 || !strings.Contains(r.Stderr, "bring it back") {
		t.Errorf("the master key is gone: exit code %d, %s", r.Code, r.Stderr)
	}
	if err := os.Rename(filepath.Join(held, "master.away"), filepath.Join(held, "master.key")); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]string{"kim@shop.example": "0 orders erased", "lee@shop.example": "1 orders erased"} {
		if r := s.RunOK(t, "erase", "--subject", subject, "--actor", "dpo"); !strings.Contains(r.Stdout+r.Stderr, want) {
			t.Errorf("%s: %s %s, want %q", subject, r.Stdout, r.Stderr, want)
		}
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
	var answers [2]erased
	for i, actor := range []string{"kim", "lee"} {
		r := s.RunOK(t, "erase", "SO-ERASE", "--actor", actor, "--json")
		if err := json.Unmarshal([]byte(r.Stdout), &answers[i]); err != nil {
			t.Fatalf("%v in %s", err, r.Stdout)
		}
	}
	if !reflect.DeepEqual(answers[0], answers[1]) || len(answers[0].Receipts) != 1 || answers[0].Receipts[0].Actor != "kim" || answers[0].PublicKey == "" {
		t.Errorf("answers %+v", answers)
	}
	if r := s.RunOK(t, "explain", "SO-ERASE"); strings.Count(r.Stdout, "PersonalDataErased") != 1 {
		t.Errorf("the order's events are\n%s", r.Stdout)
	}
}
