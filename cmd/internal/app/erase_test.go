package app_test

import (
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// TestExportSearch_Links: a folder that is named by a link is searched, and what cannot be searched is told.
func TestExportSearch_Links(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	folder, link := filepath.Join(root, "real"), filepath.Join(root, "link")
	for _, err := range []error{
		os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "a.txt"), []byte("ada\n"), 0o600),
		os.Symlink("/etc", filepath.Join(folder, "away")), os.Symlink(folder, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var read, unread []string
	err = app.ExportSearch{link}.Each(t.Context(), func(file string, texts iter.Seq2[[]byte, error]) {
		for _, err := range texts {
			if err != nil {
				unread = append(unread, file)
				return
			}
		}
		read = append(read, file)
	})
	if err != nil || !slices.Equal(read, []string{filepath.Join(folder, "a.txt")}) || !slices.Equal(unread, []string{filepath.Join(folder, "away")}) {
		t.Errorf("read %q, unread %q, %v", read, unread, err)
	}
}

// TestExportSearch_UnreadableFolder: a folder that cannot be read, as it was removed meanwhile, is told, and the rest is
// searched.
func TestExportSearch_UnreadableFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone := filepath.Join(dir, "b")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.csv", "c.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	visited := map[string]bool{} // whether it was read
	err := app.ExportSearch{dir}.Each(t.Context(), func(file string, texts iter.Seq2[[]byte, error]) {
		_ = os.Remove(gone)
		visited[filepath.Base(file)] = true
		for _, err := range texts {
			visited[filepath.Base(file)] = visited[filepath.Base(file)] && err == nil
		}
	})
	if want := map[string]bool{"a.csv": true, "b": false, "c.csv": true}; err != nil || !maps.Equal(visited, want) {
		t.Errorf("visited %v, %v; want %v", visited, err, want)
	}
}
