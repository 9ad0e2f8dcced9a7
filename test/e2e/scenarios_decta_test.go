package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
)

type want = map[string]string

// generalPaymentFlow is the document's overview: an order is issued, paid at the gateway, and told of by
// webhooks.
func generalPaymentFlow() []flow {
	return []flow{
		{title: "1 Issue an order: response types", goes: responseTypes},
		{title: "1 Issue an order: invalid request data", goes: invalidOrders},
		{title: "2 The customer pays on the payform", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.is(want{"state": "UNPAID", "due": "50.00", "lifecycle": "OPEN", "gateway": "issued"})
			s.advises("show_pending", "wait")
		}},
		{title: "3 Webhook of success or failure", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.must(m.fake.Decline(t.Context(), s.gateway))
			s.is(want{"state": "UNPAID", "payment": "FAILED"})
			s.pays()
			s.is(want{"state": "PAID", "captured": "50.00"})
			s.advises("show_success", "fulfil")
		}},
		{title: "Optimizing Status Checks: polling is told when to come again", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			wait := func() string { return s.call(t, "GET", "/orders/"+s.id, "").Header.Get("Retry-After") }
			if told, err := strconv.Atoi(wait()); err != nil || told < 5 || told > 60 { // it grows with time
				t.Errorf("an order that was just issued is to be asked about again after %d s, %v", told, err)
			}
			s.pays()
			s.is(want{"state": "PAID"})
			if told := wait(); told != "" {
				t.Errorf("a paid order is to be asked about again after %q s", told)
			}
		}},
		{title: "3 Webhook is lost: careful polling finds the payment", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "decta", "")
				m.fake.Mute(s.gateway)
				s.pays()
				return s
			},
			ends: func(s *sale) { s.becomes("PAID") },
		}},
	}
}

// responseTypes: minimum is in standard, and standard in full; each adds its groups of data.
func responseTypes(t *testing.T, m *merchant) {
	answers := map[string]map[string]any{}
	for _, kind := range []string{"", "minimum", "standard", "full"} {
		path := "/orders/"
		if kind != "" {
			path += "?response_type=" + kind
		}
		a := m.call(t, "POST", path, `{"client":{"email":"test@test.com"},"products":[{"price":"0.30","title":"test"}],
			"success_redirect":"https://shop.example/ok","due":4102444800}`)
		var members map[string]any
		if err := json.Unmarshal([]byte(a.Body), &members); err != nil || a.Status != http.StatusCreated {
			t.Fatalf("%s: answered %d %s", kind, a.Status, a.Body)
		}
		if strings.Contains(a.Body, "test@test.com") && kind != "standard" && kind != "full" {
			t.Errorf("%s shows the customer: %s", kind, a.Body)
		}
		answers[kind] = members
	}
	if got, least := names(answers[""]), names(answers["minimum"]); !slices.Equal(got, least) {
		t.Errorf("without a type %v is answered, want %v", got, least)
	}
	for kind, added := range map[string]struct{ over, has, hasNot string }{
		"minimum":  {"", "id type currency total status transaction_details full_page_checkout iframe_checkout direct_post api_do_url", "products client success_redirect due"},
		"standard": {"minimum", "products client saved_card_data brand website success_redirect enable_avs refund_amount", "due"},
		"full":     {"standard", "due", ""},
	} {
		got := answers[kind]
		for _, name := range slices.Concat(strings.Fields(added.has), names(answers[added.over])) {
			if _, has := got[name]; !has {
				t.Errorf("%s lacks %s", kind, name)
			}
		}
		for _, name := range strings.Fields(added.hasNot) {
			if got[name] != nil {
				t.Errorf("%s has %s", kind, name)
			}
		}
	}
}

func names(members map[string]any) []string { return slices.Sorted(maps.Keys(members)) }

// invalidOrders: invalid data is answered 400 with an entry for each field, and reaches no gateway.
func invalidOrders(t *testing.T, m *merchant) {
	for name, c := range map[string]struct{ path, body, field string }{
		"NoProducts":    {"", `{"products":[]}`, "products"},
		"NoTitle":       {"", `{"products":[{"price":"1.00"}]}`, "title"},
		"NegativePrice": {"", `{"products":[{"title":"x","price":"-1.00"}]}`, "price"},
		"NoCurrency":    {"", `{"currency":"XXX","products":[{"title":"x","price":"1.00"}]}`, "currency"},
		"TooManyDigits": {"", `{"products":[{"title":"x","price":"1.001"}]}`, "price"},
		"NoSuchType":    {"?response_type=huge", `{"products":[{"title":"x","price":"1.00"}]}`, "response_type"},
		"NoAddress":     {"", `{"products":[{"title":"x","price":"1.00"}],"success_redirect":":"}`, "success_redirect"},
	} {
		number := "BAD-" + name
		body := strings.Replace(c.body, "{", fmt.Sprintf(`{"number":%q,`, number), 1)
		a := m.call(t, "POST", "/orders/"+c.path, body)
		var problem struct {
			Errors []struct {
				Field   string `json:"field"`
				Message string `json:"message"`
			} `json:"errors"`
		}
		a.JSON(t, &problem)
		if a.Status != http.StatusBadRequest || len(problem.Errors) == 0 || !strings.Contains(problem.Errors[0].Field, c.field) {
			t.Errorf("%s: answered %d %s, want 400 about %s", name, a.Status, a.Body, c.field)
		}
		if a := m.call(t, "GET", "/orders/"+number, ""); a.Status != http.StatusNotFound {
			t.Errorf("%s: there is an order: %d %s", name, a.Status, a.Body)
		}
	}
}

// orderStatus are the statuses of the document's table that are about the order and its money.
func orderStatus() []flow {
	return []flow{
		{title: "Paid", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.pays()
			s.is(want{"state": "PAID", "captured": "50.00", "gateway": "paid"})
			s.act("refunds", `{"amount":"20.00"}`, "accepted")
			s.is(want{"state": "PAID", "refunded": "20.00", "net": "30.00", "refund": "COMPLETED", "refunds": "PARTIAL"})
			s.act("refunds", `{"amount":"30.01"}`, "refund_exceeds_refundable")
		}},
		{title: "Failed is not a final status", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.must(m.fake.Decline(t.Context(), s.gateway))
			s.is(want{"state": "UNPAID", "payment": "FAILED", "lifecycle": "OPEN", "gateway": "failed"})
			s.advises("show_failure_offer_retry", "mark_unsuccessful")
			s.pays()
			s.is(want{"state": "PAID", "lifecycle": "OPEN"})
		}},
		{title: "Issued, Viewed, In progress", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.is(want{"gateway": "issued"})
			s.turns("viewed")
			s.is(want{"gateway": "viewed", "state": "UNPAID"})
			s.turns("in_progress")
			s.is(want{"gateway": "in_progress", "state": "UNPAID", "payment": "PROCESSING"})
			s.advises("show_pending", "wait")
			s.act("cancel", `{}`, "payment_under_way")
		}},
		{title: "Hold, captured in part", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", `,"skip_capture":true`)
			s.act("capture", `{}`, "nothing_held")
			s.pays()
			s.is(want{"state": "UNPAID", "held": "50.00", "payment": "AUTHORISED"})
			s.act("capture", `{"amount":"50.01"}`, "capture_exceeds_hold")
			s.act("capture", `{"amount":"30.00"}`, "accepted")
			s.is(want{"captured": "30.00", "held": "0.00"})
			s.act("capture", `{"amount":"20.00"}`, "nothing_held")
		}},
		{title: "Hold, automatically cancelled after 28 days", goes: holdLapses},
		{title: "Overdue", goes: func(t *testing.T, m *merchant) {
			s := m.dueIssue(t, false)
			s.is(want{"lifecycle": "OVERDUE", "gateway": "overdue"})
			s.pays()
			s.is(want{"state": "PAID", "lifecycle": "OVERDUE"})
		}},
		{title: "Expired", goes: func(t *testing.T, m *merchant) {
			s := m.dueIssue(t, true)
			s.is(want{"lifecycle": "EXPIRED", "gateway": "expired", "state": "UNPAID"})
			s.act("amount", `{"amount":"60.00"}`, "ORDER_CANNOT_BE_UPDATED")
		}},
		{title: "Cancelled (1) by the merchant", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.act("amount", `{"amount":"60.00"}`, "gateway_cannot") // its total is what every webhook says
			s.act("cancel", `{}`, "accepted")
			s.is(want{"lifecycle": "CANCELLED", "gateway": "cancelled", "due": "50.00", "flags": ""})
			s.because("merchant_request")
			s.act("cancel", `{}`, "order_closed")
		}},
		{title: "Cancelled (2) by voiding the hold", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", `,"skip_capture":true`)
			s.pays()
			s.act("void", `{}`, "accepted")
			s.is(want{"state": "UNPAID", "held": "0.00", "captured": "0.00", "lifecycle": "CANCELLED"})
			s.because("hold_voided")
		}},
		{title: "Cancelled (3) by max_payment_attempts", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", `,"max_payment_attempts":3`)
			for range 3 {
				s.is(want{"lifecycle": "OPEN", "state": "UNPAID"})
				s.must(m.fake.Decline(t.Context(), s.gateway))
			}
			s.is(want{"lifecycle": "CANCELLED", "state": "UNPAID", "payment": "FAILED"})
			s.because("max_attempts")
		}},
		{title: "Cancelled is final: money that comes all the same is kept and flagged", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.act("cancel", `{}`, "accepted")
			s.pays()
			s.is(want{"lifecycle": "CANCELLED", "state": "PAID", "flags": "paid_after_close"})
		}},
		{title: "Rejected by the customer on the payform", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.turns("rejected")
			s.is(want{"lifecycle": "REJECTED", "state": "UNPAID", "gateway": "rejected"})
			s.act("reject", `{}`, "order_closed")
		}},
		{title: "Rejected, as the merchant tells", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.act("reject", `{}`, "accepted")
			s.is(want{"state": "UNPAID", "lifecycle": "REJECTED", "gateway": "cancelled"}) // the gateway has no other word for it
			s.act("reject", `{}`, "order_closed")
			s.pays()
			s.is(want{"state": "PAID", "flags": "paid_after_close"})
			s = m.issue(t, "decta", "")
			s.pays()
			s.act("reject", `{}`, "order_paid")
		}},
		{title: "Recieved", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.act("received", `{"amount":"20.00"}`, "whole_amount_only")
			s.act("received", `{}`, "accepted")
			s.is(want{"state": "PAID", "captured": "0.00", "received": "50.00"})
			s.act("refunds", `{}`, "nothing_captured")
		}},
		{title: "Refunded", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.pays()
			s.act("refunds", `{}`, "accepted")
			s.is(want{"state": "PAID", "refunded": "50.00", "net": "0.00", "refunds": "FULL", "gateway": "refunded"})
			s.act("refunds", `{"amount":"0.01"}`, "refund_exceeds_refundable")
		}},
		{title: "Refund initiated", goes: func(t *testing.T, m *merchant) {
			s := m.slowRefund(t, "20.00")
			s.is(want{"state": "PAID", "pending": "20.00", "refunded": "0.00", "refund": "INITIATED", "refunds": "PENDING", "gateway": "refund_initiated"})
			s.act("refunds", `{"amount":"30.01"}`, "refund_exceeds_refundable")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "20.00", "refund": "COMPLETED"})
		}},
		{title: "Refund failed", goes: func(t *testing.T, m *merchant) {
			s := m.slowRefund(t, "20.00")
			s.must(m.fake.FailRefunds(t.Context(), s.gateway))
			s.is(want{"state": "PAID", "pending": "0.00", "refunded": "0.00", "refund": "FAILED", "refunds": "NONE", "net": "50.00"})
			s.act("refunds", `{"amount":"50.00"}`, "accepted")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"refunded": "50.00"})
		}},
		{title: "Refund reversed", goes: func(t *testing.T, m *merchant) {
			s := m.slowRefund(t, "20.00")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.must(m.fake.ReverseRefund(t.Context(), s.gateway, eur("20.00")))
			s.is(want{"state": "PAID", "refunded": "0.00", "net": "50.00", "refunds": "NONE", "gateway": "refund_reversed"})
		}},
		{title: "Reversed after Paid", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.pays()
			s.act("reversals", `{}`, "accepted")
			s.is(want{"state": "UNPAID", "net": "0.00", "reversed": "50.00"})
		}},
		{title: "Reversed after Hold", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", `,"skip_capture":true`)
			s.pays()
			s.act("reversals", `{}`, "nothing_captured") // a hold is voided
			s.must(m.fake.FinishReversal(t.Context(), s.gateway))
			s.is(want{"state": "UNPAID", "held": "0.00", "reversed": "0.00", "captured": "0.00", "gateway": "reversed"})
		}},
		{title: "Reversal initiated", goes: func(t *testing.T, m *merchant) {
			s := m.slowReversal(t)
			s.is(want{"state": "PAID", "reversed": "0.00", "gateway": "reversal_initiated"})
			s.act("refunds", `{}`, "reversal_under_way")
			s.must(m.fake.FinishReversal(t.Context(), s.gateway))
			s.is(want{"state": "UNPAID", "reversed": "50.00", "gateway": "reversed"})
		}},
		{title: "Reversal failed", goes: func(t *testing.T, m *merchant) {
			s := m.slowReversal(t)
			s.must(m.fake.FailReversal(t.Context(), s.gateway))
			s.is(want{"state": "PAID", "reversed": "0.00", "net": "50.00", "gateway": "reversal_failed"})
			s.act("refunds", `{"amount":"50.00"}`, "accepted")
		}},
		{title: "Created, an order for payout", goes: payout},
		{title: "Test", goes: testOrder},
	}
}

// slowRefund is a paid order whose refund was asked for and is under way.
func (m *merchant) slowRefund(t *testing.T, amount string) *sale {
	t.Helper()
	s := m.issue(t, "decta", "")
	s.pays()
	m.fake.Slow(s.gateway)
	s.act("refunds", fmt.Sprintf(`{"amount":%q}`, amount), "accepted")
	return s
}

func (m *merchant) slowReversal(t *testing.T) *sale {
	t.Helper()
	s := m.issue(t, "decta", "")
	s.pays()
	m.fake.Slow(s.gateway)
	s.act("reversals", `{}`, "accepted")
	return s
}

// dueIssue is an order whose due date has just passed.
func (m *merchant) dueIssue(t *testing.T, deny bool) *sale {
	t.Helper()
	reference := "DUE-" + t.Name()
	m.fake.Backdate(reference, 2*time.Hour)
	s := m.issue(t, "decta", fmt.Sprintf(`,"number":%q,"due":%d,"deny_overdue_payment":%t`, reference, time.Now().Add(-time.Hour).Unix(), deny))
	s.is(want{"lifecycle": "OPEN"})
	s.must(m.fake.Pass(t.Context(), s.gateway, 90*time.Minute))
	return s
}

// holdLapses: the gateway ends a hold of 28 days that nobody captured, and the ledger releases it.
func holdLapses(t *testing.T, m *merchant) {
	const day = 24 * time.Hour
	m.fake.Backdate("HOLD-28", 29*day)
	s := m.issue(t, "decta", `,"skip_capture":true,"number":"HOLD-28"`)
	s.pays()
	s.must(m.fake.Pass(t.Context(), s.gateway, 27*day))
	s.is(want{"held": "50.00", "lifecycle": "OPEN", "payment": "AUTHORISED"})
	s.must(m.fake.Pass(t.Context(), s.gateway, day))
	s.is(want{"held": "0.00", "captured": "0.00", "state": "UNPAID", "lifecycle": "CANCELLED", "payment": "RELEASED"})
	s.because("hold_expired")
	s.act("capture", `{}`, "nothing_held")
}

// payout: money that goes out is in no view of what customers owe.
func payout(t *testing.T, m *merchant) {
	for last, state := range map[string]string{"paid": "PAID", "failed": "FAILED", "cancelled": "CANCELLED"} {
		id, err := m.fake.Payout(t.Context(), "PAYOUT-"+last, eur("250.00"))
		if err != nil {
			t.Fatal(err)
		}
		s := &sale{merchant: m, t: t, id: id, gateway: id}
		s.is(want{"payout": "REQUESTED", "paid_out": "0.00"})
		s.turns("in_progress")
		s.is(want{"payout": "PROCESSING"})
		s.turns(last)
		paidOut := "0.00"
		if last == "paid" {
			paidOut = "250.00"
		}
		s.is(want{"payout": state, "paid_out": paidOut})
		byReference := &sale{merchant: m, t: t, id: "PAYOUT-" + last}
		byReference.is(want{"payout": state})
		for _, view := range []string{"orders", "test_orders"} {
			if rows := m.ledger.Site.Rows(t, `select 1 from ledger.`+view+` where source_order_id = $1`, id); len(rows) > 0 {
				t.Errorf("the payout is in ledger.%s", view)
			}
		}
	}
}

// testOrder: a test order goes through the same flow, and is in no view of money.
func testOrder(t *testing.T, m *merchant) {
	s := m.issue(t, "decta", `,"is_test":true`)
	s.pays()
	s.act("refunds", `{"amount":"20.00"}`, "accepted")
	s.is(want{"state": "PAID", "refunded": "20.00"})
	for view, count := range map[string]int{
		"test_orders": 1, "orders": 0, "payments": 0, "refunds": 0, "refund_balances": 0, "disputes": 0, "payouts": 0,
	} {
		if rows := m.ledger.Site.Rows(t, `select 1 from ledger.`+view+` where order_id = $1`, s.id); len(rows) != count {
			t.Errorf("the test order has %d rows in ledger.%s, want %d", len(rows), view, count)
		}
	}
	if a := m.call(t, "GET", "/orders/?number=&limit=100&gateway="+fakegateway.Decta, ""); strings.Contains(a.Body, s.id) {
		t.Errorf("the test order is among the orders")
	}
	if r := m.ledger.Site.RunOK(t, "order", "show", s.id); !strings.Contains(r.Stdout, "TEST ORDER") {
		t.Errorf("order show does not say that it is a test order:\n%s", r.Stdout)
	}
}

// because checks why the order was cancelled, as far as the ledger can tell.
func (s *sale) because(cause string) {
	s.t.Helper()
	rows := s.ledger.Site.Rows(s.t, `select data->>'cause' as cause from ledger.order_history where order_id = $1 and event_type = 'OrderCancelled'`, s.id)
	if len(rows) != 1 || rows[0].Text("cause") != cause {
		s.t.Errorf("the order was cancelled because of %v, want %s once", rows, cause)
	}
}

// disputeStatus are the statuses of the document's table that are dispute related.
func disputeStatus() []flow {
	flows := []flow{
		{title: "Chargeback, no double payout, split", goes: func(t *testing.T, m *merchant) {
			s := m.chargeback(t)
			s.act("refunds", `{"amount":"50.00"}`, "disputed_money")
			id := s.look().Disputes[0].ID
			s.act("disputes/"+id+"/represent", `{}`, "recorded")
			s.is(want{"stage": "representment"})
			s.act("disputes/"+id+"/resolve", `{"outcome":"split","amount_lost":"50.01"}`, "lost_exceeds_disputed")
			s.act("disputes/"+id+"/resolve", `{"outcome":"split","amount_lost":"20.00"}`, "recorded")
			s.is(want{"lost": "20.00", "disputed": "0.00", "net": "30.00", "outcome": "split"})
			s.act("disputes/"+id+"/accept", `{}`, "dispute_resolved")
			s.act("refunds", `{"amount":"30.01"}`, "disputed_money")
		}},
		{title: "Chargeback, accepted", goes: func(t *testing.T, m *merchant) {
			s := m.chargeback(t)
			s.act("disputes/"+s.look().Disputes[0].ID+"/accept", `{}`, "recorded")
			s.is(want{"state": "PAID", "lost": "50.00", "disputed": "0.00", "net": "0.00", "disputes": "LOST", "outcome": "accepted"})
		}},
		{title: "Representation, won", goes: func(t *testing.T, m *merchant) {
			s := m.chargeback(t)
			s.disputes("representation", "50.00", "0.00")
			s.is(want{"stage": "representment", "disputed": "50.00", "disputes": "OPEN"}) // filed is not won
			s.disputes("representation", "50.00", "50.00")
			o := s.is(want{"disputed": "0.00", "net": "50.00", "disputes": "OPEN", "flags": "dispute_outcome_suggested"})
			s.act("disputes/"+o.Disputes[0].ID+"/resolve", `{"outcome":"won"}`, "recorded")
			s.is(want{"disputed": "0.00", "lost": "0.00", "net": "50.00", "disputes": "WON", "outcome": "won"})
			s.act("refunds", `{"amount":"50.00"}`, "accepted")
		}},
		{title: "Pre-arbitration, Arbitration, lost", goes: func(t *testing.T, m *merchant) {
			s := m.chargeback(t)
			for _, stage := range []string{"pre_arbitration", "arbitration"} {
				s.disputes(stage, "50.00", "0.00")
				s.is(want{"stage": stage, "disputed": "50.00", "disputes": "OPEN"})
			}
			s.act("disputes/"+s.look().Disputes[0].ID+"/resolve", `{"outcome":"lost"}`, "recorded")
			s.is(want{"disputed": "0.00", "lost": "50.00", "disputes": "LOST"})
		}},
		{title: "Chargeback of a part that was refunded too", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.pays()
			s.act("refunds", `{"amount":"20.00"}`, "accepted")
			s.disputes("chargeback", "50.00", "0.00")
			s.is(want{"refunded": "20.00", "disputed": "50.00", "flags": "exposure_exceeds_captured"})
		}},
	}
	for _, side := range []struct{ title, status, stage, track, disputes, flags string }{
		{"Retrieval", "retrieval", "retrieval", "chargeback", "INQUIRY", ""},
		{"Pre-compliance", "pre_compliance", "pre_compliance", "compliance", "OPEN", ""},
		{"Compliance", "compliance", "compliance", "compliance", "OPEN", ""},
		{"Good faith", "good_faith", "good_faith", "side", "INQUIRY", ""},
		{"Fraud advice", "fraud_advice", "fraud_advice", "side", "NONE", "fraud_advice"},
	} {
		flows = append(flows, flow{title: side.title, goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "decta", "")
			s.pays()
			s.disputes(side.status, "0.00", "0.00")
			s.is(want{ // no money moves
				"stage": side.stage, "track": side.track, "disputes": side.disputes, "disputed": "0.00", "net": "50.00", "state": "PAID", "flags": side.flags,
			})
			s.act("refunds", `{"amount":"50.00"}`, "accepted")
		}})
	}
	return flows
}

// chargeback is a paid order of which a chargeback took the whole amount back.
func (m *merchant) chargeback(t *testing.T) *sale {
	t.Helper()
	s := m.issue(t, "decta", "")
	s.pays()
	s.disputes("chargeback", "50.00", "0.00")
	s.is(want{"state": "PAID", "disputed": "50.00", "stage": "chargeback", "disputes": "OPEN", "net": "0.00"})
	return s
}
