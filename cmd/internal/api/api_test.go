package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shop is a merchant's view of a ledger: the API over a real log.
type shop struct {
	t      testing.TB
	log    *node.Node
	intake *commands.Intake
	api    *api.API
	server http.Handler
	token  string
	tokens *auth.Store
	keys   string // the folder with the keys of personal data
}

func open(t testing.TB) *shop {
	t.Helper()
	log, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	master, err := privacy.NewLocalMaster(make([]byte, privacy.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	vault, err := privacy.OpenVault(privacy.KeysInFolder(keys), master)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, log: log, keys: keys, tokens: auth.NewStore(filepath.Join(t.TempDir(), "tokens"))}
	s.intake = commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{decta.New(), everifin.New(), connectpay.New()}})
	s.api, err = api.New(api.Config{
		Orders: commands.NewOrders(s.intake, vault), Tokens: s.tokens, Gateway: noGateway{}, Views: newDatabase(t), Development: true, Clock: time.Now,
		Logger:  slog.New(slog.DiscardHandler),
		Account: func(_, account string) bool { return account == "default" },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.token = s.tokenOf("shop", auth.Scopes()...)
	mux := http.NewServeMux()
	s.api.Register(mux)
	s.server = documented(t, mux)
	return s
}

// documented holds every answer against the document that is served.
func documented(t testing.TB, handler http.Handler) http.Handler {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	document, err := openapi.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return document.Checking(handler, func(err error) { t.Errorf("%v", err) })
}

// database is a database with the views and no rows.
type database struct{ url string }

func newDatabase(t testing.TB) database {
	t.Helper()
	return database{pgtest.Prepared(t, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	})}
}

func (d database) Read(ctx context.Context, query func(context.Context, pgx.Tx) error) (string, error) {
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return "", pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return query(ctx, tx) })
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (r reply) at(path string) string {
	var v any = r.body
	for name := range strings.SplitSeq(path, ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(c) {
				return ""
			}
			v = c[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (s *shop) call(method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &out.body)
	return out
}

func (s *shop) want(r reply, status int, pairs ...string) reply {
	s.t.Helper()
	if r.status != status {
		s.t.Fatalf("answer %d, want %d: %s", r.status, status, r.text)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := r.at(pairs[i]); got != pairs[i+1] {
			s.t.Errorf("%s is %q, want %q: %s", pairs[i], got, pairs[i+1], r.text)
		}
	}
	return r
}

func (s *shop) issue(body string) string {
	s.t.Helper()
	return s.want(s.call("POST", "/orders/", body), 201).at("id")
}

// hook is a webhook of DECTA about the order with this number.
func (s *shop) hook(number, members string) {
	s.t.Helper()
	r, err := s.intake.Accept(s.t.Context(), commands.Notification{
		Gateway: "decta", Account: "default", Via: commands.ViaWebhook, Verified: "none",
		Body: fmt.Appendf(nil, `{"type":"order","id":"gate-%s","number":%q,"currency":"EUR","issued":1795132800,%s}`, number, number, members),
	})
	if err != nil || r.Outcome != commands.Accepted {
		s.t.Fatalf("%+v, %v", r, err)
	}
}

const paidMembers = `"total":96.56,"status":"paid","paid":1795140012,"modified":1795140012,"status_changes":[{"new_status":"paid","on":1795140012}]`

const kettle = `{"number":"SO-1","products":[{"title":"Kettle","price":39.90,"quantity":2,"tax_percent":"21.0"}],
	"due":1795219200,"max_payment_attempts":3,"success_redirect":"https://shop.example/ok","client":{"email":"buyer@example.com"}}`

func (s *shop) events(prefix string) int {
	n := 0
	for e, err := range s.log.ReadAll(s.t.Context(), eventstore.AllRead{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.HasPrefix(e.Stream, prefix) {
			n++
		}
	}
	return n
}

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
	minimum := []string{"currency", "id", "is_test", "issued", "number", "revision", "status", "subtotal", "total", "total_discount", "total_tax", "type"}
	standard := append([]string{"products", "refund_amount", "success_redirect"}, minimum...)
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
		`[]`: {""}, `null`: {""}, `1`: {""}, `{`: {"body"}, ``: {"body"},
	} {
		r := s.call("POST", "/orders/", body)
		s.want(r, 400, "code", "invalid_request")
		var got []string
		for _, e := range r.body["errors"].([]any) {
			got = append(got, e.(map[string]any)["field"].(string))
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, fields) {
			t.Errorf("%s: errors about %q, want %q: %s", body, got, fields, r.text)
		}
	}
	s.want(s.call("POST", "/orders/", `{"products":[{"title":"4111 1111 1111 1111","price":"1.00"}]}`), 422, "code", "card_number_refused")
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

// TestPersonalDataThatCannotBeSealed: an order is not recorded without the personal data that it came with, and
// is when keys can be kept again.
func TestPersonalDataThatCannotBeSealed(t *testing.T) {
	t.Parallel()
	s := open(t)
	sheets := filepath.Join(s.keys, "sheets")
	if err := os.Rename(sheets, sheets+".away"); err != nil {
		t.Fatal(err)
	}
	const body = `{"number":"SO-1","client":{"email":"kim@shop.example"},"products":[{"title":"Cup","price":"1.00"}]}`
	r := s.want(s.call("POST", "/orders/", body, "Idempotency-Key", "k-1"), 503, "code", "personal_data_unavailable")
	if r.header.Get("Retry-After") == "" || s.events("order-") != 0 {
		t.Errorf("%v; %d events of orders", r.header, s.events("order-"))
	}
	s.want(s.call("POST", "/orders/", `{"number":"SO-2","products":[{"title":"Cup","price":"1.00"}]}`), 201)
	if err := os.Rename(sheets+".away", sheets); err != nil {
		t.Fatal(err)
	}
	s.want(s.call("POST", "/orders/", body, "Idempotency-Key", "k-1"), 201, "number", "SO-1")
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

// tokenOf makes a token for a person.
func (s *shop) tokenOf(person string, scopes ...auth.Scope) string {
	s.t.Helper()
	secret, _, err := s.tokens.Create(person, scopes, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// TestCorrections_OnePersonTwoTokens: a person who has two tokens is one person. The event names the
// proposer as its actor, and the approver.
func TestCorrections_OnePersonTwoTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.issue(kettle)
	s.hook("SO-1", paidMembers)
	_, state, err := commands.NewOrders(s.intake, nil).Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	first, second, lee := s.tokenOf("kim", auth.Operations), s.tokenOf("kim", auth.Operations), s.tokenOf("lee", auth.Operations)
	body := fmt.Sprintf(`{"reason":"x","adjustments":[{"balance":"captured","direction":"increase","amount":"1.00","payment_id":%q}]}`, state.Payments[0].ID)
	r := s.want(s.call("POST", "/orders/"+id+"/corrections", body, "Authorization", "Bearer "+first), 200)
	approve := "/orders/" + id + "/corrections/" + r.at("correction.correction_id") + "/approve"
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+first), 422, "code", "approver_required")
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+second), 422, "code", "approver_required")
	s.want(s.call("POST", approve, `{}`, "Authorization", "Bearer "+lee), 200, "order.captured.amount", "97.56")
	for e, err := range s.log.ReadStream(t.Context(), "order-"+id, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != "LedgerCorrectionRecorded" {
			continue
		}
		var m struct{ Actor string }
		var data struct{ Approver string }
		if err := errors.Join(json.Unmarshal(e.Metadata, &m), json.Unmarshal(e.Data, &data)); err != nil ||
			!strings.HasPrefix(m.Actor, "kim/") || !strings.HasPrefix(data.Approver, "lee/") {
			t.Errorf("by %q, approved by %q, %v", m.Actor, data.Approver, err)
		}
	}
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

func TestTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.issue(kettle)
	reader, _, err := s.tokens.Create("reports", []auth.Scope{auth.OrdersRead}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.token = reader
	s.want(s.call("GET", "/orders/"+id+"/advice", ""), 200)
	s.want(s.call("POST", "/orders/"+id+"/cancel", `{}`), 403, "code", "scope_missing")
	s.want(s.call("POST", "/orders/", kettle, "Authorization", ""), 401, "code", "token_required")
	s.want(s.call("POST", "/orders/", kettle, "Authorization", "Bearer ledger_development_x"), 401, "code", "token_refused")
}

// TestDevelopmentToken: it is taken until somebody makes a token, and not again when that one is revoked; it is
// never one of two people.
func TestDevelopmentToken(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.issue(kettle)
	s.hook("SO-1", paidMembers)
	_, state, err := commands.NewOrders(s.intake, nil).Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	known, err := s.tokens.List()
	if err != nil || len(known) != 1 || s.api.DevelopmentToken() != "" {
		t.Fatalf("%v, %v, and a token for development %q beside them", known, err, s.api.DevelopmentToken())
	}
	config := s.api.Config
	config.Tokens = auth.NewStore(filepath.Join(t.TempDir(), "tokens"))
	if s.api, err = api.New(config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.api.Register(mux)
	s.server = documented(t, mux)
	if s.token = s.api.DevelopmentToken(); s.token == "" {
		t.Fatal("there is no token for development")
	}
	const plain = `{"products":[{"title":"x","price":"1.00"}]}`
	s.want(s.call("POST", "/orders/", plain), 201)
	body := fmt.Sprintf(`{"reason":"x","adjustments":[{"balance":"captured","direction":"increase","amount":"1.00","payment_id":%q}]}`, state.Payments[0].ID)
	s.want(s.call("POST", "/orders/"+id+"/corrections", body), 403, "code", "person_required")

	// One that an earlier version took, and one of a person.
	propose := func(actor, key string) (correction string) {
		done, err := config.Orders.Do(t.Context(), id, commands.Request{Key: key, Actor: actor, Person: strings.Split(actor, "/")[0], Body: []byte(body)},
			order.ProposeCorrection{Reason: "x", Adjustments: []order.Adjustment{{
				Balance: order.BalanceCaptured, Direction: order.Increase, Amount: money.MustParse("1.00", "EUR"), PaymentID: state.Payments[0].ID,
			}}})
		if err != nil {
			t.Fatal(err)
		}
		return "/orders/" + id + "/corrections/" + done.State.Corrections[len(done.State.Corrections)-1].ID
	}
	nobodys, lees := propose("development", "k1"), propose("lee/abc", "k2")
	s.want(s.call("POST", lees+"/approve", `{}`), 403, "code", "person_required")

	_, made, err := config.Tokens.Create("first", auth.Scopes(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.want(s.call("POST", "/orders/", plain), 401, "code", "token_refused")
	if _, err := config.Tokens.Revoke(made.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.want(s.call("POST", "/orders/", plain), 401, "code", "token_refused")
	if token := s.api.DevelopmentToken(); token != "" {
		t.Errorf("%q is still told", token)
	}
	if s.token, _, err = config.Tokens.Create("kim", auth.Scopes(), time.Now()); err != nil {
		t.Fatal(err)
	}
	s.want(s.call("POST", nobodys+"/approve", `{}`), 403, "code", "person_required")
	s.want(s.call("POST", nobodys+"/decline", `{"reason":"nobody proposed it"}`), 200)
	s.want(s.call("POST", lees+"/approve", `{}`), 200, "order.captured.amount", "97.56")
}

// TestActorIsRecorded: who asked stands in the envelope of every event.
func TestActorIsRecorded(t *testing.T) {
	t.Parallel()
	s := open(t)
	secret, token, err := s.tokens.Create("shop", []auth.Scope{auth.OrdersWrite}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.token = secret
	id := s.issue(kettle)
	s.want(s.call("POST", "/orders/"+id+"/cancel", `{}`), 200, "order.lifecycle", "CANCELLED")
	for e, err := range s.log.ReadStream(t.Context(), "order-"+id, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Actor string }
		if err := json.Unmarshal(e.Metadata, &m); err != nil || m.Actor != "shop/"+token.ID {
			t.Errorf("%s by %q, %v", e.Type, m.Actor, err)
		}
	}
}

func TestOpenAPI_Golden(t *testing.T) {
	t.Parallel()
	r := open(t).call("GET", "/openapi.json", "")
	got, err := json.MarshalIndent(r.body, "", "  ")
	if err != nil || r.status != 200 {
		t.Fatal(r.status, err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the document changed (-golden +now); -update if that is meant:\n%s", diff)
	}
}

// FuzzOperations sends foreign bytes to every operation of the document: no 5xx, no panic, and nothing
// written unless the answer is a success.
func FuzzOperations(f *testing.F) {
	for i := range 64 {
		f.Add(uint8(i), []byte(kettle), "k")
		f.Add(uint8(i), []byte(`{"amount":"1.00","outcome":"split","amount_lost":"1.00"}`), "")
	}
	s := open(f)
	id := s.issue(kettle)
	s.hook("SO-1", paidMembers)
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(s.call("GET", "/openapi.json", "").text), &document); err != nil {
		f.Fatal(err)
	}
	var targets [][2]string
	for path, methods := range document.Paths {
		for method := range methods {
			path := strings.NewReplacer("{id}", id, "{dispute}", id, "{payment}", id, "{correction}", id, "{refund}", id, "{code}", "clock_skew").Replace(path)
			targets = append(targets, [2]string{strings.ToUpper(method), path})
		}
	}
	slices.SortFunc(targets, func(a, b [2]string) int { return strings.Compare(a[1], b[1]) })
	f.Fuzz(func(t *testing.T, which uint8, body []byte, key string) {
		s := &shop{t: t, log: s.log, server: s.server, token: s.token}
		target := targets[int(which)%len(targets)]
		before := s.events("")
		path := target[1]
		if target[0] == http.MethodGet {
			path += "?" + url.Values{"q": {key}, "after": {key}, "from": {string(body)}, "limit": {key}}.Encode()
		}
		r := s.call(target[0], path, string(body), "Idempotency-Key", key)
		if r.status >= 500 {
			t.Errorf("%v with %q: %s", target, body, r.text)
		}
		if r.status >= 400 && s.events("") != before {
			t.Errorf("%v with %q was refused and wrote events", target, body)
		}
	})
}

// noGateway is for a ledger whose accounts cannot be called.
type noGateway struct{}

func (noGateway) Offers(string, string, order.ActionName, string) bool { return false }

func (noGateway) CarryOut(context.Context, *commands.Done, commands.GatewayOrder) (order.GatewayActionAnswered, error) {
	return order.GatewayActionAnswered{}, nil
}
