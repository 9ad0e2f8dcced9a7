package reportservice_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/reportservice"
)

func openStore(t *testing.T) *reportservice.Store {
	t.Helper()
	s, err := reportservice.OpenStore(t.Context(), filepath.Join(t.TempDir(), "totals ?#.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// event makes a CloudEvent; data is its JSON.
func event(id, eventType, day, data string) string {
	return fmt.Sprintf(`{"id":%q,"type":%q,"time":"%sT23:30:00+01:00","dataschema":"urn:order-ledger:schema:%s:1","data":%s}`, id, eventType, day, eventType, data)
}

func amount(text, currency string) string {
	return fmt.Sprintf(`{"amount":{"amount":%q,"currency":%q}}`, text, currency)
}

func parse(t *testing.T, texts ...string) []reportservice.Event {
	t.Helper()
	var out []reportservice.Event
	if err := json.Unmarshal([]byte("["+strings.Join(texts, ",")+"]"), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func totals(t *testing.T, s *reportservice.Store) string {
	t.Helper()
	rows, err := s.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&out, "%s %s %s %s %d\n", r.Day, r.Currency, r.Total, r.Amount, r.Events)
	}
	return out.String()
}

// TestCount_ExactlyOnce counts events, some of them told twice, on two pages and again.
func TestCount_ExactlyOnce(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	first := parse(t,
		event("1", "PaymentCaptured", "2026-10-01", amount("0.10", "EUR")),
		event("2", "PaymentCaptured", "2026-10-01", amount("0.20", "EUR")),
		event("2", "PaymentCaptured", "2026-10-01", amount("0.20", "EUR")),
		event("3", "RefundCompleted", "2026-10-02", amount("1000", "JPY")),
		event("4", "DisputeFundsWithdrawn", "2026-10-02", amount("5.00", "EUR")))
	second := parse(t,
		event("1", "PaymentCaptured", "2026-10-01", amount("0.10", "EUR")),
		event("5", "PaymentReversed", "2026-10-01", amount("0.30", "EUR")),
		event("6", "RefundReversed", "2026-10-02", amount("400", "JPY")),
		event("7", "LedgerCorrectionRecorded", "2026-10-03", `{"adjustments":[
			{"balance":"captured","direction":"decrease","amount":{"amount":"1.00","currency":"EUR"}},
			{"balance":"dispute_held","direction":"increase","amount":{"amount":"2.00","currency":"EUR"}},
			{"balance":"authorised","direction":"increase","amount":{"amount":"9.00","currency":"EUR"}}]}`))
	if err := s.Count(t.Context(), "", first, "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Count(t.Context(), "", first, "a"); err == nil {
		t.Error("a page was counted from where the database does not stand")
	}
	if err := s.Count(t.Context(), "a", second, "b"); err != nil {
		t.Fatal(err)
	}
	const want = "2026-10-01 EUR revenue 0 3\n2026-10-02 EUR disputes 5 1\n2026-10-02 JPY refunds 600 2\n" +
		"2026-10-03 EUR disputes 2 1\n2026-10-03 EUR revenue -1 1\n"
	if got := totals(t, s); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if cursor, events, err := s.Cursor(t.Context()); cursor != "b" || events != 7 || err != nil {
		t.Errorf("cursor %q after %d events, %v", cursor, events, err)
	}
}

// TestCount_RatherStopsThanMisreads leaves everything as it was when one event is not understood.
func TestCount_RatherStopsThanMisreads(t *testing.T) {
	t.Parallel()
	good := event("1", "PaymentCaptured", "2026-10-01", amount("0.10", "EUR"))
	for name, bad := range map[string]string{
		"newer version":   strings.Replace(event("2", "PaymentCaptured", "2026-10-01", amount("1.00", "EUR")), ":1\"", ":2\"", 1),
		"no schema":       strings.Replace(event("2", "PaymentCaptured", "2026-10-01", amount("1.00", "EUR")), "dataschema", "x", 1),
		"unknown type":    event("2", "PaymentDoubled", "2026-10-01", amount("1.00", "EUR")),
		"no amount":       event("2", "PaymentCaptured", "2026-10-01", `{}`),
		"no currency":     event("2", "PaymentCaptured", "2026-10-01", `{"amount":{"amount":"1.00"}}`),
		"unknown balance": event("2", "LedgerCorrectionRecorded", "2026-10-01", `{"adjustments":[{"balance":"x","direction":"increase","amount":{"amount":"1.00","currency":"EUR"}}]}`),
		"no direction":    event("2", "LedgerCorrectionRecorded", "2026-10-01", `{"adjustments":[{"balance":"captured","amount":{"amount":"1.00","currency":"EUR"}}]}`),
	} {
		s := openStore(t)
		var unknown *reportservice.UnknownError
		if err := s.Count(t.Context(), "", parse(t, good, bad), "a"); !errors.As(err, &unknown) {
			t.Errorf("%s: got %v", name, err)
		}
		if got := totals(t, s); got != "" {
			t.Errorf("%s: half a page was counted: %s", name, got)
		}
	}
}

// TestRun_TriesAgain asks a ledger again that cannot be reached, is busy or cuts its answer off, and not
// one that refuses.
func TestRun_TriesAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	var (
		mu    sync.Mutex
		asked []string
	)
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"events":[`)) },
		func(w http.ResponseWriter) {
			_, _ = fmt.Fprintf(w, `{"events":[%s],"cursor":"c-1","more":true}`, event("1", "PaymentCaptured", "2026-10-01", amount("7.00", "EUR")))
		},
		func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"code":"cursor_of_another_ledger","detail":"start again"}`))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Query().Get("after"))
		answer := answers[len(asked)-1]
		mu.Unlock()
		answer(w)
	}))
	defer server.Close()
	err := reportservice.Run(t.Context(), reportservice.Config{URL: server.URL, Store: s, Logger: slog.New(slog.DiscardHandler)})
	var refused *reportservice.RefusedError
	if !errors.As(err, &refused) || refused.Code != "cursor_of_another_ledger" {
		t.Errorf("got %v", err)
	}
	if got := totals(t, s); got != "2026-10-01 EUR revenue 7 1\n" {
		t.Errorf("got %s", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(asked, ","); got != ",,,,,c-1" {
		t.Errorf("cursors: %s", got)
	}
}
