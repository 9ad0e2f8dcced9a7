package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/test/harness"
)

// TestOrder_IsFoundByEveryName shows one order by our id, the gateway's and the merchant's, on the
// command line and over HTTP, with the same content.
func TestOrder_IsFoundByEveryName(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	said := accept(t, l, "decta", dectaPaid("o-1", "O-REF-1"))
	accept(t, l, "decta", dectaRefunded("o-1", "O-REF-1"))
	accept(t, l, "decta", dectaPaid("o-2", "O-REF-2"))
	l.WaitForViews(t)

	var first string
	for _, name := range []string{said.OrderID, "o-1", "O-REF-1"} {
		shown := l.Site.RunOK(t, "order", "show", "--json", name).Stdout
		if first == "" {
			first = shown
		}
		answer := l.Get(t, "/orders/"+name)
		if answer.Status != http.StatusOK || !sameJSON(t, answer.Body, first) || shown != first {
			t.Errorf("by %s the order is\n%s\nand over HTTP %d\n%s\nwant\n%s", name, shown, answer.Status, answer.Body, first)
		}
	}
	type amount struct{ Amount, Currency string }
	var detail struct {
		Order struct {
			OrderID       string `json:"order_id"`
			SourceOrderID string `json:"source_order_id"`
			AmountDue     amount `json:"amount_due"`
			Captured      amount `json:"captured"`
			Refunded      amount `json:"refunded"`
			Net           amount `json:"net"`
			PaymentState  string `json:"payment_state"`
			RefundState   string `json:"refund_state"`
		} `json:"order"`
		Payments []struct {
			Status   string `json:"status"`
			Captured amount `json:"captured"`
		} `json:"payments"`
		Refunds []struct {
			Status string `json:"status"`
			Amount amount `json:"amount"`
		} `json:"refunds"`
		Disputes []any `json:"disputes"`
	}
	if err := json.Unmarshal([]byte(first), &detail); err != nil {
		t.Fatalf("order show --json: %v\n%s", err, first)
	}
	o := detail.Order
	if o.OrderID != said.OrderID || o.SourceOrderID != "o-1" || o.PaymentState != "PAID" || o.RefundState != "PARTIAL" ||
		o.AmountDue != (amount{"96.56", "EUR"}) || o.Captured != o.AmountDue || o.Refunded != (amount{"10.00", "EUR"}) || o.Net != (amount{"86.56", "EUR"}) {
		t.Errorf("order: %+v", o)
	}
	if len(detail.Payments) != 1 || detail.Payments[0].Captured != o.Captured || len(detail.Refunds) != 1 ||
		detail.Refunds[0].Amount != o.Refunded || detail.Disputes == nil {
		t.Errorf("parts: %+v %+v %+v", detail.Payments, detail.Refunds, detail.Disputes)
	}
	text := l.Site.RunOK(t, "order", "show", "o-1").Stdout
	for _, part := range []string{said.OrderID, "PAID", "O-REF-1", "96.56 EUR", "10.00 EUR", "86.56 EUR", "PARTIAL"} {
		if !strings.Contains(text, part) {
			t.Errorf("order show lacks %q:\n%s", part, text)
		}
	}
}

// TestOrder_TextsOfGateways: what a gateway sends cannot make the operator's terminal do anything.
func TestOrder_TextsOfGateways(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", strings.Replace(dectaPaid("o-1", "O-1"), `"status":"paid"`, `"status":"\u001b]0;pwn\u0007\u001b[2Jowned\u202e"`, 1))
	l.WaitForViews(t)
	for _, name := range []string{"..", "."} { // the path to the running ledger leads to no other place
		for _, command := range [][]string{{"explain", name}, {"order", "show", name, "--as-of", "2099-12-31"}} {
			if r := l.Site.Run(t, command...); r.Code != 3 || !strings.Contains(r.Stderr, "no order") {
				t.Errorf("ledger %q: exit code %d: %s", command, r.Code, r.Stderr)
			}
		}
	}
	for _, command := range [][]string{
		{"order", "show", "o-1"}, {"order", "show", "o-1", "--json"}, {"order", "history", "o-1"}, {"explain", "o-1"}, {"audit", "--all"},
	} {
		r := l.Site.RunOK(t, command...)
		if strings.ContainsAny(r.Stdout+r.Stderr, "\u001b\u0007\u202e") {
			t.Errorf("ledger %v: %q", command, r.Stdout+r.Stderr)
		}
		if command[0] == "order" && !strings.Contains(r.Stdout, `\u001b]0;pwn\u0007\u001b[2Jowned\u202e`) {
			t.Errorf("ledger %v does not show it:\n%s", command, r.Stdout)
		}
	}
}

// TestOrder_HistoryIsComplete shows each event once, oldest first, with the same content everywhere.
func TestOrder_HistoryIsComplete(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", dectaPaid("o-1", "O-1"))
	accept(t, l, "decta", dectaPaid("o-1", "O-1"))
	accept(t, l, "decta", dectaRefunded("o-1", "O-1"))
	l.WaitForViews(t)
	type event struct {
		Revision  int    `json:"revision"`
		EventType string `json:"event_type"`
	}
	var shown []event
	if err := json.Unmarshal([]byte(l.Site.RunOK(t, "order", "history", "--json", "o-1").Stdout), &shown); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for i, e := range shown {
		counts[e.EventType]++
		if e.Revision != i {
			t.Errorf("event %d has revision %d", i, e.Revision)
		}
	}
	if counts["NotificationRecorded"] != 2 || counts["OrderRegistered"] != 1 || counts["PaymentCaptured"] != 1 || counts["RefundCompleted"] != 1 {
		t.Errorf("events: %v", counts)
	}
	var answered struct{ Events []event }
	l.Get(t, "/orders/o-1/history").JSON(t, &answered)
	if diff := cmp.Diff(shown, answered.Events); diff != "" {
		t.Errorf("history on the command line and over HTTP (-line +HTTP):\n%s", diff)
	}
	l.Get(t, "/orders/o-1/history?from=2").JSON(t, &answered)
	if diff := cmp.Diff(shown[2:], answered.Events); diff != "" {
		t.Errorf("history from revision 2 (-want +got):\n%s", diff)
	}
	wantProblem(t, l.Get(t, "/orders/o-1/history?from=x"), http.StatusBadRequest, "number from 0")
	text := l.Site.RunOK(t, "order", "history", "o-1").Stdout
	for _, part := range []string{"NotificationRecorded", "PaymentCaptured", "96.56 EUR", "RefundCompleted", "10.00 EUR"} {
		if !strings.Contains(text, part) {
			t.Errorf("order history lacks %q:\n%s", part, text)
		}
	}
}

// TestOrder_NotFoundAndAmbiguous has exit codes and sentences of their own.
func TestOrder_NotFoundAndAmbiguous(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	one := accept(t, l, "decta", dectaPaid("o-1", "O-SAME"))
	two := accept(t, l, "everifin", everifinOrder("o-e1", "O-SAME", "BOOKED"))
	l.WaitForViews(t)
	for _, command := range []string{"show", "history"} {
		if r := l.Site.Run(t, "order", command, "O-404"); r.Code != 3 || !strings.Contains(r.Stderr, "O-404") || r.Stdout != "" {
			t.Errorf("order %s of nothing: exit code %d, stdout %q, stderr %q; want 3", command, r.Code, r.Stdout, r.Stderr)
		}
	}
	wantProblem(t, l.Get(t, "/orders/O-404"), http.StatusNotFound, "O-404")
	r := l.Site.Run(t, "order", "show", "O-SAME")
	if r.Code != 1 || !strings.Contains(r.Stderr, one.OrderID) || !strings.Contains(r.Stderr, two.OrderID) {
		t.Errorf("order show of an ambiguous name: exit code %d: %s; want 1 and both ids", r.Code, r.Stderr)
	}
	wantProblem(t, l.Get(t, "/orders/O-SAME"), http.StatusConflict, one.OrderID)
}

// TestStatus_TellsWhereThingsStand with and without a running ledger.
func TestStatus_TellsWhereThingsStand(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	l := s.Serve(t)
	accept(t, l, "decta", dectaPaid("s-1", "S-1"))
	l.WaitForViews(t)
	type status struct {
		Running  bool   `json:"running"`
		PID      int    `json:"pid"`
		URL      string `json:"url"`
		Log      string `json:"log_position"`
		Views    string `json:"views_position"`
		Parked   int    `json:"parked_orders"`
		Database string `json:"database"`
	}
	read := func() (st status) {
		if err := json.Unmarshal([]byte(s.RunOK(t, "status", "--json").Stdout), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	running := read()
	if !running.Running || running.PID != l.PID() || running.URL != l.URL || running.Log == "" || running.Views == "" ||
		running.Parked != 0 || !strings.HasPrefix(running.Database, "PostgreSQL") {
		t.Errorf("status of a running ledger: %+v", running)
	}
	if text := s.RunOK(t, "status").Stdout; !strings.Contains(text, l.URL) || !strings.Contains(text, "C:") {
		t.Errorf("status:\n%s", text)
	}
	l.Terminate(t)
	stopped := read()
	before := func(a, b string) bool { // canaries go on moving both
		return parsed(t, a).Compare(parsed(t, b)) < 0
	}
	if stopped.Running || before(stopped.Log, running.Log) || before(stopped.Views, running.Views) || before(stopped.Log, stopped.Views) {
		t.Errorf("status after the stop: %+v, before: %+v", stopped, running)
	}
	if text := s.RunOK(t, "migrate").Stdout; !strings.Contains(text, "public_views") {
		t.Errorf("migrate:\n%s", text)
	}
}

func parsed(t *testing.T, position string) eventstore.Position {
	t.Helper()
	p, err := eventstore.ParsePosition(position)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sameJSON compares two documents, not how they are written.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return cmp.Equal(x, y)
}
