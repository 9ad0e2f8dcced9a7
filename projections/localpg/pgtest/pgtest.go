// Package pgtest gives each test its own empty PostgreSQL database on a real server.
//
// One private server per test process is started when the first test asks for a database. It ends
// with the process, whatever ends that: no TestMain is needed, and nothing stays behind after a panic
// or a kill -9. With LEDGER_TEST_DATABASE_URL set (to a database on a server where the user may create
// databases) that server is used instead.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// ServerVariable names the environment variable with the URL of a server to use instead of a private
// one.
const ServerVariable = "LEDGER_TEST_DATABASE_URL"

// strategyVersion is the first version of PostgreSQL that can be told how to copy a database.
const strategyVersion = 150000

// temporaryPrefix begins the names of directories of test servers.
const temporaryPrefix = "ledger-test-postgres-"

// cleanupTimeout bounds the removal of a test's database.
const cleanupTimeout = 30 * time.Second

// process is the one server of this test process. It is package-level state because its life is the
// process's: tests of one package share it, and no test can know that it is the last one.
var process struct {
	sync.Mutex
	server    *localpg.Server
	err       error
	templates map[string]string // by the caller's key: the name of the prepared database
}

// URL returns the connection URL of a new, empty database that belongs to this test. It is dropped,
// connections and all, when the test ends.
func URL(tb testing.TB) string {
	tb.Helper()
	return create(tb, "", nil)
}

// Prepare fills a database. It is given a connection to it as a user who may do everything there.
type Prepare func(ctx context.Context, connection *pgx.Conn) error

// Prepared is like URL for a database that prepare has filled, for example with the schema. prepare
// runs once per key and process; the tests get copies of what it made.
func Prepared(tb testing.TB, key string, prepare Prepare) string {
	tb.Helper()
	return create(tb, key, prepare)
}

// Server starts a server of the test's own, for tests that stop, kill or restart it: a Start on its
// directory after a Stop finds the same data on the same port. It is stopped and its directory is
// deleted when the test ends.
func Server(tb testing.TB) *localpg.Server {
	tb.Helper()
	// Not tb.TempDir: only its owner can enter that, and for root the server runs as another user.
	dir, err := os.MkdirTemp("", temporaryPrefix)
	if err != nil {
		tb.Fatalf("start a PostgreSQL for this test: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("delete the PostgreSQL of this test: %v", err)
		}
	})
	server, err := localpg.Start(tb.Context(), localpg.Options{
		Dir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "32MB"},
	})
	if err != nil {
		tb.Fatalf("start a PostgreSQL for this test: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), cleanupTimeout)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			tb.Errorf("stop the PostgreSQL of this test: %v", err)
		}
	})
	return server
}

func create(tb testing.TB, key string, prepare Prepare) string {
	tb.Helper()
	ctx := tb.Context()
	admin, err := adminURL(ctx)
	if err != nil {
		tb.Fatalf("get a PostgreSQL for tests: %v", err)
	}
	name := databaseName()
	// A server that is not ours keeps no template: nobody would remove it.
	fromTemplate := prepare != nil && os.Getenv(ServerVariable) == ""
	if fromTemplate {
		err = copyTemplate(ctx, admin, name, key, prepare)
	} else {
		err = createDatabase(ctx, admin, name, "template0")
	}
	if err != nil {
		tb.Fatalf("create a database for this test: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), cleanupTimeout)
		defer cancel()
		if err := execute(ctx, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("drop the database of this test: %v", err)
		}
	})
	own := withDatabase(admin, name)
	if prepare != nil && !fromTemplate {
		if err := prepareDatabase(ctx, own, prepare); err != nil {
			tb.Fatalf("prepare the database of this test: %v", err)
		}
	}
	return own
}

// adminURL returns the URL of a database to give orders in, starting the server when it is the first.
func adminURL(ctx context.Context) (string, error) {
	if foreign := os.Getenv(ServerVariable); foreign != "" {
		return foreign, nil
	}
	process.Lock()
	defer process.Unlock()
	if process.server == nil && process.err == nil {
		process.server, process.err = startShared(ctx)
	}
	if process.err != nil {
		return "", process.err
	}
	return process.server.DatabaseURL("postgres"), nil
}

func startShared(ctx context.Context) (*localpg.Server, error) {
	dir, err := os.MkdirTemp("", temporaryPrefix)
	if err != nil {
		return nil, err
	}
	// The server, and its directory with it, ends when this process does.
	return localpg.Start(context.WithoutCancel(ctx), localpg.Options{Dir: dir, Ephemeral: true})
}

// copyTemplate clones the database that prepare filled, filling it first when it is the first time.
func copyTemplate(ctx context.Context, admin, name, key string, prepare Prepare) error {
	template, err := templateFor(ctx, admin, key, prepare)
	if err != nil {
		return fmt.Errorf("prepare the template %q: %w", key, err)
	}
	return createDatabase(ctx, admin, name, template)
}

func templateFor(ctx context.Context, admin, key string, prepare Prepare) (string, error) {
	process.Lock()
	defer process.Unlock()
	if template, ok := process.templates[key]; ok {
		return template, nil
	}
	template := databaseName()
	if err := createDatabase(ctx, admin, template, "template0"); err != nil {
		return "", err
	}
	if err := prepareDatabase(ctx, withDatabase(admin, template), prepare); err != nil {
		return "", err
	}
	if process.templates == nil {
		process.templates = make(map[string]string)
	}
	process.templates[key] = template
	return template, nil
}

func prepareDatabase(ctx context.Context, at string, prepare Prepare) error {
	connection, err := pgx.Connect(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	return prepare(ctx, connection)
}

func createDatabase(ctx context.Context, admin, name, template string) error {
	connection, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	order := "CREATE DATABASE " + name + " TEMPLATE " + template + " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
	var version int
	err = connection.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version)
	if err != nil {
		return err
	}
	if version >= strategyVersion && os.Getenv(ServerVariable) == "" {
		order += " STRATEGY FILE_COPY" // without fsync twice as fast as through the write-ahead log
	}
	_, err = connection.Exec(ctx, order)
	return err
}

func execute(ctx context.Context, at, sql string) error {
	connection, err := pgx.Connect(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, sql)
	return err
}

// databaseName needs no quoting.
func databaseName() string { return "test_" + strings.ToLower(rand.Text()) }

func withDatabase(admin, name string) string {
	u, err := url.Parse(admin)
	if err != nil {
		return admin // it was connected to before: pgx parsed it
	}
	u.Path = "/" + name
	return u.String()
}
