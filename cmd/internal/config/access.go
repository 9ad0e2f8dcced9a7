package config

import (
	"fmt"
	"net"
	"net/url"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// What one token may ask, when the file does not say. The rate is for fairness among tokens, far above what
// a merchant needs.
const (
	defaultCallsPerSecond = 2_000
	defaultCallsAtOnce    = 4_000
)

// Access says who may ask, besides the tokens of the data directory, and how often.
type Access struct {
	// PerSecond and Burst bound the requests of one token.
	PerSecond float64
	Burst     int
	Issuers   []auth.Issuer
}

// access is the part of the file about it.
type access struct {
	Limits struct {
		PerSecond float64 `yaml:"per_second"`
		Burst     int     `yaml:"burst"`
	} `yaml:"limits"`
	OIDC []struct {
		Issuer      string `yaml:"issuer"`
		Audience    string `yaml:"audience"`
		ScopesClaim string `yaml:"scopes_claim"`
		// Scopes maps values of that claim to our scopes.
		Scopes     map[string][]string `yaml:"scopes"`
		ActorClaim string              `yaml:"actor_claim"`
	} `yaml:"oidc"`
}

// LoadAccess reads the part of the file about access.
func LoadAccess(s Settings) (Access, error) {
	out := Access{PerSecond: defaultCallsPerSecond, Burst: defaultCallsAtOnce}
	if s.File == "" {
		return out, nil
	}
	f, err := readFile(s.File)
	if err != nil {
		return out, err
	}
	if out.Issuers, err = f.Access.issuers(); err != nil {
		return out, fmt.Errorf("configuration %s: access: %w", s.File, err)
	}
	limits := f.Access.Limits
	if limits.PerSecond < 0 || limits.Burst < 0 || limits.Burst > 0 && limits.PerSecond == 0 {
		return out, fmt.Errorf("configuration %s: access: limits are a per_second above 0 and a burst", s.File)
	}
	if limits.PerSecond > 0 {
		out.PerSecond, out.Burst = limits.PerSecond, max(limits.Burst, int(limits.PerSecond), 1)
		if limits.Burst > 0 {
			out.Burst = limits.Burst
		}
	}
	return out, nil
}

func (a *access) issuers() ([]auth.Issuer, error) {
	var issuers []auth.Issuer
	for i := range a.OIDC {
		o := &a.OIDC[i]
		u, err := url.Parse(o.Issuer)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("oidc[%d]: issuer is not a URL", i)
		}
		if loopback, _ := IsLoopback(net.JoinHostPort(u.Hostname(), "0")); u.Scheme != "https" && !loopback {
			return nil, fmt.Errorf("oidc[%d]: issuer is not https: who stands between could say whose tokens are good", i)
		}
		if o.Audience == "" {
			return nil, fmt.Errorf("oidc[%d]: say the audience that tokens are for, or those for others would be taken too", i)
		}
		issuer := auth.Issuer{URL: o.Issuer, Audience: o.Audience, ScopesClaim: o.ScopesClaim, ActorClaim: o.ActorClaim}
		for value, names := range o.Scopes {
			for _, name := range names {
				scopes, err := auth.ParseScopes(name)
				if err != nil {
					return nil, fmt.Errorf("oidc[%d]: scopes of %s: %w", i, value, err)
				}
				if issuer.Scopes == nil {
					issuer.Scopes = map[string][]auth.Scope{}
				}
				issuer.Scopes[value] = append(issuer.Scopes[value], scopes...)
			}
		}
		issuers = append(issuers, issuer)
	}
	return issuers, nil
}
