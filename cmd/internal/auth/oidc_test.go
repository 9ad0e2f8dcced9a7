package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
	for _, said := range []any{true, "true"} {
		claims["email_verified"] = said
		if _, err := o.Verify(t.Context(), i.Token("k1", claims)); err != nil {
			t.Errorf("email_verified is %#v: %v", said, err)
		}
	}
	for _, said := range []any{false, "false", "", "no", 0, 1, nil, []any{true}} {
		claims["email_verified"] = said
		if who, err := o.Verify(t.Context(), i.Token("k1", claims)); !errors.Is(err, auth.ErrRefused) {
			t.Errorf("email_verified is %#v: %+v, %v", said, who, err)
		}
	}
}

// soon asks until it is refused as it should be: the library hands keys to who waits for them a moment before it keeps
// them.
func soon(t *testing.T, what string, want error, ask func() error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; runtime.Gosched() {
		err := ask()
		if errors.Is(err, want) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: %v, want %v", what, err, want)
			return
		}
	}
}

// TestOIDC_KeyRotation: a key that came later is fetched, one that is gone is not taken, and what an issuer
// that is away cannot tell is no refusal.
func TestOIDC_KeyRotation(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(passed.Load())) }
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
	soon(t, "a token of a key that is gone", auth.ErrRefused, func() error { _, err := o.Verify(t.Context(), old); return err })
	i.Rotate("k3")
	if _, err := o.Verify(t.Context(), i.Token("k3", nil)); !errors.Is(err, auth.ErrRefused) {
		t.Errorf("the keys were fetched again just now: %v", err)
	}
	passed.Add(int64(10 * time.Second))
	i.Down.Store(true)
	soon(t, "the keys cannot be fetched", auth.ErrIssuerAway, func() error { _, err := o.Verify(t.Context(), i.Token("k3", nil)); return err })
	fresh := auth.NewOIDC(clock, auth.Issuer{URL: i.URL, Audience: "ledger"})
	if _, err := fresh.Verify(t.Context(), i.Token("k3", nil)); !errors.Is(err, auth.ErrIssuerAway) {
		t.Errorf("the issuer cannot be found: %v", err)
	}
}

// TestOIDC_KeysAreFetchedSeldom: tokens of keys that there are not, which anybody can send, do not have the
// issuer asked each time; nor does an issuer that fails.
func TestOIDC_KeysAreFetchedSeldom(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(passed.Load())) }
	i, forger := issuer.New(t, clock), issuer.New(t, clock)
	forger.Rotate("unknown")
	bogus := forger.Token("unknown", map[string]any{"iss": i.URL})
	var asked atomic.Int64
	inner := i.Config.Handler
	i.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			asked.Add(1)
		}
		inner.ServeHTTP(w, r)
	})
	o := auth.NewOIDC(clock, auth.Issuer{URL: i.URL, Audience: "ledger"})
	flood := func(want error, fetches int64) {
		t.Helper()
		soon(t, "a bogus token", want, func() error {
			_, err := o.Verify(t.Context(), bogus)
			if asked.Load() < fetches {
				return errors.New("the issuer is not asked yet")
			}
			return err
		})
		for range 20 {
			if _, err := o.Verify(t.Context(), bogus); !errors.Is(err, want) {
				t.Fatalf("a bogus token: %v, want %v", err, want)
			}
		}
		if got := asked.Load(); got != fetches {
			t.Errorf("the keys were fetched %d times, want %d", got, fetches)
		}
		if _, err := o.Verify(t.Context(), i.Token("k1", nil)); err != nil {
			t.Errorf("a good token: %v", err)
		}
	}
	flood(auth.ErrRefused, 2) // first, and once again
	passed.Add(int64(10*time.Second - 1))
	flood(auth.ErrRefused, 2)
	passed.Add(1)
	flood(auth.ErrRefused, 3)
	passed.Add(int64(10 * time.Second))
	i.Down.Store(true)
	flood(auth.ErrIssuerAway, 4)
}

// TestOIDC_NobodyWaitsForASilentIssuer: who comes while an issuer that does not answer is being asked waits
// no longer than their own request.
func TestOIDC_NobodyWaitsForASilentIssuer(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer silent.Close()
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	o := auth.NewOIDC(clock, auth.Issuer{URL: silent.URL, Audience: "ledger"})
	token := issuer.New(t, clock).Token("k1", map[string]any{"iss": silent.URL})
	first := make(chan error, 1)
	go func() {
		_, err := o.Verify(context.WithoutCancel(t.Context()), token)
		first <- err
	}()
	<-arrived
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Verify(gone, token); !errors.Is(err, auth.ErrIssuerAway) {
		t.Errorf("while the issuer is asked: %v", err)
	}
	select {
	case err := <-first:
		t.Errorf("the second waited for the first to end: %v", err)
	default:
	}
	letGo()
	if err := <-first; !errors.Is(err, auth.ErrIssuerAway) {
		t.Errorf("a silent issuer: %v", err)
	}
}
