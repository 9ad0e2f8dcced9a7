package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// openShop runs a ledger that may call the three gateways, whose webhooks reach it.
func openShop(t *testing.T) *merchant {
	t.Helper()
	m := &merchant{}
	m.fake = fakegateway.New(fakegateway.Options{Deliver: func(_ context.Context, h fakegateway.Hook) error {
		if a := m.ledger.Post(t, h.Gateway, string(h.Body)); a.Status != http.StatusOK {
			return fmt.Errorf("a webhook of %s was answered %d %s", h.Gateway, a.Status, a.Body)
		}
		return nil
	}})
	server := httptest.NewServer(m.fake)
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "signing.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	site := harness.NewSite(t, harness.Options{
		Config: fmt.Sprintf(`
gateways:
  - gateway: decta
    verify: {strategy: none}
    api: {url: "%[1]s/decta/api/v0.6", key: "env:E2E_KEY", per_second: 1000}
  - gateway: everifin
    verify: {strategy: none}
    api: {url: "%[1]s/everifin/api/v2", token_url: "%[1]s/everifin/token", client_id: %[2]s, client_secret: "env:E2E_SECRET",
          creditor_iban: SK3112000000198742637541, creditor_name: Shop, per_second: 1000}
  - gateway: connectpay
    verify: {strategy: none}
    api: {url: "%[1]s/connectpay", user: %[3]s, password: "env:E2E_PASSWORD", brand_id: b, signing_key: "file:%[4]s",
          creditor_iban: LT601010012345678901, creditor_name: Shop, per_second: 1000}
`, server.URL, fakegateway.ClientID, fakegateway.User, file),
		Env: []string{"E2E_KEY=" + fakegateway.DectaKey, "E2E_SECRET=" + fakegateway.ClientSecret, "E2E_PASSWORD=" + fakegateway.Password},
	})
	created := site.RunOK(t, "token", "create", "shop", "--scopes", "orders:write,orders:read,operations")
	if m.token = strings.TrimSpace(created.Stdout); m.token == "" {
		t.Fatalf("no token in %s", created.Stdout)
	}
	m.ledger = site.Serve(t)
	return m
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
		Lifecycle     string   `json:"lifecycle"`
		GatewayStatus string   `json:"gateway_status"`
		AmountDue     amount   `json:"amount_due"`
		Captured      amount   `json:"captured"`
		Authorised    amount   `json:"authorised"`
		Refunded      amount   `json:"refunded"`
		Pending       amount   `json:"refund_pending"`
		DisputeHeld   amount   `json:"dispute_held"`
		DisputeLost   amount   `json:"dispute_lost"`
		Net           amount   `json:"net"`
		Flags         []string `json:"flags"`
	} `json:"order"`
	Payments []struct {
		Source string `json:"source_payment_id"`
		Status string `json:"status"`
		Reason string `json:"reason_code"`
	} `json:"payments"`
	Refunds  []struct{ Status string } `json:"refunds"`
	Disputes []struct {
		ID    string `json:"dispute_id"`
		Stage string `json:"stage"`
	} `json:"disputes"`
}

// look reads the order once the views show everything.
func (s *sale) look() shown {
	s.t.Helper()
	s.ledger.WaitForViews(s.t)
	a := s.call(s.t, "GET", "/orders/"+s.id, "")
	if a.Status != http.StatusOK {
		s.t.Fatalf("the order was answered %d %s", a.Status, a.Body)
	}
	var o shown
	a.JSON(s.t, &o)
	return o
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

// pays lets the customer pay, turns gives the order another status at the gateway.
func (s *sale) pays() {
	s.t.Helper()
	if err := s.fake.Pay(s.t.Context(), s.gateway); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sale) turns(status, reason string) {
	s.t.Helper()
	if err := s.fake.Turn(s.t.Context(), s.gateway, status, reason); err != nil {
		s.t.Fatal(err)
	}
}

// is checks members of what GET answers.
func (s *sale) is(want map[string]string) shown {
	s.t.Helper()
	o := s.look()
	got := map[string]string{
		"state": o.Order.State, "lifecycle": o.Order.Lifecycle, "due": o.Order.AmountDue.Amount, "captured": o.Order.Captured.Amount,
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
		got["stage"] = o.Disputes[n-1].Stage
	}
	for name, v := range want {
		if got[name] != v {
			s.t.Errorf("%s is %q, want %q", name, got[name], v)
		}
	}
	return o
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

// The flows of the gateways' documents, each under the document's own heading, as a merchant's backend
// goes through them over HTTP. Their gateways are fake; the ledger is the binary.
func TestScenarios(t *testing.T) {
	t.Parallel()
	m := openShop(t)
	t.Run("General Payment Flow", func(t *testing.T) { generalPaymentFlow(t, m) })
	t.Run("Paygate Payment Flow", func(t *testing.T) { paygatePaymentFlow(t, m) })
	t.Run("Get payment details", func(t *testing.T) { getPaymentDetails(t, m) })
	t.Run("Order detail and lists", func(t *testing.T) { reading(t, m) })
	t.Run("What gateways do not do", func(t *testing.T) { gatewayTroubles(t, m) })
}

func generalPaymentFlow(t *testing.T, m *merchant) {
	t.Run("Paid, refunded in parts, never more than was paid", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.is(map[string]string{"state": "UNPAID", "due": "50.00", "lifecycle": "OPEN"})
		s.pays()
		s.is(map[string]string{"state": "PAID", "captured": "50.00"})
		s.advises("show_success", "fulfil")
		s.act("refunds", `{"amount":"20.00"}`, "accepted")
		s.is(map[string]string{"state": "PAID", "refunded": "20.00", "net": "30.00", "refund": "COMPLETED"})
		s.act("refunds", `{"amount":"30.01"}`, "refund_exceeds_refundable")
		s.act("refunds", `{}`, "accepted")
		s.is(map[string]string{"refunded": "50.00", "net": "0.00"})
		s.act("refunds", `{"amount":"0.01"}`, "refund_exceeds_refundable")
	})
	t.Run("Hold, captured in part", func(t *testing.T) {
		s := m.issue(t, "decta", `,"skip_capture":true`)
		s.act("capture", `{}`, "nothing_held")
		s.pays()
		s.is(map[string]string{"state": "UNPAID", "held": "50.00", "payment": "AUTHORISED"})
		s.act("capture", `{"amount":"50.01"}`, "capture_exceeds_hold")
		s.act("capture", `{"amount":"30.00"}`, "accepted")
		s.is(map[string]string{"captured": "30.00", "held": "0.00"})
		s.act("capture", `{"amount":"20.00"}`, "nothing_held")
	})
	t.Run("Hold, voided", func(t *testing.T) {
		s := m.issue(t, "decta", `,"skip_capture":true`)
		s.pays()
		s.act("void", `{}`, "accepted")
		s.is(map[string]string{"state": "UNPAID", "held": "0.00", "captured": "0.00", "lifecycle": "CANCELLED"})
	})
	t.Run("Failed is not final", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.turns("viewed", "")
		s.turns("in_progress", "")
		s.turns("failed", "")
		s.is(map[string]string{"state": "UNPAID", "payment": "FAILED", "lifecycle": "OPEN"})
		s.advises("show_failure_offer_retry", "mark_unsuccessful")
		s.pays()
		s.is(map[string]string{"state": "PAID"})
	})
	t.Run("Overdue, and paid after all", func(t *testing.T) {
		s := m.issue(t, "decta", `,"due":4102444800`)
		s.turns("overdue", "")
		s.is(map[string]string{"lifecycle": "OVERDUE"})
		s.pays()
		s.is(map[string]string{"state": "PAID"})
	})
	for status, lifecycle := range map[string]string{"expired": "EXPIRED", "rejected": "REJECTED"} {
		t.Run("Status "+status, func(t *testing.T) {
			s := m.issue(t, "decta", "")
			s.turns(status, "")
			s.is(map[string]string{"state": "UNPAID", "lifecycle": lifecycle})
			s.act("amount", `{"amount":"60.00"}`, "ORDER_CANNOT_BE_UPDATED")
		})
	}
	t.Run("Cancelled by the merchant", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.act("cancel", `{}`, "accepted")
		s.is(map[string]string{"lifecycle": "CANCELLED"})
		s.act("cancel", `{}`, "order_closed")
	})
	t.Run("Received outside the gateway", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.act("received", `{"amount":"20.00"}`, "whole_amount_only")
		s.act("received", `{}`, "accepted")
		s.is(map[string]string{"state": "PAID", "captured": "0.00"})
	})
	t.Run("Reversed before it is settled", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.pays()
		s.act("reversals", `{}`, "accepted")
		s.is(map[string]string{"state": "UNPAID", "net": "0.00"})
	})
	t.Run("Chargeback: no double payout, representment, lost", func(t *testing.T) { chargeback(t, m) })
}

func chargeback(t *testing.T, m *merchant) {
	s := m.issue(t, "decta", "")
	s.pays()
	eur := func(text string) money.Money { return money.MustParse(text, "EUR") }
	if err := s.fake.Dispute(t.Context(), s.gateway, "chargeback", eur("50.00"), eur("0.00")); err != nil {
		t.Fatal(err)
	}
	o := s.is(map[string]string{"disputed": "50.00", "stage": "chargeback"})
	s.act("refunds", `{"amount":"50.00"}`, "disputed_money")
	id := o.Disputes[0].ID
	s.act("disputes/"+id+"/represent", `{}`, "recorded")
	s.is(map[string]string{"stage": "representment"})
	s.act("disputes/"+id+"/resolve", `{"outcome":"split","amount_lost":"20.00"}`, "recorded")
	s.is(map[string]string{"lost": "20.00", "disputed": "0.00"})
	s.act("disputes/"+id+"/accept", `{}`, "dispute_resolved")
	s.act("refunds", `{"amount":"30.01"}`, "disputed_money")
}

func paygatePaymentFlow(t *testing.T, m *merchant) {
	t.Run("Payment statuses CREATED to BOOKED", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.is(map[string]string{"payment": "INITIATED", "state": "UNPAID"})
		for _, step := range []struct{ gateway, payment, page, do string }{
			{"SEEN", "VIEWED", "show_pending", "wait"},
			{"PROCESSING", "PROCESSING", "show_pending", "wait"},
			{"CONFIRMED", "CONFIRMED", "show_success", "merchant_decides"},
		} {
			s.turns(step.gateway, "")
			s.is(map[string]string{"payment": step.payment, "state": "UNPAID", "captured": "0.00"})
			s.advises(step.page, step.do)
		}
		s.pays()
		s.is(map[string]string{"state": "PAID", "captured": "50.00"})
		s.advises("show_success", "fulfil")
	})
	t.Run("Payment Failure reason codes", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.turns("FAILED", "AML_BLOCKED")
		s.is(map[string]string{"payment": "FAILED", "reason": ""})
		s.advises("show_failure_offer_retry", "mark_unsuccessful")
		harness.Eventually(t, "the reason, which the webhook does not tell, is asked for", func() bool {
			return s.look().Payments[0].Reason == "AML_BLOCKED"
		})
	})
	t.Run("EXPIRED and PROCESSING_EXPIRED", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.turns("EXPIRED", "")
		s.is(map[string]string{"payment": "EXPIRED"})
		s = m.issue(t, "everifin", "")
		s.turns("PROCESSING_EXPIRED", "")
		s.is(map[string]string{"payment": "OUTCOME_UNKNOWN", "state": "UNPAID"})
		s.advises("show_unclear", "merchant_decides")
	})
	t.Run("Withdrawable: CREATED and SEEN only", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.act("withdraw", `{}`, "accepted")
		s.is(map[string]string{"payment": "WITHDRAWN"})
		s.advises("show_withdrawn", "nothing")
		s = m.issue(t, "everifin", "")
		s.turns("PROCESSING", "")
		s.act("withdraw", `{}`, "payment_begun")
	})
	t.Run("Order statuses: PARTIALLY_PAID after an update, PAID after the difference", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.act("amount", `{"amount":"40.00"}`, "accepted")
		s.is(map[string]string{"due": "40.00"})
		s.pays()
		s.is(map[string]string{"state": "PAID"})
		s.act("amount", `{"amount":"30.00"}`, "INVALID_ORDER_AMOUNT")
		s.act("amount", `{"amount":"65.00"}`, "accepted")
		o := s.is(map[string]string{"state": "PARTIALLY_PAID", "due": "65.00", "captured": "40.00"})
		s.gateway = o.Payments[len(o.Payments)-1].Source
		s.pays()
		s.is(map[string]string{"state": "PAID", "captured": "65.00"})
	})
	t.Run("Refunds go out when they are booked", func(t *testing.T) {
		s := m.issue(t, "everifin", "")
		s.pays()
		s.act("refunds", `{"amount":"10.00"}`, "accepted")
		s.is(map[string]string{"pending": "10.00", "refunded": "0.00"})
		if err := s.fake.FinishRefunds(t.Context(), s.gateway); err != nil {
			t.Fatal(err)
		}
		s.is(map[string]string{"pending": "0.00", "refunded": "10.00"})
	})
}

func getPaymentDetails(t *testing.T, m *merchant) {
	t.Run("Approved, then Settled, then PartialyRefunded", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		for _, status := range []string{"InProgress", "Processing", "PendingProvider"} {
			s.turns(status, "")
			s.is(map[string]string{"state": "UNPAID"})
		}
		s.pays()
		s.is(map[string]string{"state": "PAID", "payment": "CAPTURED"})
		s.turns("Settled", "")
		s.is(map[string]string{"state": "PAID", "payment": "SETTLED", "captured": "50.00"})
		s.act("refunds", `{"amount":"15.00"}`, "accepted")
		s.is(map[string]string{"pending": "15.00"})
		if err := s.fake.FinishRefunds(t.Context(), s.gateway); err != nil {
			t.Fatal(err)
		}
		s.is(map[string]string{"pending": "0.00", "refunded": "15.00"})
	})
	t.Run("Abandoned", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.turns("Abandoned", "")
		s.is(map[string]string{"payment": "ABANDONED", "state": "UNPAID"})
		s.act("capture", `{}`, "gateway_cannot")
	})
	t.Run("A refund made by hand", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.pays()
		asked := m.fake.Calls(fakegateway.ConnectPay, "POST refund")
		s.act("refunds", `{"amount":"15.00","by_hand":true}`, "recorded")
		s.is(map[string]string{"pending": "15.00"})
		if now := m.fake.Calls(fakegateway.ConnectPay, "POST refund"); now != asked {
			t.Errorf("the gateway was asked %d times for a refund made by hand", now-asked)
		}
	})
}

func gatewayTroubles(t *testing.T, m *merchant) {
	t.Run("a refund that the gateway refuses has failed, and may be asked for again", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.pays()
		m.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusBadRequest, Write: true})
		s.act("refunds", `{"amount":"20.00"}`, "gateway_refused")
		s.is(map[string]string{"pending": "0.00", "refunded": "0.00", "refund": "FAILED"})
		s.act("refunds", `{"amount":"50.00"}`, "accepted")
		s.is(map[string]string{"refunded": "50.00"})
	})
	t.Run("the same key asks the gateway once", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.pays()
		asked := m.fake.Calls(fakegateway.Decta, "POST refund/")
		header := http.Header{
			"Authorization": {"Bearer " + m.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {"once"},
		}
		first := m.ledger.Do(t, "POST", "/orders/"+s.id+"/refunds", `{"amount":"20.00"}`, header)
		again := m.ledger.Do(t, "POST", "/orders/"+s.id+"/refunds", `{"amount":"20.00"}`, header)
		if first.Body != again.Body || again.Status != first.Status || again.Header.Get("Ledger-Gateway") != "accepted" {
			t.Errorf("answered %d %s, and then %d %s", first.Status, first.Body, again.Status, again.Body)
		}
		if n := m.fake.Calls(fakegateway.Decta, "POST refund/") - asked; n != 1 {
			t.Errorf("the gateway was asked %d times", n)
		}
		s.is(map[string]string{"refunded": "20.00"})
	})
	t.Run("a refund whose answer is lost is not asked for again, and shows once the gateway tells", func(t *testing.T) {
		s := m.issue(t, "decta", "")
		s.pays()
		m.fake.LoseHooks(1)
		m.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusBadGateway, Write: true, Executed: true})
		asked := m.fake.Calls(fakegateway.Decta, "POST refund/")
		s.act("refunds", `{"amount":"20.00"}`, "unknown")
		if n := m.fake.Calls(fakegateway.Decta, "POST refund/") - asked; n != 1 {
			t.Errorf("the gateway was asked %d times", n)
		}
		harness.Eventually(t, "the refund shows", func() bool { return s.look().Order.Refunded.Amount == "20.00" })
		s.is(map[string]string{"pending": "0.00", "flags": "gateway_outcome_unknown"})
		s.act("anomalies/clock_skew/resolve", `{"found":"nothing"}`, "anomaly_unknown")
		s.act("anomalies/gateway_outcome_unknown/resolve", `{"found":"the gateway has the refund"}`, "recorded")
		s.is(map[string]string{"flags": ""})
	})
}

// reading pages through orders, and reads one with its parts; nobody without a token does.
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
