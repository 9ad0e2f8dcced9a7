package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestRoutes_OnlyWhatIsDescribed: nothing is served by another way than api.Register, which serves what the
// OpenAPI document describes. The catch-all is no route.
func TestRoutes_OnlyWhatIsDescribed(t *testing.T) {
	t.Parallel()
	found := 0
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "Handle" && method.Sel.Name != "HandleFunc" {
				return true
			}
			if pattern, ok := call.Args[0].(*ast.BasicLit); ok && pattern.Value == `"/"` {
				return true
			}
			found++
			if filepath.Base(filepath.Dir(path)) != "api" {
				t.Errorf("%s serves a route that the document does not describe", path)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("no route is served: the search is broken")
	}
}
