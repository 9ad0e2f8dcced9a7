package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// bodyBytesMax is the documented limit of a webhook's body: 1 MiB.
const bodyBytesMax = 1 << 20

// badInput is a body that a gateway should not send, and what must become of it. It is answered 200:
// a gateway cannot repair it by sending it again.
type badInput struct {
	name, gateway, body string
	// code says why it is kept: in ledger.quarantine, or on the order that it names.
	code string
	// order is the gateway's id of the order that it is recorded on; empty is quarantined.
	order string
	// captured is what that order has taken all the same.
	captured string
}

func badInputs() []badInput {
	const paid = `"status":"paid","currency":"EUR","paid":1795140012,"modified":1795140012`
	total := func(token string) string { return dectaWith("b-total", `"number":"B-TOTAL","total":`+token+`,`+paid) }
	connectpayAmount := func(amount string) string {
		return strings.Replace(connectpay("b-cp", "B-CP", "Approved"), `"amount":"49.00"`, `"amount":`+amount, 1)
	}
	everifinAmount := func(amount string) string {
		return strings.ReplaceAll(everifinOrder("b-ev", "B-EV", "BOOKED"), "120.99", amount)
	}
	return []badInput{
		{name: "Malformed", gateway: "decta", body: `{"id":`, code: "malformed_body"},
		{name: "Empty", gateway: "decta", body: ``, code: "malformed_body"},
		{name: "EmptyOfConnectPay", gateway: "connectpay", body: ``, code: "malformed_body"},
		{name: "Null", gateway: "everifin", body: `null`, code: "malformed_body"},
		{name: "List", gateway: "decta", body: `[]`, code: "malformed_body"},
		{name: "TrailingGarbage", gateway: "decta", body: dectaPaid("b-trailing", "B-TRAILING") + " garbage", code: "malformed_body"},
		{name: "DuplicateMembers", gateway: "decta", body: dectaWith("b-twice", `"number":"B-2","total":1.00,"total":100.00,`+paid), code: "malformed_body"},
		{name: "IDOfWrongType", gateway: "decta", body: `{"id":{"a":1},"status":"paid"}`, code: "malformed_body"},
		{name: "IDTooLong", gateway: "decta", body: dectaPaid(strings.Repeat("i", 5000), "B-LONG"), code: "malformed_body"},
		{name: "IDNotUTF8", gateway: "decta", body: dectaPaid("b-%", "B-UTF8")[:25] + "\xff\xfe" + dectaPaid("b-%", "B-UTF8")[25:], code: "malformed_body"},
		{name: "NoID", gateway: "decta", body: `{"status":"paid","currency":"EUR","total":1.00}`, code: "unknown_order"},
		{name: "EmptyID", gateway: "decta", body: dectaPaid("", "B-NOID"), code: "unknown_order"},
		{name: "NoIDOfEverifin", gateway: "everifin", body: `{"eventId":"x","eventType":"payment.statusChange","data":{"status":"BOOKED"}}`, code: "unknown_order"},
		{name: "Exponent", gateway: "decta", body: total(`9.656e1`), code: "amount_malformed"},
		{name: "ExponentOfEverifin", gateway: "everifin", body: everifinAmount(`1.2e2`), code: "amount_malformed"},
		{name: "NaNToken", gateway: "decta", body: total(`NaN`), code: "malformed_body"},
		{name: "NaNText", gateway: "decta", body: total(`"NaN"`), code: "amount_malformed"},
		{name: "AmountOfWrongType", gateway: "decta", body: total(`true`), code: "amount_malformed"},
		{name: "Negative", gateway: "decta", body: total(`-96.56`), code: "negative_amount"},
		{name: "NegativeOfConnectPay", gateway: "connectpay", body: connectpayAmount(`"-49.00"`), code: "negative_amount"},
		{name: "TooManyDecimals", gateway: "decta", body: total(`96.567`), code: "scale_violation"},
		{name: "TooManyDigits", gateway: "decta", body: total(`99999999999999999999999999999.00`), code: "scale_violation"},
		{name: "UnknownCurrency", gateway: "decta", body: strings.Replace(total(`1.00`), "EUR", "ZZZ", 1), code: "currency_mismatch"},
		{name: "CurrencyOfWrongType", gateway: "decta", body: strings.Replace(total(`1.00`), `"EUR"`, `978`, 1), code: "currency_mismatch"},
		{name: "DeepLists", gateway: "decta", body: `{"id":"b-deep","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, code: "malformed_body"},
		{name: "DeepObjects", gateway: "connectpay", body: strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), code: "malformed_body"},
		{name: "ListOf100000", gateway: "decta", body: dectaWith("b-list", `"number":"B-LIST","total":1.00,"status_changes":[`+
			strings.TrimSuffix(strings.Repeat("{},", 100_000), ",")+`],`+paid), code: "malformed_body"},

		{name: "OtherCurrencyOnKnownOrder", gateway: "decta", body: strings.Replace(dectaRefunded("b-known", "B-KNOWN"), "EUR", "USD", 1),
			code: "currency_mismatch", order: "b-known", captured: "96.56"},
		{name: "TooManyDecimalsOnKnownOrder", gateway: "decta", body: strings.Replace(dectaRefunded("b-known", "B-KNOWN"), "10.00", "10.001", 1),
			code: "scale_violation", order: "b-known", captured: "96.56"},
		{name: "NegativeOnKnownOrder", gateway: "decta", body: strings.Replace(dectaRefunded("b-known", "B-KNOWN"), "10.00", "-10.00", 1),
			code: "negative_amount", order: "b-known", captured: "96.56"},
		{name: "TestFlagOnKnownOrder", gateway: "decta", body: strings.Replace(dectaPaid("b-known", "B-KNOWN"), "false", "true", 1),
			code: "test_live_mix", order: "b-known", captured: "96.56"},
		{name: "UnknownStatus", gateway: "decta", body: dectaWith("b-status", `"number":"B-S","total":96.56,"currency":"EUR","status":"teleported"`),
			code: "status_unrecognised", order: "b-status", captured: "0.00"},
		{name: "StatusOfWrongType", gateway: "decta", body: dectaWith("b-status5", `"number":"B-S5","total":96.56,"currency":"EUR","status":5`),
			code: "status_unrecognised", order: "b-status5", captured: "0.00"},
		{name: "FarFuture", gateway: "decta", body: dectaWith("b-future", `"number":"B-F","total":96.56,"currency":"EUR","status":"paid","paid":99999999999,"modified":99999999999`),
			code: "clock_skew", order: "b-future", captured: "96.56"},
		{name: "TimeOfNoTime", gateway: "decta", body: dectaWith("b-time", `"number":"B-T","total":96.56,"currency":"EUR","status":"paid","paid":1.5e300,"modified":-5`),
			code: "malformed_body", order: "b-time", captured: "96.56"},
		{name: "ReferenceWithNUL", gateway: "decta", body: dectaPaid("b-nul", `B-NUL`)[:28] + strings.Replace(dectaPaid("b-nul", "B-NUL")[28:], "B-NUL", `B\u0000`, 1),
			code: "malformed_body", order: "b-nul", captured: "96.56"},
	}
}

// TestBadInput_IsAnsweredAndKept sends what gateways should not send: nothing crashes, nothing is
// lost, no money moves that should not, and each has a code that says why.
func TestBadInput_IsAnsweredAndKept(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", dectaPaid("b-known", "B-KNOWN"))
	inputs := badInputs()
	for _, c := range inputs {
		t.Run(c.name, func(t *testing.T) {
			said := accept(t, l, c.gateway, c.body)
			switch {
			case c.gateway == "connectpay": // is told nothing
			case c.order == "" && (said.Outcome != "quarantined" || said.Code != c.code || said.Detail == ""):
				t.Errorf("answered %+v, want quarantined for %s", said, c.code)
			case c.order != "" && (said.Outcome != "accepted" || said.OrderID == ""):
				t.Errorf("answered %+v, want accepted", said)
			}
			if again := accept(t, l, c.gateway, c.body); c.gateway != "connectpay" && again.Outcome != "duplicate" {
				t.Errorf("sent again: %+v, want duplicate", again)
			}
		})
	}
	l.WaitForViews(t)

	quarantined, orders := map[string]int{}, 1 // b-known
	for _, c := range inputs {
		if c.order == "" {
			quarantined[c.gateway+" "+c.code]++
			continue
		}
		if c.order != "b-known" {
			orders++
		}
		row := l.Site.Row(t, `select captured, refunded, flags from ledger.orders where source_order_id = $1`, c.order)
		if flags := row["flags"].([]any); !slices.Contains(flags, any(c.code)) {
			t.Errorf("%s: flags %v, want %s among them", c.name, flags, c.code)
		}
		if row.Text("captured") != c.captured || row.Text("refunded") != "0.00" {
			t.Errorf("%s: captured %v refunded %v, want %s and 0.00", c.name, row["captured"], row["refunded"], c.captured)
		}
	}
	if n := l.Site.Count(t, "ledger.orders"); n != orders {
		t.Errorf("%d orders, want %d", n, orders)
	}
	for _, row := range l.Site.Rows(t, `select source, code, count(*) as n from ledger.quarantine group by 1, 2`) {
		key := row.Text("source") + " " + row.Text("code")
		if row.Text("n") != fmt.Sprint(quarantined[key]) {
			t.Errorf("ledger.quarantine has %v %s, want %d", row["n"], key, quarantined[key])
		}
		delete(quarantined, key)
	}
	if len(quarantined) > 0 {
		t.Errorf("not in ledger.quarantine: %v", quarantined)
	}
	metrics := l.Get(t, "/metrics").Body
	for _, line := range []string{
		`ledger_notifications_total{code="",gateway="decta",outcome="accepted",via="webhook"} 10`,
		`ledger_notifications_total{code="negative_amount",gateway="connectpay",outcome="quarantined",via="webhook"} 1`,
		`ledger_notifications_total{code="amount_malformed",gateway="decta",outcome="quarantined",via="webhook"} 3`,
		`ledger_projections_parked_orders 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("/metrics has no %s; of notifications it has\n%s", line, grep(metrics, "ledger_notifications_total"))
		}
	}
}

// TestBadInput_BodyOfMoreThanOneMiB is refused; one of exactly 1 MiB is taken in.
func TestBadInput_BodyOfMoreThanOneMiB(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	padded := func(id string, size int) string {
		body := strings.TrimSuffix(dectaPaid(id, "B-BIG"), "}") + `,"x":"`
		return body + strings.Repeat("x", size-len(body)-2) + `"}`
	}
	if said := accept(t, l, "decta", padded("b-fits", bodyBytesMax)); said.Outcome != "accepted" {
		t.Errorf("a body of exactly 1 MiB: %+v, want accepted", said)
	}
	wantProblem(t, l.Post(t, "decta", padded("b-big", bodyBytesMax+1)), http.StatusRequestEntityTooLarge, "1 MiB")
	l.WaitForViews(t)
	if n := l.Site.Count(t, "ledger.orders"); n != 1 {
		t.Errorf("%d orders, want the one that fits", n)
	}
	if metrics := l.Get(t, "/metrics").Body; !strings.Contains(metrics, `ledger_webhooks_refused_total{code="body_too_large",gateway="decta"} 1`) {
		t.Errorf("/metrics does not count the refusal:\n%s", grep(metrics, "refused"))
	}
}

// TestWebhooks_AnswerWhatTheGatewayAsks keeps a question of Everifin from becoming a fact.
func TestWebhooks_AnswerWhatTheGatewayAsks(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	said := accept(t, l, "everifin", `{"eventId":"aa01","eventType":"payment.statusCheck","eventTimestamp":"2026-11-20T10:01:00.000Z",`+
		`"data":{"paymentId":"q-p1","orderId":"q-1"}}`)
	if said.Outcome != "answered" {
		t.Errorf("payment.statusCheck: %+v, want answered", said)
	}
	l.WaitForViews(t)
	if n := l.Site.Count(t, "ledger.order_history") + l.Site.Count(t, "ledger.quarantine"); n != 0 {
		t.Errorf("the question left %d events", n)
	}
}

// grep returns the lines that contain a text.
func grep(text, part string) string {
	var found strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found.WriteString(line)
		}
	}
	return found.String()
}
