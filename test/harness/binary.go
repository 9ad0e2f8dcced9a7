package harness

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// program is what the binary is built from.
const program = "github.com/order-ledger/order-ledger/cmd/ledger"

// process is what one test process has once: the binary and the watchdog. It is package-level state
// because its life is the process's; no test can know that it is the last one.
var process struct {
	once   sync.Once
	binary string
	guard  *watchdog
	err    error
}

// Binary is the path of the ledger's binary, built with the race detector where the test is.
func Binary(tb testing.TB) string {
	tb.Helper()
	prepare(tb)
	return process.binary
}

func guard(tb testing.TB) *watchdog {
	tb.Helper()
	prepare(tb)
	return process.guard
}

func prepare(tb testing.TB) {
	tb.Helper()
	process.once.Do(func() { process.binary, process.guard, process.err = build() })
	if process.err != nil {
		tb.Fatalf("prepare the ledger's binary: %v", process.err)
	}
}

func build() (binary string, guard *watchdog, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", nil, err
	}
	if err := lookAtSources(root); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "ledger-test-binary-")
	if err != nil {
		return "", nil, err
	}
	if guard, err = startWatchdog(dir); err != nil {
		return "", nil, err
	}
	binary = filepath.Join(dir, "ledger")
	cmd := exec.Command("go", "build", raceFlag, "-ldflags=-s -w", "-o", binary, program) // no debug tables: links faster
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w\n%s", err, out)
	}
	return binary, guard, nil
}

// moduleRoot is the directory with go.mod above the test's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
		dir = parent
	}
}

// lookAtSources stats what the binary is built from. `go test` notes which files a test looks at, and
// does not answer from its cache when one of them has changed; it cannot see through `go build`.
func lookAtSources(root string) error {
	product := []string{"cmd", "commands", "domain", "eventstore", "migrations", "projections"}
	for _, name := range append(slices.Clone(product), "go.mod", "go.sum") {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			_, err = os.Stat(path)
			if os.IsNotExist(err) {
				return nil // an editor's temporary file
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("look at the sources: %w", err)
		}
	}
	return nil
}
