package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestOpenAPI_Golden(t *testing.T) {
	t.Parallel()
	r := open(t).call("GET", "/openapi.json", "")
	got, err := json.MarshalIndent(r.body, "", "  ")
	if err != nil || r.status != 200 {
		t.Fatal(r.status, err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the document changed (-golden +now); -update if that is meant:\n%s", diff)
	}
}

// FuzzOperations sends foreign bytes to every operation of the document: no 5xx, no panic, and nothing
// written unless the answer is a success.
func FuzzOperations(f *testing.F) {
	for i := range 64 {
		f.Add(uint8(i), []byte(kettle), "k")
		f.Add(uint8(i), []byte(`{"amount":"1.00","outcome":"split","amount_lost":"1.00"}`), "")
	}
	s := open(f)
	id := s.issue(kettle)
	s.hook("SO-1", paidMembers)
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(s.call("GET", "/openapi.json", "").text), &document); err != nil {
		f.Fatal(err)
	}
	var targets [][2]string
	for path, methods := range document.Paths {
		for method := range methods {
			path := strings.NewReplacer("{id}", id, "{dispute}", id, "{payment}", id, "{correction}", id, "{refund}", id, "{code}", "clock_skew").Replace(path)
			targets = append(targets, [2]string{strings.ToUpper(method), path})
		}
	}
	slices.SortFunc(targets, func(a, b [2]string) int { return strings.Compare(a[1], b[1]) })
	f.Fuzz(func(t *testing.T, which uint8, body []byte, key string) {
		s := &shop{t: t, log: s.log, server: s.server, token: s.token}
		target := targets[int(which)%len(targets)]
		before := s.events("")
		path := target[1]
		if target[0] == http.MethodGet {
			path += "?" + url.Values{"q": {key}, "after": {key}, "from": {string(body)}, "limit": {key}}.Encode()
		}
		r := s.call(target[0], path, string(body), "Idempotency-Key", key)
		if r.status >= 500 {
			t.Errorf("%v with %q: %s", target, body, r.text)
		}
		if r.status >= 400 && s.events("") != before {
			t.Errorf("%v with %q was refused and wrote events", target, body)
		}
	})
}
