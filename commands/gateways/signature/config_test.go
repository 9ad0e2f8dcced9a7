package signature_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

// known resolves a few references without touching the environment.
func known(t *testing.T) func(string) ([]byte, error) {
	values := map[string]string{
		"env:A": "alpha", "env:B": "beta", "env:EMPTY": "", "file:key.pem": string(pemOf(t, "PUBLIC KEY", &rsaKey().PublicKey)),
	}
	return func(reference string) ([]byte, error) {
		value, ok := values[reference]
		if !ok {
			return nil, errors.New("no such reference")
		}
		return []byte(value), nil
	}
}

func TestNew_MakesWhatIsConfigured(t *testing.T) {
	t.Parallel()
	rsaValue, err := signature.SignRSA(rsaKey(), body)
	if err != nil {
		t.Fatal(err)
	}
	dotted := signature.SignEverifin(now, body, signature.ComposeDotted, []byte("beta"))
	joined := signature.SignEverifin(now.Add(-time.Hour), body, signature.ComposeJoined, []byte("alpha"))
	cases := []struct {
		name, gateway string
		config        signature.Config
		header        []string
	}{
		{"everifin", "everifin", signature.Config{Strategy: "hmac_sha256", Secrets: []string{"env:A", "env:B"}}, []string{"Signature", dotted}},
		{"everifin adjusted", "everifin", signature.Config{Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Header: "X-E",
			Composition: "tsbody", Tolerance: 2 * time.Hour}, []string{"X-E", joined}},
		{"everifin scheme for another", "connectpay", signature.Config{Strategy: "hmac_sha256", Scheme: "everifin", Secrets: []string{"env:B"}}, []string{"Signature", dotted}},
		{"hex", "decta", signature.Config{Strategy: "hmac_sha256", Secrets: []string{"env:A"}}, []string{"X-Webhook-Signature", signature.SignHMAC([]byte("alpha"), body)}},
		{"rsa", "decta", signature.Config{Strategy: "rsa_sha256", PublicKeys: []string{"file:key.pem"}}, []string{"X-Signature", rsaValue}},
		{"token", "connectpay", signature.Config{Strategy: "static_token", Tokens: []string{"env:A"}}, []string{"X-Webhook-Token", "alpha"}},
		{"none", "decta", signature.Config{Strategy: "none"}, nil},
	}
	for _, tc := range cases {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			v := made(t)(signature.New(tc.config, tc.gateway, known(t)))
			wantCode(t, "signed", v.Verify(header(tc.header...), body, now), "")
			if v.Strategy() != tc.config.Strategy {
				t.Errorf("strategy %q", v.Strategy())
			}
			if tc.config.Strategy != "none" {
				wantCode(t, "unsigned", v.Verify(header(), body, now), signature.CodeMissing)
			}
		})
	}
}

func TestNew_RefusesWhatProtectsNobody(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]signature.Config{
		"nothing":             {},
		"unknown strategy":    {Strategy: "md5"},
		"no secret":           {Strategy: "hmac_sha256"},
		"empty secret":        {Strategy: "hmac_sha256", Secrets: []string{"env:EMPTY"}},
		"unresolved secret":   {Strategy: "hmac_sha256", Secrets: []string{"env:A", "env:NO"}},
		"unknown scheme":      {Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Scheme: "jwt"},
		"unknown composition": {Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Scheme: "everifin", Composition: "body.ts"},
		"composition of hex":  {Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Scheme: "hex", Composition: "tsbody"},
		"negative tolerance":  {Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Scheme: "everifin", Tolerance: -1},
		"no key":              {Strategy: "rsa_sha256"},
		"bad key":             {Strategy: "rsa_sha256", PublicKeys: []string{"env:A"}},
		"no token":            {Strategy: "static_token"},
		"empty token":         {Strategy: "static_token", Tokens: []string{"env:EMPTY"}},
		"secrets of none":     {Strategy: "none", Secrets: []string{"env:A"}},
		"secrets of rsa":      {Strategy: "rsa_sha256", PublicKeys: []string{"file:key.pem"}, Secrets: []string{"env:A"}},
		"tokens of hmac":      {Strategy: "hmac_sha256", Secrets: []string{"env:A"}, Tokens: []string{"env:B"}},
		"keys of token":       {Strategy: "static_token", Tokens: []string{"env:A"}, PublicKeys: []string{"file:key.pem"}},
	} {
		if v, err := signature.New(config, "decta", known(t)); err == nil {
			t.Errorf("%s: made a verifier %s", name, v.Strategy())
		}
	}
}

func TestResolveSecret(t *testing.T) {
	t.Setenv("SIGNATURE_TEST_SECRET", "from the environment")
	t.Setenv("SIGNATURE_TEST_EMPTY", "")
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	for reference, want := range map[string]string{
		"env:SIGNATURE_TEST_SECRET":   "from the environment",
		write("secret", "s3cret\r\n"): "s3cret",
	} {
		if got, err := signature.ResolveSecret(reference); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v", reference, got, err)
		}
	}
	for _, reference := range []string{
		"env:SIGNATURE_TEST_EMPTY", "env:SIGNATURE_TEST_UNSET", "env:", "file:" + filepath.Join(dir, "missing"), "file:" + dir,
		write("empty", "\n"), write("large", strings.Repeat("x", 64<<10+1)), "", "s3cret",
	} {
		got, err := signature.ResolveSecret(reference)
		if err == nil || got != nil {
			t.Errorf("%s = %q", reference, got)
		}
		if reference == "s3cret" && strings.Contains(err.Error(), reference) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}
