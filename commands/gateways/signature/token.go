package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// HeaderToken carries a secret token. For gateways that can be given a URL and nothing else, the
// webhook endpoint copies the token of the URL into it.
const HeaderToken = "X-Webhook-Token" //nolint:gosec // G101: the name of a header

type staticToken struct {
	digests [][sha256.Size]byte
	header  string // empty: the defaults
}

// StaticToken accepts a webhook that brings one of the tokens in the header. If header is empty, the
// token is looked for in [HeaderToken], then in "Authorization: Bearer …". A token proves the sender
// and not the body: use it over TLS only.
func StaticToken(header string, tokens ...[]byte) (Verifier, error) {
	if len(tokens) == 0 {
		return nil, errors.New("static_token needs a token")
	}
	v := &staticToken{header: header}
	for i, token := range tokens {
		if len(token) == 0 {
			return nil, fmt.Errorf("static_token: token %d is empty", i+1)
		}
		v.digests = append(v.digests, sha256.Sum256(token))
	}
	return v, nil
}

func (v *staticToken) Strategy() string { return StrategyToken }

func (v *staticToken) Verify(header http.Header, _ []byte, _ time.Time) error {
	token, err := v.claimed(header)
	if err != nil {
		return err
	}
	// Digests have one length, and every one is compared: neither the length of a token nor which
	// one matched can be measured.
	digest := sha256.Sum256([]byte(token))
	match := 0
	for i := range v.digests {
		match |= subtle.ConstantTimeCompare(digest[:], v.digests[i][:])
	}
	if match == 0 {
		return refuse(CodeFailed, "the token is not one of the configured ones")
	}
	return nil
}

func (v *staticToken) claimed(header http.Header) (string, error) {
	if v.header != "" && !strings.EqualFold(v.header, "Authorization") {
		return single(header, v.header)
	}
	if v.header == "" && header.Get(HeaderToken) != "" {
		return single(header, HeaderToken)
	}
	value, err := single(header, "Authorization")
	if err != nil {
		if v.header == "" {
			return "", refuse(CodeMissing, "neither "+HeaderToken+" nor Authorization has a token")
		}
		return "", err
	}
	scheme, token, found := strings.Cut(value, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", refuse(CodeMalformed, "header Authorization is no bearer token")
	}
	return strings.TrimSpace(token), nil
}
