//go:build unix

package localpg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

func TestStart_ServerIsDurableAndSpeaksUTF8AndUTC(t *testing.T) {
	t.Parallel()
	server, err := localpg.Start(t.Context(), localpg.Options{Dir: directory(t), NoDownload: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	want := map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"server_encoding": "UTF8", "TimeZone": "UTC", "listen_addresses": "127.0.0.1",
		"unix_socket_directories": "", "password_encryption": "scram-sha-256",
	}
	got := make(map[string]string)
	for name := range want {
		got[name] = query[string](t, server.URL(), "SHOW "+name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := query[string](t, server.URL(), "SELECT current_database() || ' ' || current_user"); got != "ledger ledger" {
		t.Errorf("database and user are %q", got)
	}
	if version := query[string](t, server.URL(), "SHOW server_version"); version != server.Version() {
		t.Errorf("Version() = %q, the server says %q", server.Version(), version)
	}
}

func TestStart_StrangersStayOutside(t *testing.T) {
	t.Parallel()
	server := start(t, used(t))
	for path, want := range map[string]os.FileMode{"password": 0o600, "cluster": 0o700, "server.log": 0o600} {
		info, err := os.Stat(filepath.Join(server.Dir(), path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
	config, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Password) < 20 {
		t.Errorf("the password has %d characters", len(config.Password))
	}
	config.Password = "guessed"
	if connection, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		t.Error("a wrong password is accepted")
		_ = connection.Close(t.Context())
	}
}

func TestStop_EndsTheServerAndKeepsDataAndPort(t *testing.T) {
	t.Parallel()
	dir := used(t)
	server := start(t, dir)
	url := server.URL()
	exec1(t, url, "CREATE TABLE kept AS SELECT 42 AS n")
	pid, err := server.PID()
	if err != nil {
		t.Fatal(err)
	}
	stop(t, server)
	if runs(pid) {
		t.Error("the server runs after Stop")
	}
	if _, err := server.PID(); err == nil {
		t.Error("PID() answers after Stop")
	}
	stop(t, server) // once more

	again := start(t, dir)
	if again.URL() != url {
		t.Errorf("the URL changed from %s to %s", url, again.URL())
	}
	if n := query[int](t, url, "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestStop_DoesNotWaitForClients(t *testing.T) {
	t.Parallel()
	server := start(t, used(t))
	connection, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close(context.WithoutCancel(t.Context()))
	if _, err := connection.Exec(t.Context(), "BEGIN; SELECT pg_sleep(0)"); err != nil {
		t.Fatal(err)
	}
	stop(t, server)
}

func TestStop_WithAnEndedContextIsStillSafe(t *testing.T) {
	t.Parallel()
	dir := used(t)
	server := start(t, dir)
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Stop(ended); err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, start(t, dir).URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestStart_SecondOneSharesTheServerAndLeavesIt(t *testing.T) {
	t.Parallel()
	dir := used(t)
	owner := start(t, dir)
	guest, err := localpg.Start(t.Context(), options(dir, false))
	if err != nil {
		t.Fatal(err)
	}
	if !guest.Shared() || owner.Shared() || guest.URL() != owner.URL() || guest.Version() != owner.Version() {
		t.Errorf("guest: shared %v, URL %s, version %s; owner: shared %v, URL %s, version %s",
			guest.Shared(), guest.URL(), guest.Version(), owner.Shared(), owner.URL(), owner.Version())
	}
	stop(t, guest)
	if one := query[int](t, owner.URL(), "SELECT 1"); one != 1 {
		t.Error("the guest ended the server")
	}
}

func TestStart_ManyAtOnceAgreeOnOneServer(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	type result struct {
		server *localpg.Server
		err    error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			server, err := localpg.Start(t.Context(), options(dir, false))
			results <- result{server, err}
		}()
	}
	owners := 0
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
			continue
		}
		t.Cleanup(func() { stop(t, r.server) })
		if !r.server.Shared() {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d of them started a server", owners)
	}
}

func TestStart_PathMayBeVeryLong(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(filepath.Dir(directory(t)), strings.Repeat("long/", 60), "postgres")
	if one := query[int](t, start(t, dir).URL(), "SELECT 1"); one != 1 {
		t.Error("no answer")
	}
}

func TestStart_PortThatIsTakenIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := used(t)
	server := start(t, dir)
	stop(t, server)
	config, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	occupy(t, config.Port)
	if again := start(t, dir); again.URL() == server.URL() {
		t.Error("the URL is that of a port that somebody else has")
	}
}

func TestStart_MissingVersionIsOneClearSentence(t *testing.T) {
	t.Parallel()
	dir := used(t)
	server := start(t, dir)
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	stop(t, server)
	file := filepath.Join(server.Dir(), "cluster", "PG_VERSION")
	version, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, file, "11\n")
	_, err = localpg.Start(t.Context(), options(dir, false))
	var missing *localpg.MissingError
	if !errors.As(err, &missing) || missing.Major != 11 {
		t.Fatalf("error = %v, want a MissingError about version 11", err)
	}
	for _, part := range []string{dir, "made by PostgreSQL 11", "LEDGER_DATABASE_URL"} {
		if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error says nothing of %q or is longer than a line: %v", part, err)
		}
	}
	overwrite(t, file, string(version))
	if n := query[int](t, start(t, dir).URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestStart_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	t.Run("ClusterWithoutVersion", func(t *testing.T) {
		t.Parallel()
		dir := directory(t)
		precious := filepath.Join(dir, "cluster", "precious")
		if err := os.MkdirAll(filepath.Dir(precious), 0o755); err != nil {
			t.Fatal(err)
		}
		overwrite(t, precious, "do not touch")
		if _, err := localpg.Start(t.Context(), options(dir, false)); err == nil {
			t.Error("started in a directory that is no cluster")
		}
		if content, err := os.ReadFile(precious); err != nil || string(content) != "do not touch" {
			t.Errorf("the file is now %q, %v", content, err)
		}
	})
	t.Run("LostPassword", func(t *testing.T) {
		t.Parallel()
		dir := used(t)
		server := start(t, dir)
		stop(t, server)
		if err := os.Remove(filepath.Join(server.Dir(), "password")); err != nil {
			t.Fatal(err)
		}
		_, err := localpg.Start(t.Context(), options(dir, false))
		if err == nil || !strings.Contains(err.Error(), "rebuilds") {
			t.Errorf("error = %v, want one that says what to do", err)
		}
	})
	t.Run("NoDirectory", func(t *testing.T) {
		t.Parallel()
		if _, err := localpg.Start(t.Context(), localpg.Options{}); err == nil {
			t.Error("started nowhere")
		}
	})
}

func TestStart_EndedContextLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	ended, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("changed our mind")
	opts := options(dir, false)
	opts.Progress = func(line string) {
		if strings.HasPrefix(line, "starting") {
			cancel(reason)
		}
	}
	if _, err := localpg.Start(ended, opts); !errors.Is(err, reason) {
		t.Fatalf("error = %v, want %v", err, reason)
	}
	if pid := readPID(dir); pid != 0 && runs(pid) {
		t.Errorf("process %d runs", pid)
	}
	if one := query[int](t, start(t, dir).URL(), "SELECT 1"); one != 1 {
		t.Error("the next start does not work")
	}
}

func TestStart_ServerThatDiesIsStartedAgainOnItsPort(t *testing.T) {
	t.Parallel()
	server := start(t, used(t))
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	pid, err := server.PID()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another server answers", func() bool {
		again, err := server.PID()
		if err != nil || again == pid {
			return false
		}
		connection, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			return false
		}
		return connection.Close(t.Context()) == nil
	})
	if n := query[int](t, server.URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestTrouble_SaysWhyTheServerDoesNotRun(t *testing.T) {
	t.Parallel()
	server := start(t, used(t))
	if err := server.Trouble(); err != nil {
		t.Fatalf("a server that runs has trouble: %v", err)
	}
	settings := filepath.Join(server.Dir(), "cluster", "postgresql.conf")
	before, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, append(slices.Clone(before), "max_connections = many\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	pid, err := server.PID()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reason is told", func() bool {
		err := server.Trouble()
		return err != nil && strings.Contains(err.Error(), "does not run") && strings.Contains(err.Error(), "postgresql.conf")
	})
	if err := os.WriteFile(settings, before, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trouble is over", func() bool { return server.Trouble() == nil })
	if one := query[int](t, server.URL(), "SELECT 1"); one != 1 {
		t.Errorf("SELECT 1 = %d", one)
	}
}

// TestStart_ClusterThatIsCopied: somebody made a replication slot in the cluster. It goes on starting, and goes on holding what the
// slot needs.
func TestStart_ClusterThatIsCopied(t *testing.T) {
	t.Parallel()
	opts := options(used(t), false)
	opts.Settings["wal_level"], opts.Settings["max_wal_senders"] = "replica", "1"
	server, err := localpg.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	exec1(t, server.URL(), "SELECT pg_create_physical_replication_slot('theirs')")
	stop(t, server)
	server = start(t, opts.Dir)
	if got := query[string](t, server.URL(), "SELECT slot_name FROM pg_replication_slots"); got != "theirs" {
		t.Errorf("the slot is %q", got)
	}
	if got := query[string](t, server.URL(), "SHOW wal_level"); got != "replica" {
		t.Errorf("wal_level is %q", got)
	}
}
