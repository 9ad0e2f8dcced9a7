package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
)

const source = "../" + orderDir

// TestSchemas_AreFresh proves that what is committed is what the Go types say, and that no published
// schema would break.
func TestSchemas_AreFresh(t *testing.T) {
	t.Parallel()
	generated, err := generate(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range generated {
		committed, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(schemas.FileName(s.Type, s.Version))))
		if err != nil {
			t.Errorf("%v: run go generate ./cmd/internal/schemas", err)
			continue
		}
		broken, err := schemas.Breaking(committed, s.Document)
		switch {
		case err != nil:
			t.Error(err)
		case len(broken) > 0:
			t.Errorf("%s version %d is published, and the Go type breaks it: %q; make a new version with an upcaster", s.Type, s.Version, broken)
		case !bytes.Equal(committed, s.Document):
			t.Errorf("%s version %d is stale: run go generate ./cmd/internal/schemas", s.Type, s.Version)
		}
	}
}

// TestWrite_RefusesToBreak does not overwrite a schema that somebody may rely on.
func TestWrite_RefusesToBreak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := write(dir, source); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(schemas.FileName("OrderIssued", 1)))
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	published := bytes.Replace(written, []byte(`"source_order_id"`), []byte(`"order_number"`), 1)
	if err := os.WriteFile(path, published, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, source); err == nil || !strings.Contains(err.Error(), "order_number") {
		t.Errorf("got %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, published) {
		t.Errorf("the published schema was changed (%v)", err)
	}
}
