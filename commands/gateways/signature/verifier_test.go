package signature_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

var (
	now  = time.Date(2026, time.November, 20, 10, 6, 0, 69_000_000, time.UTC)
	body = []byte(`{"eventId":"4e896aa3-bbba-4a75-a888-06bcfe403c99","data":{"status":"BOOKED"}}`)
	// Making RSA keys is slow under the race detector.
	oldKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey(2048) })
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey(2048) })
)

func newKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func made(t *testing.T) func(signature.Verifier, error) signature.Verifier {
	return func(v signature.Verifier, err error) signature.Verifier {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// wantCode checks that err is the refusal with a code, or nil for "".
func wantCode(t *testing.T, what string, err error, code signature.Code) {
	t.Helper()
	var refusal *signature.Refusal
	switch {
	case err == nil && code == "":
	case !errors.As(err, &refusal) || refusal.Reason != code:
		t.Errorf("%s: got %v, want %q", what, err, code)
	}
}

// The sums were computed with `openssl dgst -sha256 -hmac`, not with this package.
func TestEverifin_KnownSums(t *testing.T) {
	t.Parallel()
	const ts = "2026-11-20T10:06:00.069Z"
	for composition, sum := range map[signature.Composition]string{
		signature.ComposeDotted: "78ec58c15c16afa85ae329c90cffc50114860a5d24ec07716f8be669294b1d9a",
		signature.ComposeJoined: "8de3551b198c37f369c9291820523a92e50e11c5e5dba3e03830876c7516a1ae",
		signature.ComposeBody:   "91456e47b97e542a3975870bfeff9de7f929ba75700ee4e2aac60b72376404a8",
	} {
		v := made(t)(signature.Everifin(signature.EverifinOptions{Composition: composition}, []byte("hook-secret")))
		for _, value := range []string{
			"ts=" + ts + ";v0=" + sum,
			"ts=" + ts + ";v0=" + strings.ToUpper(sum),
			" v7=" + sum + " ; ts=" + ts + " ",
			"ts=" + ts + ";v0=" + strings.Repeat("00", 32) + ";v1=" + sum,
			"ts=" + ts + ";v0=future;v1=" + sum + ";alg=x;;",
		} {
			wantCode(t, string(composition)+" "+value, v.Verify(header("Signature", value), body, now), "")
		}
	}
	plain := made(t)(signature.HMACSHA256("", []byte("hook-secret")))
	wantCode(t, "plain", plain.Verify(header("X-Webhook-Signature", "91456e47b97e542a3975870bfeff9de7f929ba75700ee4e2aac60b72376404a8"), body, now), "")
}

func TestEverifin_Refuses(t *testing.T) {
	t.Parallel()
	secret := []byte("hook-secret")
	v := made(t)(signature.Everifin(signature.EverifinOptions{}, secret))
	good := signature.SignEverifin(now, body, signature.ComposeDotted, secret)
	ts, sums, _ := strings.Cut(good, ";")
	cases := []struct {
		name   string
		header http.Header
		code   signature.Code
	}{
		{"none", header(), signature.CodeMissing},
		{"empty", header("Signature", ""), signature.CodeMissing},
		{"twice", header("Signature", good, "Signature", good), signature.CodeMalformed},
		{"no time", header("Signature", sums), signature.CodeMalformed},
		{"two times", header("Signature", ts+";"+good), signature.CodeMalformed},
		{"no sum", header("Signature", ts), signature.CodeMalformed},
		{"short sum", header("Signature", good[:len(good)-2]), signature.CodeMalformed},
		{"unix time", header("Signature", "ts=1795169160;"+sums), signature.CodeMalformed},
		{"no parts", header("Signature", "sha256"), signature.CodeMalformed},
		{"too long", header("Signature", good+strings.Repeat(";x=y", 2000)), signature.CodeMalformed},
		{"too many sums", header("Signature", ts+strings.Repeat(";"+sums, 17)), signature.CodeMalformed},
		{"time respelt", header("Signature", strings.Replace(good, ".069Z", ".069000Z", 1)), signature.CodeFailed},
		{"other composition", header("Signature", signature.SignEverifin(now, body, signature.ComposeJoined, secret)), signature.CodeFailed},
		{"without time", header("Signature", signature.SignEverifin(now, body, signature.ComposeBody, secret)), signature.CodeFailed},
		{"other secret", header("Signature", signature.SignEverifin(now, body, signature.ComposeDotted, []byte("x"))), signature.CodeFailed},
		{"fresh time on an old sum", header("Signature", signature.SignEverifin(now.Add(time.Second), body, signature.ComposeDotted)+";"+sums), signature.CodeFailed},
		{"forged and old", header("Signature", "ts=2020-01-01T00:00:00Z;"+sums), signature.CodeFailed},
	}
	for _, tc := range cases {
		wantCode(t, tc.name, v.Verify(tc.header, body, now), tc.code)
	}
	wantCode(t, "body changed", v.Verify(header("Signature", good), append([]byte(" "), body...), now), signature.CodeFailed)
	wantCode(t, "body empty", v.Verify(header("Signature", good), nil, now), signature.CodeFailed)
}

func TestEverifin_Tolerance(t *testing.T) {
	t.Parallel()
	secret := []byte("s")
	signed := header("Signature", signature.SignEverifin(now, body, signature.ComposeDotted, secret))
	byDefault := made(t)(signature.Everifin(signature.EverifinOptions{}, secret))
	wider := made(t)(signature.Everifin(signature.EverifinOptions{Tolerance: time.Hour}, secret))
	for _, tc := range []struct {
		verifier signature.Verifier
		off      time.Duration
		code     signature.Code
	}{
		{byDefault, 5 * time.Minute, ""},
		{byDefault, -5 * time.Minute, ""},
		{byDefault, 5*time.Minute + time.Millisecond, signature.CodeExpired},
		{byDefault, -5*time.Minute - time.Millisecond, signature.CodeExpired},
		{byDefault, 365 * 24 * time.Hour, signature.CodeExpired},
		{wider, time.Hour, ""},
		{wider, time.Hour + time.Second, signature.CodeExpired},
	} {
		wantCode(t, tc.off.String(), tc.verifier.Verify(signed, body, now.Add(tc.off)), tc.code)
	}
	// A time before which no Duration reaches must not overflow into being accepted.
	ancient := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	old := header("Signature", signature.SignEverifin(ancient, body, signature.ComposeDotted, secret))
	wantCode(t, "year 1", wider.Verify(old, body, now), signature.CodeExpired)
}

// While a secret is being changed the sender signs with both, and the ledger may know either or both.
func TestEverifin_Rotation(t *testing.T) {
	t.Parallel()
	first, second, third := []byte("first"), []byte("second"), []byte("third")
	sent := map[string][][]byte{"before": {first}, "during": {first, second}, "after": {second}, "later": {third}}
	known := map[string][][]byte{"old": {first}, "both": {first, second}, "new": {second}}
	accepted := map[string]bool{
		"before old": true, "before both": true, "during old": true, "during both": true, "during new": true,
		"after both": true, "after new": true,
	}
	for when, signing := range sent {
		for which, secrets := range known {
			v := made(t)(signature.Everifin(signature.EverifinOptions{}, secrets...))
			value := signature.SignEverifin(now, body, signature.ComposeDotted, signing...)
			want := signature.CodeFailed
			if accepted[when+" "+which] {
				want = ""
			}
			wantCode(t, when+" "+which, v.Verify(header("Signature", value), body, now), want)
		}
	}
}

func TestHMACSHA256(t *testing.T) {
	t.Parallel()
	v := made(t)(signature.HMACSHA256("", []byte("old"), []byte("new")))
	for _, secret := range []string{"old", "new"} {
		sum := signature.SignHMAC([]byte(secret), body)
		wantCode(t, secret, v.Verify(header("X-Webhook-Signature", sum), body, now), "")
		wantCode(t, secret+" upper", v.Verify(header("X-Webhook-Signature", strings.ToUpper(sum)), body, now), "")
		wantCode(t, secret+" other body", v.Verify(header("X-Webhook-Signature", sum), body[1:], now), signature.CodeFailed)
	}
	wantCode(t, "other secret", v.Verify(header("X-Webhook-Signature", signature.SignHMAC([]byte("x"), body)), body, now), signature.CodeFailed)
	wantCode(t, "no header", v.Verify(header(), body, now), signature.CodeMissing)
	wantCode(t, "no hex", v.Verify(header("X-Webhook-Signature", strings.Repeat("z", 64)), body, now), signature.CodeMalformed)
	named := made(t)(signature.HMACSHA256("X-Sum", []byte("old")))
	wantCode(t, "named header", named.Verify(header("x-sum", signature.SignHMAC([]byte("old"), body)), body, now), "")
}

func TestRSASHA256(t *testing.T) {
	t.Parallel()
	v := made(t)(signature.RSASHA256("", &oldKey().PublicKey, &rsaKey().PublicKey))
	for _, key := range []*rsa.PrivateKey{oldKey(), rsaKey()} {
		value, err := signature.SignRSA(key, body)
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, "good", v.Verify(header("X-Signature", value), body, now), "")
		wantCode(t, "other body", v.Verify(header("X-Signature", value), body[1:], now), signature.CodeFailed)
		wantCode(t, "other header", v.Verify(header("X-Sig", value), body, now), signature.CodeMissing)
	}
	foreign, err := signature.SignRSA(newKey(2048), body)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "foreign key", v.Verify(header("X-Signature", foreign), body, now), signature.CodeFailed)
	wantCode(t, "no base64", v.Verify(header("X-Signature", "***"), body, now), signature.CodeMalformed)
	wantCode(t, "short", v.Verify(header("X-Signature", "AAAA"), body, now), signature.CodeFailed)
	if _, err := signature.RSASHA256(""); err == nil {
		t.Error("no key was accepted")
	}
	if _, err := signature.RSASHA256("", &newKey(1024).PublicKey); err == nil {
		t.Error("a key of 1024 bits was accepted")
	}
}

func TestStaticToken(t *testing.T) {
	t.Parallel()
	byDefault := made(t)(signature.StaticToken("", []byte("alpha"), []byte("beta")))
	named := made(t)(signature.StaticToken("X-Secret", []byte("alpha")))
	bearer := made(t)(signature.StaticToken("Authorization", []byte("alpha")))
	for _, tc := range []struct {
		name     string
		verifier signature.Verifier
		header   http.Header
		code     signature.Code
	}{
		{"header", byDefault, header("X-Webhook-Token", "alpha"), ""},
		{"second token", byDefault, header("X-Webhook-Token", "beta"), ""},
		{"bearer", byDefault, header("Authorization", "Bearer beta"), ""},
		{"bearer in lower case", byDefault, header("Authorization", "bearer alpha"), ""},
		{"nothing", byDefault, header(), signature.CodeMissing},
		{"wrong", byDefault, header("X-Webhook-Token", "gamma"), signature.CodeFailed},
		{"prefix", byDefault, header("X-Webhook-Token", "alph"), signature.CodeFailed},
		{"longer", byDefault, header("X-Webhook-Token", "alphabeta"), signature.CodeFailed},
		{"two", byDefault, header("X-Webhook-Token", "gamma", "X-Webhook-Token", "alpha"), signature.CodeMalformed},
		{"basic", byDefault, header("Authorization", "Basic YWxwaGE="), signature.CodeMalformed},
		{"empty bearer", byDefault, header("Authorization", "Bearer "), signature.CodeFailed},
		{"named", named, header("X-Secret", "alpha"), ""},
		{"named, but elsewhere", named, header("X-Webhook-Token", "alpha"), signature.CodeMissing},
		{"bearer only", bearer, header("Authorization", "Bearer alpha"), ""},
		{"bearer only, but elsewhere", bearer, header("X-Webhook-Token", "alpha"), signature.CodeMissing},
	} {
		wantCode(t, tc.name, tc.verifier.Verify(tc.header, body, now), tc.code)
	}
}

func TestRefusal_ShowsNeitherSecretsNorProof(t *testing.T) {
	t.Parallel()
	const secret, proof = "hook-secret", "claimed-proof"
	for _, v := range []signature.Verifier{
		made(t)(signature.Everifin(signature.EverifinOptions{}, []byte(secret))),
		made(t)(signature.HMACSHA256("", []byte(secret))),
		made(t)(signature.StaticToken("", []byte(secret))),
		made(t)(signature.RSASHA256("", &rsaKey().PublicKey)),
	} {
		for _, name := range []string{"Signature", "X-Webhook-Signature", "X-Webhook-Token", "X-Signature", "Authorization"} {
			err := v.Verify(header(name, proof), body, now)
			if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), proof) {
				t.Errorf("%s, %s: %v", v.Strategy(), name, err)
			}
		}
	}
	if err := signature.None().Verify(nil, nil, now); err != nil || signature.None().Strategy() != "none" {
		t.Errorf("none refuses: %v", err)
	}
}

func pemOf(t *testing.T, kind string, key any) []byte {
	t.Helper()
	var der []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		der = x509.MarshalPKCS1PrivateKey(key)
	case *rsa.PublicKey:
		if der = x509.MarshalPKCS1PublicKey(key); kind == "PUBLIC KEY" {
			der, err = x509.MarshalPKIXPublicKey(key)
		}
	default:
		der, err = x509.MarshalPKIXPublicKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestParsePublicKeys(t *testing.T) {
	t.Parallel()
	public := &rsaKey().PublicKey
	pkix, pkcs1 := pemOf(t, "PUBLIC KEY", public), pemOf(t, "RSA PUBLIC KEY", public)
	oneLine := []byte(strings.ReplaceAll(string(pkix), "\n", `\n`))
	for name, tc := range map[string]struct {
		text []byte
		keys int
	}{
		"pkix": {pkix, 1}, "pkcs1": {pkcs1, 1}, "one line": {oneLine, 1}, "two": {append(append([]byte("# keys\n"), pkix...), pkcs1...), 2},
	} {
		keys, err := signature.ParsePublicKeys(tc.text)
		if err != nil || len(keys) != tc.keys || !keys[0].Equal(public) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty": nil, "no pem": []byte("AAAA"), "private": pemOf(t, "RSA PRIVATE KEY", rsaKey()),
		"elliptic": pemOf(t, "PUBLIC KEY", &curve.PublicKey), "broken": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"good then bad": append(append([]byte{}, pkix...), pemOf(t, "RSA PRIVATE KEY", rsaKey())...),
	} {
		if keys, err := signature.ParsePublicKeys(text); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		}
	}
}
