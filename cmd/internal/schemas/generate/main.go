// Command generate writes the JSON Schemas of package schemas from the Go types of domain/order. It
// refuses to change a published schema in a way that breaks who relies on it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
)

// Where things are, from the directory of package schemas, in which go generate runs this.
const (
	schemasDir = "."
	orderDir   = "../../../domain/order"
)

func main() {
	if err := write(schemasDir, orderDir); err != nil {
		fmt.Fprintln(os.Stderr, "generate schemas:", err)
		os.Exit(1)
	}
}

func write(dir, source string) error {
	generated, err := generate(source)
	if err != nil {
		return err
	}
	for _, s := range generated {
		path := filepath.Join(dir, filepath.FromSlash(schemas.FileName(s.Type, s.Version)))
		published, err := os.ReadFile(path)
		if err == nil {
			broken, err := schemas.Breaking(published, s.Document)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if len(broken) > 0 {
				return fmt.Errorf("%s is published, and would change so that it breaks who relies on it: %q; make a new version with an upcaster instead", path, broken)
			}
		} else if !os.IsNotExist(err) {
			return err
		}
		if bytes.Equal(published, s.Document) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // it is source, for everybody to read
			return err
		}
		if err := os.WriteFile(path, s.Document, 0o644); err != nil { //nolint:gosec // it is source, for everybody to read
			return err
		}
	}
	return nil
}

// pretty indents JSON, one member a line, and ends it like a text file.
func pretty(document []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, document, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}
