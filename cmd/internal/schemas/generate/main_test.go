package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// TestLock_IsFresh proves that the lock file has every promise of the schemas, and that all it has holds: of
// versions that are not written any more, too.
func TestLock_IsFresh(t *testing.T) {
	t.Parallel()
	all, err := schemas.Read(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	now, err := schemas.Lock(all)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile(filepath.Join("..", schemas.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := withdrawn(committed, now); err != nil {
		t.Error(err)
	} else if !bytes.Equal(committed, now) {
		t.Errorf("%s is stale: run go generate ./cmd/internal/schemas", schemas.LockFile)
	}
}

// TestWrite_RefusesToBreak writes nothing over what somebody may rely on, whether the schema file is still
// there or was taken away with the member. before is what was published, with one member more.
func TestWrite_RefusesToBreak(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(file, lock string) error
		want   string
	}{
		"nothing":     {func(string, string) error { return nil }, ""},
		"member gone": {func(file, _ string) error { return edit(file, `"source_order_id"`, `"order_number"`) }, "order_number"},
		"file edited": {func(_, lock string) error {
			return edit(lock, "OrderIssued 1 .", "OrderIssued 1 .order_number string\nOrderIssued 1 .")
		}, "OrderIssued 1: .order_number is gone"},
		"type gone": {func(_, lock string) error {
			return edit(lock, "OrderIssued 1 .", "OrderIsued 1 . object\nOrderIssued 1 .")
		}, "OrderIsued 1 is gone"},
		"version gone": {func(_, lock string) error {
			return edit(lock, "OrderIssued 1 .", "OrderIssued 2 . object\nOrderIssued 1 .")
		}, "OrderIssued 2 is gone"},
		"type changed":   {func(_, lock string) error { return edit(lock, ".due_at string", ".due_at integer") }, ".due_at was"},
		"new required":   {func(_, lock string) error { return edit(lock, "RefundObserved 2 .extent string required\n", "") }, ".extent is new and required"},
		"optional added": {func(_, lock string) error { return edit(lock, "RefundObserved 2 .payment_id string\n", "") }, ""},
		"lock unread":    {func(_, lock string) error { return edit(lock, "OrderIssued 1 .", "OrderIssued\nOrderIssued 1 .") }, "is no promise"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := write(dir, source); err != nil {
				t.Fatal(err)
			}
			file, lock := filepath.Join(dir, filepath.FromSlash(schemas.FileName("OrderIssued", 1))), filepath.Join(dir, schemas.LockFile)
			if err := c.change(file, lock); err != nil {
				t.Fatal(err)
			}
			before := []string{read(t, file), read(t, lock)}
			err := write(dir, source)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if now := []string{read(t, file), read(t, lock)}; !slices.Equal(now, before) {
				t.Error("what is published was changed")
			}
		})
	}
}

// edit replaces the first place of a text in a file, which must have it.
func edit(path, from, to string) error {
	text, err := os.ReadFile(path)
	if err == nil && !bytes.Contains(text, []byte(from)) {
		err = fmt.Errorf("%s does not have %q", path, from)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
