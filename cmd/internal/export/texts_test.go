package export_test

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/order-ledger/order-ledger/cmd/internal/export"
)

// TestTexts: what people read in a file is told as they read it, whatever form it is in.
func TestTexts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const want = `O"Brien & <co>`
	type row struct {
		Name string `parquet:"name,zstd"`
		N    int64  `parquet:"n"`
	}
	columns := filepath.Join(dir, "a.parquet")
	if err := parquet.WriteFile(columns, []row{{"x", 1}, {want, 2}}); err != nil {
		t.Fatal(err)
	}
	book := filepath.Join(dir, "a.xlsx")
	f, err := os.Create(book)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	part, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(`<c><is><t>O&quot;Brien &amp; &lt;co&gt;</t></is></c>`)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{write("a.csv", "id,name\n1,\"O\"\"Brien & <co>\"\n"), write("a.hledger", want+"\n"), columns, book} {
		var texts []string
		for text, err := range export.Texts(path) {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			texts = append(texts, string(text))
		}
		if !slices.Contains(texts, want) {
			t.Errorf("%s: %q", path, texts)
		}
	}
	for _, path := range []string{write("a.csv.gz", "x"), write("b.parquet", "no parquet"), filepath.Join(dir, "none")} {
		var last error
		for _, err := range export.Texts(path) {
			last = err
		}
		if last == nil {
			t.Errorf("%s was read", path)
		}
	}
}
