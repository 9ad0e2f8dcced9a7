// Package issuer issues tokens of OpenID Connect for tests.
package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Issuer is an OpenID Connect issuer on this machine.
type Issuer struct {
	*httptest.Server

	// Down has it answer nothing but 503.
	Down atomic.Bool

	tb    testing.TB
	clock func() time.Time
	keys  atomic.Pointer[map[string]*rsa.PrivateKey] // by id
}

// New starts one whose key is k1. clock dates its tokens.
func New(tb testing.TB, clock func() time.Time) *Issuer {
	tb.Helper()
	i := &Issuer{tb: tb, clock: clock}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}}
		case "/keys":
			set := []map[string]string{}
			for id, key := range *i.keys.Load() {
				set = append(set, map[string]string{
					"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
					"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
				})
			}
			answer = map[string]any{"keys": set}
		}
		if i.Down.Load() || answer == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			tb.Error(err)
		}
	}))
	tb.Cleanup(i.Close)
	i.Rotate("k1")
	return i
}

// Rotate makes the issuer use another key, and forget those before.
func (i *Issuer) Rotate(id string) {
	i.tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		i.tb.Fatal(err)
	}
	i.keys.Store(&map[string]*rsa.PrivateKey{id: key})
}

// Token signs claims with a key of the issuer.
func (i *Issuer) Token(key string, claims map[string]any) string {
	i.tb.Helper()
	all := map[string]any{"iss": i.URL, "aud": "ledger", "sub": "u-17", "exp": i.clock().Add(time.Hour).Unix(), "iat": i.clock().Unix()}
	for name, value := range claims {
		all[name] = value
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			i.tb.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(map[string]string{"alg": "RS256", "kid": key, "typ": "JWT"}) + "." + part(all)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, (*i.keys.Load())[key], crypto.SHA256, sum[:])
	if err != nil {
		i.tb.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
