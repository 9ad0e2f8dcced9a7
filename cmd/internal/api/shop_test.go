package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

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

// noGateway is for a ledger whose accounts cannot be called.
type noGateway struct{}

func (noGateway) Offers(string, string, order.ActionName, string) bool { return false }

func (noGateway) CarryOut(context.Context, *commands.Done, commands.GatewayOrder) (order.GatewayActionAnswered, error) {
	return order.GatewayActionAnswered{}, nil
}
