// Package gatewaytest holds what the tests of all translators share: bodies
// from testdata, and golden files of what they are translated to.
package gatewaytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
)

// Dump writes a translation for people: everything in it that is not empty, and of each fact what
// kind it is.
func Dump(t testing.TB, tr commands.Translation) string {
	t.Helper()
	type fact struct {
		Fact string
		Is   any
	}
	facts := make([]fact, 0, len(tr.Facts))
	for _, f := range tr.Facts {
		facts = append(facts, fact{Fact: strings.TrimPrefix(fmt.Sprintf("%T", f), "order."), Is: told(t, f)})
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		SourceOrderID      string          `json:",omitempty"`
		SourcePaymentIDs   []string        `json:",omitempty"`
		MerchantReferences []string        `json:",omitempty"`
		SourceEventID      string          `json:",omitempty"`
		Status             string          `json:",omitempty"`
		Registration       any             `json:",omitempty"`
		Facts              []fact          `json:",omitempty"`
		Uncountable        any             `json:",omitempty"`
		Evidence           json.RawMessage `json:",omitempty"`
		Rejection          any             `json:",omitempty"`
		Question           bool            `json:",omitempty"`
	}{
		tr.SourceOrderID, tr.SourcePaymentIDs, tr.MerchantReferences, tr.SourceEventID, tr.Status,
		told(t, tr.Registration), facts, told(t, tr.Uncountable), tr.Evidence, told(t, tr.Rejection), tr.Question,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// told turns a value into what JSON makes of it, without what is empty in it; nil if all is.
func told(t testing.TB, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	return prune(tree)
}

func prune(v any) any {
	const noTime = "0001-01-01T00:00:00Z"
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name] = prune(member); v[name] == nil {
				delete(v, name)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" || v == noTime {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	}
	return v
}

// Bodies reads testdata/bodies, by file name without its ending.
func Bodies(t testing.TB) map[string][]byte {
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

// Golden translates every body and compares with testdata/golden; update
// rewrites the golden files first.
func Golden(t *testing.T, update bool, translate func(body string) commands.Translation) {
	t.Helper()
	for name, body := range Bodies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Dump(t, translate(string(body)))
			path := filepath.Join("testdata", "golden", name+".json")
			if update {
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
