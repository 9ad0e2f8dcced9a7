// Command mutations shows that the tests of the invariants can fail: it plants one bug after the
// other in a copy of the code, runs the tests that are there to notice it, and reports which did not.
//
//	go run ./test/mutations            # all of them, a few minutes
//	go run ./test/mutations -only I17
//
// The working tree is not touched: each bug is an overlay of one file for one run of go test.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// mutation is one bug and who has to notice it.
type mutation struct {
	invariant, bug string
	// file gets after in place of before, which it holds exactly once.
	file, before, after string
	// pkg and run name the tests.
	pkg, run string
}

func main() {
	only := flag.String("only", "", "plant the bugs of this invariant only, for example I17, or those whose description contains the text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, only string) (err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutations-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	planted, unnoticed := 0, 0
	for _, m := range slices.Concat(mutations(), eventStoreMutations()) {
		if only != "" && m.invariant != only && !strings.Contains(m.bug, only) {
			continue
		}
		planted++
		noticed, err := m.plant(ctx, strings.TrimSpace(string(root)), dir)
		switch {
		case err != nil:
			return fmt.Errorf("%s, %s: %w", m.invariant, m.bug, err)
		case noticed:
			fmt.Fprintf(out, "%-4s noticed by %s %s: %s\n", m.invariant, m.pkg, m.run, m.bug)
		default:
			unnoticed++
			fmt.Fprintf(out, "%-4s NOT NOTICED by %s %s: %s\n", m.invariant, m.pkg, m.run, m.bug)
		}
	}
	fmt.Fprintf(out, "%d bugs planted, %d not noticed\n", planted, unnoticed)
	if planted == 0 || unnoticed > 0 {
		return errors.New("the tests do not hold what they promise")
	}
	return nil
}

// code is that of the file, which holds what the bug replaces exactly once.
func (m mutation) code(root string) (string, error) {
	code, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(code), m.before); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, want once", m.file, m.before, n)
	}
	if m.before == m.after {
		return "", fmt.Errorf("%s: %q is replaced by itself", m.file, m.before)
	}
	return string(code), nil
}

// plant runs the tests over the bug and reports whether they failed.
func (m mutation) plant(ctx context.Context, root, dir string) (noticed bool, err error) {
	name := filepath.Join(root, filepath.FromSlash(m.file))
	code, err := m.code(root)
	if err != nil {
		return false, err
	}
	mutant := filepath.Join(dir, "mutant"+filepath.Ext(name))
	if err := os.WriteFile(mutant, []byte(strings.Replace(code, m.before, m.after, 1)), 0o600); err != nil {
		return false, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {name: mutant}})
	if err != nil {
		return false, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return false, err
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=5m", "-run", m.run, m.pkg)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &output, &output
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlayFile) // also for what tests build
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err == nil && strings.Contains(output.String(), "no tests to run"):
		return false, fmt.Errorf("no test in %s is called %s", m.pkg, m.run)
	case err == nil:
		return false, nil
	case errors.As(err, &exit) && (strings.Contains(output.String(), "--- FAIL") || strings.Contains(output.String(), "panic: ")):
		return true, nil // a bug may end the whole process
	}
	return false, fmt.Errorf("%w\n%s", err, output.String())
}
