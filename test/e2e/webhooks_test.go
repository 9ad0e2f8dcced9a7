package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/test/harness"
)

// outcome is the answer to a webhook of DECTA or Everifin.
type outcome struct {
	Outcome  string `json:"outcome"`
	OrderID  string `json:"order_id"`
	Position string `json:"position"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
}

// accept posts a webhook that must be answered 200, and returns what is said.
func accept(t *testing.T, l *harness.Ledger, path, body string) outcome {
	t.Helper()
	answer := l.Post(t, path, body)
	if answer.Status != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, answer.Status, answer.Body)
	}
	var said outcome
	if !strings.HasPrefix(path, "connectpay") {
		answer.JSON(t, &said)
	}
	return said
}

// TestWebhooks_EndUpInTheViews sends what the three gateways send about a paid order, and reads the
// order as accounting does.
func TestWebhooks_EndUpInTheViews(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})

	paid := accept(t, l, "decta", dectaPaid("d-1", "SO-1"))
	if paid.Outcome != "accepted" || paid.OrderID == "" || paid.Position == "" {
		t.Errorf("first webhook: %+v, want accepted, with the order's id and the position in the log", paid)
	}
	if again := accept(t, l, "decta", dectaPaid("d-1", "SO-1")); again.Outcome != "duplicate" || again.OrderID != paid.OrderID {
		t.Errorf("the same webhook again: %+v, want duplicate of order %s", again, paid.OrderID)
	}
	if refunded := accept(t, l, "decta/default", dectaRefunded("d-1", "SO-1")); refunded.OrderID != paid.OrderID {
		t.Errorf("refund went to order %s, want %s", refunded.OrderID, paid.OrderID)
	}
	accept(t, l, "everifin", everifinHook("e-1", "SO-2", "BOOKED")) // the amount is not known yet
	accept(t, l, "everifin", everifinOrder("e-1", "SO-2", "CREATED"))
	answer := l.Post(t, "connectpay", connectpay("c-1", "SO-3", "Approved"))
	if answer.Status != http.StatusOK || answer.Body != "OK" {
		t.Errorf("ConnectPay is answered %d %q, want 200 and the word OK", answer.Status, answer.Body)
	}
	l.WaitForViews(t)

	const query = `select source, source_account, source_order_id, merchant_reference, currency, amount_due, captured, settled,
		refunded, net, payment_state, refund_state, dispute_state, lifecycle, gateway_status from ledger.orders order by merchant_reference`
	got := table(l.Site.Rows(t, query), "source", "source_account", "source_order_id", "merchant_reference", "currency", "amount_due",
		"captured", "settled", "refunded", "net", "payment_state", "refund_state", "dispute_state", "lifecycle", "gateway_status")
	want := []string{
		"decta default d-1 SO-1 EUR 96.56 96.56 0.00 10.00 86.56 PAID PARTIAL NONE OPEN refunded",
		"everifin default e-1 SO-2 EUR 120.99 120.99 120.99 0.00 120.99 PAID NONE NONE OPEN BOOKED",
		"connectpay default SO-3 SO-3 EUR 49.00 49.00 0.00 0.00 49.00 PAID NONE NONE OPEN Approved",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger.orders (-want +got):\n%s", diff)
	}
	refund := l.Site.Row(t, `select amount, status from ledger.refunds where order_id = $1`, paid.OrderID)
	if refund.Text("amount") != "10.00" || refund.Text("status") != "COMPLETED" {
		t.Errorf("refund: %v", refund)
	}
	refundable := l.Site.Row(t, `select refundable from ledger.refund_balances where order_id = $1`, paid.OrderID)
	if refundable.Text("refundable") != "86.56" {
		t.Errorf("refundable: %v, want 86.56", refundable)
	}
}

// TestWebhooks_AreAnsweredByGatewayAndAccount tells a gateway that posts to a wrong place.
func TestWebhooks_AreAnsweredByGatewayAndAccount(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	for _, c := range []struct {
		name, method, path string
		status             int
		says               string
	}{
		{"UnknownGateway", http.MethodPost, "/webhooks/stripe", http.StatusNotFound, "Gateways are decta, everifin, connectpay"},
		{"UnknownAccount", http.MethodPost, "/webhooks/decta/shop-eu", http.StatusNotFound, "no account shop-eu of gateway decta"},
		{"WrongMethod", http.MethodGet, "/webhooks/decta", http.StatusMethodNotAllowed, "POST"},
		{"NothingThere", http.MethodGet, "/hooks", http.StatusNotFound, "/webhooks/"},
		{"UnknownOrder", http.MethodGet, "/orders/SO-404", http.StatusNotFound, "SO-404"},
		{"IngestWithoutToken", http.MethodPost, "/ingest/decta/default", http.StatusUnauthorized, "token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := l.Do(t, c.method, c.path, dectaPaid("d-9", "SO-9"), nil)
			wantProblem(t, answer, c.status, c.says)
		})
	}
	l.WaitForViews(t)
	if n := l.Site.Count(t, "ledger.orders") + l.Site.Count(t, "ledger.quarantine"); n != 0 {
		t.Errorf("%d rows came of refused requests", n)
	}
}

// wantProblem expects an RFC 9457 problem with a sentence that helps.
func wantProblem(t *testing.T, a harness.Answer, status int, says string) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); a.Status != status || got != "application/problem+json" {
		t.Fatalf("answered %d %s %q, want %d and a problem", a.Status, got, a.Body, status)
	}
	var problem struct {
		Type, Title, Detail, Code string
		Status                    int
	}
	a.JSON(t, &problem)
	if problem.Type == "" || problem.Title == "" || problem.Code == "" || problem.Status != status {
		t.Errorf("problem lacks a member: %s", a.Body)
	}
	if !strings.Contains(problem.Detail, says) || !strings.Contains(problem.Detail, " ") {
		t.Errorf("problem says %q, want a sentence with %q", problem.Detail, says)
	}
}

// table renders columns of rows, a row a line.
func table(rows []harness.Row, columns ...string) []string {
	var lines []string
	for _, row := range rows {
		var cells []string
		for _, column := range columns {
			cells = append(cells, row.Text(column))
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	return lines
}

// TestWebhooks_StaleAnswerMovesNothing takes an old answer of Everifin in last: it told a smaller amount
// before the order was raised, and must not take money back that came since.
func TestWebhooks_StaleAnswerMovesNothing(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	stale := strings.ReplaceAll(everifinOrder("s-1", "S-1", "CREATED"), "120.99", "90.59")
	for _, body := range []string{
		everifinOrder("s-1", "S-1", "CREATED"), everifinHook("s-1", "S-1", "BOOKED"), everifinOrder("s-1", "S-1", "BOOKED"), stale,
	} {
		accept(t, l, "everifin", body)
	}
	l.WaitForViews(t)
	got := table(l.Site.Rows(t, `select amount_due, o.captured, p.amount, p.captured as of_payment from ledger.orders o
		join ledger.payments p using (order_id)`), "amount_due", "captured", "amount", "of_payment")
	if diff := cmp.Diff([]string{"120.99 120.99 120.99 120.99"}, got); diff != "" {
		t.Errorf("due, captured, amount and captured of the payment (-want +got):\n%s", diff)
	}
}
