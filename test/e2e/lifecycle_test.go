package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestLifecycle_OneLedgerPerDataDirectory refuses the second one, naming the first.
func TestLifecycle_OneLedgerPerDataDirectory(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	r := l.Site.Run(t, "serve")
	if r.Code != 1 {
		t.Errorf("exit code %d, want 1", r.Code)
	}
	for _, part := range []string{"already running", l.Site.Dir, strconv.Itoa(l.PID()), l.URL} {
		if !strings.Contains(r.Stderr, part) {
			t.Errorf("the second ledger says %q, without %q", r.Stderr, part)
		}
	}
	if said := accept(t, l, "decta", dectaPaid("l-1", "L-1")); said.Outcome != "accepted" {
		t.Errorf("the first ledger: %+v", said)
	}
}

// TestLifecycle_AddressInUse says which address.
func TestLifecycle_AddressInUse(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	address := strings.TrimPrefix(l.URL, "http://")
	s := harness.NewSite(t, harness.Options{DatabaseURL: l.Site.DatabaseURL})
	if r := s.Run(t, "serve", "--http", address); r.Code != 1 || !strings.Contains(r.Stderr, address) {
		t.Errorf("exit code %d: %s; want 1 and the address %s", r.Code, r.Stderr, address)
	}
}

// TestLifecycle_StopsCleanly stops on SIGTERM with exit code 0, and starts again where it stood.
func TestLifecycle_StopsCleanly(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{})
	l := s.Serve(t)
	accept(t, l, "decta", dectaPaid("l-1", "L-1"))
	if r := l.Terminate(t); r.Code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", r.Code)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "ingest.token")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the token of the bulk endpoint is left behind: %v", err)
	}
	l = s.Serve(t)
	if said := accept(t, l, "decta", dectaPaid("l-1", "L-1")); said.Outcome != "duplicate" {
		t.Errorf("after the restart: %+v, want duplicate", said)
	}
	l.WaitForViews(t)
	if n := s.Count(t, "ledger.orders"); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}

// TestPrivatePostgres_LivesAndEndsWithTheLedger starts without any database: the ledger runs one, ends
// it with itself, and after a kill -9 the next ledger has its data and no server is left over.
func TestPrivatePostgres_LivesAndEndsWithTheLedger(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Private: true})
	l := s.Serve(t)
	accept(t, l, "decta", dectaPaid("p-1", "P-1"))
	l.WaitForViews(t)
	killed := postmaster(t, s)
	l.Kill(t)

	l = s.Serve(t)
	next := postmaster(t, s)
	if next == killed {
		t.Errorf("the PostgreSQL of the killed ledger, process %d, serves the next one", killed)
	}
	if alive(killed) {
		t.Errorf("the PostgreSQL of the killed ledger, process %d, still runs", killed)
	}
	accept(t, l, "decta", dectaRefunded("p-1", "P-1"))
	l.WaitForViews(t)
	if row := s.Row(t, `select captured, refunded from ledger.orders`); row.Text("captured") != "96.56" || row.Text("refunded") != "10.00" {
		t.Errorf("after the kill the order is %v", row)
	}
	// A command shares the server of the running ledger and leaves it running.
	s.RunOK(t, "order", "show", "P-1")
	if now := postmaster(t, s); now != next || !alive(next) {
		t.Errorf("the server was process %d and is %d after a command", next, now)
	}
	if r := l.Terminate(t); r.Code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", r.Code)
	}
	if alive(next) {
		t.Errorf("PostgreSQL, process %d, runs on after SIGTERM", next)
	}
	// Without a running ledger a command starts the server for itself.
	if r := s.RunOK(t, "order", "show", "P-1"); !strings.Contains(r.Stdout, "86.56 EUR") {
		t.Errorf("order show without a running ledger:\n%s", r.Stdout)
	}
	if _, err := os.Stat(filepath.Join(s.PostgresDir(), "cluster", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a server runs on after the command: %v", err)
	}
}

// TestPrivatePostgres_IsRebuiltWhenDeleted deletes the whole database: it is in the log.
func TestPrivatePostgres_IsRebuiltWhenDeleted(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{Private: true})
	s.RunOK(t, "ingest", "--gateway", "decta", writeLines(t, dectaPaid("p-1", "P-1"), dectaRefunded("p-1", "P-1"), "null"))
	want := s.RunOK(t, "order", "show", "--json", "P-1").Stdout
	if err := os.RemoveAll(s.PostgresDir()); err != nil {
		t.Fatal(err)
	}
	l := s.Serve(t)
	l.WaitForViews(t)
	if got := s.RunOK(t, "order", "show", "--json", "P-1").Stdout; got != want {
		t.Errorf("after the database was deleted the order is\n%s\nbefore it was\n%s", got, want)
	}
}

// postmaster is the process id of the private PostgreSQL.
func postmaster(t *testing.T, s *harness.Site) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.PostgresDir(), "cluster", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive tells whether a process runs.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
