package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMutations_CanBePlanted: what a bug replaces is in its file exactly once, and the tests that are to notice it exist.
// Planting them all takes minutes, and is what the command does.
func TestMutations_CanBePlanted(t *testing.T) {
	t.Parallel()
	const root = "../.."
	for _, m := range mutations() {
		if _, err := m.code(root); err != nil {
			t.Errorf("%s, %s: %v", m.invariant, m.bug, err)
		}
		names := testsOf(t, filepath.Join(root, m.pkg))
		for pattern := range strings.SplitSeq(m.run, "|") {
			top, _, _ := strings.Cut(pattern, "/")
			if r := regexp.MustCompile(top); !slices.ContainsFunc(strings.Fields(names), r.MatchString) {
				t.Errorf("%s, %s: no test in %s is called %s", m.invariant, m.bug, m.pkg, top)
			}
		}
	}
}

// testsOf are the names of the tests of a package, in one text.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(string(text), -1) {
			names += found[1] + "\n"
		}
	}
	return names
}
