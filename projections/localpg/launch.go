package localpg

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

//go:embed supervisor.sh
var supervisorScript string

// logBytesMax is the size from which server.log is set aside (as server.log.1) at a start.
const logBytesMax = 10 << 20

// orderInterval is the pause between two shutdown orders.
const orderInterval = 250 * time.Millisecond

// process is a server under its supervising shell.
type process struct {
	orders io.WriteCloser
	exited chan struct{} // closed when the shell has ended; err is set before
	err    error
}

// launch starts the server; it does not wait until it is ready.
func (p place) launch(
	b pgbin.Binaries, port int, settings map[string]string, ephemeral bool,
) (*process, error) {
	log, err := p.openLog()
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	last, remove := "INT", ""
	if ephemeral {
		last, remove = "QUIT", p.dir
	}
	arguments := []string{
		"-c", supervisorScript, "supervisor", last, remove,
		b.Path("postgres"), "-D", p.cluster(), "-p", strconv.Itoa(port),
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	command := exec.Command("/bin/sh", arguments...) //nolint:noctx // it outlives the context of its start
	p.account.prepare(command)
	if file, err := readPostmasterFile(p.cluster()); err == nil && file.identify() == somethingElse {
		// The process id in postmaster.pid was given to another process. PostgreSQL would take that
		// for a running server; told that it is the one of its grandparent, it does not, and still
		// makes sure that no process of the dead server uses the shared memory.
		command.Env = append(command.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(file.pid))
	}
	command.Stdout, command.Stderr = log, log
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	started := &process{orders: orders, exited: make(chan struct{})}
	go func() { // ends with the shell, which stop waits for
		started.err = command.Wait()
		close(started.exited)
	}()
	return started, nil
}

// openLog opens the file that the server writes its messages to.
func (p place) openLog() (*os.File, error) {
	if info, err := os.Stat(p.log()); err == nil && info.Size() > logBytesMax {
		if err := os.Rename(p.log(), p.log()+".1"); err != nil {
			return nil, fmt.Errorf("set the log of PostgreSQL aside: %w", err)
		}
	}
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of PostgreSQL: %w", err)
	}
	return log, nil
}

// stop asks for a fast shutdown, after a while or when the context ends for an immediate one, and
// waits for the end.
func (started *process) stop(ctx context.Context) error {
	steps := []struct {
		order string
		limit time.Duration
	}{{"INT\n", fastTimeout}, {"QUIT\n", immediateTimeout}}
	for _, step := range steps {
		limit, cancel := context.WithTimeout(ctx, step.limit)
		ended := started.order(limit, step.order)
		cancel()
		if ended {
			return nil
		}
		ctx = context.WithoutCancel(ctx)
	}
	return errors.New("stop PostgreSQL: it does not end")
}

// order gives an order until the server has ended, or the context: a signal that arrives before the
// server listens to it is lost. Servers do not mind to be told twice.
func (started *process) order(ctx context.Context, order string) (ended bool) {
	ticker := time.NewTicker(orderInterval)
	defer ticker.Stop()
	for {
		// An error means that the shell has ended, which the next lines will see.
		_, _ = io.WriteString(started.orders, order)
		select {
		case <-started.exited:
			return true
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// settings are the parameters of the server: durable, small, and quick in bulk.
func settings(opts Options) map[string]string {
	all := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"max_connections":         "50",
		"shared_buffers":          "128MB",
		"fsync":                   "on",
		"synchronous_commit":      "on",
		"wal_compression":         "on",
		"max_wal_size":            "2GB", // bulk writes should not force a checkpoint every second
		"checkpoint_timeout":      "15min",
		"wal_level":               "minimal", // new indexes need not be in it; see launch for clusters that are copied from it
		"max_wal_senders":         "0",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"lc_messages":             "C",
		"client_encoding":         "UTF8",
		"jit":                     "off", // queries are short; compiling them takes longer
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_min_messages":        "warning",
		"log_checkpoints":         "off",
		"log_line_prefix":         "%m [%p] %u@%d ",
	}
	if opts.Ephemeral {
		all["fsync"], all["synchronous_commit"], all["full_page_writes"] = "off", "off", "off"
		all["shared_buffers"], all["max_connections"] = "64MB", "200"
	}
	maps.Copy(all, opts.Settings)
	return all
}

// choosePort returns the port of the last time when it is free, else any free one.
func (p place) choosePort(ctx context.Context, lastTime bool) (int, error) {
	if content, err := os.ReadFile(p.port()); err == nil && lastTime {
		port, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err == nil && portIsFree(ctx, port) {
			return port, nil
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for PostgreSQL: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func portIsFree(ctx context.Context, port int) bool {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// whyNot returns what the server wrote to its log from an offset on: the reason why it ended.
func (p place) whyNot(offset int64) string {
	log, err := os.Open(p.log())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = log.Close() }()
	out, err := io.ReadAll(io.NewSectionReader(log, offset, 64<<10))
	if err != nil {
		return err.Error()
	}
	if reasons := fatalReasons(string(out)); len(reasons) > 0 {
		text := strings.Join(reasons, " | ")
		if strings.Contains(text, "No space left on device") {
			return "its disk is full: make room where " + p.dir + " is (" + text + ")"
		}
		return text
	}
	if len(out) == 0 {
		return "it wrote nothing to " + p.log()
	}
	return lastLines(out)
}

// fatalReasons are the messages in a server's log that tell why it ended, each once: not those to clients that came while it was
// starting.
func fatalReasons(log string) []string {
	var reasons []string
	for line := range strings.Lines(log) {
		_, message, ok := strings.Cut(line, "FATAL:")
		if !ok {
			_, message, ok = strings.Cut(line, "PANIC:")
		}
		message = strings.TrimSpace(message)
		toClient := strings.HasPrefix(message, "the database system is ")
		if ok && !toClient && !slices.Contains(reasons, message) {
			reasons = append(reasons, message)
		}
	}
	return reasons
}

// logSize returns where the server will go on to write.
func (p place) logSize() int64 {
	info, err := os.Stat(p.log())
	if err != nil || info.Size() > logBytesMax {
		return 0
	}
	return info.Size()
}

// discard is the logger of those who passed none.
func discard(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}

// openLock takes the lock that the starter of a server holds for as long as it lives. The kernel lets
// go of it whatever ends us; children do not inherit it. ok is false when somebody else holds it.
func (p place) openLock() (lock *os.File, ok bool, err error) {
	lock, err = os.OpenFile(p.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("lock the directory of PostgreSQL: %w", err)
	}
	if ok, err = tryLock(lock); err != nil || !ok {
		return nil, false, errors.Join(err, lock.Close())
	}
	if err := lock.Truncate(0); err == nil {
		_, err = fmt.Fprintf(lock, "%d\n", os.Getpid())
		if err != nil {
			return nil, false, errors.Join(fmt.Errorf("lock %s: %w", filepath.Base(p.lock()), err), lock.Close())
		}
	}
	return lock, true, nil
}
