package web

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/test/harness/issuer"
)

// TestTwoPeople_NobodyIsNone: the token for development says of nobody who they are, so it is neither half of two
// people, also where all others have tokens of an issuer.
func TestTwoPeople_NobodyIsNone(t *testing.T) {
	t.Parallel()
	i := issuer.New(t, time.Now)
	s := &Server{api: api.NewBare(api.Config{
		Development: true, Tokens: auth.NewStore(t.TempDir()), Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
		OIDC: auth.NewOIDC(time.Now, auth.Issuer{URL: i.URL, Audience: "ledger"}),
	})}
	development := s.DevelopmentToken()
	kim := i.Token("k1", map[string]any{"sub": "kim", "scope": "operations"})
	lee := i.Token("k1", map[string]any{"sub": "lee", "scope": "operations"})
	for name, tokens := range map[string]app.TwoTokens{
		"Actor": {Actor: development, Approver: kim}, "Approver": {Actor: kim, Approver: development}, "Both": {Actor: development, Approver: development},
	} {
		if _, _, err := s.twoPeople(t.Context(), "it", &tokens); err == nil || !strings.Contains(err.Error(), "the token for development is nobody's") {
			t.Errorf("%s: %v", name, err)
		}
	}
	actor, approver, err := s.twoPeople(t.Context(), "it", &app.TwoTokens{Actor: kim, Approver: lee})
	if err != nil || actor == approver {
		t.Errorf("two people: %q, %q, %v", actor, approver, err)
	}
}
