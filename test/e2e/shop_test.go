package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/test/harness"
)

// merchant is a merchant's backend: it has the ledger's order API and the customers of a fake gateway.
type merchant struct {
	ledger *harness.Ledger
	fake   *fakegateway.Fake
	token  string
}

const (
	hookSecret = "secret of the shop's webhooks"
	hookToken  = "token of the shop's webhooks"
)

// openShop runs a ledger that may call the three gateways, whose signed webhooks reach it.
func openShop(t *testing.T) *merchant {
	t.Helper()
	return openShopAt(t, fakegateway.Options{})
}

// openShopAt is openShop with gateways of some kind; keys, secrets and the way to the ledger are filled in.
func openShopAt(t *testing.T, options fakegateway.Options, env ...string) *merchant {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	m := &merchant{}
	options.Deliver = m.deliver
	options.HookSecret, options.HookKey, options.HookToken, options.ClientKey = []byte(hookSecret), key, hookToken, &key.PublicKey
	m.fake = fakegateway.New(options)
	server := httptest.NewServer(m.fake)
	t.Cleanup(server.Close)
	private, public := filepath.Join(t.TempDir(), "private.pem"), filepath.Join(t.TempDir(), "public.pem")
	for file, block := range map[string]*pem.Block{
		private: {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		public:  {Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site := harness.NewSite(t, harness.Options{
		Config: fmt.Sprintf(`
gateways:
  - gateway: decta
    verify: {strategy: rsa_sha256, public_keys: ["file:%[5]s"]}
    api: {url: "%[1]s/decta/api/v0.6", key: "env:E2E_KEY", per_second: 1000}
  - gateway: everifin
    verify: {strategy: hmac_sha256, secrets: ["env:E2E_HOOK_SECRET"]}
    api: {url: "%[1]s/everifin/api/v2", token_url: "%[1]s/everifin/token", client_id: %[2]s, client_secret: "env:E2E_SECRET",
          creditor_iban: SK3112000000198742637541, creditor_name: Shop, per_second: 1000}
  - gateway: connectpay
    verify: {strategy: static_token, tokens: ["env:E2E_HOOK_TOKEN"]}
    api: {url: "%[1]s/connectpay", user: %[3]s, password: "env:E2E_PASSWORD", brand_id: b, signing_key: "file:%[4]s",
          creditor_iban: LT601010012345678901, creditor_name: Shop, per_second: 1000}
`, server.URL, fakegateway.ClientID, fakegateway.User, private, public),
		Env: append([]string{
			"E2E_KEY=" + fakegateway.DectaKey, "E2E_SECRET=" + fakegateway.ClientSecret, "E2E_PASSWORD=" + fakegateway.Password,
			"E2E_HOOK_SECRET=" + hookSecret, "E2E_HOOK_TOKEN=" + hookToken,
		}, env...),
	})
	created := site.RunOK(t, "token", "create", "shop", "--scopes", "orders:write,orders:read,operations")
	if m.token = strings.TrimSpace(created.Stdout); m.token == "" {
		t.Fatalf("no token in %s", created.Stdout)
	}
	m.ledger = site.Serve(t)
	return m
}

// deliver is how the gateways' webhooks reach the ledger: each comes twice, as it may.
func (m *merchant) deliver(ctx context.Context, h fakegateway.Hook) error {
	for range 2 {
		status, text, err := m.post(ctx, h)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("a webhook of %s was answered %d %s", h.Gateway, status, text)
		}
	}
	return nil
}

func (m *merchant) post(ctx context.Context, h fakegateway.Hook) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.ledger.URL+"/webhooks/"+h.Gateway, bytes.NewReader(h.Body))
	if err != nil {
		return 0, "", err
	}
	req.Header = h.Header.Clone()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// sale is an order of the merchant, as a test follows it.
type sale struct {
	*merchant
	t       *testing.T
	id      string // ours
	gateway string // the gateway's name for what the customer pays
}

func (m *merchant) call(t *testing.T, method, path, body string) harness.Answer {
	t.Helper()
	return m.ledger.Do(t, method, path, body, http.Header{
		"Authorization": {"Bearer " + m.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()},
	})
}

// issue issues an order of 50 EUR through the gateway, and checks that the answer leads to its checkout.
func (m *merchant) issue(t *testing.T, gateway, members string) *sale {
	t.Helper()
	body := fmt.Sprintf(`{"gateway":%q,"client":{"email":"kim@shop.example"},"products":[{"title":"Kettle","price":"50.00"}]%s}`, gateway, members)
	a := m.call(t, "POST", "/orders/", body)
	var issued struct {
		ID       string `json:"id"`
		Checkout string `json:"full_page_checkout"`
	}
	a.JSON(t, &issued)
	if a.Status != http.StatusCreated || a.Header.Get("Ledger-Gateway") != "accepted" || !strings.HasPrefix(issued.Checkout, "https://") {
		t.Fatalf("the order was answered %d %s", a.Status, a.Body)
	}
	s := &sale{merchant: m, t: t, id: issued.ID}
	if o := s.look(); len(o.Payments) > 0 {
		s.gateway = o.Payments[0].Source
	} else {
		s.gateway = o.Order.Source
	}
	return s
}

type amount struct{ Amount string }

// shown is an order as GET answers it.
type shown struct {
	Order struct {
		Source        string   `json:"source_order_id"`
		State         string   `json:"payment_state"`
		RefundState   string   `json:"refund_state"`
		DisputeState  string   `json:"dispute_state"`
		Lifecycle     string   `json:"lifecycle"`
		GatewayStatus string   `json:"gateway_status"`
		AmountDue     amount   `json:"amount_due"`
		Captured      amount   `json:"captured"`
		Authorised    amount   `json:"authorised"`
		Expected      amount   `json:"expected"`
		Settled       amount   `json:"settled"`
		Received      amount   `json:"received_externally"`
		Reversed      amount   `json:"reversed"`
		Refunded      amount   `json:"refunded"`
		Pending       amount   `json:"refund_pending"`
		DisputeHeld   amount   `json:"dispute_held"`
		DisputeLost   amount   `json:"dispute_lost"`
		Net           amount   `json:"net"`
		Flags         []string `json:"flags"`
	} `json:"order"`
	Payout struct {
		State   string `json:"payout_state"`
		PaidOut amount `json:"paid_out"`
	} `json:"payout"`
	Payments []struct {
		Source string `json:"source_payment_id"`
		Status string `json:"status"`
		Reason string `json:"reason_code"`
		Amount amount `json:"amount"`
	} `json:"payments"`
	Refunds []struct {
		Source string `json:"source_refund_id"`
		Status string `json:"status"`
	} `json:"refunds"`
	Disputes []struct {
		ID      string `json:"dispute_id"`
		Track   string `json:"track"`
		Stage   string `json:"stage"`
		Outcome string `json:"outcome"`
	} `json:"disputes"`
}

// look reads the order once the views show everything that is in the log by now.
func (s *sale) look() shown {
	s.t.Helper()
	var log struct {
		Position string `json:"log_position"`
	}
	s.ledger.Get(s.t, "/readyz").JSON(s.t, &log)
	a := s.call(s.t, "GET", "/orders/"+s.id+"?wait=25s&at_least="+log.Position, "")
	if a.Status != http.StatusOK {
		s.t.Fatalf("the order was answered %d %s", a.Status, a.Body)
	}
	var o shown
	a.JSON(s.t, &o)
	return o
}

// tells lists the types of the order's events, oldest first.
func (s *sale) tells() []string {
	s.t.Helper()
	s.look()
	var history struct {
		Events []struct {
			Type string `json:"event_type"`
		} `json:"events"`
	}
	s.call(s.t, "GET", "/orders/"+s.id+"/history", "").JSON(s.t, &history)
	types := make([]string, len(history.Events))
	for i, e := range history.Events {
		types[i] = e.Type
	}
	return types
}

// act carries an action out, and checks how it is answered: by its outcome at the gateway, or by its code
// when it is refused.
func (s *sale) act(action, body, want string) {
	s.t.Helper()
	a := s.call(s.t, "POST", "/orders/"+s.id+"/"+action, body)
	var problem struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	got := a.Header.Get("Ledger-Gateway")
	switch {
	case a.Status >= http.StatusBadRequest:
		a.JSON(s.t, &problem)
		got = problem.Code
		if problem.Detail == "" {
			s.t.Errorf("%s is refused without a sentence: %s", action, a.Body)
		}
	case got == "":
		got = "recorded"
	}
	if got != want {
		s.t.Fatalf("%s %s was answered %d %q, want %q: %s", action, body, a.Status, got, want, a.Body)
	}
}

// must fails the test when the fake gateway did not do as it was told.
func (s *sale) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// pays lets the customer pay, turns gives the order another status at the gateway.
func (s *sale) pays() { s.t.Helper(); s.must(s.fake.Pay(s.t.Context(), s.gateway)) }

func (s *sale) turns(status string) {
	s.t.Helper()
	s.must(s.fake.Turn(s.t.Context(), s.gateway, status, ""))
}

// disputes moves the order's dispute on: taken and returned are what disputes took and gave back so far.
func (s *sale) disputes(status, taken, returned string) {
	s.t.Helper()
	s.must(s.fake.Dispute(s.t.Context(), s.gateway, status, eur(taken), eur(returned)))
}

func eur(text string) money.Money { return money.MustParse(text, "EUR") }

// is checks members of what GET answers.
func (s *sale) is(want map[string]string) shown {
	s.t.Helper()
	o := s.look()
	got := map[string]string{
		"state": o.Order.State, "refunds": o.Order.RefundState, "disputes": o.Order.DisputeState, "gateway": o.Order.GatewayStatus,
		"expected": o.Order.Expected.Amount, "settled": o.Order.Settled.Amount, "received": o.Order.Received.Amount,
		"reversed": o.Order.Reversed.Amount, "payout": o.Payout.State, "paid_out": o.Payout.PaidOut.Amount, "lifecycle": o.Order.Lifecycle, "due": o.Order.AmountDue.Amount, "captured": o.Order.Captured.Amount,
		"held": o.Order.Authorised.Amount, "refunded": o.Order.Refunded.Amount, "pending": o.Order.Pending.Amount, "disputed": o.Order.DisputeHeld.Amount,
		"lost": o.Order.DisputeLost.Amount, "net": o.Order.Net.Amount, "flags": strings.Join(o.Order.Flags, ","),
	}
	if n := len(o.Payments); n > 0 {
		got["payment"], got["reason"] = o.Payments[n-1].Status, o.Payments[n-1].Reason
	}
	if n := len(o.Refunds); n > 0 {
		got["refund"] = o.Refunds[n-1].Status
	}
	if n := len(o.Disputes); n > 0 {
		got["stage"], got["track"], got["outcome"] = o.Disputes[n-1].Stage, o.Disputes[n-1].Track, o.Disputes[n-1].Outcome
	}
	for name, v := range want {
		if got[name] != v {
			s.t.Errorf("%s is %q, want %q (%v)", name, got[name], v, got)
		}
	}
	return o
}

// becomes waits for a payment state that no webhook brings: the ledger asks the gateway by itself.
func (s *sale) becomes(state string) {
	s.t.Helper()
	harness.Eventually(s.t, "the order is "+state, func() bool { return s.look().Order.State == state })
}

// advises checks what the merchant is told to do.
func (s *sale) advises(page, do string) {
	s.t.Helper()
	a := s.call(s.t, "GET", "/orders/"+s.id+"/advice", "")
	var advice struct {
		Page string `json:"thank_you_page"`
		Do   string `json:"order"`
	}
	a.JSON(s.t, &advice)
	if advice.Page != page || advice.Do != do {
		s.t.Errorf("the advice is %s, %s; want %s, %s: %s", advice.Page, advice.Do, page, do, a.Body)
	}
}
