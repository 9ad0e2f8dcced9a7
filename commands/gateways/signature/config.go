package signature

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Config chooses and equips a verifier, as an account's configuration writes it. Secrets, keys and
// tokens are references for [ResolveSecret], never the values themselves.
type Config struct {
	// Strategy is rsa_sha256, hmac_sha256, static_token or none.
	Strategy string `yaml:"strategy"`
	// Header overrides where the proof is looked for.
	Header string `yaml:"header"`
	// Secrets are for hmac_sha256.
	Secrets []string `yaml:"secrets"`
	// Scheme is how hmac_sha256 is written: everifin (time and several signatures) or hex (the sum
	// alone). Empty means what the gateway uses.
	Scheme string `yaml:"scheme"`
	// Composition and Tolerance are for the scheme everifin; see EverifinOptions.
	Composition string        `yaml:"composition"`
	Tolerance   time.Duration `yaml:"tolerance"`
	// PublicKeys are PEM texts for rsa_sha256, each with one key or more.
	PublicKeys []string `yaml:"public_keys"`
	// Tokens are for static_token.
	Tokens []string `yaml:"tokens"`
}

// Schemes of hmac_sha256.
const (
	SchemeEverifin = "everifin"
	SchemeHex      = "hex"
)

// New makes the verifier of one account of a gateway. What is configured for a strategy other than
// the chosen one is an error: somebody believes that it protects them. Errors never show secrets.
func New(c Config, gateway string, resolve func(reference string) ([]byte, error)) (Verifier, error) {
	if err := c.checkUnused(); err != nil {
		return nil, err
	}
	switch c.Strategy {
	case StrategyNone:
		return None(), nil
	case StrategyToken:
		tokens, err := resolveAll(c.Tokens, resolve)
		if err != nil {
			return nil, fmt.Errorf("tokens: %w", err)
		}
		return StaticToken(c.Header, tokens...)
	case StrategyRSA:
		return c.newRSA(resolve)
	case StrategyHMAC:
		return c.newHMAC(gateway, resolve)
	case "":
		return nil, errors.New("no verification strategy")
	}
	return nil, fmt.Errorf("unknown verification strategy %q, want %s, %s, %s or %s",
		c.Strategy, StrategyRSA, StrategyHMAC, StrategyToken, StrategyNone)
}

func (c Config) checkUnused() error {
	unused := func(set bool, name string, strategy string) error {
		if set && c.Strategy != strategy {
			return fmt.Errorf("%s is set, but the verification strategy is %q and not %s", name, c.Strategy, strategy)
		}
		return nil
	}
	return errors.Join(
		unused(len(c.Secrets) > 0, "secrets", StrategyHMAC),
		unused(c.Scheme != "", "scheme", StrategyHMAC),
		unused(c.Composition != "", "composition", StrategyHMAC),
		unused(c.Tolerance != 0, "tolerance", StrategyHMAC),
		unused(len(c.PublicKeys) > 0, "public_keys", StrategyRSA),
		unused(len(c.Tokens) > 0, "tokens", StrategyToken),
	)
}

func (c Config) newRSA(resolve func(string) ([]byte, error)) (Verifier, error) {
	texts, err := resolveAll(c.PublicKeys, resolve)
	if err != nil {
		return nil, fmt.Errorf("public_keys: %w", err)
	}
	var keys []*rsa.PublicKey
	for i, text := range texts {
		parsed, err := ParsePublicKeys(text)
		if err != nil {
			return nil, fmt.Errorf("public_keys: entry %d: %w", i+1, err)
		}
		keys = append(keys, parsed...)
	}
	return RSASHA256(c.Header, keys...)
}

func (c Config) newHMAC(gateway string, resolve func(string) ([]byte, error)) (Verifier, error) {
	secrets, err := resolveAll(c.Secrets, resolve)
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	scheme := c.Scheme
	if scheme == "" {
		scheme = SchemeHex
		if gateway == "everifin" {
			scheme = SchemeEverifin
		}
	}
	switch scheme {
	case SchemeEverifin:
		options := EverifinOptions{Header: c.Header, Composition: Composition(c.Composition), Tolerance: c.Tolerance}
		return Everifin(options, secrets...)
	case SchemeHex:
		if c.Composition != "" || c.Tolerance != 0 {
			return nil, errors.New("composition and tolerance belong to the scheme everifin")
		}
		return HMACSHA256(c.Header, secrets...)
	}
	return nil, fmt.Errorf("unknown scheme %q of hmac_sha256, want %s or %s", scheme, SchemeEverifin, SchemeHex)
}

func resolveAll(references []string, resolve func(string) ([]byte, error)) ([][]byte, error) {
	values := make([][]byte, 0, len(references))
	for i, reference := range references {
		value, err := resolve(reference)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		values = append(values, value)
	}
	return values, nil
}

// maxSecretBytes is the largest file that is read as a secret or as keys.
const maxSecretBytes = 64 << 10

// ResolveSecret reads a secret by reference: "env:NAME" is an environment variable, "file:path" a
// file, without the end of its last line. An unset variable and an empty secret are errors, and so is
// a text of neither form, which is not shown because it may be the secret itself.
func ResolveSecret(reference string) ([]byte, error) {
	if name, ok := strings.CutPrefix(reference, "env:"); ok {
		value := os.Getenv(name)
		if value == "" {
			return nil, fmt.Errorf("environment variable %q is not set or empty", name)
		}
		return []byte(value), nil
	}
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		return readSecretFile(path)
	}
	return nil, errors.New(`want a reference "env:NAME" or "file:path", not the secret itself`)
}

func readSecretFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if info.Size() > maxSecretBytes {
		return nil, fmt.Errorf("read secret: %q has more than %d bytes", path, maxSecretBytes)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	content = bytes.TrimRight(content, "\r\n")
	if len(content) == 0 {
		return nil, fmt.Errorf("read secret: %q is empty", path)
	}
	return content, nil
}
