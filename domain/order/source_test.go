package order_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/order"
)

// TestFoldSource_IsComplete type-checks the fold's files without the others: whatever they use must be
// declared in one of them, or a change of it would go unnoticed.
func TestFoldSource_IsComplete(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	var fold []*ast.File
	err := fs.WalkDir(order.FoldSource(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		source, err := fs.ReadFile(order.FoldSource(), name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
		fold = append(fold, file)
		return err
	})
	if err != nil || len(fold) < 10 {
		t.Fatalf("%d files, %v", len(fold), err)
	}
	config := types.Config{Importer: emptyPackages{}, Error: func(err error) {
		text := err.Error()
		_, name, undefined := strings.Cut(text, "undefined: ")
		ofThisPackage := undefined && !strings.Contains(name, ".")
		if ofThisPackage || strings.Contains(text, "has no field or method") {
			t.Errorf("%s: add the file that declares it to FoldSource", text)
		}
	}}
	_, _ = config.Check("order", files, fold, nil) // what other packages declare is not known to it
}

// emptyPackages imports everything as a package that declares nothing.
type emptyPackages struct{}

func (emptyPackages) Import(name string) (*types.Package, error) {
	own := path.Base(name)
	if strings.HasPrefix(own, "v") && strings.Trim(own[1:], "0123456789") == "" { // a major version
		own = path.Base(path.Dir(name))
	}
	p := types.NewPackage(name, own)
	p.MarkComplete()
	return p, nil
}
