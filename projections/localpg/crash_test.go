//go:build unix

package localpg_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// occupy listens on a port until the test ends.
func occupy(t *testing.T, port uint16) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
}

// readPID returns the process id in the directory's postmaster.pid, 0 when there is none.
func readPID(dir string) int {
	content, err := os.ReadFile(filepath.Join(dir, "cluster", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}

func TestKilledLedger_ServerEndsByItselfAndTheNextStartHasTheData(t *testing.T) {
	t.Parallel()
	dir := used(t)
	killed := startLedger(t, dir, nil)
	exec1(t, killed.url, "CREATE TABLE kept AS SELECT 42 AS n")
	killed.kill()
	eventually(t, "the server has ended", func() bool { return !runs(killed.pid) })
	server := start(t, dir)
	if n := query[int](t, server.URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
	if server.URL() != killed.url {
		t.Errorf("the URL changed from %s to %s", killed.url, server.URL())
	}
}

func TestKilledLedger_StartAtOnceDoesNotTripOverTheDyingServer(t *testing.T) {
	t.Parallel()
	dir := used(t)
	for range 3 {
		ledger := startLedger(t, dir, nil)
		exec1(t, ledger.url, "CREATE TABLE IF NOT EXISTS counted (n int); INSERT INTO counted VALUES (1)")
		ledger.kill()
	}
	server := start(t, dir)
	if n := query[int](t, server.URL(), "SELECT count(*)::int FROM counted"); n != 3 {
		t.Errorf("%d rows of 3 survived", n)
	}
}

func TestKilledLedgerAndSupervisor_NextStartReplacesTheOrphan(t *testing.T) {
	t.Parallel()
	dir := used(t)
	ledger := startLedger(t, dir, nil)
	exec1(t, ledger.url, "CREATE TABLE kept AS SELECT 42 AS n")
	supervisor := parentOf(t, ledger.pid)
	// The whole group of the supervisor but the server: its two shells.
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	shells := []int{supervisor}
	for line := range strings.Lines(string(out)) {
		var numbers []int
		for _, word := range strings.Fields(line) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, n)
		}
		if numbers[1] == supervisor && numbers[0] != ledger.pid {
			shells = append(shells, numbers[0])
		}
	}
	if len(shells) != 2 {
		t.Fatalf("the supervisor is not two shells: %v", shells)
	}
	if err := syscall.Kill(ledger.command.Process.Pid, syscall.SIGSTOP); err != nil { // it must not notice
		t.Fatal(err)
	}
	eventually(t, "the ledger stands still", func() bool {
		state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(ledger.command.Process.Pid)).Output()
		return err == nil && strings.HasPrefix(string(state), "T")
	})
	for _, shell := range shells {
		if err := syscall.Kill(shell, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	ledger.kill()
	if !runs(ledger.pid) {
		t.Fatal("there is no orphan to replace")
	}
	server := start(t, dir)
	if runs(ledger.pid) {
		t.Error("the orphan still runs")
	}
	if n := query[int](t, server.URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestKilledLedger_WhileItCreatesTheCluster(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	ledger := newLedger(t, dir, nil)
	eventually(t, "initdb works", func() bool {
		found, err := filepath.Glob(filepath.Join(dir, "cluster.new-*", "cluster", "base"))
		return err == nil && len(found) > 0
	})
	ledger.kill()
	if _, err := os.Stat(filepath.Join(dir, "cluster")); err == nil {
		t.Fatal("the cluster was complete already: nothing was tried")
	}
	if one := query[int](t, start(t, dir).URL(), "SELECT 1"); one != 1 {
		t.Error("no answer")
	}
}

func TestKilledLedger_OfATestLeavesNoDirectory(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// The server's user deletes it, and may not touch what is around it unless it is world-writable.
	if err := os.Chmod(filepath.Dir(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	ledger := startLedger(t, dir, func(c *exec.Cmd) { c.Env = append(c.Env, helperEphemeral+"=1") })
	ledger.kill()
	eventually(t, "the server has ended", func() bool { return !runs(ledger.pid) })
	eventually(t, "its directory is gone", func() bool {
		_, err := os.Lstat(dir)
		return os.IsNotExist(err)
	})
}

func TestInterrupt_ReachesTheLedgerOnly(t *testing.T) {
	t.Parallel()
	ledger := startLedger(t, used(t), nil)
	// What a terminal does on Ctrl-C: a signal to the whole process group.
	if err := syscall.Kill(-ledger.command.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if line := ledger.line(); line != "interrupted" {
		t.Fatalf("the ledger says %q", line)
	}
	if err := ledger.command.Wait(); err != nil {
		t.Errorf("the ledger ended with %v", err)
	}
	if runs(ledger.pid) {
		t.Error("the server runs after the ledger has ended")
	}
}

func TestStart_ProcessIDThatWasGivenToAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := used(t)
	server := start(t, dir)
	exec1(t, server.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	file := filepath.Join(server.Dir(), "cluster", "postmaster.pid")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := os.Stat(filepath.Join(server.Dir(), "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, server)

	// PostgreSQL takes any living process of its own user for a running server.
	stat := owner.Sys().(*syscall.Stat_t)
	stranger := exec.Command("cat")
	if os.Geteuid() == 0 {
		stranger.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid},
		}
	}
	stranger.Dir = "/"
	input, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = stranger.Wait()
	})
	_, rest, _ := strings.Cut(string(content), "\n")
	overwrite(t, file, strconv.Itoa(stranger.Process.Pid)+"\n"+rest)
	if err := os.Chown(file, int(stat.Uid), int(stat.Gid)); err != nil {
		t.Fatal(err)
	}

	if n := query[int](t, start(t, dir).URL(), "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
	if !runs(stranger.Process.Pid) {
		t.Error("the stranger was killed")
	}
}

func TestStart_ServerOfAnotherClusterIsLeftAlone(t *testing.T) {
	t.Parallel()
	other := start(t, used(t))
	pid, err := other.PID()
	if err != nil {
		t.Fatal(err)
	}
	dir := used(t)
	server := start(t, dir)
	stop(t, server)
	// The process id of our dead server was given to the server of another cluster.
	file := filepath.Join(server.Dir(), "cluster", "postmaster.pid")
	overwrite(t, file, strconv.Itoa(pid)+"\n"+filepath.Join(server.Dir(), "cluster")+"\n1\n1\n\n127.0.0.1\n\nready\n")
	info, err := os.Stat(filepath.Join(server.Dir(), "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(file, int(stat.Uid), int(stat.Gid)); err != nil {
		t.Fatal(err)
	}
	if one := query[int](t, start(t, dir).URL(), "SELECT 1"); one != 1 {
		t.Error("no answer")
	}
	if again, err := other.PID(); err != nil || again != pid {
		t.Errorf("the other server was disturbed: process %d, %v", again, err)
	}
}

// As root the tests above run a server as another user. This one runs all of it as a user without
// rights, from the first start to the recovery after a kill.
func TestStart_AsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	change := func(*exec.Cmd) {}
	if os.Geteuid() == 0 {
		const nobody = 65534
		base := filepath.Dir(dir)
		binary, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(base, "ledger.test") // the original is where only root can read it
		if err := os.WriteFile(program, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(base, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		change = func(c *exec.Cmd) {
			c.Path, c.Dir = program, base
			c.Env = append(c.Env, "HOME="+base)
			c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		}
	}
	killed := startLedger(t, dir, change)
	exec1(t, killed.url, "CREATE TABLE kept AS SELECT 42 AS n")
	killed.kill()
	again := startLedger(t, dir, change)
	if n := query[int](t, again.url, "SELECT n FROM kept"); n != 42 {
		t.Errorf("n = %d", n)
	}
	if err := again.input.Close(); err != nil { // asks it to end
		t.Fatal(err)
	}
	if err := again.command.Wait(); err != nil {
		t.Error(err)
	}
	if runs(again.pid) {
		t.Error("the server runs after Stop")
	}
}
