package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// defaultStartTimeout bounds a start, initdb and crash recovery included, but not a download.
const defaultStartTimeout = 90 * time.Second

// Options say where and how the private server runs. Only Dir is needed.
type Options struct {
	// Dir is the directory that holds everything. It is created when missing.
	Dir string
	// Logger receives what operators should know; nil = nothing.
	Logger *slog.Logger
	// Progress receives short lines for a person who waits ("creating …", "starting …"); may be nil.
	Progress func(line string)
	// Settings are server parameters that replace the defaults, for example "shared_buffers": "1GB".
	Settings map[string]string
	// StartTimeout bounds the start, a download not included; 0 = 90 s.
	StartTimeout time.Duration
	// Ephemeral is for tests: nothing is synced to disk, and Dir is deleted when the server ends,
	// however this process ends.
	Ephemeral bool
	// NoDownload forbids to download the server's programs when none are installed.
	NoDownload bool
}

// Server is a running private PostgreSQL. Its methods may be called from several goroutines.
type Server struct {
	place    place
	binaries pgbin.Binaries
	opts     Options
	logger   *slog.Logger
	port     int
	password string
	version  string
	shared   bool // somebody else started it

	lock     *os.File
	current  *process
	stopping chan struct{} // closed when Stop begins
	stopped  chan struct{} // closed when the supervision has ended
	stopOnce sync.Once
	stopErr  error

	mu      sync.Mutex
	trouble error // why the server does not run at the moment
}

// Start makes the server of a directory run and returns when it accepts connections and the ledger's
// database exists. The context bounds the start only. The caller owns the server and MUST call Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Dir == "" {
		return nil, errors.New("start PostgreSQL: no directory is given")
	}
	if !supported {
		return nil, errors.New("a private PostgreSQL cannot be run on this operating system: " +
			"set LEDGER_DATABASE_URL to a PostgreSQL database that you have")
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.StartTimeout == 0 {
		opts.StartTimeout = defaultStartTimeout
	}
	where, err := openPlace(ctx, opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		place: where, opts: opts, logger: discard(opts.Logger),
		stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
	if where.note != "" {
		s.logger.InfoContext(ctx, "postgres directory", slog.String("note", where.note))
		opts.Progress(where.note)
	}
	if err := s.lockOrShare(ctx); err != nil {
		return nil, err
	}
	if s.shared {
		close(s.stopped)
		return s, nil
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	//nolint:gosec,contextcheck // G118: it outlives the context of the start; Stop ends it and waits
	go s.supervise()
	return s, nil
}

// URL is the connection URL of the ledger's database; it works for pgx and for psql, for any user of
// this machine who is told it. It contains the password.
func (s *Server) URL() string { return s.DatabaseURL(databaseName) }

// DatabaseURL is the connection URL of another database of the server.
func (s *Server) DatabaseURL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// LogFile is where the server writes what went wrong.
func (s *Server) LogFile() string { return s.place.log() }

// Version is the server's own, for example "15.13".
func (s *Server) Version() string { return s.version }

// Dir is the real directory of the server's files, which differs from Options.Dir when that is a
// symbolic link.
func (s *Server) Dir() string { return s.place.dir }

// PID is the process id of the running server; an error means that it does not run at present.
func (s *Server) PID() (int, error) {
	file, err := readPostmasterFile(s.place.cluster())
	return file.pid, err
}

// Shared tells whether another process started the server, which then also ends it.
func (s *Server) Shared() bool { return s.shared }

// Trouble tells why a server that was started does not run at the moment; nil while it runs. It is started again and again
// until it does. Of a shared server nothing is known.
func (s *Server) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

func (s *Server) setTrouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}

// Stop ends the server in the fast way: clients are disconnected, everything committed is on disk.
// When the context ends first it becomes an immediate shutdown, which is as safe and costs a recovery
// at the next start. A shared server is left running. Stop may be called again; the result is the same.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		if s.shared {
			return
		}
		close(s.stopping)
		<-s.stopped
		err := s.current.stop(ctx)
		// When the shell was killed, the server itself may live on.
		if file, errFile := readPostmasterFile(s.place.cluster()); errFile == nil {
			err = errors.Join(err, file.end(ctx))
		}
		if s.opts.Ephemeral {
			err = errors.Join(err, os.RemoveAll(s.place.dir))
		}
		s.stopErr = errors.Join(err, s.lock.Close())
		s.logger.InfoContext(ctx, "postgres stopped")
	})
	return s.stopErr
}

// lockOrShare becomes the starter of the directory's server, or a user of the one that runs.
func (s *Server) lockOrShare(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.StartTimeout, fmt.Errorf(
		"another process is starting or stopping PostgreSQL in %s and does not finish within %v",
		s.place.dir, s.opts.StartTimeout))
	defer cancel()
	var failed, notShared error
	err := waitUntil(ctx, func() bool {
		var locked bool
		if s.lock, locked, failed = s.place.openLock(); failed != nil || locked {
			return true
		}
		notShared = s.tryShare(ctx)
		s.shared = notShared == nil
		return s.shared
	})
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w (%w)", err, notShared)
	}
	return failed
}

// tryShare connects to a server that another process started.
func (s *Server) tryShare(ctx context.Context) error {
	file, err := readPostmasterFile(s.place.cluster())
	if err != nil {
		return err
	}
	if !file.ready || file.port == 0 {
		return errors.New("the server is not ready")
	}
	s.port = file.port
	if s.password, err = s.place.readPassword(true); err != nil {
		return err
	}
	connection, err := pgx.Connect(ctx, s.URL()) // its database exists once the start has finished
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	s.version = connection.PgConn().ParameterStatus("server_version")
	return nil
}

// start brings the server up; we hold the lock.
func (s *Server) start(ctx context.Context) error {
	major, err := clusterMajor(s.place.cluster())
	if err != nil {
		return err
	}
	if s.binaries, err = s.chooseBinaries(ctx, major); err != nil {
		return err
	}
	if s.password, err = s.place.readPassword(major != 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.StartTimeout,
		fmt.Errorf("PostgreSQL did not start within %v", s.opts.StartTimeout))
	defer cancel()
	if file, err := readPostmasterFile(s.place.cluster()); err == nil && file.identify() != somethingElse {
		s.logger.InfoContext(ctx, "ending the postgres of an earlier run", slog.Int("pid", file.pid))
		if err := file.end(ctx); err != nil {
			return err
		}
	}
	if major == 0 {
		s.opts.Progress(fmt.Sprintf("creating a private PostgreSQL %d in %s", s.binaries.Major, s.opts.Dir))
		if err := s.place.create(ctx, s.binaries, s.password, settings(s.opts)["fsync"] != "off"); err != nil {
			return err
		}
	}
	if s.opts.Ephemeral {
		if err := s.place.account.own(s.place.dir); err != nil { // the supervisor deletes it
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
	}
	s.opts.Progress(fmt.Sprintf("starting PostgreSQL %s", s.binaries.Version))
	if s.version, err = s.launchUntilReady(ctx); err != nil {
		return err
	}
	if err := writeFile(s.place.port(), strconv.Itoa(s.port)+"\n"); err != nil {
		return errors.Join(fmt.Errorf("keep the port of PostgreSQL: %w", err), s.current.stop(ctx))
	}
	s.logger.InfoContext(ctx, "postgres started", slog.String("version", s.version),
		slog.Int("port", s.port), slog.String("dir", s.place.dir))
	return nil
}
