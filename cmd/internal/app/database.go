package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg"
)

const (
	// databaseRetryMax bounds the jittered pause between two tries to reach
	// the database.
	databaseRetryMax = 5 * time.Second
	// databaseStopTimeout bounds stopping a private PostgreSQL.
	databaseStopTimeout = 20 * time.Second
	// readersMax bounds the connections that answer queries.
	readersMax = 8
)

// Database is the PostgreSQL of the views: the one that the settings name, or
// a private one. It becomes ready in the background, so that the write side
// never waits for it.
type Database struct {
	settings config.Settings
	logger   *slog.Logger
	progress func(string)

	ready chan struct{} // closed once url and pool are set

	mu      sync.Mutex
	url     string
	pool    *pgxpool.Pool
	lastErr error
}

// NewDatabase makes a database; Run makes it ready. progress gets short lines
// for a person who waits; it may be nil.
func NewDatabase(s config.Settings, logger *slog.Logger, progress func(string)) *Database {
	if progress == nil {
		progress = func(string) {}
	}
	return &Database{settings: s, logger: logger, progress: progress, ready: make(chan struct{})}
}

// Run starts or reaches the database and migrates it, tries again until it
// succeeds, and keeps a private server running until ctx ends. It fails only
// when trying again is of no use.
func (d *Database) Run(ctx context.Context) error {
	url := d.settings.DatabaseURL
	if url == "" {
		server, err := d.startPrivate(ctx)
		if err != nil {
			return err
		}
		if server == nil { // ctx ended
			return nil
		}
		defer func() {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseStopTimeout)
			defer cancel()
			if err := server.Stop(stopCtx); err != nil {
				d.logger.ErrorContext(stopCtx, "stop private PostgreSQL", slog.Any("error", err))
			}
		}()
		url = server.URL()
	}
	pool, err := d.open(ctx, url)
	if err != nil || pool == nil {
		return err
	}
	defer pool.Close()
	d.mu.Lock()
	d.url, d.pool, d.lastErr = url, pool, nil
	d.mu.Unlock()
	close(d.ready)
	<-ctx.Done()
	return nil
}

// startPrivate starts the private server; nil without an error when ctx ended.
func (d *Database) startPrivate(ctx context.Context) (*localpg.Server, error) {
	server, err := localpg.Start(ctx, localpg.Options{Dir: d.settings.PostgresDir(), Logger: d.logger, Progress: d.progress})
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil //nolint:nilerr // stopped while it started: not a failure
		}
		d.note(err)
		return nil, err
	}
	return server, nil
}

// open connects and migrates, until it succeeds or trying again is of no use.
func (d *Database) open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	poolConfig, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("LEDGER_DATABASE_URL is no PostgreSQL URL") // err may show the password
	}
	poolConfig.MaxConns = readersMax
	for attempt := 0; ; attempt++ {
		err := d.migrate(ctx, url)
		if err == nil {
			return pgxpool.NewWithConfig(ctx, poolConfig)
		}
		var newer *migrations.NewerError
		var edited *migrations.EditedError
		var failed *migrations.FailedError
		switch {
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // stopped while it tried: not a failure
		case errors.As(err, &newer), errors.As(err, &edited), errors.As(err, &failed):
			return nil, err
		}
		d.note(err)
		d.logger.WarnContext(ctx, "database is not reachable, trying again", slog.Any("error", err))
		delay := min(100*time.Millisecond<<min(attempt, 8), databaseRetryMax)
		timer := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		}
	}
}

func (d *Database) migrate(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = migrations.Apply(ctx, conn, migrations.Options{Applied: func(m migrations.Migration) {
		d.logger.InfoContext(ctx, "migrated the database", slog.Int("version", m.Version))
	}})
	return err
}

func (d *Database) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastErr = err
}

// Ready is closed when the database can be used.
func (d *Database) Ready() <-chan struct{} { return d.ready }

// Pool returns the readers' connections; nil while the database is not ready,
// with the reason if there is one.
func (d *Database) Pool() (*pgxpool.Pool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pool, d.lastErr
}

// URL is the database's URL, empty while it is not ready. It may hold a
// password.
func (d *Database) URL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.url
}

// Connect opens a connection of the projector's own, once the database is
// ready.
func (d *Database) Connect(ctx context.Context) (*pgx.Conn, error) {
	select {
	case <-d.ready:
		return pgx.Connect(ctx, d.URL())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
