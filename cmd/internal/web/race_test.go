package web_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/domain/money"
)

// answered is how one of several requests at once was answered.
type answered struct {
	status int
	code   string
}

// atOnce sends requests at the same time.
func (s *shop) atOnce(requests ...func() (int, http.Header, string)) []answered {
	out := make([]answered, len(requests))
	start := make(chan struct{})
	var group sync.WaitGroup
	for i, request := range requests {
		group.Go(func() {
			<-start
			status, _, text := request()
			var p struct{ Code string }
			_ = json.Unmarshal([]byte(text), &p)
			out[i] = answered{status, p.Code}
		})
	}
	close(start)
	group.Wait()
	return out
}

// amounts are some of an order's.
type amounts struct {
	Order struct {
		Refunded money.Money `json:"refunded"`
		Pending  money.Money `json:"refund_pending"`
		Paid     money.Money `json:"gross_paid"`
	} `json:"order"`
	Disputes []struct {
		Stage   string
		Outcome string
	} `json:"disputes"`
}

// TestRefunds_ManyAtOnce: 64 partial refunds of an order at once, over HTTP and through the gateway, never
// give back more than was paid, and each caller is told what became of its own.
func TestRefunds_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.issue("")
	if err := s.fake.Pay(t.Context(), s.look(id).Order.Source); err != nil {
		t.Fatal(err)
	}
	const callers = 64
	requests := make([]func() (int, http.Header, string), callers)
	for i := range requests {
		requests[i] = func() (int, http.Header, string) {
			return s.call(http.MethodPost, "/orders/"+id+"/refunds", `{"amount":"1.00"}`)
		}
	}
	given := 0
	for _, a := range s.atOnce(requests...) {
		switch {
		case a.status == http.StatusOK || a.status == http.StatusAccepted:
			given++
		case a.status != http.StatusConflict && a.status != http.StatusUnprocessableEntity || a.code == "":
			t.Errorf("a refund was answered %d %q", a.status, a.code)
		}
	}
	s.fresh()
	var o amounts
	s.must(&o, http.MethodGet, "/orders/"+id, "")
	sum, err := o.Order.Refunded.Add(o.Order.Pending)
	if err != nil {
		t.Fatal(err)
	}
	if given == 0 || given > 50 || sum.Amount().IntPart() != int64(given) {
		t.Errorf("%d of 64 refunds of 1.00 were taken, and %s is given back or on its way, of 50.00", given, sum)
	}
	if calls := s.fake.Calls("decta", "POST refund/"); calls != given {
		t.Errorf("the gateway was asked %d times, %d refunds were taken", calls, given)
	}
}

// TestOperators_TwoAtOnce: two people act on what they both saw; one wins, the other is told so.
func TestOperators_TwoAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	t.Run("BySeenRevision", func(t *testing.T) {
		id := s.issue(`,"register_only":true`)
		s.fresh()
		_, header, _ := s.call(http.MethodGet, "/orders/"+id, "")
		act := func(amount string) func() (int, http.Header, string) {
			return func() (int, http.Header, string) {
				return s.call(http.MethodPost, "/orders/"+id+"/received", `{"amount":"`+amount+`"}`, "If-Match", header.Get("ETag"))
			}
		}
		wantOneWinner(t, s.atOnce(act("20.00"), act("30.00")), answered{http.StatusPreconditionFailed, "order_changed"})
	})
	t.Run("DisputeGivenUpAndContested", func(t *testing.T) {
		id := s.issue("")
		ctx, gateway := t.Context(), s.look(id).Order.Source
		if err := s.fake.Pay(ctx, gateway); err != nil {
			t.Fatal(err)
		}
		eur, err := money.ParseCurrency("EUR")
		if err != nil {
			t.Fatal(err)
		}
		taken, err := money.Parse("50.00", eur)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.fake.Dispute(ctx, gateway, "chargeback", taken, money.Zero(eur)); err != nil {
			t.Fatal(err)
		}
		dispute := "/orders/" + id + "/disputes/" + s.look(id).Disputes[0].ID
		end := func(outcome string) func() (int, http.Header, string) {
			return func() (int, http.Header, string) {
				return s.call(http.MethodPost, dispute+"/resolve", `{"outcome":"`+outcome+`"}`)
			}
		}
		wantOneWinner(t, s.atOnce(end("won"), end("lost")), answered{http.StatusConflict, "dispute_resolved"})
	})
}

func wantOneWinner(t *testing.T, got []answered, loser answered) {
	t.Helper()
	won := 0
	for _, a := range got {
		if a.status == http.StatusOK {
			won++
		} else if a != loser {
			t.Errorf("the loser was answered %v, want %v", a, loser)
		}
	}
	if won != 1 {
		t.Errorf("%d of two won: %v", won, got)
	}
}
