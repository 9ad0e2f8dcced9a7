//go:build unix

package localpg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// unreachable returns a directory that only we can enter, as root's home is: what a clone in /root
// makes of ./ledger-data/postgres. For an ordinary user, who runs the server himself, it is reachable.
func unreachable(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(directory(t)), "root")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "ledger-data", "postgres")
}

// startNoting is like start and returns the lines for a person as well.
func startNoting(t *testing.T, dir string) (*localpg.Server, string) {
	t.Helper()
	var lines []string
	opts := options(dir, false)
	opts.Progress = func(line string) { lines = append(lines, line) }
	server, err := localpg.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(t, server)
		if server.Dir() != dir {
			_ = os.RemoveAll(server.Dir())
		}
	})
	return server, strings.Join(lines, "\n")
}

func TestPlace_UnreachableDirectoryIsReplacedByALink(t *testing.T) {
	t.Parallel()
	dir := unreachable(t)
	server, lines := startNoting(t, dir)
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	if os.Geteuid() != 0 {
		if server.Dir() != dir {
			t.Errorf("the files are in %s though we run the server ourselves", server.Dir())
		}
		return
	}
	if server.Dir() == dir || !strings.Contains(lines, server.Dir()) {
		t.Fatalf("the files are in %s, and a person is told %q", server.Dir(), lines)
	}
	if target, err := filepath.EvalSymlinks(dir); err != nil || target != server.Dir() {
		t.Errorf("%s leads to %s, %v", dir, target, err)
	}
	info, err := os.Stat(server.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o711 {
		t.Errorf("its mode is %v", got)
	}
	stop(t, server)

	again, lines := startNoting(t, dir)
	if strings.Contains(lines, "cannot reach") || again.Dir() != server.Dir() {
		t.Errorf("the second start went to %s and says %q", again.Dir(), lines)
	}
	if n := query[int](t, again.URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

// relocated starts and stops a server in an unreachable directory and returns that and the real one.
// For an ordinary user both are the same.
func relocated(t *testing.T) (dir, real string) {
	t.Helper()
	dir = unreachable(t)
	server, _ := startNoting(t, dir)
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	stop(t, server)
	return dir, server.Dir()
}

func hasTable(t *testing.T, server *localpg.Server) bool {
	t.Helper()
	return query[bool](t, server.URL(), "SELECT to_regclass('kept') IS NOT NULL")
}

func TestPlace_LostTargetStartsAfresh(t *testing.T) {
	t.Parallel()
	dir, real := relocated(t)
	if err := os.RemoveAll(real); err != nil {
		t.Fatal(err)
	}
	server, lines := startNoting(t, dir)
	if hasTable(t, server) {
		t.Error("the table is there though its files were deleted")
	}
	if os.Geteuid() == 0 && !strings.Contains(lines, "are gone") {
		t.Errorf("nobody is told: %q", lines)
	}
}

func TestPlace_DeletedDataDirectoryDoesNotComeBack(t *testing.T) {
	t.Parallel()
	dir, real := relocated(t)
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil { // rm -rf ledger-data
		t.Fatal(err)
	}
	server, _ := startNoting(t, dir)
	if hasTable(t, server) {
		t.Error("the old database is back: its checkpoint would be ahead of a new log")
	}
	if os.Geteuid() == 0 {
		if _, err := os.Lstat(real); !os.IsNotExist(err) {
			t.Errorf("the old files are still in %s", real)
		}
	}
}

func TestPlace_MovedDataDirectoryKeepsItsDatabase(t *testing.T) {
	t.Parallel()
	dir, _ := relocated(t)
	moved := filepath.Join(filepath.Dir(filepath.Dir(dir)), "moved")
	if err := os.Rename(filepath.Dir(dir), moved); err != nil {
		t.Fatal(err)
	}
	server, _ := startNoting(t, filepath.Join(moved, "postgres"))
	if !hasTable(t, server) {
		t.Error("the database was left behind")
	}
}

func TestPlace_CopiedDataDirectoryGetsADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	dir, real := relocated(t)
	if real == dir {
		return // a copy of a real directory is a real copy
	}
	twin := filepath.Join(filepath.Dir(filepath.Dir(dir)), "copy", "postgres")
	if err := os.Mkdir(filepath.Dir(twin), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, twin); err != nil { // what cp -a makes of it
		t.Fatal(err)
	}
	server, lines := startNoting(t, twin)
	if server.Dir() == real || hasTable(t, server) {
		t.Error("two data directories share one database")
	}
	if !strings.Contains(lines, "copy") {
		t.Errorf("nobody is told: %q", lines)
	}
	original, _ := startNoting(t, dir)
	if !hasTable(t, original) {
		t.Error("the original lost its database")
	}
}

func TestPlace_LinkOfAPersonIsFollowed(t *testing.T) {
	t.Parallel()
	base := filepath.Dir(directory(t))
	disk, link := filepath.Join(base, "disk"), filepath.Join(base, "link")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(disk, link); err != nil {
		t.Fatal(err)
	}
	if server := start(t, link); server.Dir() != disk {
		t.Errorf("the files are in %s, want %s", server.Dir(), disk)
	}
}

func TestPlace_LinkToWhatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	dir, real := relocated(t)
	if real == dir {
		return
	}
	if err := os.Chmod(real, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(real) })
	if server, err := localpg.Start(t.Context(), options(dir, false)); err == nil {
		stop(t, server)
		t.Error("started in a directory that everybody can write to")
	}
}
