//go:build unix

package localpg_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// waitLimit bounds every wait of these tests; it is far above what is ever needed.
const waitLimit = time.Minute

const (
	helperDir       = "LOCALPG_HELPER_DIR"
	helperEphemeral = "LOCALPG_HELPER_EPHEMERAL"
)

// TestMain lets the test binary stand in for a ledger that can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		if err := beLedger(dir, os.Getenv(helperEphemeral) != ""); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if dir := template.dir; dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// template is a directory as a stopped server leaves it, made once: to copy it takes a tenth of the
// time of initdb.
var template struct {
	sync.Once
	dir string
	err error
}

// used returns a new directory in which a server has been before.
func used(t *testing.T) string {
	t.Helper()
	template.Do(func() {
		if template.dir, template.err = os.MkdirTemp("", "localpg-template-"); template.err != nil {
			return
		}
		if template.err = os.Chmod(template.dir, 0o755); template.err != nil {
			return
		}
		var server *localpg.Server
		server, template.err = localpg.Start(t.Context(), options(filepath.Join(template.dir, "postgres"), false))
		if template.err == nil {
			template.err = server.Stop(t.Context())
		}
		// Each copy looks for a port of its own.
		template.err = errors.Join(template.err, os.Remove(filepath.Join(template.dir, "postgres", "port")))
	})
	if template.err != nil {
		t.Fatalf("make a directory to copy: %v", template.err)
	}
	dir := directory(t)
	if out, err := exec.Command("cp", "-a", filepath.Join(template.dir, "postgres"), dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the directory: %v: %s", err, out)
	}
	return dir
}

// beLedger starts the server, says so, and stops it on an interrupt or at the end of its input.
func beLedger(dir string, ephemeral bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server, err := localpg.Start(context.WithoutCancel(ctx), options(dir, ephemeral))
	if err != nil {
		return err
	}
	pid, err := server.PID()
	if err != nil {
		return err
	}
	fmt.Println("ready", pid, server.URL(), server.Dir())
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		connection, err := pgx.Connect(context.WithoutCancel(ctx), server.URL())
		if err != nil {
			return fmt.Errorf("the interrupt reached the server: %w", err)
		}
		fmt.Println("interrupted")
		if err := connection.Close(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return server.Stop(context.WithoutCancel(ctx))
}

// options are the usual ones without what only costs time in a test.
func options(dir string, ephemeral bool) localpg.Options {
	return localpg.Options{
		Dir: dir, NoDownload: true, Ephemeral: ephemeral,
		// Killed processes lose nothing that was written; only a power failure needs the sync.
		Settings: map[string]string{"shared_buffers": "16MB", "fsync": "off"},
	}
}

// ledger is a helper process.
type ledger struct {
	t       *testing.T
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Scanner
	pid     int // of the server
	url     string
	dir     string
}

// newLedger starts a helper process; it does not wait for anything.
func newLedger(t *testing.T, dir string, change func(*exec.Cmd)) *ledger {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), helperDir+"="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Stderr = os.Stderr
	if change != nil {
		change(command)
	}
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	l := &ledger{t: t, command: command, input: input, output: bufio.NewScanner(output)}
	t.Cleanup(func() { _ = command.Process.Kill() }) // no effect when it has ended
	return l
}

// startLedger starts a helper process and waits until its server is ready.
func startLedger(t *testing.T, dir string, change func(*exec.Cmd)) *ledger {
	t.Helper()
	l := newLedger(t, dir, change)
	line := l.line()
	words := strings.Fields(line)
	if len(words) != 4 || words[0] != "ready" {
		t.Fatalf("the ledger says %q", line)
	}
	pid, err := strconv.Atoi(words[1])
	if err != nil {
		t.Fatal(err)
	}
	l.pid, l.url, l.dir = pid, words[2], words[3]
	return l
}

func (l *ledger) line() string {
	l.t.Helper()
	if !l.output.Scan() {
		l.t.Fatalf("the ledger ended: %v", l.output.Err())
	}
	return l.output.Text()
}

// kill ends the helper process as kill -9 does.
func (l *ledger) kill() {
	l.t.Helper()
	if err := l.command.Process.Kill(); err != nil {
		l.t.Fatal(err)
	}
	_ = l.command.Wait() // the error is the kill
}

// start starts a server in this process and stops it when the test ends.
func start(t *testing.T, dir string) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), options(dir, false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *localpg.Server) {
	t.Helper()
	if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// directory returns a new directory that every user can reach, unlike t.TempDir.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A server of a killed ledger may still be shutting down in it.
		eventually(t, "the directory can be deleted", func() bool { return os.RemoveAll(dir) == nil })
	})
	return filepath.Join(dir, "postgres")
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer connection.Close(t.Context())
	var value T
	if err := connection.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer connection.Close(t.Context())
	if _, err := connection.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// eventually looks at a condition until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitLimit)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", waitLimit, what)
		case <-ticker.C:
		}
	}
}

// runs tells whether a process exists and is no zombie.
func runs(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && len(out) > 0 && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	parent, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return parent
}
