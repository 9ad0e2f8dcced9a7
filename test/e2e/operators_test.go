package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestOperators records over HTTP what no gateway reports, and what merchants say for their customers.
func TestOperators(t *testing.T) {
	t.Parallel()
	m := openShop(t)
	t.Run("Refund by hand", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.pays()
		s.act("refunds", `{"amount":"20.00","by_hand":true}`, "recorded")
		id := s.refundID()
		s.act("refunds/"+id+"/complete", `{"occurred_at":"2999-01-01T00:00:00Z"}`, "occurred_in_future")
		s.act("refunds/"+id+"/complete", `{"reference":"TRX-1"}`, "recorded")
		s.is(map[string]string{"refunded": "20.00", "pending": "0.00", "refund": "COMPLETED", "net": "30.00"})
		s.act("refunds/"+id+"/fail", `{}`, "refund_decided")
		s.act("refunds", `{"amount":"30.00","by_hand":true}`, "recorded")
		s.act("refunds/"+s.refundID()+"/fail", `{"reason_code":"account_closed"}`, "recorded")
		s.is(map[string]string{"refunded": "20.00", "pending": "0.00"})
	})
	t.Run("Received outside the gateway, and given back", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.act("received", `{}`, "recorded")
		s.act("refunds", `{"payment_id":"external"}`, "gateway_cannot")
		s.act("refunds", `{"by_hand":true}`, "recorded")
		s.act("refunds/"+s.refundID()+"/complete", `{}`, "recorded")
		s.is(map[string]string{"refunded": "50.00", "net": "0.00", "state": "PAID"})
	})
	t.Run("Dispute that the gateway does not tell of", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.pays()
		s.act("disputes", `{"stage":"chargeback","amount":"50.01"}`, "dispute_exceeds_captured")
		s.act("disputes", `{"stage":"chargeback","amount":"40.00","respond_by":"2027-01-31T00:00:00Z","arn":"74537606324000000012345","reason_code":"visa:10.4"}`, "recorded")
		o := s.is(map[string]string{"disputed": "40.00", "stage": "chargeback"})
		s.act("refunds", `{"amount":"10.01"}`, "disputed_money")
		dispute := "disputes/" + o.Disputes[0].ID
		s.act(dispute+"/represent", `{}`, "recorded")
		s.act("disputes", `{"stage":"pre_arbitration"}`, "recorded")
		s.is(map[string]string{"disputed": "40.00", "stage": "pre_arbitration"})
		s.act(dispute+"/accept", `{}`, "recorded")
		s.is(map[string]string{"disputed": "0.00", "lost": "40.00", "net": "10.00"})
	})
	t.Run("Rejected by the customer, at a gateway that can only cancel", func(t *testing.T) {
		for _, gateway := range []string{"decta", "everifin"} {
			s := m.issue(t, gateway, "")
			s.act("reject", `{}`, "accepted")
			s.is(map[string]string{"lifecycle": "REJECTED", "state": "UNPAID"})
		}
	})
	t.Run("Reversal that no gateway makes", func(t *testing.T) {
		s := m.issue(t, "connectpay", "")
		s.pays()
		s.act("reversals", `{}`, "gateway_cannot")
		s.is(map[string]string{"state": "PAID", "net": "50.00"})
	})
	m.ledger.Site.RunOK(t, "audit", "--all") // views and books are what the log says
}

// refundID is the newest refund's.
func (s *sale) refundID() string {
	s.t.Helper()
	s.ledger.WaitForViews(s.t)
	a := s.call(s.t, http.MethodGet, "/orders/"+s.id+"/refunds", "")
	var list struct {
		Refunds []struct {
			ID string `json:"refund_id"`
		} `json:"refunds"`
	}
	if err := json.Unmarshal([]byte(a.Body), &list); err != nil || len(list.Refunds) == 0 {
		s.t.Fatalf("refunds %s, %v", a.Body, err)
	}
	return list.Refunds[len(list.Refunds)-1].ID
}
