package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

// owner is the token of the data directory.
const owner = "owner-of-the-data-directory"

// shop is a whole ledger in this process, over HTTP, whose DECTA account is a fake gateway.
type shop struct {
	tb       testing.TB
	ledger   *app.Ledger
	url      string
	token    string // every scope
	fake     *fakegateway.Fake
	document *openapi.Document
	log      *strictLog
}

// strictLog remembers what must not be logged.
type strictLog struct {
	slog.Handler
	panics chan string
}

// Enabled, Handle, WithAttrs and WithGroup implement slog.Handler.
func (l *strictLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

// Handle keeps what a request's panic left.
func (l *strictLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	select {
	case l.panics <- text:
	default:
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l *strictLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *strictLog) WithGroup(string) slog.Handler { return l }

// openShop runs a ledger; configure may change its settings.
func openShop(tb testing.TB, configure ...func(*config.Settings)) *shop {
	tb.Helper()
	s := &shop{tb: tb, log: &strictLog{panics: make(chan string, 100)}}
	s.fake = fakegateway.New(fakegateway.Options{Deliver: func(ctx context.Context, h fakegateway.Hook) error {
		return deliver(ctx, s.url+"/webhooks/"+h.Gateway, h.Body)
	}})
	gateway := httptest.NewServer(s.fake)
	tb.Cleanup(gateway.Close)
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(fakegateway.DectaKey), 0o600); err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(dir, "ledger.yaml")
	text := fmt.Sprintf("gateways:\n  - {gateway: decta, verify: {strategy: none}, api: {url: %q, key: \"file:%s\", per_second: 10000}}\n",
		gateway.URL+"/decta/api/v0.6", filepath.Join(dir, "key"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	settings := config.Settings{
		DataDir: filepath.Join(dir, "data"), EventStore: config.Embedded, HTTP: "127.0.0.1:0", DatabaseURL: pgtest.URL(tb), File: file,
		CanaryInterval: -1, AuditInterval: -1,
	}
	for _, c := range configure {
		c(&settings)
	}
	if err := app.MakeDataDir(settings); err != nil {
		tb.Fatal(err)
	}
	var err error
	if s.ledger, err = app.Open(tb.Context(), settings, slog.New(s.log), func(string) {}); err != nil {
		tb.Fatal(err)
	}
	server, err := web.Listen(tb.Context(), s.ledger, owner)
	if err != nil {
		tb.Fatal(errors.Join(err, s.ledger.Close()))
	}
	s.url = server.URL()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 2)
	go func() { done <- server.Serve(ctx) }()
	go func() { done <- s.ledger.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, <-done, s.ledger.Close()); err != nil && !errors.Is(err, context.Canceled) {
			tb.Errorf("stop: %v", err)
		}
	})
	s.token, _, err = auth.NewStore(settings.TokensDir()).Create("shop", auth.Scopes(), time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	_, _, described := s.send(tb.Context(), http.MethodGet, "/openapi.json", "", nil)
	if s.document, err = openapi.Parse([]byte(described)); err != nil {
		tb.Fatal(err)
	}
	s.fresh()
	return s
}

// fresh waits until the views show the whole log.
func (s *shop) fresh() {
	s.tb.Helper()
	for {
		status, _, body := s.send(s.tb.Context(), http.MethodGet, "/readyz", "", nil)
		if status == http.StatusOK && strings.Contains(body, `"views_behind":false`) {
			return
		}
		if s.tb.Context().Err() != nil {
			s.tb.Fatalf("the views are not ready: %s", body)
		}
	}
}

// deliver sends a gateway's webhook.
func deliver(ctx context.Context, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("a webhook was answered %s", answer.Status)
	}
	return nil
}

func (s *shop) send(ctx context.Context, method, target, body string, header http.Header) (int, http.Header, string) {
	s.tb.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.tb.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.tb.Errorf("%s %s: %v", method, target, err)
		return 0, nil, ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.tb.Errorf("%s %s: %v", method, target, err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// call sends with the shop's token; an answer that the document does not describe fails the test.
func (s *shop) call(method, target, body string, headers ...string) (status int, header http.Header, text string) {
	s.tb.Helper()
	h := http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	status, header, text = s.send(s.tb.Context(), method, target, body, h)
	if err := s.document.Check(method, target, status, header, []byte(text)); err != nil {
		s.tb.Error(err)
	}
	return status, header, text
}

// must is call for what must succeed; it decodes the answer.
func (s *shop) must(into any, method, target, body string) {
	s.tb.Helper()
	status, _, text := s.call(method, target, body)
	if status >= http.StatusMultipleChoices {
		s.tb.Fatalf("%s %s: %d %s", method, target, status, text)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// parts is an order as GET answers it.
type parts struct {
	Order struct {
		ID     string `json:"order_id"`
		Source string `json:"source_order_id"`
	} `json:"order"`
	Payments []struct {
		ID string `json:"payment_id"`
	} `json:"payments"`
	Refunds []struct {
		ID string `json:"refund_id"`
	} `json:"refunds"`
	Disputes []struct {
		ID string `json:"dispute_id"`
	} `json:"disputes"`
}

// issue issues an order of 50 EUR at the gateway.
func (s *shop) issue(members string) string {
	s.tb.Helper()
	var issued struct{ ID string }
	s.must(&issued, http.MethodPost, "/orders/", `{"client":{"email":"kim@shop.example"},"products":[{"title":"Kettle","price":"50.00"}]`+members+`}`)
	return issued.ID
}

func (s *shop) look(id string) parts {
	s.tb.Helper()
	s.fresh()
	var p parts
	s.must(&p, http.MethodGet, "/orders/"+id, "")
	return p
}

// head is where the log ends.
func (s *shop) head() eventstore.Position {
	s.tb.Helper()
	at, _, err := s.ledger.Store.Head(s.tb.Context())
	if err != nil {
		s.tb.Fatal(err)
	}
	return at
}
