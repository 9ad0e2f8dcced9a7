package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

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
