package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// launchAttemptsMax is how often a start is tried anew when the port was taken meanwhile or
	// processes of a killed server are still ending.
	launchAttemptsMax = 20
	// restartDelayMin and restartDelayMax bound the pause before a dead server is started again.
	restartDelayMin = 200 * time.Millisecond
	restartDelayMax = 15 * time.Second
)

// launchUntilReady starts the server on a port, and again while the reason for a failure passes.
func (s *Server) launchUntilReady(ctx context.Context) (version string, err error) {
	for attempt := range launchAttemptsMax {
		// The first attempt takes the port of the last time, so that URLs stay valid.
		if s.port, err = s.place.choosePort(ctx, attempt == 0); err != nil {
			return "", err
		}
		if version, err = s.launch(ctx); err == nil || !passing(err) {
			return version, err
		}
		s.logger.DebugContext(ctx, "postgres did not start; trying again", slog.Any("error", err))
		if waitErr := pause(ctx, restartDelayMin, nil); waitErr != nil {
			break
		}
	}
	return "", err
}

// passing tells whether a failed start is worth another try: the port was taken, or processes of a
// killed server have not ended.
func passing(err error) bool {
	text := err.Error()
	for _, part := range []string{
		"could not create any TCP/IP sockets", "Address already in use",
		"pre-existing shared memory block",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// launch starts the server on s.port, waits until the ledger's database can be used, and returns the
// server's version.
func (s *Server) launch(ctx context.Context) (version string, err error) {
	all := settings(s.opts)
	version, err = s.launchWith(ctx, all)
	if err == nil || !strings.Contains(err.Error(), "wal_level") {
		return version, err
	}
	// Somebody has the cluster copied from its write-ahead log: there is a replication slot, or an archive.
	s.logger.InfoContext(ctx, "postgres does not start with the least of a write-ahead log", slog.Any("error", err))
	delete(all, "wal_level")
	delete(all, "max_wal_senders")
	return s.launchWith(ctx, all)
}

func (s *Server) launchWith(ctx context.Context, settings map[string]string) (version string, err error) {
	offset := s.place.logSize()
	started, err := s.place.launch(s.binaries, s.port, settings, s.opts.Ephemeral)
	if err != nil {
		return "", err
	}
	ctxReady, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with the server or with this function
		select {
		case <-started.exited:
			cancel(fmt.Errorf("start PostgreSQL %s: %s", s.binaries.Version, s.place.whyNot(offset)))
		case <-ctxReady.Done():
		}
	}()
	if err = waitUntil(ctxReady, func() bool {
		file, err := readPostmasterFile(s.place.cluster())
		return err == nil && file.ready && file.port == s.port && file.identify() != somethingElse
	}); err == nil {
		version, err = s.ensureDatabase(ctxReady)
	}
	if err != nil {
		if cause := context.Cause(ctxReady); cause != nil {
			err = cause
		}
		return "", errors.Join(err, started.stop(ctx))
	}
	s.current = started
	return version, nil
}

// ensureDatabase creates the ledger's database when it is missing, and returns the server's version.
func (s *Server) ensureDatabase(ctx context.Context) (version string, err error) {
	connection, err := pgx.Connect(ctx, s.DatabaseURL("postgres"))
	if err != nil {
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = connection.Close(ctx) }()
	const duplicateDatabase = "42P04"
	_, err = connection.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{databaseName}.Sanitize())
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.Code == duplicateDatabase {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("create the ledger's database: %w", err)
	}
	return connection.PgConn().ParameterStatus("server_version"), nil
}

// supervise starts the server again when it dies, until Stop is called.
func (s *Server) supervise() {
	defer close(s.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with Stop, or with this function
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	delay := restartDelayMin
	for {
		select {
		case <-s.stopping:
			return
		case <-s.current.exited:
		}
		if s.Trouble() == nil {
			s.setTrouble(errors.New("the private PostgreSQL ended by itself and is being started again"))
		}
		s.logger.WarnContext(ctx, "postgres ended by itself; starting it again",
			slog.Any("error", s.current.err), slog.Duration("delay", delay))
		if pause(ctx, delay, s.stopping) != nil {
			return
		}
		delay = min(2*delay, restartDelayMax)
		if err := s.restart(ctx); err != nil {
			if ctx.Err() == nil {
				s.setTrouble(fmt.Errorf("the private PostgreSQL does not run, and is tried again by itself: %w", err))
				s.logger.ErrorContext(ctx, "restart postgres", slog.Any("error", err))
			}
			continue
		}
		s.setTrouble(nil)
		delay = restartDelayMin
	}
}

// restart starts a dead server again on its port.
func (s *Server) restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.StartTimeout, errors.New("restart PostgreSQL: time is up"))
	defer cancel()
	if file, err := readPostmasterFile(s.place.cluster()); err == nil {
		if err := file.end(ctx); err != nil { // only its shell was killed
			return err
		}
	}
	_, err := s.launch(ctx)
	return err
}

// pause waits for a while; it returns an error when the context or stop ends first.
func pause(ctx context.Context, d time.Duration, stop <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stop:
		return context.Canceled
	}
}
