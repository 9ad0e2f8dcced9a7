package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg"
	"github.com/order-ledger/order-ledger/projections/reports"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// insufficientPrivilege is the SQLSTATE of what a user may not do.
const insufficientPrivilege = "42501"

const (
	// databaseRetryMax bounds the jittered pause between two tries to reach
	// the database.
	databaseRetryMax = 5 * time.Second
	// databaseStopTimeout bounds stopping a private PostgreSQL.
	databaseStopTimeout = 20 * time.Second
	// readersMax bounds the connections that answer queries.
	readersMax = 8
	// sharedWatchInterval and sharedPingTimeout bound how often and how long a
	// private server is looked after that another command started;
	// sharedMissesMax is how many looks in vain mean that it has gone.
	sharedWatchInterval = time.Second
	sharedPingTimeout   = 2 * time.Second
	sharedMissesMax     = 3
)

// Database is the PostgreSQL of the views: the one that the settings name, or
// a private one. It becomes ready in the background, so that the write side
// never waits for it.
type Database struct {
	settings config.Settings
	logger   *slog.Logger
	progress func(string)

	firstAnswer, silenceMost time.Duration

	reached func()        // closes answers
	answers chan struct{} // closed once a connection was made
	ready   chan struct{} // closed once url and pool are set for the first time
	once    sync.Once     // closes ready

	mu      sync.Mutex
	url     string
	pool    *pgxpool.Pool
	private *localpg.Server // nil without one
	lastErr error
}

// NewDatabase makes a database; Run makes it ready. progress gets short lines
// for a person who waits; it may be nil.
func NewDatabase(s config.Settings, logger *slog.Logger, progress func(string)) *Database {
	if progress == nil {
		progress = func(string) {}
	}
	answers := make(chan struct{})
	return &Database{
		settings: s, logger: logger, progress: progress, firstAnswer: firstAnswer, silenceMost: silenceMost, ready: make(chan struct{}),
		answers: answers, reached: sync.OnceFunc(func() { close(answers) }),
	}
}

// Run starts or reaches the database and migrates it, tries again until it
// succeeds, and keeps a private server running until ctx ends. It fails only
// when trying again is of no use.
func (d *Database) Run(ctx context.Context) error {
	if url := d.settings.DatabaseURL; url != "" {
		return d.use(ctx, url, nil)
	}
	for ctx.Err() == nil {
		server, err := d.startPrivate(ctx)
		if err != nil || server == nil {
			return err
		}
		err = d.use(ctx, server.URL(), server)
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseStopTimeout)
		if stopErr := server.Stop(stopCtx); stopErr != nil {
			d.logger.ErrorContext(stopCtx, "stop private PostgreSQL", slog.Any("error", stopErr))
		}
		cancel()
		if err != nil && !errors.Is(err, errSharedGone) {
			return err
		}
	}
	return nil
}

// errSharedGone says that the command that had started the private server, and
// let us share it, has ended it.
var errSharedGone = errors.New("the private PostgreSQL was stopped by the command that had started it")

// use makes a database available until ctx ends, or until a private server
// that is shared has gone.
func (d *Database) use(ctx context.Context, url string, private *localpg.Server) error {
	shared := private != nil && private.Shared()
	pool, err := d.open(ctx, url, shared)
	if err != nil || pool == nil {
		return err
	}
	defer pool.Close()
	d.mu.Lock()
	d.url, d.pool, d.private, d.lastErr = url, pool, private, nil
	d.mu.Unlock()
	d.once.Do(func() { close(d.ready) })
	if !shared {
		<-ctx.Done()
		return nil
	}
	if !d.watch(ctx, pool) {
		return nil
	}
	d.mu.Lock()
	d.pool, d.lastErr = nil, errSharedGone
	d.mu.Unlock()
	d.logger.InfoContext(ctx, "starting the private PostgreSQL, whose owner has ended")
	return errSharedGone
}

// watch returns true when a shared server no longer answers, false when ctx
// ends.
func (d *Database) watch(ctx context.Context, pool *pgxpool.Pool) bool {
	ticker := time.NewTicker(sharedWatchInterval)
	defer ticker.Stop()
	for misses := 0; misses < sharedMissesMax; {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
		pingCtx, cancel := context.WithTimeout(ctx, sharedPingTimeout)
		if err := pool.Ping(pingCtx); err != nil {
			misses++
		} else {
			misses = 0
		}
		cancel()
	}
	return ctx.Err() == nil
}

// startPrivate starts the private server; nil without an error when ctx ended.
// When nobody watches it is tried again, as notifications are taken in meanwhile;
// only missing programs need somebody to install them.
func (d *Database) startPrivate(ctx context.Context) (*localpg.Server, error) {
	for attempt := 0; ; attempt++ {
		server, err := localpg.Start(ctx, localpg.Options{Dir: d.settings.PostgresDir(), Logger: d.logger, Progress: d.progress})
		if err == nil {
			return server, nil
		}
		if ctx.Err() != nil {
			return nil, nil //nolint:nilerr // stopped while it started: not a failure
		}
		d.note(err)
		var missing *localpg.MissingError
		if errors.As(err, &missing) || (!d.settings.Unattended && !d.isReady()) {
			return nil, err
		}
		d.logger.ErrorContext(ctx, "the private PostgreSQL does not start, trying again", slog.Any("error", err))
		if !pause(ctx, attempt) {
			return nil, nil
		}
	}
}

func (d *Database) isReady() bool {
	select {
	case <-d.ready:
		return true
	default:
		return false
	}
}

// pause waits a jittered moment that grows with the attempts; false when ctx
// ended.
func pause(ctx context.Context, attempt int) bool {
	delay := min(100*time.Millisecond<<min(attempt, 8), databaseRetryMax)
	timer := time.NewTimer(delay/2 + rand.N(delay/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// open connects and migrates, until it succeeds or trying again is of no use.
// A shared server may go away meanwhile, which is errSharedGone.
func (d *Database) open(ctx context.Context, url string, shared bool) (*pgxpool.Pool, error) {
	poolConfig, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errNoDatabaseURL
	}
	chart, err := config.LoadChart(d.settings)
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = readersMax
	schema.Use(poolConfig.ConnConfig, schema.Live)
	for attempt := 0; ; attempt++ {
		err := d.migrate(ctx, url, chart)
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
		case shared && attempt == sharedMissesMax:
			return nil, errSharedGone
		}
		d.note(err)
		d.logger.WarnContext(ctx, "database cannot be used, trying again", slog.Any("error", err))
		if !pause(ctx, attempt) {
			return nil, nil
		}
	}
}

func (d *Database) migrate(ctx context.Context, url string, chart []accounting.ChartEntry) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return schema.ExplainConnect(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	d.reached()
	_, err = migrations.Apply(ctx, conn, migrations.Options{Applied: func(m migrations.Migration) {
		d.logger.InfoContext(ctx, "migrated the database", slog.Int("version", m.Version))
	}})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == insufficientPrivilege {
		return fmt.Errorf("user %q may not make the ledger's schemas in database %q: grant create on database to that user (%w)",
			conn.Config().User, conn.Config().Database, err)
	}
	if err != nil {
		return err
	}
	if chart != nil {
		if err := reports.SetChart(ctx, conn, chart); err != nil {
			return err
		}
	}
	return reports.Publish(ctx, conn)
}

func (d *Database) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastErr = err
}

// Answers is closed when the database let us in for the first time; from there to Ready its schema is brought to this version,
// which takes as long as it takes.
func (d *Database) Answers() <-chan struct{} { return d.answers }

// Ready is closed when the database could be used for the first time.
func (d *Database) Ready() <-chan struct{} { return d.ready }

// Pool returns the readers' connections; nil while the database is not ready,
// with the reason if there is one.
func (d *Database) Pool() (*pgxpool.Pool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pool, d.lastErr
}

// Explain tells why the database is not reached, given what a connection says: of a private server that does not run it is
// known why.
func (d *Database) Explain(err error) error {
	d.mu.Lock()
	private := d.private
	d.mu.Unlock()
	if private != nil {
		if trouble := private.Trouble(); trouble != nil {
			return trouble
		}
		var network *net.OpError
		if errors.As(err, &network) { // its end was not noticed yet
			return fmt.Errorf("the private PostgreSQL does not answer; its log is %s (%w)", private.LogFile(), network)
		}
	}
	return schema.ExplainConnect(err)
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
	return d.ConnectTo(ctx, schema.Live)
}

// Background has what PostgreSQL does for a connection run only when nothing else wants the processor, if that server is private.
func (d *Database) Background(conn *pgx.Conn) {
	d.mu.Lock()
	private := d.private
	d.mu.Unlock()
	if private != nil && !conn.IsClosed() {
		private.Background(int(conn.PgConn().PID()))
	}
}

// ConnectTo is Connect for another set of tables.
func (d *Database) ConnectTo(ctx context.Context, tables string) (*pgx.Conn, error) {
	select {
	case <-d.ready:
		conn, err := schema.Connect(ctx, d.URL(), tables)
		if err != nil {
			return nil, d.Explain(err)
		}
		return conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
