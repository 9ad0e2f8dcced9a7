package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

// notFuzzed are operations that write files where they are told to, take minutes, or do not end.
var notFuzzed = []string{"backup", "backupKeys", "scavenge", "rebuild", "eventStream", "ingest"}

// states makes orders in several states, and the values that requests about them are made of.
func (s *shop) states() map[string][]string {
	s.tb.Helper()
	ctx := s.tb.Context()
	check := func(err error) {
		s.tb.Helper()
		if err != nil {
			s.tb.Fatal(err)
		}
	}
	eur := func(amount string) money.Money {
		c, err := money.ParseCurrency("EUR")
		check(err)
		m, err := money.Parse(amount, c)
		check(err)
		return m
	}
	open, paid, refunded := s.issue(`,"number":"F-1"`), s.issue(`,"number":"F-2"`), s.issue("")
	disputed, held, cancelled, test := s.issue(""), s.issue(`,"skip_capture":true`), s.issue(""), s.issue(`,"is_test":true`)
	for _, id := range []string{paid, refunded, disputed, held} {
		check(s.fake.Pay(ctx, s.look(id).Order.Source))
	}
	s.must(nil, http.MethodPost, "/orders/"+refunded+"/refunds", `{"amount":"10.00"}`)
	check(s.fake.Dispute(ctx, s.look(disputed).Order.Source, "chargeback", eur("50.00"), eur("0.00")))
	s.must(nil, http.MethodPost, "/orders/"+cancelled+"/cancel", `{}`)
	pool := map[string][]string{
		"id": {open, paid, refunded, disputed, held, cancelled, test, "F-1"}, "code": {"clock_skew", "late_event"}, "name": {"trial-balance", "aging"},
		"gateway": {"decta", "everifin", "connectpay"}, "account": {"default"}, "type": {"OrderRegistered", "PaymentCaptured"}, "version": {"1"},
		"at_least": {"C:1/P:1"}, "wait": {"0s", "1ms"}, "as_of": {"2026-01-01", "C:1/P:1"}, "Prefer": {"wait=0"},
		"Idempotency-Key": {"k-1", "k-2", "k-3"}, "If-Match": {`"0"`, `"3"`, `"7"`}, "If-None-Match": {`"3"`, "*"}, "number": {"F-1", "F-2", "F-9"},
		"order": {open, paid}, "email": {"kim@shop.example"}, "currency": {"EUR", "JPY", "KWD"}, "period": {"2026-10", "2031-01"}, "views_wait": {"0s"},
		"test": {"true"}, "from": {"0", "3", "2026-11-01"}, "limit": {"1", "7"}, "subject": {"kim@shop.example"},
	}
	for _, id := range []string{paid, refunded, disputed, held} {
		p := s.look(id)
		for _, x := range p.Payments {
			pool["payment"] = append(pool["payment"], x.ID)
		}
		for _, x := range p.Refunds {
			pool["refund_id"] = append(pool["refund_id"], x.ID)
		}
		for _, x := range p.Disputes {
			pool["dispute"] = append(pool["dispute"], x.ID)
		}
	}
	pool["payment_id"], pool["dispute_id"] = pool["payment"], pool["dispute"]
	return pool
}

// FuzzDocument asks a whole ledger, with orders in several states and a gateway, for what its OpenAPI
// document describes: bodies and parameters that it allows, and some that it does not. Nothing is answered
// with a 5xx, nothing panics, what the document does not allow is refused, and a request that is refused
// leaves no event in any stream. Whatever writes is answered with a position. A longer run: go test -run NONE -fuzz FuzzDocument ./cmd/internal/web.
func FuzzDocument(f *testing.F) {
	s := openShop(f)
	pool := s.states()
	var operations []openapi.Operation
	for _, o := range s.document.Operations() {
		if !slices.Contains(notFuzzed, o.ID) {
			operations = append(operations, o)
		}
	}
	const seeds = 24
	for i := range operations {
		for seed := range uint64(seeds) {
			f.Add(uint16(i), seed)
		}
	}
	generator := &openapi.Generator{Document: s.document, Pool: pool}
	f.Fuzz(func(t *testing.T, which uint16, seed uint64) {
		s := *s
		s.tb = t
		o := operations[int(which)%len(operations)]
		r := generator.Request(o, seed)
		before := s.head()
		var headers []string
		for name := range r.Header {
			headers = append(headers, name, r.Header.Get(name))
		}
		status, answered, answer := s.call(r.Method, r.Target, string(r.Body), headers...)
		var p struct{ Code string }
		_ = json.Unmarshal([]byte(answer), &p)
		if status >= http.StatusInternalServerError && p.Code != "views_behind" { // which it was asked to say
			t.Errorf("%s %s with %q: %d %s", r.Method, r.Target, r.Body, status, answer)
		}
		if !r.Valid && status < http.StatusBadRequest {
			t.Errorf("%s %s takes %q, which the document does not allow: %d %s", r.Method, r.Target, r.Body, status, answer)
		}
		// What a gateway was asked for, and refused, is recorded with its answer.
		if after := s.head(); status >= http.StatusBadRequest && after != before && p.Code != "gateway_refused" {
			t.Errorf("%s %s with %q was refused and wrote %s: %d %s", r.Method, r.Target, r.Body, s.since(before), status, answer)
		}
		if told := answered.Get("Ledger-Position"); r.Method != http.MethodGet && status < http.StatusMultipleChoices && s.head() != before {
			if at, err := eventstore.ParsePosition(told); err != nil || at.Compare(before) < 0 || at.Compare(s.head()) > 0 {
				t.Errorf("%s %s with %q was answered %d with the position %q; the log ended at %s, and ends at %s with %s: %v", r.Method, r.Target, r.Body, status, told, before, s.head(), s.since(before), err)
			}
		}
		select {
		case said := <-s.log.panics:
			t.Errorf("%s %s with %q left in the log: %s", r.Method, r.Target, r.Body, said)
		default:
		}
	})
}

// since lists what was written after a position.
func (s *shop) since(at eventstore.Position) string {
	s.tb.Helper()
	var found []string
	for e, err := range s.ledger.Store.ReadAll(s.tb.Context(), eventstore.AllRead{From: &at}) {
		if err != nil {
			s.tb.Fatal(err)
		}
		if e.Position != at {
			found = append(found, e.Stream+": "+e.Type)
		}
	}
	return strings.Join(found, ", ")
}
