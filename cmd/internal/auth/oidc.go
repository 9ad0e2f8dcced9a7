package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Issuer is somebody whose tokens (OpenID Connect, RFC 9068) are taken.
type Issuer struct {
	// URL is the issuer, as its tokens and its discovery document name it.
	URL string
	// Audience must be among those that a token is for.
	Audience string
	// ScopesClaim is where a token says what it allows: a text with blanks between, or a list; a dot leads
	// into an object. Empty is scope.
	ScopesClaim string
	// Scopes are what the values of that claim allow; empty takes values that are names of scopes.
	Scopes map[string][]Scope
	// ActorClaim names who it is; empty is sub. An e-mail address counts unless the token says that it was
	// not verified.
	ActorClaim string
}

// Errors of OIDC.
var (
	// ErrExpired says that a token was good once.
	ErrExpired = errors.New("the token has expired")
	// ErrIssuerAway says that nobody can tell now: the issuer's keys cannot be fetched.
	ErrIssuerAway = errors.New("the issuer of the token cannot be reached")
)

const (
	issuerTimeout = 5 * time.Second
	// discoverAgainAfter is how long an issuer that does not answer is left alone.
	discoverAgainAfter = 5 * time.Second
	discoveryPath      = "/.well-known/openid-configuration"
)

// OIDC verifies tokens of issuers. It is safe for use by many goroutines.
type OIDC struct {
	issuers map[string]*issuer
	clock   func() time.Time
}

// NewOIDC takes the tokens of issuers, which are asked for their keys when a token of theirs comes.
func NewOIDC(clock func() time.Time, issuers ...Issuer) *OIDC {
	o := &OIDC{issuers: map[string]*issuer{}, clock: clock}
	for _, i := range issuers {
		if i.ScopesClaim == "" {
			i.ScopesClaim = "scope"
		}
		if i.ActorClaim == "" {
			i.ActorClaim = "sub"
		}
		o.issuers[i.URL] = &issuer{Issuer: i, client: &http.Client{
			Timeout: issuerTimeout, Transport: &seldom{next: http.DefaultTransport, clock: clock},
		}}
	}
	return o
}

// issuer is one with what it told of itself.
type issuer struct {
	Issuer

	client *http.Client

	mu       sync.Mutex // never held while the issuer is asked
	verifier *oidc.IDTokenVerifier
	asking   chan struct{} // closed when the issuer, which is being asked, has answered; nil when it is not
	failed   time.Time     // when it was asked last and did not answer
	reason   error
}

// IsToken tells whether a secret has the form of a token of an issuer.
func IsToken(secret string) bool { return strings.Count(secret, ".") == 2 }

// Verify tells whose token it is. Errors: ErrRefused, ErrExpired, ErrIssuerAway.
func (o *OIDC) Verify(ctx context.Context, token string) (Principal, error) {
	from, ok := o.issuers[issuerOf(token)]
	if !ok {
		return Principal{}, ErrRefused
	}
	verifier, err := from.ready(ctx, o.clock)
	if err != nil {
		return Principal{}, err
	}
	verified, err := verifier.Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return Principal{}, ErrExpired
	case err != nil && strings.Contains(err.Error(), "fetching keys"): // the library tells it in words only
		return Principal{}, fmt.Errorf("%w: %w", ErrIssuerAway, err)
	case err != nil:
		return Principal{}, ErrRefused
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Principal{}, ErrRefused
	}
	return from.principal(claims)
}

// issuerOf reads whose token it claims to be, which nothing proves yet.
func issuerOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// ready asks the issuer where its keys are, once. Of those who come while it is being asked, nobody waits
// longer than their request, and nobody at all when it did not answer the last time.
func (i *issuer) ready(ctx context.Context, clock func() time.Time) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	for i.verifier == nil && i.reason == nil && i.asking != nil {
		asking := i.asking
		i.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrIssuerAway, context.Cause(ctx))
		}
		i.mu.Lock()
	}
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	if i.reason != nil && (i.asking != nil || clock().Sub(i.failed) < discoverAgainAfter) {
		return nil, i.reason
	}
	asking := make(chan struct{})
	i.asking = asking
	defer func() {
		i.asking = nil
		close(asking)
	}()
	provider, err := i.discover(ctx)
	if err != nil {
		i.failed, i.reason = clock(), fmt.Errorf("%w: %w", ErrIssuerAway, err)
		return nil, i.reason
	}
	i.verifier = provider.Verifier(&oidc.Config{ClientID: i.Audience, Now: clock})
	return i.verifier, nil
}

// discover asks the issuer about itself. It is called with the mutex held, and leaves it meanwhile.
func (i *issuer) discover(ctx context.Context) (*oidc.Provider, error) {
	i.mu.Unlock()
	defer i.mu.Lock()
	// The provider outlives the request: it fetches keys again when they change.
	return oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), i.client), i.URL)
}

// principal is who a verified token is of.
func (i *issuer) principal(claims map[string]any) (Principal, error) {
	who, _ := claims[i.ActorClaim].(string)
	if who == "" || i.ActorClaim == "email" && !mayBeVerified(claims) {
		return Principal{}, ErrRefused
	}
	p := Principal{Name: who, Person: who}
	if u, err := url.Parse(i.URL); err == nil && u.Host != "" {
		p.Name += "/" + u.Host // two issuers may know different people by one name
	}
	for _, value := range words(claims, i.ScopesClaim) {
		if len(i.Scopes) > 0 {
			p.Scopes = append(p.Scopes, i.Scopes[value]...)
		} else if slices.Contains(Scopes(), Scope(value)) {
			p.Scopes = append(p.Scopes, Scope(value))
		}
	}
	return p, nil
}

// mayBeVerified tells whether a token's e-mail address counts: the issuer verified it, or does not say. Some
// issuers write the truth value as a text.
func mayBeVerified(claims map[string]any) bool {
	verified, said := claims["email_verified"]
	return !said || verified == true || verified == "true"
}

// words are the values of a claim.
func words(claims map[string]any, path string) []string {
	if value, ok := claims[path]; ok { // names with dots, such as those that are addresses
		return wordsOf(value)
	}
	var at any = claims
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	return wordsOf(at)
}

func wordsOf(value any) []string {
	switch v := value.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var out []string
		for _, item := range v {
			if text, ok := item.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}
