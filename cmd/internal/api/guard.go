package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// ownerName is who asks with the token in the data directory.
const ownerName = "owner"

// callerKey is where a request's context says whose token let it in.
type callerKey struct{}

// Caller is whose token let a request in; false when none was needed.
func Caller(ctx context.Context) (auth.Principal, bool) {
	who, ok := ctx.Value(callerKey{}).(auth.Principal)
	return who, ok
}

// IsOwner tells whether a caller came with the token in the data directory.
func IsOwner(who auth.Principal) bool { return who.Name == ownerName }

// guard lets those to a route who may, and not more often than they may.
func (a *API) guard(rt *Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt.OfViews && !storable(r.URL) {
			a.refuse(w, r, problem(http.StatusBadRequest, "text_invalid", "The address holds what no name holds: a zero byte, or bytes that are not UTF-8."))
			return
		}
		free, err := a.needsNone(r, rt)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		if free {
			rt.Handler(w, r)
			return
		}
		who, err := a.authorise(r, rt)
		if err == nil {
			err = a.admit(w, who)
		}
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		rt.Handler(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}

// storable tells whether the database can be asked for the texts of an address.
func storable(u *url.URL) bool {
	texts := []string{u.Path}
	for name, values := range u.Query() {
		texts = append(append(texts, name), values...)
	}
	return !slices.ContainsFunc(texts, func(text string) bool { return strings.ContainsRune(text, 0) || !utf8.ValidString(text) })
}

// May tells whether a request's token allows reading now.
func (a *API) May(r *http.Request, scope auth.Scope) bool {
	_, err := a.authorise(r, &Route{Access: Reading, Scope: scope})
	return err == nil
}

func (a *API) authorise(r *http.Request, rt *Route) (auth.Principal, error) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok && rt.Access == OwnerOnly {
		return auth.Principal{}, problem(http.StatusUnauthorized, "token_required", "This takes the token in the ledger's data directory: Authorization: Bearer TOKEN.")
	}
	if !ok {
		return auth.Principal{}, problem(http.StatusUnauthorized, "token_required", "The request needs a header Authorization: Bearer TOKEN.")
	}
	if rt.Access != WithToken && same(secret, a.Owner) {
		return auth.Principal{Name: ownerName}, nil
	}
	if rt.Access == OwnerOnly {
		return auth.Principal{}, problem(http.StatusUnauthorized, "token_refused", "This takes the token in the ledger's data directory.")
	}
	return a.Identify(r.Context(), secret, rt.Scope)
}

// Identify tells whose token it is; a *Problem when it is nobody's or does not have the scope.
func (a *API) Identify(ctx context.Context, secret string, scope auth.Scope) (auth.Principal, error) {
	who, err := a.verify(ctx, secret)
	if err != nil {
		return who, err
	}
	if !who.May(scope) {
		return who, problem(http.StatusForbidden, "scope_missing", "The token does not have the scope "+string(scope)+".")
	}
	return who, nil
}

// verify tells whose token it is, be it ours, an issuer's or the one for development.
func (a *API) verify(ctx context.Context, secret string) (who auth.Principal, err error) {
	switch {
	case same(secret, a.development):
		who, err = a.developer()
	case a.OIDC != nil && auth.IsToken(secret):
		who, err = a.OIDC.Verify(ctx, secret)
	default:
		who, err = a.Tokens.Verify(secret)
	}
	switch {
	case errors.Is(err, auth.ErrExpired):
		return who, problem(http.StatusUnauthorized, "token_expired", "The token has expired.")
	case errors.Is(err, auth.ErrRefused):
		return who, problem(http.StatusUnauthorized, "token_refused", "The token is unknown, wrong or revoked.")
	case errors.Is(err, auth.ErrIssuerAway):
		a.Logger.WarnContext(ctx, "token not verified", slog.Any("error", err))
		return who, problem(http.StatusServiceUnavailable, "issuer_unavailable", "The issuer of the token cannot be reached now; ask again.")
	}
	return who, err
}

// same compares secrets; an empty one is nobody's.
func same(given, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// admit bounds how often a token may ask. The token in the data directory is not bounded.
func (a *API) admit(w http.ResponseWriter, who auth.Principal) error {
	if a.Limits == nil || IsOwner(who) {
		return nil
	}
	wait, ok := a.Limits.Allow(who.Name, a.Clock())
	if ok {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	return problem(http.StatusTooManyRequests, "too_many_requests", "The token calls more often than it may; wait as Retry-After says.")
}
