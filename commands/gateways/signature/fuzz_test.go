package signature_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

// Whatever the header says, a body passes only with the sum of its time and itself in it, and every
// refusal is a typed one.
func FuzzEverifinHeader(f *testing.F) {
	secret := []byte("hook-secret")
	good := signature.SignEverifin(now, body, signature.ComposeDotted, []byte("old"), secret)
	sum := good[strings.LastIndex(good, "=")+1:]
	v, err := signature.Everifin(signature.EverifinOptions{}, secret)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		good, strings.ToUpper(good), "ts=;v0=", ";;;", "ts=2026-11-20T10:06:00.069Z", "v0=" + sum, "v99999999=" + sum, "ts=2026-11-20T10:06:00.069+00:00;v0=" + sum,
		"ts=2026-11-20T10:06:00.069Z;ts=2026-11-20T10:06:00.069Z;v0=" + sum, "=;=;=", "v0==" + sum, "ts=9999-99-99T00:00:00Z;v0=" + sum,
	} {
		f.Add(seed, body)
	}
	f.Add(good, []byte("{}"))
	f.Fuzz(func(t *testing.T, value string, received []byte) {
		err := v.Verify(http.Header{"Signature": {value}}, received, now)
		if err != nil {
			if _, typed := err.(*signature.Refusal); !typed { //nolint:errorlint // Verify promises the type itself
				t.Fatalf("untyped refusal %v", err)
			}
			return
		}
		if !bytes.Equal(received, body) || !strings.Contains(strings.ToLower(value), sum) || !strings.Contains(value, "2026-11-20T10:06:00.069Z") {
			t.Fatalf("accepts %q for %q", value, received)
		}
	})
}
