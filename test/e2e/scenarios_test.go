package e2e_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
	"github.com/order-ledger/order-ledger/test/harness"
)

// The flows of the gateways' documents, each under the document's own heading, as a merchant's backend
// goes through them over HTTP. Their gateways are fake and sign their webhooks; the ledger is the binary.
func TestScenarios(t *testing.T) {
	t.Parallel()
	m := openShopAt(t, fakegateway.Options{TokenLifetime: tokenLife})
	t.Run("Webhooks are verified", func(t *testing.T) { verification(t, m) })
	documents := []document{
		{title: "What gateways do not do", flows: gatewayTroubles()},
		{title: "General Payment Flow", flows: generalPaymentFlow()},
		{title: "Order Status", flows: orderStatus()},
		{title: "Order Status, dispute related", flows: disputeStatus()},
		{title: "Paygate Payment Flow", flows: paygatePaymentFlow()},
		{title: "Recommended reactions to payment statuses", flows: recommendedReactions()},
		{title: "Payment Failure reason codes", flows: reasonCodes()},
		{title: "Get payment details", flows: getPaymentDetails()},
		{title: "Reading orders", flows: []flow{{title: "Order detail and lists", goes: reading}}},
	}
	for i := range documents {
		documents[i].begin(t, m)
	}
	for _, d := range documents {
		t.Run(d.title, func(t *testing.T) { d.run(t, m) })
	}
}

// document is a gateway's document, or a part of one.
type document struct {
	title string
	flows []flow
	begun map[string]*sale // by the flow's title
}

func (d *document) begin(t *testing.T, m *merchant) {
	t.Helper()
	d.begun = map[string]*sale{}
	for _, f := range d.flows {
		if f.waiting != nil {
			d.begun[f.title] = f.begins(t, m)
		}
	}
}

func (d *document) run(t *testing.T, m *merchant) {
	t.Parallel()
	for _, f := range d.flows {
		t.Run(f.title, func(t *testing.T) {
			t.Parallel()
			if f.waiting == nil {
				f.goes(t, m)
				return
			}
			s := d.begun[f.title]
			s.t = t
			f.ends(s)
		})
	}
}

// flow is one flow of a document, under the heading or the word of its table. One that waits for what the
// ledger asks the gateways by itself, some seconds later, begins before the others.
type flow struct {
	title string
	goes  func(*testing.T, *merchant)
	*waiting
}

type waiting struct {
	begins func(*testing.T, *merchant) *sale
	ends   func(*sale)
}

// verification: what cannot prove that it comes from the gateway is answered 401 and changes nothing.
func verification(t *testing.T, m *merchant) {
	for gateway, paid := range map[string]string{fakegateway.Decta: "paid", fakegateway.Everifin: "BOOKED", fakegateway.ConnectPay: "Approved"} {
		t.Run(gateway, func(t *testing.T) {
			s := m.issue(t, gateway, "")
			before := s.look()
			told := len(s.tells())
			m.fake.Mute(s.gateway)
			s.pays()
			hook, err := m.fake.Hook(s.gateway)
			s.must(err)
			if !strings.Contains(string(hook.Body), paid) {
				t.Fatalf("the webhook says nothing of %s: %s", paid, hook.Body)
			}
			for name, forged := range forgeries(hook) {
				if status, text, err := m.post(t.Context(), forged); status != http.StatusUnauthorized || err != nil {
					t.Errorf("%s: answered %d %s %v, want 401", name, status, text, err)
				}
			}
			if now := s.look(); !reflect.DeepEqual(now, before) || len(s.tells()) != told {
				t.Errorf("forged webhooks changed the order from %+v to %+v", before, now)
			}
			s.must(m.deliver(t.Context(), hook))
			s.is(map[string]string{"state": "PAID"})
		})
	}
}

// forgeries are a webhook as others than the gateway would send it, by what is wrong with it.
func forgeries(h fakegateway.Hook) map[string]fakegateway.Hook {
	forged := map[string]fakegateway.Hook{"NoProof": {Gateway: h.Gateway, Body: h.Body, Header: http.Header{}}}
	for name, value := range map[string]string{
		"Signature":   signature.SignEverifin(time.Now(), h.Body, signature.ComposeDotted, []byte("another secret")),
		"X-Signature": "bm9ib2R5IHNpZ25lZCB0aGlz", "Authorization": "Bearer another token",
	} {
		if h.Header.Get(name) != "" {
			forged["AnothersProof"] = fakegateway.Hook{Gateway: h.Gateway, Body: h.Body, Header: http.Header{name: {value}}}
		}
	}
	if h.Gateway == fakegateway.Everifin {
		old := signature.SignEverifin(time.Now().Add(-time.Hour), h.Body, signature.ComposeDotted, []byte(hookSecret))
		forged["Replayed"] = fakegateway.Hook{Gateway: h.Gateway, Body: h.Body, Header: http.Header{"Signature": {old}}}
	}
	if h.Gateway != fakegateway.ConnectPay { // its token proves the sender, not the body
		body := slices.Concat(h.Body[:len(h.Body)-1], []byte(" }"))
		forged["TamperedWith"] = fakegateway.Hook{Gateway: h.Gateway, Body: body, Header: h.Header}
	}
	return forged
}

// gatewayTroubles begin before all others: what fails on request would fail for them.
func gatewayTroubles() []flow {
	return []flow{
		{title: "A refund that the gateway refuses has failed, and may be asked for again", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "decta", "")
				s.pays()
				m.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusBadRequest, Write: true})
				s.act("refunds", `{"amount":"20.00"}`, "gateway_refused")
				return s
			},
			ends: func(s *sale) {
				s.is(want{"pending": "0.00", "refunded": "0.00", "refund": "FAILED"})
				s.act("refunds", `{"amount":"50.00"}`, "accepted")
				s.is(want{"refunded": "50.00"})
			},
		}},
		{title: "A refund whose answer is lost is not asked for again, and shows once the gateway tells", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "decta", "")
				s.pays()
				m.fake.LoseHooks(1)
				m.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusBadGateway, Write: true, Executed: true})
				asked := m.fake.Calls(fakegateway.Decta, "POST refund/")
				s.act("refunds", `{"amount":"20.00"}`, "unknown")
				if n := m.fake.Calls(fakegateway.Decta, "POST refund/") - asked; n != 1 {
					t.Errorf("the gateway was asked %d times", n)
				}
				return s
			},
			ends: func(s *sale) {
				harness.Eventually(s.t, "the refund shows", func() bool { return s.look().Order.Refunded.Amount == "20.00" })
				s.is(want{"pending": "0.00", "flags": "gateway_outcome_unknown"})
				s.act("anomalies/clock_skew/resolve", `{"found":"nothing"}`, "anomaly_unknown")
				s.act("anomalies/gateway_outcome_unknown/resolve", `{"found":"the gateway has the refund"}`, "recorded")
				s.is(want{"flags": ""})
			},
		}},
		{title: "The same key asks the gateway once", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
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
				return s
			},
			ends: func(s *sale) { s.is(want{"refunded": "20.00"}) },
		}},
	}
}
