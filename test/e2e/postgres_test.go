package e2e_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// postgresTimeout bounds starting and stopping a PostgreSQL.
const postgresTimeout = time.Minute

// postgres is a PostgreSQL of the test's own, to be stopped and started again on the same port.
type postgres struct {
	options localpg.Options
	server  *localpg.Server
	url     string
}

func startPostgres(t *testing.T) *postgres {
	t.Helper()
	// Not t.TempDir: only its owner can enter that, and for root the server runs as another user.
	dir, err := os.MkdirTemp("", "ledger-test-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{options: localpg.Options{Dir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "32MB"}}}
	t.Cleanup(func() {
		p.stop(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("delete the PostgreSQL of this test: %v", err)
		}
	})
	p.start(t)
	return p
}

func (p *postgres) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), postgresTimeout)
	defer cancel()
	server, err := localpg.Start(ctx, p.options)
	if err != nil {
		t.Fatalf("start the PostgreSQL of this test: %v", err)
	}
	if p.server = server; p.url != "" && p.url != server.URL() {
		t.Fatal("the PostgreSQL of this test came back on another port")
	}
	p.url = server.URL()
}

func (p *postgres) stop(t *testing.T) {
	t.Helper()
	if p.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), postgresTimeout)
	defer cancel()
	if err := p.server.Stop(ctx); err != nil {
		t.Errorf("stop the PostgreSQL of this test: %v", err)
	}
}
