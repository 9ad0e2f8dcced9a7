package e2e_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
)

func getPaymentDetails() []flow {
	return []flow{
		{title: "Initiated, PendingMerchant", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.is(want{"gateway": "PendingMerchant", "state": "UNPAID", "payment": "INITIATED"})
			rows := m.ledger.Site.Rows(t, `select metadata->>'source_status' as told from ledger.order_history
				where order_id = $1 and metadata->>'source_status' <> '' order by revision`, s.id)
			var told []string
			for _, r := range rows {
				told = append(told, r.Text("told"))
			}
			if !slices.Contains(told, "Initiated") {
				t.Errorf("the gateway told %v, want Initiated among it", told)
			}
		}},
		{title: "InProgress, Processing, PendingProvider", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			for _, step := range []struct{ gateway, payment string }{
				{"InProgress", "VIEWED"}, {"Processing", "PROCESSING"}, {"PendingProvider", "PENDING"},
			} {
				s.turns(step.gateway)
				s.is(want{"gateway": step.gateway, "payment": step.payment, "state": "UNPAID"})
				s.detail(step.payment, false)
			}
		}},
		{title: "Failed", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.turns("Failed")
			s.is(want{"payment": "FAILED", "state": "UNPAID", "gateway": "Failed"})
			s.detail("FAILED", true)
			s.advises("show_failure_offer_retry", "mark_unsuccessful")
		}},
		{title: "Abandoned", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.turns("Abandoned")
			s.is(want{"payment": "ABANDONED", "state": "UNPAID"})
			s.detail("ABANDONED", true)
			s.act("capture", `{}`, "gateway_cannot")
		}},
		{title: "Approved → Settled", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.is(want{"state": "PAID", "payment": "CAPTURED", "captured": "50.00", "settled": "0.00"})
			s.detail("CAPTURED", true)
			s.turns("Settled")
			s.is(want{"state": "PAID", "payment": "SETTLED", "captured": "50.00", "settled": "50.00"})
			s.detail("SETTLED", true)
		}},
		{title: "Settled before Approved, Settled → Approved (SEPA INST)", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.turns("Settled")
			s.is(want{"state": "PAID", "captured": "50.00", "settled": "50.00", "payment": "SETTLED"})
			s.turns("Approved")
			s.is(want{"state": "PAID", "captured": "50.00", "settled": "50.00", "payment": "SETTLED", "gateway": "Settled", "flags": ""})
		}},
		{title: "Approved/Settled → PendingRefund → PartialyRefunded", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.act("refunds", `{"amount":"15.00"}`, "accepted")
			s.is(want{"pending": "15.00", "refunded": "0.00", "refunds": "PENDING", "gateway": "PendingRefund"})
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "15.00", "refunds": "PARTIAL", "state": "PAID", "gateway": "PartialyRefunded"})
		}},
		{title: "Approved/Settled → PendingRefund → Refunded", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.turns("Settled")
			s.act("refunds", `{}`, "accepted")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "50.00", "refunds": "FULL", "net": "0.00", "gateway": "Refunded"})
			s.act("refunds", `{}`, "refund_exceeds_refundable")
		}},
		{title: "PendingRefund that nobody asked for through the ledger", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.turns("PendingRefund")
			s.is(want{"refunds": "PENDING", "pending": "0.00", "flags": "refund_amount_unknown"})
			s.act("refunds", `{"amount":"10.00"}`, "refund_amount_unknown")
			s.turns("Refunded")
			s.is(want{"refunds": "FULL", "refunded": "50.00", "pending": "0.00"})
		}},
		{title: "PartialyRefunded that nobody asked for moves nothing until somebody says how much", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.turns("PartialyRefunded")
			s.is(want{"refunded": "0.00", "net": "50.00", "flags": "refund_amount_unknown"})
		}},
		{title: "PendingRefund back to Approved: the refund failed", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.act("refunds", `{"amount":"15.00"}`, "accepted")
			s.must(m.fake.FailRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "0.00", "refunds": "NONE", "refund": "FAILED", "state": "PAID", "gateway": "Approved"})
			s.act("refunds", `{"amount":"50.00"}`, "accepted")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"refunded": "50.00"})
		}},
		{title: "status.isTerminal is no reason to stop listening", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			m.fake.Contradict(s.gateway)
			s.turns("PendingProvider") // terminal, it says
			s.pays()                   // not terminal, it says
			s.is(want{"state": "PAID", "captured": "50.00"})
			s.detail("CAPTURED", true)
		}},
		{title: "A refund made by hand, as of PIS payments", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "connectpay", "")
			s.pays()
			s.act("refunds", `{"amount":"15.00","by_hand":true}`, "recorded")
			s.is(want{"pending": "15.00", "gateway": "Approved"}) // the gateway was not asked
		}},
	}
}

// TestScenarios_Redelivery: a webhook that is not answered with 200 is sent again, and counts once however
// often it comes.
func TestScenarios_Redelivery(t *testing.T) {
	t.Parallel()
	m := openShopAt(t, fakegateway.Options{Redelivers: true})
	var sales []*sale
	for _, gateway := range []string{fakegateway.Decta, fakegateway.Everifin, fakegateway.ConnectPay} {
		sales = append(sales, m.issue(t, gateway, ""))
	}
	if r := m.ledger.Terminate(t); r.Code != 0 {
		t.Fatalf("the ledger ended with %d", r.Code)
	}
	for _, s := range sales {
		s.pays()
	}
	if left := m.fake.Redeliver(t.Context()); left < len(sales) {
		t.Fatalf("%d webhooks wait for a ledger that is down, want one of each gateway at least", left)
	}
	m.ledger = m.ledger.Site.Serve(t)
	if left := m.fake.Redeliver(t.Context()); left != 0 {
		t.Fatalf("%d webhooks were not taken", left)
	}
	for _, s := range sales {
		s.is(want{"state": "PAID", "captured": "50.00"})
		told := len(s.tells())
		hook, err := m.fake.Hook(s.gateway)
		s.must(err)
		for range 2 {
			if status, text, err := m.post(t.Context(), hook); status != http.StatusOK || err != nil {
				t.Errorf("%s: the webhook again: %d %s %v", hook.Gateway, status, text, err)
			}
		}
		s.is(want{"state": "PAID", "captured": "50.00"})
		if now := len(s.tells()); hook.Gateway != fakegateway.Everifin && now != told { // whose webhooks have an id of their own
			t.Errorf("%s: %d events, and %d after the webhook came again", hook.Gateway, told, now)
		}
	}
}
