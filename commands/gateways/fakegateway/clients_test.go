package fakegateway_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestCreatePayFetch issues an order at each gateway, lets it be paid, and learns so from GETs alone.
func TestCreatePayFetch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	for gateway := range w.clients {
		refs := w.create(t, gateway, false)
		if s := w.pull(t, gateway, refs); s.PaymentState() != order.Unpaid || s.AmountDue.String() != "50.00" || s.MerchantReference != "SO-"+gateway {
			t.Errorf("%s: issued, the ledger says %s of %s for %q", gateway, s.PaymentState(), s.AmountDue, s.MerchantReference)
		}
		pay(t, w, refs)
		if s := w.pull(t, gateway, refs); s.PaymentState() != order.Paid || s.Balances().Captured.String() != "50.00" {
			t.Errorf("%s: paid, the ledger says %s, captured %s", gateway, s.PaymentState(), s.Balances().Captured)
		}
	}
}

// TestRefund refunds a part at each gateway; the ledger's balance follows.
func TestRefund(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	for gateway, client := range w.clients {
		refs := w.create(t, gateway, false)
		pay(t, w, refs)
		r := commands.GatewayRefund{InstructionID: "r-1", PaymentID: refs.PaymentIDs[0], Amount: money.MustParse("20.00", "EUR")}
		if _, err := client.Refund(t.Context(), refs, r); err != nil {
			t.Fatalf("%s: %v", gateway, err)
		}
		if err := w.fake.FinishRefunds(t.Context(), refs.PaymentIDs[0]); err != nil {
			t.Fatal(err)
		}
		want := "20.00"
		if gateway == fakegateway.ConnectPay {
			want = "0.00" // it tells no amount: the ledger waits for one (domain rule A17)
		}
		if s := w.pull(t, gateway, refs); s.Balances().Refunded.Amount().StringFixed(2) != want {
			t.Errorf("%s: refunded %s, want %s", gateway, s.Balances().Refunded, want)
		}
		r.InstructionID, r.Amount = "r-2", money.MustParse("30.01", "EUR")
		if _, err := client.Refund(t.Context(), refs, r); !httpcall.Refused(err) {
			t.Errorf("%s: a refund of more than is left was answered with %v, want a refusal", gateway, err)
		}
	}
}

// TestCaptureOfAPart captures a part of a hold, which releases the rest.
func TestCaptureOfAPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	refs := w.create(t, fakegateway.Decta, true)
	pay(t, w, refs)
	if b := w.pull(t, fakegateway.Decta, refs).Balances(); b.Authorised.String() != "50.00" || b.Captured.IsPositive() {
		t.Fatalf("held: authorised %s, captured %s", b.Authorised, b.Captured)
	}
	part := money.MustParse("30.00", "EUR")
	if _, err := w.clients[fakegateway.Decta].Capture(t.Context(), refs, &part); err != nil {
		t.Fatal(err)
	}
	if b := w.pull(t, fakegateway.Decta, refs).Balances(); b.Captured.String() != "30.00" || b.Authorised.IsPositive() || b.Reversed.IsPositive() {
		t.Errorf("captured %s, authorised %s, reversed %s", b.Captured, b.Authorised, b.Reversed)
	}
	var status *httpcall.StatusError
	if _, err := w.clients[fakegateway.Decta].Capture(t.Context(), refs, &part); !errors.As(err, &status) || status.Code == "" {
		t.Errorf("a second capture: %v, want the gateway's refusal with its code", err)
	}
}

// TestWithdraw takes an order back, twice; and a paid one is refused.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	refs := w.create(t, fakegateway.Everifin, false)
	for range 2 {
		if _, err := w.clients[fakegateway.Everifin].Withdraw(t.Context(), refs); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.pull(t, fakegateway.Everifin, refs); s.Payments[0].Status != order.PaymentWithdrawnStatus {
		t.Errorf("payment is %s", s.Payments[0].Status)
	}
}

// TestLostAnswerToARefund is about the most dangerous failure: the gateway refunds, and its answer is
// lost. Where the gateway knows our id the call is repeated and refunds once; elsewhere it is not
// repeated at all, and a GET tells.
func TestLostAnswerToARefund(t *testing.T) {
	t.Parallel()
	for gateway, repeats := range map[string]bool{fakegateway.Decta: false, fakegateway.ConnectPay: false, fakegateway.Everifin: true} {
		for name, fault := range map[string]fakegateway.Fault{
			"TimeOut": {Executed: true, Write: true}, "ServerError": {Executed: true, Write: true, Status: http.StatusBadGateway},
			"Unavailable": {Executed: true, Write: true, Status: http.StatusServiceUnavailable},
		} {
			t.Run(gateway+name, func(t *testing.T) {
				t.Parallel()
				calls := quick()
				if fault.Status == 0 { // no answer comes
					calls.Timeout = 3 * time.Second
				}
				w := newWorld(t, calls)
				refs := w.create(t, gateway, false)
				pay(t, w, refs)
				w.fake.FailNext(gateway, fault)
				_, err := w.clients[gateway].Refund(t.Context(), refs, commands.GatewayRefund{
					InstructionID: "r", PaymentID: refs.PaymentIDs[0], Amount: money.MustParse("20.00", "EUR"),
				})
				want := 1
				if repeats {
					want = 2
				}
				if (err == nil) != repeats || (!repeats && !errors.Is(err, httpcall.ErrOutcomeUnknown)) {
					t.Errorf("error %v", err)
				}
				action := "POST refund"
				if gateway == fakegateway.Decta {
					action += "/"
				}
				if n := w.fake.Calls(gateway, action); n != want {
					t.Errorf("the gateway was asked %d times for the refund, want %d", n, want)
				}
				if err := w.fake.FinishRefunds(t.Context(), refs.PaymentIDs[0]); err != nil {
					t.Fatal(err)
				}
				if s := w.pull(t, gateway, refs); gateway != fakegateway.ConnectPay && s.Balances().Refunded.String() != "20.00" {
					t.Errorf("refunded %s, want 20.00 once", s.Balances().Refunded)
				}
			})
		}
	}
}

// TestRefusalAfterALostAnswer: a repetition that is refused says nothing about the first call.
func TestRefusalAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	refs := w.create(t, fakegateway.Everifin, false)
	pay(t, w, refs)
	w.fake.FailNext(fakegateway.Everifin,
		fakegateway.Fault{Status: http.StatusInternalServerError, Executed: true, Write: true},
		fakegateway.Fault{Status: http.StatusConflict, Write: true})
	_, err := w.clients[fakegateway.Everifin].Refund(t.Context(), refs, commands.GatewayRefund{
		InstructionID: "r", Amount: money.MustParse("20.00", "EUR"),
	})
	if !errors.Is(err, httpcall.ErrOutcomeUnknown) {
		t.Errorf("error %v, want an unknown outcome", err)
	}
}

// TestTooManyRequests: the gateway's word about when to come back is kept, for actions too, since
// they were not executed.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	refs := w.create(t, fakegateway.Decta, true)
	pay(t, w, refs)
	w.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusTooManyRequests, RetryAfter: "1", Write: true})
	began := time.Now()
	if _, err := w.clients[fakegateway.Decta].Capture(t.Context(), refs, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("came back after %s, was asked to wait a second", took)
	}
	w.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusTooManyRequests, RetryAfter: "3600"})
	if _, err := w.clients[fakegateway.Decta].Fetch(t.Context(), refs); !errors.Is(err, httpcall.ErrUnavailable) {
		t.Errorf("told to come back in an hour: %v, want unavailable at once", err)
	}
}

// TestCircuit: a gateway that is down is left alone.
func TestCircuit(t *testing.T) {
	t.Parallel()
	calls := quick()
	calls.OpenAfter, calls.OpenFor, calls.Attempts = 3, time.Hour, 3
	w := newWorld(t, calls)
	refs := w.create(t, fakegateway.Decta, false)
	down := fakegateway.Fault{Status: http.StatusInternalServerError}
	w.fake.FailNext(fakegateway.Decta, down, down, down)
	for range 5 {
		if _, err := w.clients[fakegateway.Decta].Fetch(t.Context(), refs); !errors.Is(err, httpcall.ErrUnavailable) {
			t.Fatalf("error %v, want unavailable", err)
		}
	}
	if n := w.fake.Calls(fakegateway.Decta, "GET order"); n != 3 {
		t.Errorf("the gateway was called %d times, want 3", n)
	}
}

// TestUnsafeAddress: credentials do not travel in clear.
func TestUnsafeAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://gate.example", "gate.example", "https://user:secret@gate.example", "ftp://127.0.0.1"} {
		if _, err := httpcall.CheckBase(address); err == nil {
			t.Errorf("%s was accepted", address)
		}
	}
}
