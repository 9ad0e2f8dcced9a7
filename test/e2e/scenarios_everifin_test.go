package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/test/harness"
)

// tokenLife is that of Everifin's access tokens, which clients renew ten seconds before their end.
const tokenLife = 12 * time.Second

func paygatePaymentFlow() []flow {
	return []flow{
		{title: "Authentication: a token is renewed before it ends", goes: func(t *testing.T, m *merchant) {
			asked := m.fake.Calls(fakegateway.Everifin, "POST token")
			harness.Eventually(t, "another token is asked for", func() bool {
				m.issue(t, "everifin", "")
				return m.fake.Calls(fakegateway.Everifin, "POST token") > asked
			})
		}},
		{title: "Authentication: a token that ended early is renewed", goes: func(t *testing.T, m *merchant) {
			m.issue(t, "everifin", "")
			m.fake.EndTokens()
			s := m.issue(t, "everifin", "")
			m.fake.EndTokens()
			s.act("withdraw", `{}`, "accepted")
		}},
		{title: "Order initialization, order processing", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "") // its answer leads to the gateway's page
			s.is(want{"payment": "INITIATED", "state": "UNPAID"})
		}},
		{title: "Checking status: Get Order Payment", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.detail("INITIATED", false)
			s.pays()
			s.detail("SETTLED", true)
		}},
		{title: "Checking status: Get Order with several payments", goes: severalPayments},
		{title: "Payment statuses CREATED, SEEN, PROCESSING, CONFIRMED, BOOKED", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.is(want{"payment": "INITIATED", "state": "UNPAID", "gateway": "CREATED"})
			for _, step := range []struct{ gateway, payment, expected string }{
				{"SEEN", "VIEWED", "0.00"}, {"PROCESSING", "PROCESSING", "0.00"}, {"CONFIRMED", "CONFIRMED", "50.00"},
			} {
				s.turns(step.gateway)
				s.is(want{"payment": step.payment, "expected": step.expected, "state": "UNPAID", "captured": "0.00", "gateway": step.gateway})
				s.detail(step.payment, false)
			}
			s.pays()
			s.is(want{"state": "PAID", "captured": "50.00", "settled": "50.00", "expected": "0.00", "payment": "SETTLED", "gateway": "BOOKED"})
		}},
		{title: "Payment statuses WITHDRAWN: withdrawable are CREATED and SEEN", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.act("withdraw", `{}`, "accepted")
			s.is(want{"payment": "WITHDRAWN", "state": "UNPAID"})
			s.detail("WITHDRAWN", true)
			s = m.issue(t, "everifin", "")
			s.turns("SEEN")
			s.act("withdraw", `{}`, "accepted")
			for _, status := range []string{"PROCESSING", "CONFIRMED", "BOOKED", "PROCESSING_EXPIRED"} {
				s = m.issue(t, "everifin", "")
				s.turns(status)
				s.act("withdraw", `{}`, "payment_begun")
			}
			for _, status := range []string{"FAILED", "EXPIRED", "WITHDRAWN"} {
				s = m.issue(t, "everifin", "")
				s.turns(status)
				s.act("withdraw", `{}`, "nothing_to_withdraw")
			}
		}},
		{title: "Payment statuses EXPIRED after 30 minutes", goes: func(t *testing.T, m *merchant) {
			m.fake.Backdate("START-30", time.Hour)
			s := m.issue(t, "everifin", `,"number":"START-30"`)
			s.must(m.fake.Pass(t.Context(), s.gateway, 29*time.Minute))
			s.is(want{"payment": "INITIATED"})
			s.must(m.fake.Pass(t.Context(), s.gateway, time.Minute))
			s.is(want{"payment": "EXPIRED", "state": "UNPAID"})
			s.detail("EXPIRED", true)
		}},
		{title: "Payment statuses PROCESSING_EXPIRED, and booked after all", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.turns("PROCESSING_EXPIRED")
			s.is(want{"payment": "OUTCOME_UNKNOWN", "state": "UNPAID", "flags": "payment_outcome_unknown"})
			s.pays()
			s.is(want{"payment": "SETTLED", "state": "PAID", "captured": "50.00"})
			s.act("anomalies/payment_outcome_unknown/resolve", `{"found":"the money is there"}`, "recorded")
			s.is(want{"flags": ""})
		}},
		{title: "Order statuses UNPAID, PARTIALLY_PAID, PAID", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.is(want{"state": "UNPAID"})
			s.act("amount", `{"amount":"40.00"}`, "accepted")
			s.is(want{"due": "40.00", "state": "UNPAID"})
			s.pays()
			s.is(want{"state": "PAID"})
			s.act("amount", `{"amount":"30.00"}`, "INVALID_ORDER_AMOUNT")
			s.act("amount", `{"amount":"65.00"}`, "accepted")
			o := s.is(want{"state": "PARTIALLY_PAID", "due": "65.00", "captured": "40.00"})
			s.act("withdraw", `{}`, "payment_begun") // only an order that is UNPAID is withdrawable
			s.gateway = o.Payments[len(o.Payments)-1].Source
			s.pays()
			s.is(want{"state": "PAID", "captured": "65.00", "flags": ""}) // the gateway's own word for it is the same
			rows := m.ledger.Site.Rows(t, `select data->>'status' as told from ledger.order_history
				where order_id = $1 and event_type = 'GatewayOrderStatusObserved' order by revision`, s.id)
			var told []string
			for _, r := range rows {
				told = append(told, r.Text("told"))
			}
			for _, status := range []string{"UNPAID", "PARTIALLY_PAID", "PAID"} {
				if !slices.Contains(told, status) {
					t.Errorf("the gateway told %v of the order, want %s among it", told, status)
				}
			}
		}},
		{title: "Order statuses UNPAID: cancelled by the merchant, and paid elsewhere", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.act("cancel", `{}`, "accepted")
			s.is(want{"lifecycle": "CANCELLED", "payment": "WITHDRAWN", "state": "UNPAID"})
			s.because("merchant_request")
			s.act("cancel", `{}`, "order_closed")
			s = m.issue(t, "everifin", "")
			s.act("received", `{}`, "recorded")
			s.is(want{"state": "PAID", "received": "50.00", "flags": ""}) // the gateway still says UNPAID, rightly
		}},
		{title: "Order update: ORDER_CANNOT_BE_UPDATED while PROCESSING", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.turns("PROCESSING")
			s.act("amount", `{"amount":"60.00"}`, "ORDER_CANNOT_BE_UPDATED")
			s = m.issue(t, "everifin", "")
			m.fake.Mute(s.gateway) // the ledger does not know: the gateway refuses
			s.turns("PROCESSING")
			s.act("amount", `{"amount":"60.00"}`, "gateway_refused")
			s.is(want{"due": "50.00"})
		}},
		{title: "Refunds CREATED to BOOKED", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.pays()
			s.act("refunds", `{"amount":"10.00"}`, "accepted")
			s.is(want{"pending": "10.00", "refunded": "0.00", "refunds": "PENDING"})
			s.act("refunds", `{"amount":"40.01"}`, "refund_exceeds_refundable")
			s.must(m.fake.FinishRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "10.00", "refunds": "PARTIAL", "state": "PAID"})
		}},
		{title: "Refunds FAILED", goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			s.pays()
			s.act("refunds", `{}`, "accepted")
			s.must(m.fake.FailRefunds(t.Context(), s.gateway))
			s.is(want{"pending": "0.00", "refunded": "0.00", "refunds": "NONE", "refund": "FAILED"})
		}},
		{title: "Refunds through all statuses of payments", goes: refundStatuses},
		{title: "Edge cases: AML checks", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "everifin", "")
				s.turns("PROCESSING")
				s.must(m.fake.Turn(t.Context(), s.gateway, "FAILED", "AML_BLOCKED"))
				return s
			},
			ends: func(s *sale) {
				s.is(want{"payment": "FAILED", "state": "UNPAID", "captured": "0.00"})
				s.told("AML_BLOCKED")
			},
		}},
		{title: "Edge cases: Confirmed payment failure", waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "everifin", "")
				s.turns("CONFIRMED")
				s.is(want{"expected": "50.00"})
				s.must(m.fake.Turn(t.Context(), s.gateway, "FAILED", "REJECTED_BY_BANK"))
				return s
			},
			ends: func(s *sale) {
				s.is(want{"payment": "FAILED", "expected": "0.00", "state": "UNPAID"})
				s.told("REJECTED_BY_BANK")
				rows := s.ledger.Site.Rows(s.t, `select data->>'after_confirmation' as after from ledger.order_history where order_id = $1
					and event_type = 'PaymentAttemptFailed'`, s.id)
				for _, r := range rows {
					if r.Text("after") != "true" {
						s.t.Errorf("a failure after a confirmation is %v", r)
					}
				}
				if len(rows) == 0 {
					s.t.Error("no event says that the payment failed")
				}
			},
		}},
	}
}

// severalPayments: goods are added to an order that is paid; each time a payment for the difference is
// added, and the order tells of all of them.
func severalPayments(t *testing.T, m *merchant) {
	s := m.issue(t, "everifin", "")
	s.pays()
	for i, total := range []string{"60.00", "75.00"} {
		s.act("amount", fmt.Sprintf(`{"amount":%q}`, total), "accepted")
		o := s.is(want{"state": "PARTIALLY_PAID", "due": total, "flags": ""})
		if len(o.Payments) != i+2 {
			t.Fatalf("the order has %d payments, want %d", len(o.Payments), i+2)
		}
		s.gateway = o.Payments[i+1].Source
		s.turns("PROCESSING")
		s.pays()
		s.is(want{"state": "PAID", "captured": total, "payment": "SETTLED"})
	}
	var list struct {
		Payments []struct {
			Amount amount `json:"amount"`
			Status string `json:"status"`
		} `json:"payments"`
	}
	s.call(t, "GET", "/orders/"+s.id+"/payments", "").JSON(t, &list)
	got := fmt.Sprint(list.Payments)
	if want := "[{{50.00} SETTLED} {{10.00} SETTLED} {{15.00} SETTLED}]"; got != want {
		t.Errorf("the payments are %s, want %s", got, want)
	}
	s.act("refunds", `{}`, "payment_required")
}

// refundStatuses: a refund is a payment in the other direction and goes through its statuses. One whose
// outcome the gateway lost sight of stays pending.
func refundStatuses(t *testing.T, m *merchant) {
	for last, c := range map[string]struct{ refund, pending, refunded, flags string }{
		"BOOKED": {"COMPLETED", "0.00", "20.00", ""}, "FAILED": {"FAILED", "0.00", "0.00", ""}, "EXPIRED": {"FAILED", "0.00", "0.00", ""},
		"WITHDRAWN": {"FAILED", "0.00", "0.00", ""}, "PROCESSING_EXPIRED": {"INITIATED", "20.00", "0.00", "refund_outcome_unknown"},
	} {
		s := m.issue(t, "everifin", "")
		s.pays()
		s.act("refunds", `{"amount":"20.00"}`, "accepted")
		refund := s.look().Refunds[0].Source
		for _, status := range []string{"SEEN", "PROCESSING", "CONFIRMED"} {
			s.must(m.fake.Turn(t.Context(), refund, status, ""))
			s.is(want{"refund": "INITIATED", "pending": "20.00", "refunded": "0.00", "state": "PAID"})
		}
		s.must(m.fake.Turn(t.Context(), refund, last, ""))
		s.is(want{"refund": c.refund, "pending": c.pending, "refunded": c.refunded, "flags": c.flags, "state": "PAID"})
	}
}

// detail checks the status of the order's payment in the form of payment details.
func (s *sale) detail(code string, terminal bool) {
	s.t.Helper()
	s.look()
	a := s.call(s.t, "GET", "/orders/"+s.id+"/payments/"+s.gateway, "")
	var payment struct {
		Details struct {
			Code       string `json:"code"`
			IsTerminal bool   `json:"isTerminal"`
		} `json:"status_details"`
	}
	if a.JSON(s.t, &payment); a.Status != http.StatusOK || payment.Details.Code != code || payment.Details.IsTerminal != terminal {
		s.t.Errorf("the payment is %d %s, want %s, terminal %t", a.Status, a.Body, code, terminal)
	}
}

// told waits until the reason is known that no webhook tells.
func (s *sale) told(reason string) {
	s.t.Helper()
	harness.Eventually(s.t, "the reason of the failure is asked for", func() bool { return s.look().Payments[0].Reason == reason })
}

// recommendedReactions are the rows of the document's table for the thank-you page and the order.
func recommendedReactions() []flow {
	flows := make([]flow, 0, 9)
	for _, row := range []struct{ status, page, do string }{
		{"CONFIRMED", "show_success", "merchant_decides"},
		{"BOOKED", "show_success", "fulfil"},
		{"FAILED", "show_failure_offer_retry", "mark_unsuccessful"},
		{"EXPIRED", "show_failure_offer_retry", "mark_unsuccessful"},
		{"WITHDRAWN", "show_withdrawn", "nothing"},
		{"PROCESSING_EXPIRED", "show_unclear", "merchant_decides"},
		{"PROCESSING", "show_pending", "wait"},
		{"CREATED", "offer_restart", "nothing"},
		{"SEEN", "offer_restart", "nothing"},
	} {
		flows = append(flows, flow{title: row.status, goes: func(t *testing.T, m *merchant) {
			s := m.issue(t, "everifin", "")
			if row.status != "CREATED" {
				s.turns(row.status)
			}
			s.advises(row.page, row.do)
		}})
	}
	return flows
}

// reasonCodes: each reason of the document's table is asked for, since the webhook does not tell it.
func reasonCodes() []flow {
	var flows []flow
	for _, code := range []string{
		"CANCELED_BY_PAYER_AT_EVERIFIN", "BANK_NOT_FOUND", "MANUAL_TRANSFER_REQUESTED", "CANCELED_BY_PAYER_AT_BANK",
		"INSUFFICIENT_AMOUNT", "AML_BLOCKED", "REJECTED_BY_BANK", "OTHER",
	} {
		flows = append(flows, flow{title: code, waiting: &waiting{
			begins: func(t *testing.T, m *merchant) *sale {
				s := m.issue(t, "everifin", "")
				s.must(m.fake.Turn(t.Context(), s.gateway, "FAILED", code))
				return s
			},
			ends: func(s *sale) {
				s.is(want{"payment": "FAILED", "state": "UNPAID"})
				s.told(code)
			},
		}})
	}
	return flows
}
