//go:build unix

package app_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/localpg"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// reachTimeout bounds waiting for the database; a start takes seconds on a busy machine.
const reachTimeout = 90 * time.Second

// dataDir is a directory that the user whom PostgreSQL runs as can reach.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ledger-app-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("delete the data directory: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDatabase_OutlivesTheCommandThatStartedPostgreSQL shares the private server of a short command,
// as a ledger does that starts while somebody looks at an order; when that command ends, the ledger
// runs the server itself.
func TestDatabase_OutlivesTheCommandThatStartedPostgreSQL(t *testing.T) {
	t.Parallel()
	settings := config.Settings{DataDir: dataDir(t), EventStore: config.Embedded}
	ctx, cancel := context.WithTimeout(t.Context(), reachTimeout)
	defer cancel()
	owner, err := localpg.Start(ctx, localpg.Options{Dir: settings.PostgresDir()})
	if err != nil {
		t.Fatal(err)
	}
	stopOwner := func() {
		if err := owner.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("stop the owner's server: %v", err)
		}
	}
	defer stopOwner()

	database, stop := running(ctx, t, settings)
	defer stop()
	select {
	case <-database.Ready():
	case <-ctx.Done():
		t.Fatal("the shared database did not become ready")
	}
	mustAnswer(ctx, t, database)
	stopOwner()
	mustAnswer(ctx, t, database)
}

// running is a database that runs until stop.
func running(ctx context.Context, t *testing.T, settings config.Settings) (database *app.Database, stop func()) {
	t.Helper()
	database = app.NewDatabase(settings, slog.New(slog.DiscardHandler), nil)
	runCtx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- database.Run(runCtx) }()
	return database, func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// mustAnswer asks the database until it answers.
func mustAnswer(ctx context.Context, t *testing.T, d *app.Database) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		pool, last := d.Pool()
		if pool != nil {
			var tables int
			if last = pool.QueryRow(ctx, `select count(*) from ledger.checkpoint`).Scan(&tables); last == nil {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the database did not answer: %v", last)
		}
	}
}

// TestDatabase_UnattendedTriesAgain starts where the private PostgreSQL cannot: a file is in the way of
// its directory. Where somebody watches it is an error; where nobody does, it starts when the way is
// free, and until then notifications can be taken in.
func TestDatabase_UnattendedTriesAgain(t *testing.T) {
	t.Parallel()
	settings := config.Settings{DataDir: dataDir(t), EventStore: config.Embedded}
	if err := os.WriteFile(settings.PostgresDir(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), reachTimeout)
	defer cancel()
	logger := slog.New(slog.DiscardHandler)
	if err := app.NewDatabase(settings, logger, nil).Run(ctx); err == nil {
		t.Fatal("attended: started on a file")
	}

	settings.Unattended = true
	database := app.NewDatabase(settings, logger, nil)
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- database.Run(runCtx) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	mustFail(ctx, t, database)
	if err := os.Remove(settings.PostgresDir()); err != nil {
		t.Fatal(err)
	}
	mustAnswer(ctx, t, database)
}

// mustFail waits until a start has failed.
func mustFail(ctx context.Context, t *testing.T, d *app.Database) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		pool, err := d.Pool()
		if pool != nil {
			t.Fatal("started on a file")
		}
		if err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("no failure was noted")
		}
	}
}

// TestDatabase_AnswersBeforeItIsReady: whoever waits for a database knows from Answers that it is there while its schema is
// brought to this version, however long that takes.
func TestDatabase_AnswersBeforeItIsReady(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), reachTimeout)
	defer cancel()
	settings := config.Settings{DataDir: dataDir(t), EventStore: config.Embedded, DatabaseURL: pgtest.URL(t)}
	other, err := pgx.Connect(ctx, settings.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
	migrating, err := other.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrating.Exec(ctx, "CREATE SCHEMA ledger_internal"); err != nil {
		t.Fatal(err)
	}
	database, stop := running(ctx, t, settings)
	defer stop()
	select {
	case <-database.Answers():
	case <-ctx.Done():
		t.Fatal("the database does not answer")
	}
	select {
	case <-database.Ready():
		t.Error("ready while somebody else migrates")
	default:
	}
	if err := migrating.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-database.Ready():
	case <-ctx.Done():
		t.Fatal("the database did not become ready")
	}
}
