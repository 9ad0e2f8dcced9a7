package cardguard_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
)

func FuzzMask(f *testing.F) {
	for i, pan := range testCards {
		f.Add([]byte(`{"a":"`+strings.Repeat("x", i)+pan+`","b":`+pan+`}`), uint8(i))
	}
	for _, seed := range []string{
		`"\\u0034111111111111111"`, `"\u0034\u0031\u0031\u0031111111111111"`, `4111111111111111-4111111111111111`, "4111 1111 1111 1111 4111 1111 1111",
		`"\u0034111111111111`, `\\\u0034`, strings.Repeat("4111 ", 60), strings.Repeat("4", 100), `"LT601010012345678901"`, `{"id":"41111111-1111-1111-4111-111111111111"}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, at uint8) {
		original := bytes.Clone(body)
		floor := 0
		for _, hit := range cardguard.Find(body) {
			if hit.Start < floor || hit.End-hit.Start < 13 || hit.End > len(body) {
				t.Fatalf("%q: hit %v", body, hit)
			}
			floor = hit.End
		}
		masked, n := cardguard.Mask(body)
		switch {
		case !bytes.Equal(body, original):
			t.Fatalf("%q was changed to %q", original, body)
		case cardguard.Find(masked) != nil:
			t.Fatalf("%q is masked as %q", body, masked)
		case n == 0 && !bytes.Equal(masked, body):
			t.Fatalf("%q is clean and became %q", body, masked)
		case json.Valid(body) && !json.Valid(masked):
			t.Fatalf("%q is masked as invalid %q", body, masked)
		}
		// A number between two bytes that belong to none is found wherever it stands.
		pan := testCards[int(at)%len(testCards)]
		cut := int(at) % (len(body) + 1)
		planted := slices.Concat(body[:cut], []byte(";"+pan+";"), body[cut:])
		want := cardguard.Hit{Start: cut + 1, End: cut + 1 + len(pan)}
		if !slices.Contains(cardguard.Find(planted), want) {
			t.Fatalf("%q: %s not found", planted, pan)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for _, name := range []string{"decta_chargeback.json", "everifin_payment.json"} {
		body, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.TrimSuffix(name, ".json"), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				cardguard.Find(body)
			}
		})
	}
	for name, worst := range map[string][]byte{
		"worst_groups": bytes.Repeat([]byte("4111 "), 200_000),
		"worst_token":  bytes.Repeat([]byte("4111111111111111a"), 60_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(worst)))
			for b.Loop() {
				cardguard.Find(worst)
			}
		})
	}
}
