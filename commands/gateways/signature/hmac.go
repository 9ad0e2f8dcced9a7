package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// HeaderHMAC is where a bare HMAC is expected unless configured otherwise.
	HeaderHMAC = "X-Webhook-Signature"
	// HeaderEverifin carries Everifin's time and signatures.
	HeaderEverifin = "Signature"
	// DefaultTolerance is how far Everifin's signing time may be from ours, either way. Its
	// retries come within seconds.
	DefaultTolerance = 5 * time.Minute
	// maxSignatures is how many signatures one header may carry; two is what a change of secrets
	// needs.
	maxSignatures = 16
	// everifinTime is how Everifin writes the time: UTC with milliseconds.
	everifinTime = "2006-01-02T15:04:05.000Z07:00"
)

// Composition says which bytes Everifin's HMAC covers. Their documents say that the time is included
// and not how; one sandbox webhook tells.
type Composition string

// The compositions. Under ComposeBody the time is not authentic, so an old webhook can be replayed
// with a new time; the others prevent that.
const (
	ComposeDotted Composition = "ts.body" // time, full stop, body; the default
	ComposeJoined Composition = "tsbody"  // time, body
	ComposeBody   Composition = "body"
)

func (c Composition) valid() bool {
	return c == ComposeDotted || c == ComposeJoined || c == ComposeBody
}

// sum computes the HMAC of a body that was signed at the time ts, in the signer's own spelling.
func (c Composition) sum(secret []byte, ts string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	if c != ComposeBody {
		mac.Write([]byte(ts))
	}
	if c == ComposeDotted {
		mac.Write([]byte("."))
	}
	mac.Write(body)
	return mac.Sum(nil)
}

// checkSecrets refuses what would accept forged webhooks.
func checkSecrets(secrets [][]byte) error {
	if len(secrets) == 0 {
		return errors.New("hmac_sha256 needs a secret")
	}
	for i, secret := range secrets {
		if len(secret) == 0 {
			return fmt.Errorf("hmac_sha256: secret %d is empty", i+1)
		}
	}
	return nil
}

type plainHMAC struct {
	secrets [][]byte
	header  string
}

// HMACSHA256 accepts a body whose HMAC-SHA256 under one of the secrets is in the header,
// [HeaderHMAC] if header is empty, in hexadecimal. It covers no time.
func HMACSHA256(header string, secrets ...[]byte) (Verifier, error) {
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	if header == "" {
		header = HeaderHMAC
	}
	return &plainHMAC{secrets: secrets, header: header}, nil
}

func (v *plainHMAC) Strategy() string { return StrategyHMAC }

func (v *plainHMAC) Verify(header http.Header, body []byte, _ time.Time) error {
	value, err := single(header, v.header)
	if err != nil {
		return err
	}
	claimed, ok := decodeSum(strings.TrimSpace(value))
	if !ok {
		return refuse(CodeMalformed, "header "+v.header+" is no SHA-256 in hexadecimal")
	}
	for _, secret := range v.secrets {
		if hmac.Equal(claimed, ComposeBody.sum(secret, "", body)) {
			return nil
		}
	}
	return refuse(CodeFailed, "the HMAC does not match the body under any configured secret")
}

// decodeSum reads a SHA-256 sum in hexadecimal of either case.
func decodeSum(text string) ([]byte, bool) {
	sum, err := hex.DecodeString(text)
	return sum, err == nil && len(sum) == sha256.Size
}

// SignHMAC returns the header value that [HMACSHA256] accepts.
func SignHMAC(secret, body []byte) string {
	return hex.EncodeToString(ComposeBody.sum(secret, "", body))
}

// EverifinOptions adjusts [Everifin]; its zero value is right until a sandbox webhook says otherwise.
type EverifinOptions struct {
	Header      string        // default HeaderEverifin
	Composition Composition   // default ComposeDotted
	Tolerance   time.Duration // default DefaultTolerance; must not be negative
}

type everifin struct {
	secrets [][]byte
	options EverifinOptions
}

// Everifin accepts the header "ts=2026-11-20T10:06:00.069Z;v0=<hex>;v1=<hex>": any of the HMAC-SHA256
// sums under any of the secrets, signed within the tolerance of now. While a secret is being changed
// Everifin signs with both for 24 hours, so it is safe to configure one or both at any moment.
func Everifin(options EverifinOptions, secrets ...[]byte) (Verifier, error) {
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	if options.Header == "" {
		options.Header = HeaderEverifin
	}
	if options.Composition == "" {
		options.Composition = ComposeDotted
	}
	if options.Tolerance == 0 {
		options.Tolerance = DefaultTolerance
	}
	if !options.Composition.valid() {
		return nil, fmt.Errorf("hmac_sha256: unknown composition %q, want %s, %s or %s",
			options.Composition, ComposeDotted, ComposeJoined, ComposeBody)
	}
	if options.Tolerance < 0 {
		return nil, errors.New("hmac_sha256: negative tolerance")
	}
	return &everifin{secrets: secrets, options: options}, nil
}

func (v *everifin) Strategy() string { return StrategyHMAC }

func (v *everifin) Verify(header http.Header, body []byte, now time.Time) error {
	value, err := single(header, v.options.Header)
	if err != nil {
		return err
	}
	signed, reason := parseEverifin(value)
	if reason != "" {
		return refuse(CodeMalformed, "header "+v.options.Header+" "+reason)
	}
	if !v.authentic(signed, body) {
		return refuse(CodeFailed, "no HMAC matches the time and the body under any configured secret")
	}
	// Only an authentic time is worth a word: a forged old one has failed already.
	if age := now.Sub(signed.at); age.Abs() > v.options.Tolerance {
		return refuse(CodeExpired, fmt.Sprintf("signed at %s, %s from now; accepted are %s",
			signed.at.Format(time.RFC3339), age.Round(time.Second), v.options.Tolerance))
	}
	return nil
}

// authentic computes one HMAC per secret, however many signatures the sender claims.
func (v *everifin) authentic(signed everifinSignature, body []byte) bool {
	for _, secret := range v.secrets {
		sum := v.options.Composition.sum(secret, signed.ts, body)
		for _, claimed := range signed.sums {
			if hmac.Equal(claimed, sum) {
				return true
			}
		}
	}
	return false
}

type everifinSignature struct {
	ts   string // as the sender wrote it, which is what was signed
	at   time.Time
	sums [][]byte
}

// parseEverifin reads the header's value; reason says in words what is wrong with it. Parts that it
// does not know, and signatures that are no SHA-256, are left to a future version of the scheme.
func parseEverifin(value string) (s everifinSignature, reason string) {
	for part := range strings.SplitSeq(value, ";") {
		name, content, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "ts":
			if s.ts != "" {
				return everifinSignature{}, "has two times"
			}
			at, err := time.Parse(time.RFC3339, content)
			if err != nil {
				return everifinSignature{}, "has a time that is not ISO 8601"
			}
			s.ts, s.at = content, at.UTC()
		case isVersion(name):
			if len(s.sums) == maxSignatures {
				return everifinSignature{}, "has too many signatures"
			}
			if sum, ok := decodeSum(content); ok {
				s.sums = append(s.sums, sum)
			}
		}
	}
	switch {
	case s.ts == "":
		return everifinSignature{}, "has no time"
	case len(s.sums) == 0:
		return everifinSignature{}, "has no signature that is a SHA-256 in hexadecimal"
	}
	return s, ""
}

// isVersion reports whether a part's name is v0, v1, …
func isVersion(name string) bool {
	digits, found := strings.CutPrefix(name, "v")
	if !found {
		return false
	}
	_, err := strconv.ParseUint(digits, 10, 16)
	return err == nil
}

// SignEverifin returns the value of [HeaderEverifin] for a body that is sent at a time: v0 under the
// first secret, which is the oldest, v1 under the next, and so on.
func SignEverifin(at time.Time, body []byte, composition Composition, secrets ...[]byte) string {
	ts := at.UTC().Format(everifinTime)
	var value strings.Builder
	value.WriteString("ts=" + ts)
	for i, secret := range secrets {
		fmt.Fprintf(&value, ";v%d=%x", i, composition.sum(secret, ts, body))
	}
	return value.String()
}
