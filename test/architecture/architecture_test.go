// Package architecture_test holds the layout of the repository: which folder
// may import which, and what stands at the top.
package architecture_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/order-ledger/order-ledger/"

// rule says what a folder's product code may import of this module and what
// it may not import at all, each with its reason.
type rule struct {
	may    []string
	mayNot map[string]string
}

var rules = map[string]rule{
	"domain": {
		may: []string{"domain"},
		mayNot: map[string]string{
			"net/http": "the domain does no input or output", "database/sql": "the domain knows no database",
			"os": "the domain does no input or output", "math/rand": "the domain is deterministic",
			"math/rand/v2": "the domain is deterministic", "log/slog": "the domain does no input or output",
		},
	},
	"eventstore": {may: []string{"eventstore"}},
	"commands": {
		may:    []string{"commands", "domain", "eventstore!"},
		mayNot: map[string]string{"github.com/jackc/pgx/v5": "the write side never needs Postgres"},
	},
	"projections": {may: []string{"projections", "domain", "eventstore!"}},
	"migrations":  {may: []string{"migrations"}},
	"cmd":         {may: []string{"domain", "eventstore", "commands", "projections", "migrations", "cmd"}},
	"test":        {may: []string{"domain", "eventstore", "commands", "projections", "migrations", "test", "cmd/internal/simulate"}},
}

// allowed tells whether a rule lets an import of this module pass. A trailing
// '!' means the package itself and nothing below it.
func (r rule) allowed(path string) bool {
	return slices.ContainsFunc(r.may, func(may string) bool {
		if root, exact := strings.CutSuffix(may, "!"); exact {
			return path == root
		}
		return path == may || strings.HasPrefix(path, may+"/")
	})
}

func TestImports(t *testing.T) {
	t.Parallel()
	files := 0
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		top, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		r, ok := rules[top]
		isTest := strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/")
		if !ok || isTest {
			return
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if ours, isOurs := strings.CutPrefix(imported, module); isOurs && !r.allowed(ours) {
				t.Errorf("%s imports %s: %s may import %v", path, ours, top, r.may)
			}
			for banned, reason := range r.mayNot {
				if imported == banned || strings.HasPrefix(imported, banned+"/") {
					t.Errorf("%s imports %s: %s", path, imported, reason)
				}
			}
		}
	})
	if files < 50 {
		t.Errorf("only %d files were checked: the walk is broken", files)
	}
}

// TestTopLevel keeps the top of the repository to the folders of the layout.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"domain", "eventstore", "commands", "projections", "migrations", "cmd", "test", "docs",
		"go.mod", "go.sum", "LICENSE", "Makefile", "README.md",
		"ledger-data", "ledger", // ignored by git: what the README's commands leave behind
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// TestPackageComments asks for a comment on every package.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata/") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || f.Doc != nil
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment", dir)
		}
	}
}

var root = filepath.Join("..", "..")

// walk visits every file of the repository by its path from the root.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "ledger-data" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		visit(rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
