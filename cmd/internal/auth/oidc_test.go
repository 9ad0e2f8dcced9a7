package auth_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/test/harness/issuer"
)

func clock() time.Time { return now }

func TestOIDC(t *testing.T) {
	t.Parallel()
	i := issuer.New(t, clock)
	other := issuer.New(t, clock)
	o := auth.NewOIDC(clock, auth.Issuer{URL: i.URL, Audience: "ledger"})
	host := i.Listener.Addr().String()
	who, err := o.Verify(t.Context(), i.Token("k1", map[string]any{"scope": "openid orders:read feed:read"}))
	if err != nil || who.Name != "u-17/"+host || who.Person != "u-17" || !slices.Equal(who.Scopes, []auth.Scope{auth.OrdersRead, auth.FeedRead}) {
		t.Errorf("a good token: %+v, %v", who, err)
	}
	good := i.Token("k1", nil)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"WrongAudience":  {i.Token("k1", map[string]any{"aud": "shop"}), auth.ErrRefused},
		"Expired":        {i.Token("k1", map[string]any{"exp": now.Add(-time.Second).Unix()}), auth.ErrExpired},
		"NotYet":         {i.Token("k1", map[string]any{"nbf": now.Add(time.Hour).Unix()}), auth.ErrRefused},
		"UnknownIssuer":  {other.Token("k1", nil), auth.ErrRefused},
		"OthersKey":      {other.Token("k1", map[string]any{"iss": i.URL}), auth.ErrRefused},
		"Nobody":         {i.Token("k1", map[string]any{"sub": ""}), auth.ErrRefused},
		"Unsigned":       {"eyJhbGciOiJub25lIn0" + good[len("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0"):], auth.ErrRefused},
		"SignatureGone":  {good[:len(good)-10], auth.ErrRefused},
		"NoToken":        {"a.b.c", auth.ErrRefused},
		"NoTokenAtAll":   {"", auth.ErrRefused},
		"ScopeOfNothing": {i.Token("k1", map[string]any{"scope": "orders:everything"}), nil},
	} {
		if who, err := o.Verify(t.Context(), c.token); !errors.Is(err, c.want) || len(who.Scopes) > 0 {
			t.Errorf("%s: %+v, %v; want %v", name, who, err, c.want)
		}
	}
}

// TestOIDC_Mapping: an issuer that knows nothing of our scopes names groups, and people by e-mail.
func TestOIDC_Mapping(t *testing.T) {
	t.Parallel()
	i := issuer.New(t, clock)
	o := auth.NewOIDC(clock, auth.Issuer{
		URL: i.URL, Audience: "ledger", ScopesClaim: "realm_access.roles", ActorClaim: "email",
		Scopes: map[string][]auth.Scope{"accountants": {auth.AccountingRead, auth.OrdersRead}, "operators": {auth.Operations}},
	})
	claims := map[string]any{"email": "kim@shop.example", "realm_access": map[string]any{"roles": []string{"accountants", "orders:write"}}}
	who, err := o.Verify(t.Context(), i.Token("k1", claims))
	if err != nil || who.Person != "kim@shop.example" || !who.May(auth.AccountingRead) || who.May(auth.Operations) || who.May(auth.OrdersWrite) {
		t.Errorf("%+v, %v", who, err)
	}
	claims["email_verified"] = false
	if who, err := o.Verify(t.Context(), i.Token("k1", claims)); !errors.Is(err, auth.ErrRefused) {
		t.Errorf("an address that nobody verified: %+v, %v", who, err)
	}
}

// TestOIDC_KeyRotation: a key that came later is fetched, one that is gone is not taken, and what an issuer
// that is away cannot tell is no refusal.
func TestOIDC_KeyRotation(t *testing.T) {
	t.Parallel()
	i := issuer.New(t, clock)
	o := auth.NewOIDC(clock, auth.Issuer{URL: i.URL, Audience: "ledger"})
	old := i.Token("k1", nil)
	if _, err := o.Verify(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	i.Rotate("k2")
	if _, err := o.Verify(t.Context(), i.Token("k2", nil)); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	if _, err := o.Verify(t.Context(), old); !errors.Is(err, auth.ErrRefused) {
		t.Errorf("a token of a key that is gone: %v", err)
	}
	i.Rotate("k3")
	i.Down.Store(true)
	if _, err := o.Verify(t.Context(), i.Token("k3", nil)); !errors.Is(err, auth.ErrIssuerAway) {
		t.Errorf("the keys cannot be fetched: %v", err)
	}
	fresh := auth.NewOIDC(clock, auth.Issuer{URL: i.URL, Audience: "ledger"})
	if _, err := fresh.Verify(t.Context(), i.Token("k3", nil)); !errors.Is(err, auth.ErrIssuerAway) {
		t.Errorf("the issuer cannot be found: %v", err)
	}
}
