package api

import (
	"log/slog"
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// developmentName is who asks with the token for development. Names of other tokens hold a slash.
const developmentName = "development"

// IsDevelopment tells whether a caller came with the token for development, which says nothing of who it is.
func IsDevelopment(who auth.Principal) bool { return who.Name == developmentName }

// DevelopmentToken is the token that New made for development; empty for none, or when a token was made since.
func (a *API) DevelopmentToken() string {
	if _, err := a.developer(); err != nil {
		return ""
	}
	return a.development
}

// developer is who has the token for development. The first token that somebody makes ends it for good, even
// when that one is revoked.
func (a *API) developer() (auth.Principal, error) {
	if a.development == "" {
		return auth.Principal{}, auth.ErrRefused
	}
	known, err := a.Tokens.List()
	if err != nil {
		return auth.Principal{}, err
	}
	if len(known) > 0 && !a.ended.Swap(true) {
		a.Logger.Info("the token for development is not taken any more: there are others", slog.Int("tokens", len(known)))
	}
	if a.ended.Load() {
		return auth.Principal{}, auth.ErrRefused
	}
	return auth.Principal{Name: developmentName, Person: developmentName, Scopes: auth.Scopes()}, nil
}

// aPerson refuses who is nobody in particular: what takes two people takes tokens that say who they are.
func aPerson(who string) error {
	if who != developmentName {
		return nil
	}
	return problem(http.StatusForbidden, "person_required", "A correction takes two people, and the token for development is nobody's. Make tokens with ledger token create.")
}
