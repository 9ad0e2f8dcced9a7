package connectpay_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// dump writes a translation for people: what kind each fact is, and everything in it.
func dump(t testing.TB, tr commands.Translation) string {
	t.Helper()
	type fact struct {
		Fact string
		Is   any
	}
	facts := make([]fact, 0, len(tr.Facts))
	for _, f := range tr.Facts {
		kind, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, fact{Fact: strings.TrimPrefix(typeName(f), "order."), Is: json.RawMessage(kind)})
	}
	whole := struct {
		commands.Translation
		Facts []fact
	}{Translation: tr, Facts: facts}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(whole); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func bodies(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/bodies/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no bodies: %v", err)
	}
	found := map[string][]byte{}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(path), ".json")] = body
	}
	return found
}

// TestTranslate_Golden translates bodies as the gateway's documents show them.
func TestTranslate_Golden(t *testing.T) {
	t.Parallel()
	for name, body := range bodies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := dump(t, translate(string(body)))
			path := filepath.Join("testdata", "golden", name+".json")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("translation differs from %s; it is now\n%s", path, got)
			}
		})
	}
}
