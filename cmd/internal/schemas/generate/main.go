// Command generate writes the JSON Schemas of package schemas from the Go types of domain/order. It
// refuses to change a published schema in a way that breaks who relies on it.
//
//	generate                 write them, and the lock file
//	generate -since LOCK     only compare the present lock file with an earlier one
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
)

// Where things are, from the directory of package schemas, in which go generate runs this.
const (
	schemasDir = "."
	orderDir   = "../../../domain/order"
)

func main() {
	since := flag.String("since", "", "compare the lock file with this earlier one, and write nothing")
	flag.Parse()
	var err error
	if *since != "" {
		err = compare(*since, filepath.Join(schemasDir, schemas.LockFile))
	} else {
		err = write(schemasDir, orderDir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate schemas:", err)
		os.Exit(1)
	}
}

// compare fails when an earlier lock file promised what the present one does not.
func compare(before, now string) error {
	published, err := os.ReadFile(before)
	if err != nil {
		return err
	}
	present, err := os.ReadFile(now)
	if err != nil {
		return err
	}
	return withdrawn(published, present)
}

func withdrawn(published, now []byte) error {
	found, err := schemas.Withdrawn(published, now)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("what is published would break who relies on it:\n%s\nmake a new version with an upcaster instead", strings.Join(found, "\n"))
	}
	return err
}

func write(dir, source string) error {
	generated, err := generate(source)
	if err != nil {
		return err
	}
	now, err := overlaid(dir, generated)
	if err != nil {
		return err
	}
	lock, err := schemas.Lock(now)
	if err != nil {
		return err
	}
	lockPath := filepath.Join(dir, schemas.LockFile)
	published, err := os.ReadFile(lockPath)
	if err == nil {
		err = withdrawn(published, lock)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, s := range generated {
		if err := replace(filepath.Join(dir, filepath.FromSlash(schemas.FileName(s.Type, s.Version))), s.Document); err != nil {
			return err
		}
	}
	return replace(lockPath, lock)
}

// overlaid are the schemas of a directory, as they are once the generated ones are written.
func overlaid(dir string, generated []schemas.Schema) ([]schemas.Schema, error) {
	kept, err := schemas.Read(os.DirFS(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := slices.Clone(generated)
	for _, k := range kept {
		i := slices.IndexFunc(generated, func(g schemas.Schema) bool { return g.Type == k.Type && g.Version == k.Version })
		if i < 0 {
			all = append(all, k)
			continue
		}
		broken, err := schemas.Breaking(k.Document, generated[i].Document)
		if err == nil && len(broken) > 0 {
			err = fmt.Errorf("it is published, and would change so that it breaks who relies on it: %q; make a new version with an upcaster instead", broken)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", schemas.FileName(k.Type, k.Version), err)
		}
	}
	return all, nil
}

// replace writes a file unless it is like that already.
func replace(path string, content []byte) error {
	if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // it is source, for everybody to read
		return err
	}
	return os.WriteFile(path, content, 0o644) //nolint:gosec // it is source, for everybody to read
}

// pretty indents JSON, one member a line, and ends it like a text file.
func pretty(document []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, document, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}
