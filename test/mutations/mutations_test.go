package main

import (
	"io/fs"
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
	for _, m := range slices.Concat(mutations(), eventStoreMutations()) {
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

// TestInvariants_NameTheirTests: the tests that docs/invariants.md names exist. Of what it lists item by item (C1, E1, P1, …)
// the tests are in the packages named, and for C and E at least one of them is shown to fail by a planted bug.
func TestInvariants_NameTheirTests(t *testing.T) {
	t.Parallel()
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(testsUnder(t, root))
	named := regexp.MustCompile(`\bTest[A-Z]\w*`)
	for _, name := range named.FindAllString(string(page), -1) {
		if !slices.ContainsFunc(all, func(test string) bool { return strings.HasPrefix(test, name) }) {
			t.Errorf("docs/invariants.md names %s, which is no test", name)
		}
	}
	items := 0
	for _, row := range regexp.MustCompile(`(?m)^\| ([CEP]\d+) \|.*\| ([^|]+) \|$`).FindAllStringSubmatch(string(page), -1) {
		items++
		shown := false
		for _, m := range slices.Concat(mutations(), eventStoreMutations()) {
			shown = shown || m.invariant == row[1]
		}
		in := regexp.MustCompile("`([a-z/]+)` ((?:Test\\w+(?:, )?)+)").FindAllStringSubmatch(row[2], -1)
		if len(in) == 0 {
			t.Errorf("%s names no test", row[1])
		}
		for _, part := range in {
			pkg := "./eventstore/" + part[1]
			tests := strings.Fields(testsOf(t, filepath.Join(root, pkg)))
			for _, name := range named.FindAllString(part[2], -1) {
				if !slices.Contains(tests, name) {
					t.Errorf("%s names %s in %s, which is not there", row[1], name, pkg)
				}
				for _, m := range slices.Concat(mutations(), eventStoreMutations()) {
					shown = shown || m.pkg == pkg && strings.HasPrefix(name, m.run)
				}
			}
		}
		if !shown && !strings.HasPrefix(row[1], "P") {
			t.Errorf("%s: no planted bug shows that its tests can fail", row[1])
		}
	}
	if items < 16+15+14 {
		t.Errorf("%d items are listed, want 16 of the client, 15 of the node and 14 of the protocol", items)
	}
}

// testsUnder are the names of all tests of the module.
func testsUnder(t *testing.T, root string) (names string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && !strings.HasPrefix(entry.Name(), ".git") {
			names += testsOf(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
