package harness

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

const (
	// patience bounds every wait of a test, generously: two busy cores and the race detector.
	patience = 2 * time.Minute
	// pollInterval is how often a condition is looked at that nobody signals.
	pollInterval = 20 * time.Millisecond
	// pipeDelay is how long the output of a process that ended is still read.
	pipeDelay = 5 * time.Second
)

// Command is one run of the binary.
type Command struct {
	// Program is another program to run instead; empty is the ledger's binary.
	Program string
	Args    []string
	// Env is added to an environment without any LEDGER_ variables.
	Env   []string
	Stdin io.Reader
	// Terminal makes standard error a terminal.
	Terminal bool
}

// Process is a binary that was started.
type Process struct {
	cmd    *exec.Cmd
	stdout *Output
	stderr *Output
	done   chan struct{} // closed when it has ended and its output is complete
}

// Result is what became of a run.
type Result struct {
	Code   int // the exit code, -1 after a signal
	Stdout string
	Stderr string
}

// LastLine is the last line on standard output.
func (r Result) LastLine() string {
	lines := strings.Split(strings.TrimRight(r.Stdout, "\n"), "\n")
	return lines[len(lines)-1]
}

// Run runs the binary to its end.
func Run(tb testing.TB, c Command) Result {
	tb.Helper()
	return Launch(tb, c).Wait(tb)
}

// Launch starts the binary. It is killed when the test ends before it does.
func Launch(tb testing.TB, c Command) *Process {
	tb.Helper()
	program := c.Program
	if program == "" {
		program = Binary(tb)
	}
	cmd := exec.Command(program, c.Args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LEDGER_") }), c.Env...)
	cmd.WaitDelay = pipeDelay
	p := &Process{cmd: cmd, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, p.stdout, p.stderr
	shown := func() {}
	if c.Terminal {
		shown = terminal(tb, cmd, p.stderr)
	}
	watch := guard(tb)
	if err := watch.start(cmd); err != nil {
		tb.Fatalf("start the ledger's binary: %v", err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		shown()
		_ = watch.ended(cmd)
		p.stdout.close()
		p.stderr.close()
		close(p.done)
	}()
	tb.Cleanup(func() {
		p.Kill(tb)
		if tb.Failed() {
			tb.Logf("%s %s\n%s%s", filepath.Base(program), strings.Join(c.Args, " "), p.stdout, p.stderr)
		}
	})
	return p
}

// terminal gives the command a terminal for standard error and copies what is written there. Whoever knows that the
// command has ended calls shown, which returns when everything is copied.
func terminal(tb testing.TB, cmd *exec.Cmd, to io.Writer) (shown func()) {
	tb.Helper()
	master, slave, err := pty.Open()
	if err == nil {
		err = pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 160})
	}
	if err != nil {
		tb.Fatalf("open a terminal: %v", err)
	}
	cmd.Stderr = slave
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(to, master) // ends with an error when nobody has the other side open
	}()
	return func() {
		_ = slave.Close()
		<-copied
		_ = master.Close()
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout is what the process prints.
func (p *Process) Stdout() *Output { return p.stdout }

// Stderr is what the process says to people: its log.
func (p *Process) Stderr() *Output { return p.stderr }

// Wait waits for the process to end by itself.
func (p *Process) Wait(tb testing.TB) Result {
	tb.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.abort(tb)
		tb.Fatalf("ledger %v did not end within %s\n%s", p.cmd.Args[1:], patience, p.stderr)
	}
	return Result{Code: p.cmd.ProcessState.ExitCode(), Stdout: p.stdout.String(), Stderr: p.stderr.String()}
}

// Terminate asks the process to end, as an operator does, and waits.
func (p *Process) Terminate(tb testing.TB) Result {
	tb.Helper()
	p.signal(tb, syscall.SIGTERM)
	return p.Wait(tb)
}

// Hangup has the process read its configuration again.
func (p *Process) Hangup(tb testing.TB) {
	tb.Helper()
	p.signal(tb, syscall.SIGHUP)
}

// Interrupt is Ctrl-C, and waits.
func (p *Process) Interrupt(tb testing.TB) Result {
	tb.Helper()
	p.signal(tb, syscall.SIGINT)
	return p.Wait(tb)
}

// Kill ends the process without asking (kill -9), and waits.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	p.signal(tb, syscall.SIGKILL)
	<-p.done
}

// abort makes the process show what its goroutines wait for, in its log, and end.
func (p *Process) abort(tb testing.TB) {
	tb.Helper()
	p.signal(tb, syscall.SIGQUIT)
	<-p.done
}

func (p *Process) signal(tb testing.TB, s syscall.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("send %s to the ledger: %v", s, err)
	}
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Output collects what a process writes; its methods may be called while it does.
type Output struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{} // closed, and replaced, by each write
	closed  bool
}

func newOutput() *Output { return &Output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buffer.Write(p)
}

func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	close(o.changed)
}

// String is all output until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// errOutputEnded says that what was waited for was never written.
var errOutputEnded = errors.New("the output ended before")

// waitFor returns what find finds in the output, once it does.
func (o *Output) waitFor(ctx context.Context, find func(text string) (string, bool)) (string, error) {
	for {
		o.mu.Lock()
		text, changed, closed := o.buffer.String(), o.changed, o.closed
		o.mu.Unlock()
		if found, ok := find(text); ok {
			return found, nil
		}
		if closed {
			return "", errOutputEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// WaitForLine waits for a whole line that contains text, and returns it.
func (o *Output) WaitForLine(tb testing.TB, text string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	line, err := o.waitFor(ctx, func(all string) (string, bool) {
		for line := range strings.Lines(all) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
				return line, true
			}
		}
		return "", false
	})
	if err != nil {
		tb.Fatalf("wait for a line with %q: %v\n%s", text, err, o)
	}
	return line
}

// WaitForText waits until text was written, for what writes no lines.
func (o *Output) WaitForText(tb testing.TB, text string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	if _, err := o.waitFor(ctx, func(all string) (string, bool) { return "", strings.Contains(all, text) }); err != nil {
		tb.Fatalf("wait for %q: %v\n%s", text, err, o)
	}
}

// Eventually waits until a condition that nobody signals holds; what is said when it does not.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience) // also in a cleanup
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			tb.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// PeakMemory is the most memory that an ended process had in use, in bytes; 0
// where the system does not tell.
func (p *Process) PeakMemory() int64 {
	if usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss * 1024
	}
	return 0
}
