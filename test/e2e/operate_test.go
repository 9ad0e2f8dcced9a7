package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/test/harness"
)

// positionOf is the header of every write.
func positionOf(t *testing.T, a harness.Answer) string {
	t.Helper()
	at := a.Header.Get("Ledger-Position")
	if at == "" {
		t.Fatalf("answer %d has no Ledger-Position: %s", a.Status, a.Body)
	}
	return at
}

// TestRead_YourWrites posts a webhook and asks at once for what it changed, by parameter and by header,
// many times over: the answer is never older than the write. What the views cannot reach in time is
// refused, not answered from older views.
func TestRead_YourWrites(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	for i := range 30 {
		name := "w-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		for _, state := range []string{"NONE", "PARTIAL"} {
			body := dectaPaid(name, "R-"+name)
			if state == "PARTIAL" {
				body = dectaRefunded(name, "R-"+name)
			}
			at := positionOf(t, l.Post(t, "decta", body))
			path, header := "/orders/"+name, http.Header{}
			if i%2 == 0 {
				path += "?wait=20s&at_least=" + url.QueryEscape(at)
			} else {
				header = http.Header{"Ledger-At-Least": {at}, "Prefer": {"respond-async, wait=20"}}
			}
			answer := l.Do(t, http.MethodGet, path, "", header)
			if answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"refund_state":"`+state) {
				t.Fatalf("read %d after the write at %s: %d %s", i, at, answer.Status, answer.Body)
			}
			positionOf(t, answer)
		}
	}
	again := positionOf(t, l.Post(t, "decta", dectaPaid("w-aa", "R-w-aa"))) // a duplicate is somewhere before the end
	if a := l.Get(t, "/orders/w-aa?wait=20s&at_least="+url.QueryEscape(again)); a.Status != http.StatusOK {
		t.Errorf("after a duplicate: %d %s", a.Status, a.Body)
	}
	positionOf(t, l.Post(t, "connectpay", connectpay("c-1", "R-c", "Approved")))

	late := l.Get(t, "/orders/w-aa?wait=50ms&at_least=C:999999999999/P:999999999999")
	if late.Status != http.StatusServiceUnavailable || late.Header.Get("Retry-After") == "" || !strings.Contains(late.Body, "views_behind") {
		t.Errorf("views that cannot be there: %d %v %s", late.Status, late.Header, late.Body)
	}
	for _, wrong := range []string{"at_least=soon", "at_least=1&wait=never", "at_least=1&wait=-1s"} {
		if a := l.Get(t, "/orders/w-aa?"+wrong); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, a.Status, a.Body)
		}
	}
}

// TestOrder_AsOfAndExplain asks for an order as it was, of a running ledger and of one that is stopped
// and whose database is gone: both from the log.
func TestOrder_AsOfAndExplain(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	first := l.Post(t, "decta", dectaPaid("h-1", "H-1"))
	paid := positionOf(t, first)
	var said outcome
	first.JSON(t, &said)
	accept(t, l, "decta", dectaRefunded("h-1", "H-1"))
	l.WaitForViews(t)
	type past struct {
		AsOf  string `json:"as_of"`
		Order struct {
			OrderID  string                  `json:"order_id"`
			Captured struct{ Amount string } `json:"captured"`
			Refunded struct{ Amount string } `json:"refunded"`
		} `json:"order"`
	}
	ask := func(what string, raw []byte, refunded string) {
		t.Helper()
		var p past
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatalf("%s: %v: %s", what, err, raw)
		}
		if p.Order.OrderID != said.OrderID || p.Order.Captured.Amount != "96.56" || p.Order.Refunded.Amount != refunded {
			t.Errorf("%s: %+v", what, p)
		}
	}
	now := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	for _, name := range []string{"h-1", "H-1", said.OrderID} {
		answer := l.Get(t, "/orders/"+name+"?as_of="+url.QueryEscape(paid))
		ask("over HTTP, paid", []byte(answer.Body), "0.00")
		ask("over HTTP, now", []byte(l.Get(t, "/orders/"+name+"?as_of="+now).Body), "10.00")
		ask("through the running ledger", []byte(l.Site.RunOK(t, "order", "show", "--json", name, "--as-of", paid).Stdout), "0.00")
	}
	for path, want := range map[string]int{
		"/orders/h-1?as_of=yesterday": http.StatusBadRequest, "/orders/h-1?as_of=1&by=occurred": http.StatusBadRequest,
		"/orders/h-1?as_of=2001-01-01": http.StatusNotFound, "/orders/nobody?as_of=2031-01-01": http.StatusNotFound,
	} {
		if a := l.Get(t, path); a.Status != want {
			t.Errorf("%s: %d, want %d: %s", path, a.Status, want, a.Body)
		}
	}
	told := l.Site.RunOK(t, "explain", "H-1")
	for _, part := range []string{"PaymentCaptured", "captured: 0.00 EUR → 96.56 EUR", "RefundCompleted", paid} {
		if !strings.Contains(told.Stdout, part) {
			t.Errorf("explain lacks %q:\n%s", part, told.Stdout)
		}
	}
	if !strings.Contains(told.Stderr, "the views say the same") {
		t.Errorf("explain does not compare: %s", told.Stderr)
	}
	l.Terminate(t)
	l.Site.DatabaseURL = "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"
	ask("stopped", []byte(l.Site.RunOK(t, "order", "show", "--json", "h-1", "--as-of", paid).Stdout), "0.00")
	if r := l.Site.Run(t, "order", "show", "h-1", "--as-of", "2001-01-01"); r.Code != 3 {
		t.Errorf("before it was: exit code %d: %s", r.Code, r.Stderr)
	}
	if r := l.Site.Run(t, "explain", "nobody"); r.Code != 3 {
		t.Errorf("an order that nobody knows: exit code %d: %s", r.Code, r.Stderr)
	}
}

// TestAudit_Drift changes a row behind the ledger's back. The command finds it, says so with its exit
// code, and heals it, through the running ledger and without one; the standing auditor finds it too.
func TestAudit_Drift(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	accept(t, l, "decta", dectaPaid("a-1", "A-1"))
	accept(t, l, "everifin", everifinOrder("a-2", "A-2", "CREATED"))
	l.WaitForViews(t)
	l.Site.RunOK(t, "audit", "--all")
	damage := func() {
		t.Helper()
		l.Site.Exec(t, `update ledger_data.orders set captured = captured + 1 where merchant_reference = 'A-1'`)
	}
	audit := func(code int, drifted, healed int, args ...string) {
		t.Helper()
		r := l.Site.Run(t, append([]string{"audit", "--json"}, args...)...)
		var report struct{ Orders, Drifted, Healed int }
		if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || r.Code != code || report.Drifted != drifted || report.Healed != healed {
			t.Errorf("audit %v: exit code %d, %+v, %v: %s%s", args, r.Code, report, err, r.Stdout, r.Stderr)
		}
	}
	damage()
	l.Stderr().WaitForLine(t, "the views differ from the log")
	if m := l.Get(t, "/metrics").Body; strings.Contains(m, "ledger_audit_drifted_orders_total 0\n") || !strings.Contains(m, "ledger_audit_drifted_orders_total ") {
		t.Error("the standing auditor counts nothing")
	}
	audit(4, 1, 0, "--orders", "A-1")
	audit(0, 0, 0, "--orders", "A-2")
	audit(4, 1, 0, "--sample", "10")
	for _, as := range [][]string{nil, {"--json"}} {
		if r := l.Site.Run(t, append([]string{"explain", "A-1"}, as...)...); r.Code != 4 || r.Stdout == "" || !strings.Contains(r.Stderr, "audit --heal") {
			t.Errorf("explain %v: exit code %d: %s%s", as, r.Code, r.Stdout, r.Stderr)
		}
	}
	l.Site.RunOK(t, "explain", "A-2")
	if r := l.Site.RunOK(t, "status", "--json"); !strings.Contains(r.Stdout, `"drifted_orders": 1`) {
		t.Errorf("status: %s", r.Stdout)
	}
	audit(0, 1, 1, "--all", "--heal")
	audit(0, 0, 0, "--all")
	l.Stderr().WaitForLine(t, "the views say again what the log says")
	l.Terminate(t)
	damage()
	audit(4, 1, 0, "--all")
	audit(0, 1, 1, "--orders", "a-1", "--heal")
	audit(0, 0, 0, "--all")
	l.Site.Exec(t, `delete from ledger_data.orders`)
	audit(4, 2, 0, "--all")
	for _, wrong := range [][]string{nil, {"--all", "--sample", "1"}} {
		if r := l.Site.Run(t, append([]string{"audit"}, wrong...)...); r.Code != 2 {
			t.Errorf("audit %v: exit code %d", wrong, r.Code)
		}
	}
}

// TestParked_List poisons an order as a newer version would. It is parked, listed, explained and still
// parked after a retry; the flag is in the views and nothing else stops.
func TestParked_List(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	said := accept(t, l, "decta", dectaPaid("p-1", "P-1"))
	l.Terminate(t)
	log, err := node.Open(node.Options{Dir: filepath.Join(l.Site.Dir, "events")})
	if err != nil {
		t.Fatal(err)
	}
	for _, eventType := range []string{"OrderTeleported", "OrderIssued"} {
		_, err := log.Append(t.Context(), "order-"+said.OrderID, eventstore.Any, eventstore.EventData{
			ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(`{}`), Metadata: []byte(`{"schema":1}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	l = l.Site.Serve(t)
	accept(t, l, "decta", dectaPaid("p-2", "P-2"))
	l.WaitForViews(t)
	flags := l.Site.Row(t, `select array_to_string(flags, ' ') as flags from ledger.orders where merchant_reference = 'P-1'`)
	if flags.Text("flags") != "parked" {
		t.Errorf("flags: %v", flags)
	}
	check := func() {
		t.Helper()
		var held []struct {
			OrderID   string `json:"order_id"`
			EventType string `json:"event_type"`
			HeldBack  int    `json:"held_back"`
		}
		r := l.Site.RunOK(t, "parked", "list", "--json")
		if err := json.Unmarshal([]byte(r.Stdout), &held); err != nil || len(held) != 1 || held[0].OrderID != said.OrderID ||
			held[0].EventType != "OrderTeleported" || held[0].HeldBack != 1 {
			t.Errorf("parked list: %v, %s", err, r.Stdout)
		}
		if r := l.Site.RunOK(t, "parked", "show", said.OrderID); !strings.Contains(r.Stdout, "OrderTeleported") {
			t.Errorf("parked show: %s", r.Stdout)
		}
		if r := l.Site.Run(t, "parked", "retry", said.OrderID); r.Code != 4 || !strings.Contains(r.Stderr, "still parked") {
			t.Errorf("parked retry: exit code %d: %s", r.Code, r.Stderr)
		}
		if r := l.Site.Run(t, "parked", "retry", "nobody"); r.Code != 3 {
			t.Errorf("parked retry of nobody: exit code %d: %s", r.Code, r.Stderr)
		}
		if r := l.Site.RunOK(t, "explain", "P-1"); !strings.Contains(r.Stdout, "HELD BACK") || !strings.Contains(r.Stderr, "parked") {
			t.Errorf("explain: %s%s", r.Stdout, r.Stderr)
		}
		l.Site.RunOK(t, "audit", "--all") // a parked order is no drift
	}
	check()
	file := writeLines(t, dectaRefunded("p-1", "P-1"), dectaPaid("p-3", "P-3"))
	r := l.Site.Run(t, "ingest", "--gateway", "decta", file)
	wantCounts(t, r, 1, "accepted 1, duplicate 0, quarantined 0, failed 1")
	if !strings.Contains(r.Stderr, "kept in quarantine") || !strings.Contains(r.Stderr, "OrderTeleported") {
		t.Errorf("ingest: %s", r.Stderr)
	}
	if kept := l.Site.Row(t, `select code, detail from ledger.quarantine`); kept.Text("code") != "order_unreadable" {
		t.Errorf("quarantine: %v", kept)
	}
	l.Terminate(t)
	check()
}

// TestReady_DegradedWhenNobodyReads takes the projector's lock away from the ledger, as a projector does
// that hangs elsewhere. There is no traffic and nobody has an error; /readyz and `ledger status` say
// that the views are too old all the same, and take it back when they are read again. Webhooks are
// taken in all the time.
func TestReady_DegradedWhenNobodyReads(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_STALE_AFTER=1s", "LEDGER_CANARY=50ms"}})
	var l *harness.Ledger
	type health struct {
		Status    string `json:"status"`
		Freshness struct {
			Age     int64   `json:"age_ms"`
			P99     float64 `json:"commit_to_visible_p99_ms"`
			Samples int     `json:"samples"`
		} `json:"freshness"`
	}
	ask := func() (h health, status int) {
		answer := l.Get(t, "/readyz")
		answer.JSON(t, &h)
		return h, answer.Status
	}
	s.Locked(t, 1279607879, 1, func() {
		l = s.Open(t) // on a busy machine it never was ready before it is degraded
		harness.Eventually(t, "/readyz says degraded", func() bool {
			h, status := ask()
			return h.Status == "degraded" && status == http.StatusServiceUnavailable && h.Freshness.Age > 1000
		})
		if said := accept(t, l, "decta", dectaPaid("f-1", "F-1")); said.Outcome != "accepted" {
			t.Errorf("a degraded ledger takes nothing in: %+v", said)
		}
		if r := l.Site.RunOK(t, "status"); !strings.Contains(r.Stdout, "degraded") {
			t.Errorf("status: %s", r.Stdout)
		}
	})
	harness.Eventually(t, "/readyz says ready", func() bool {
		h, status := ask()
		return h.Status == "ready" && status == http.StatusOK && h.Freshness.Samples > 0 && h.Freshness.P99 > 0
	})
	m := l.Get(t, "/metrics").Body
	page, err := os.ReadFile("../../docs/operations/projections.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bledger_(commit|views|projections|audit)_[a-z_]+`).FindAllString(string(page), -1)
	for _, name := range append(names, "ledger_commit_to_visible_seconds_count", "ledger_views_stale 0") {
		if !strings.Contains(m, "\n"+name) {
			t.Errorf("/metrics lacks %s, which the page for operators names", name)
		}
	}
	if r := l.Site.RunOK(t, "status"); !strings.Contains(r.Stdout, "commit to visible") {
		t.Errorf("status: %s", r.Stdout)
	}
	if r := s.Run(t, "serve", "--canary", "soon"); r.Code != 2 {
		t.Errorf("--canary soon: exit code %d: %s", r.Code, r.Stderr)
	}
}

// TestServe_RefusesRowsOfAnotherVersion lets the views say that another version made them. The ledger
// takes notifications in and answers from the log, and serves nothing from the views; it says what
// changed.
func TestServe_RefusesRowsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	l := s.Serve(t)
	id := accept(t, l, "decta", dectaPaid("v-1", "V-1")).OrderID
	l.WaitForViews(t)
	if r := s.RunOK(t, "status"); strings.Contains(r.Stderr, "REBUILD") {
		t.Errorf("status of what this version made: %s", r.Stderr)
	}
	l.Terminate(t)
	s.Exec(t, `update ledger_data.checkpoint set fingerprint = fingerprint || '{"fold": "of another version"}'`)
	refused := func() {
		t.Helper()
		if r := s.RunOK(t, "status"); !strings.Contains(r.Stderr, "REBUILD NEEDED") || !strings.Contains(r.Stderr, "fold changed") {
			t.Errorf("status: %s", r.Stderr)
		}
		if r := s.Run(t, "order", "show", "V-1"); r.Code != 4 || !strings.Contains(r.Stderr, "rebuild needed") {
			t.Errorf("order show: exit code %d: %s", r.Code, r.Stderr)
		}
		s.RunOK(t, "order", "show", "V-1", "--as-of", "2099-01-01")
		s.RunOK(t, "audit", "--all")
		for _, args := range [][]string{{"audit", "--all", "--heal"}, {"parked", "retry", "x"}} {
			if r := s.Run(t, args...); r.Code != 1 || !strings.Contains(r.Stderr, "rebuild needed") {
				t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
			}
		}
	}
	refused()
	file := filepath.Join(t.TempDir(), "one.ndjson")
	if err := os.WriteFile(file, []byte(dectaPaid("v-0", "V-0")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.Run(t, "ingest", "--gateway", "decta", file); r.Code != 1 || !strings.Contains(r.Stderr, "run `ledger rebuild`") ||
		!strings.Contains(r.Stdout, "accepted 1,") {
		t.Errorf("ingest: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	l = s.Open(t)
	harness.Eventually(t, "/readyz says rebuild_needed", func() bool {
		answer := l.Get(t, "/readyz")
		return answer.Status == http.StatusServiceUnavailable && strings.Contains(answer.Body, `"status":"rebuild_needed"`) &&
			strings.Contains(answer.Body, `"fold"`) && strings.Contains(answer.Body, `"views_position":"C:`)
	})
	if said := accept(t, l, "decta", dectaPaid("v-2", "V-2")); said.Outcome != "accepted" {
		t.Errorf("webhook: %+v", said)
	}
	if a := l.Get(t, "/orders/V-1"); a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "rebuild_needed") {
		t.Errorf("an order from the views: %d %s", a.Status, a.Body)
	}
	shop, _ := bearer(t, s, "shop", "orders:read")
	if a := l.Do(t, http.MethodGet, "/orders/"+id+"/payments", "", shop); a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "rebuild_needed") {
		t.Errorf("payments from the views: %d %s", a.Status, a.Body)
	}
	if a := l.Get(t, "/orders/V-2?as_of=2099-01-01"); a.Status != http.StatusOK {
		t.Errorf("an order from the log: %d %s", a.Status, a.Body)
	}
	refused()
	if n := s.Count(t, "ledger.orders"); n != 1 {
		t.Errorf("%d orders: the views of another version were written to", n)
	}

	s.RunOK(t, "migrate", "--reset")
	l.WaitForViews(t)
	if n := s.Count(t, "ledger.orders"); n != 3 {
		t.Errorf("%d orders after the views were made anew, want 3", n)
	}
	if a := l.Get(t, "/orders/V-1"); a.Status != http.StatusOK {
		t.Errorf("an order from the new views: %d %s", a.Status, a.Body)
	}
}
