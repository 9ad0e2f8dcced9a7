package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/eventstore"
)

const paidMembers = `"total":96.56,"status":"paid","paid":1795140012,"modified":1795140012,"status_changes":[{"new_status":"paid","on":1795140012}]`

const kettle = `{"number":"SO-1","products":[{"title":"Kettle","price":39.90,"quantity":2,"tax_percent":"21.0"}],
	"due":1795219200,"max_payment_attempts":3,"success_redirect":"https://shop.example/ok","client":{"email":"buyer@example.com"}}`

// TestGeneralPaymentFlow_MinimalRequest is the document's example, number and all.
func TestGeneralPaymentFlow_MinimalRequest(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := s.want(s.call("POST", "/orders/", `{"client":{"email":"test@test.com"},"products":[{"price":0.3,"title":"test"}]}`), 201,
		"type", "order", "status", "issued", "currency", "EUR", "total.amount", "0.30")
	if r.header.Get("Ledger-Position") == "" || r.header.Get("ETag") == "" || r.header.Get("Location") != "/orders/"+r.at("id")+"/" {
		t.Errorf("headers %v", r.header)
	}
	for e, err := range s.log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Data), "test.com") {
			t.Errorf("%s holds the e-mail in clear", e.Type)
		}
	}
}

// TestGeneralPaymentFlow_ResponseTypes: each type answers exactly its groups.
func TestGeneralPaymentFlow_ResponseTypes(t *testing.T) {
	t.Parallel()
	s := open(t)
	minimum := []string{"currency", "id", "is_test", "issued", "number", "revision", "status", "subtotal", "total", "total_discount", "total_tax", "transaction_details", "type"}
	standard := append([]string{"brand", "client", "enable_avs", "saved_card_data", "website", "products", "refund_amount", "success_redirect"}, minimum...)
	full := append([]string{"account", "due", "gateway", "max_payment_attempts"}, standard...)
	for i, c := range []struct {
		query string
		want  []string
	}{{"", minimum}, {"?response_type=minimum", minimum}, {"?response_type=standard", standard}, {"?response_type=full", full}} {
		r := s.want(s.call("POST", "/orders/"+c.query, strings.Replace(kettle, "SO-1", fmt.Sprint("SO-", i), 1)), 201,
			"subtotal.amount", "79.80", "total_tax.amount", "16.76", "total.amount", "96.56")
		var got []string
		for name := range r.body {
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q:\n%s", c.query, diff)
		}
	}
	const theirs = `{"products":[{"title":"Cup","price":"1.00"}],"client":{"email":"kim@shop.example","country":"LV"}}`
	first := s.want(s.call("POST", "/orders/?response_type=standard", theirs, "Idempotency-Key", "theirs"), 201, "client.email", "kim@shop.example", "client.country", "LV")
	if again := s.want(s.call("POST", "/orders/?response_type=standard", theirs, "Idempotency-Key", "theirs"), 201); again.text != first.text {
		t.Errorf("answered %s, and again %s", first.text, again.text)
	}
	if least := s.want(s.call("POST", "/orders/", theirs, "Idempotency-Key", "theirs"), 201); strings.Contains(least.text, "kim@") {
		t.Errorf("minimum has the client: %s", least.text)
	}
	s.want(s.call("POST", "/orders/?response_type=most", kettle), 400, "errors.0.field", "response_type")
}

// TestGeneralPaymentFlow_InvalidRequestData: each wrong field has its entry, and no event is written.
func TestGeneralPaymentFlow_InvalidRequestData(t *testing.T) {
	t.Parallel()
	s := open(t)
	for body, fields := range map[string][]string{
		`{}`:                                     {"products"},
		`{"products":[]}`:                        {"products"},
		`{"products":[{"title":"x","price":0}]}`: {"products[0].price"},
		`{"products":[{"title":"x","price":0.001}]}`:                                {"products[0].price"},
		`{"products":[{"title":"x","price":1e2}]}`:                                  {"products[0].price"},
		`{"products":[{"title":"x","price":-1}]}`:                                   {"products[0].price"},
		`{"products":[{"title":"x","price":"1.00"}],"currency":"XXX"}`:              {"currency"},
		`{"products":[{"title":"x","price":"1.00","discount_amount":"2.00"}]}`:      {"products[0].discount_amount"},
		`{"products":[{"price":"1.00"}],"due":"tomorrow","colour":"red"}`:           {"colour", "due", "products[0].title"},
		`{"products":[{"title":"x","price":"1.00"}],"account":"nobody"}`:            {"account"},
		`{"products":[{"title":"x","price":"1.00"}],"number":"a\u0000b"}`:           {"number"},
		`{"products":[{"title":"x","price":"999999999999.00","quantity":1000000}]}`: {"products[0]"},
		`[]`: {"body"}, `null`: {"body"}, `1`: {"body"}, `{`: {"body"}, ``: {"body"},
		`{"products":[{"title":"x","price":1e999}]}`: {"body"},
		`{"products":[{"title":"","price":"1.00"},{"title":"b","price":"0"},{"title":"c","price":"1.001"},{"title":"d","price":"1.00","discount_amount":"2"},
			{"title":"e","price":"x"}],"account":"nobody","due":-1,"success_redirect":":","client":{"country":"xx"}}`: {
			"account", "client.country", "due", "products[0].title", "products[1].price", "products[2].price", "products[3].discount_amount",
			"products[4].price", "success_redirect",
		},
		`{"products":[{"title":"a","price":"0"},{"title":"b","price":"1.001"}],"account":"nobody"}`: {"account", "products[0].price", "products[1].price"},
	} {
		r := s.call("POST", "/orders/", body)
		s.want(r, 400, "code", "invalid_request")
		var got []string
		for _, e := range r.body["errors"].([]any) {
			got = append(got, e.(map[string]any)["field"].(string))
		}
		slices.Sort(got)
		if !slices.Equal(got, fields) {
			t.Errorf("%s: errors about %q, want %q: %s", body, got, fields, r.text)
		}
	}
	s.want(s.call("POST", "/orders/?response_type=most", `{"products":[]}`), 400, "errors.0.field", "response_type", "errors.1.field", "products")
	s.want(s.call("POST", "/orders/", `{"products":[{"title":"4111 1111 1111 1111","price":"1.00"}]}`), 422, "code", "card_number_refused")
	s.want(s.call("POST", "/orders/", kettle, "Idempotency-Key", "4111111111111111"), 422, "code", "card_number_refused")
	s.want(s.call("POST", "/orders/", kettle, "Content-Type", "text/plain"), 415)
	if n := s.events(""); n != 0 {
		t.Errorf("%d events of invalid requests", n)
	}
}

// TestMerchantsDay issues an order, has it paid, refunds in parts, loses a dispute about the rest.
// TestGeneralPaymentFlow_Redirects: each field that no customer can be sent to has an entry, and what can be is
// answered as it was sent.
func TestGeneralPaymentFlow_Redirects(t *testing.T) {
	t.Parallel()
	s := open(t)
	fields := []string{"success_redirect", "in_progress_redirect", "failure_redirect", "cancel_redirect"}
	for _, text := range []string{"thanks", "/thanks", "//shop.example/x", "javascript:alert(1)", "ftp://shop.example/", "https://", "https:///x", "https://:443/", "https://shop.example:port/", "mailto:kim@shop.example"} {
		var members strings.Builder
		for _, field := range fields {
			fmt.Fprintf(&members, `,%q:%q`, field, text)
		}
		r := s.want(s.call("POST", "/orders/", `{"products":[{"title":"Cup","price":"1.00"}]`+members.String()+`}`), 400, "code", "invalid_request")
		for _, field := range fields {
			if !strings.Contains(r.text, `"`+field+`"`) {
				t.Errorf("%s %q: no entry in %s", field, text, r.text)
			}
		}
	}
	const ok = `https://shop.example/ok?order=1&x=%20#top`
	s.want(s.call("POST", "/orders/?response_type=full", `{"products":[{"title":"Cup","price":"1.00"}],"success_redirect":"`+ok+`","cancel_redirect":"http://[::1]:8080"}`),
		201, "success_redirect", ok, "cancel_redirect", "http://[::1]:8080")
}

func TestMerchantsDay(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.issue(kettle)
	s.want(s.call("GET", "/orders/"+id+"/advice", ""), 200, "thank_you_page", "show_pending", "order", "wait")
	s.want(s.call("POST", "/orders/"+id+"/refunds", `{"amount":"1.00"}`), 409, "code", "nothing_captured")
	s.hook("SO-1", paidMembers)
	s.want(s.call("GET", "/orders/"+id+"/advice", ""), 200, "thank_you_page", "show_success", "order", "fulfil", "final", "true")
	s.want(s.call("POST", "/orders/"+id+"/amount", `{"amount":"50.00"}`), 422, "code", "INVALID_ORDER_AMOUNT")
	s.want(s.call("POST", "/orders/"+id+"/cancel", `{}`), 409, "code", "order_paid")
	first := s.want(s.call("POST", "/orders/"+id+"/refunds", `{"amount":"10.00","by_hand":true}`, "Idempotency-Key", "r1"), 200,
		"order.refund_pending.amount", "10.00", "order.refund_state", "PENDING", "refunds.0.status", "INITIATED")
	again := s.want(s.call("POST", "/orders/"+id+"/refunds", `{ "by_hand":true, "amount" : "10.00" }`, "Idempotency-Key", "r1"), 200)
	if again.text != first.text || again.header.Get("Ledger-Position") != first.header.Get("Ledger-Position") {
		t.Errorf("the same request got another answer:\n%s\n%s", first.text, again.text)
	}
	s.want(s.call("POST", "/orders/"+id+"/refunds", `{"amount":"11.00","by_hand":true}`, "Idempotency-Key", "r1"), 422,
		"code", "idempotency_key_reused", "errors.0.field", "amount")
	s.want(s.call("POST", "/orders/"+id+"/refunds", `{"amount":"86.57"}`), 422, "code", "refund_exceeds_refundable")
	s.hook("SO-1", `"total":96.56,"status":"chargeback","amount_refunded":10.00,"modified":1797000000,"status_changes":[{"new_status":"paid","on":1795140012},
		{"new_status":"refunded","on":1795226400},{"new_status":"chargeback","on":1797000000}],"transaction_details":{"amount_refunded":10.00,"chargebacks":86.56,"chargebacks_reversed":0.0}`)
	s.want(s.call("POST", "/orders/"+id+"/refunds", `{"amount":"1.00"}`), 409, "code", "disputed_money")
	s.want(s.call("POST", "/orders/"+id+"/received", `{}`), 409, "code", "already_paid")
	_, state, err := commands.NewOrders(s.intake, nil).Get(t.Context(), id)
	if err != nil || len(state.Disputes) != 1 {
		t.Fatalf("%d disputes, %v", len(state.Disputes), err)
	}
	dispute := "/orders/" + id + "/disputes/" + state.Disputes[0].ID
	s.want(s.call("POST", dispute+"/represent", `{}`), 200, "disputes.0.stage", "representment")
	s.want(s.call("POST", dispute+"/resolve", `{"outcome":"split","amount_lost":"40.00"}`), 200,
		"order.dispute_lost.amount", "40.00", "order.net.amount", "46.56", "order.dispute_held.amount", "0.00")
	payment := state.Payments[0].ID
	correction := `{"reason":"bank statement of 30 November","approver":%q,"adjustments":[{"balance":"captured","direction":"increase","amount":"1.00","payment_id":"` + payment + `"}]}`
	s.want(s.call("POST", "/orders/"+id+"/corrections", fmt.Sprintf(correction, "shop")), 422, "code", "approver_required")
	proposed := s.want(s.call("POST", "/orders/"+id+"/corrections", fmt.Sprintf(correction, "eve")), 200,
		"order.captured.amount", "96.56", "correction.status", "PROPOSED", "correction.approver", "eve")
	if by := proposed.at("correction.proposed_by"); !strings.HasPrefix(by, "shop/") {
		t.Errorf("proposed by %s", by)
	}
	approve := "/orders/" + id + "/corrections/" + proposed.at("correction.correction_id") + "/approve"
	s.want(s.call("POST", approve, `{}`), 422, "code", "approver_required")
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+s.tokenOf("lee", auth.Operations)), 409, "code", "approver_other")
	eve := s.tokenOf("eve", auth.Operations)
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+eve, "Idempotency-Key", "yes"), 200, "order.captured.amount", "97.56")
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+eve, "Idempotency-Key", "yes"), 200, "order.captured.amount", "97.56")
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+eve), 409, "code", "correction_decided")
	s.want(s.call("GET", "/orders/"+id+"/corrections", ""), 200, "corrections.0.status", "APPROVED")
}

// TestNumberOfARefusedRequest: a number in a request that was refused for its key is free for another.
func TestNumberOfARefusedRequest(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := `{"number":%q,"products":[{"title":"x","price":"1.00"}]}`
	first := s.want(s.call("POST", "/orders/", fmt.Sprintf(body, "A-1"), "Idempotency-Key", "k1"), 201).at("id")
	before := s.events("")
	s.want(s.call("POST", "/orders/", fmt.Sprintf(body, "A-2"), "Idempotency-Key", "k1"), 422, "code", "idempotency_key_reused", "errors.0.field", "number")
	taken := s.want(s.call("POST", "/orders/", fmt.Sprintf(body, "A-1"), "Idempotency-Key", "k2"), 409, "code", "reference_taken")
	if after := s.events(""); after != before || !strings.Contains(taken.at("detail"), first) {
		t.Errorf("%d events of refused requests; %s", after-before, taken.text)
	}
	s.want(s.call("POST", "/orders/", fmt.Sprintf(body, "A-2"), "Idempotency-Key", "k3"), 201)
}

// TestEmptyBodies: what needs no member takes no body; what needs one says which.
func TestEmptyBodies(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.want(s.call("POST", "/orders/", "", "Content-Type", ""), 415)
	id := s.issue(`{"products":[{"title":"Cup","price":"1.00"}],"register_only":true}`)
	s.want(s.call("POST", "/orders/"+id+"/received", "", "Content-Type", "", "Idempotency-Key", "k1"), 200, "order.payment_state", "PAID")
	s.want(s.call("POST", "/orders/"+id+"/received", "{}", "Idempotency-Key", "k1"), 200, "order.payment_state", "PAID")
}

// TestIfMatch: the second of two who act on what they saw is told.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := s.want(s.call("POST", "/orders/", kettle), 201)
	s.want(s.call("POST", "/orders/"+r.at("id")+"/received", `{"amount":"90.00"}`, "If-Match", r.header.Get("ETag")), 200)
	s.want(s.call("POST", "/orders/"+r.at("id")+"/received", `{"amount":"1.00"}`, "If-Match", r.header.Get("ETag")), 412, "code", "order_changed")
}

// TestIfMatch_Forms: * is any revision; a weak tag matches none; what is no tag is said to be none. An
// order that is yet to be issued has no revision.
func TestIfMatch_Forms(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := s.want(s.call("POST", "/orders/", kettle, "If-Match", `"7"`), 201)
	received := "/orders/" + r.at("id") + "/received"
	s.want(s.call("POST", received, `{"amount":"1.00"}`, "If-Match", "W/"+r.header.Get("ETag")), 412, "code", "order_changed")
	s.want(s.call("POST", received, `{"amount":"1.00"}`, "If-Match", `"x"`), 400, "errors.0.field", "If-Match")
	s.want(s.call("POST", received, `{"amount":"1.00"}`, "If-Match", "*"), 200, "order.received_externally.amount", "1.00")
}

// TestDeepBodies: a small body that nests without end is refused before anything is built of it.
func TestDeepBodies(t *testing.T) {
	t.Parallel()
	s := open(t)
	name := strings.Repeat("n", 200)
	for _, body := range []string{
		strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		strings.Repeat(`{"`+name+`":`, 400) + "1" + strings.Repeat("}", 400),
		strings.Repeat("[", 33) + strings.Repeat("]", 33),
	} {
		s.want(s.call("POST", "/orders/", body), 400, "errors.0.field", "body", "errors.0.message", "nests deeper than 32 levels")
	}
	brackets := `{"products":[{"title":"` + strings.Repeat(`[{\"`, 40) + `","price":"1.00"}],"currency":"EUR"}`
	s.want(s.call("POST", "/orders/", brackets), 201)
}

// TestMembersGivenTwice: nobody has to guess which one counts.
func TestMembersGivenTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	for body, field := range map[string]string{
		`{"products":[{"title":"x","price":"1.00"}],"currency":"EUR","currency":"USD"}`:               "currency",
		`{"products":[{"title":"x","price":"1.00"},{"title":"x","price":"1.00","price":"9"}]}`:        "products[1].price",
		`{"products":[{"title":"x","price":"1.00"},{"a":[[],[{"b":1}]]}],"client":{"c":1,"c":2}}`:     "client.c",
		`{"products":[{"title":"x","price":"1.00"}],"client":{"email":"a@b.c","\u0065mail":"d@e.f"}}`: "client.email",
	} {
		s.want(s.call("POST", "/orders/", body), 400, "errors.0.field", field, "errors.0.message", "is given twice")
	}
	if n := s.events(""); n != 0 {
		t.Errorf("%d events of invalid requests", n)
	}
}
