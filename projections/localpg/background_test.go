//go:build unix

package localpg_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestBackground_LowersThePriorityOfOneConnectionOnly(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this system does not say whose children processes are")
	}
	server := start(t, used(t))
	pid := func() int {
		connection, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close(t.Context()) })
		return int(connection.PgConn().PID())
	}
	lowered, other := pid(), pid()
	before := priority(t, other)
	stranger := exec.Command("cat") // no process of the server, as another machine's numbers may name any
	input, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = input.Close(), stranger.Wait() })
	strangers := priority(t, stranger.Process.Pid)

	server.Background(lowered)
	server.Background(lowered)
	server.Background(stranger.Process.Pid)
	const lowest = "19"
	if p := priority(t, lowered); p.nice != lowest || (p.session != "" && p.session != lowest) {
		t.Errorf("its priority is %+v", p)
	}
	if p := priority(t, other); p != before {
		t.Errorf("that of another connection is %+v, and was %+v", p, before)
	}
	if p := priority(t, stranger.Process.Pid); p != strangers {
		t.Errorf("that of a process that is none of the server's is %+v, and was %+v", p, strangers)
	}
}

// precedence is how the processors are shared: among sessions, where the system does that ("" where not), and then among processes.
type precedence struct{ session, nice string }

func priority(t *testing.T, pid int) (p precedence) {
	t.Helper()
	out, err := exec.Command("ps", "-o", "ni=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	p.nice = strings.TrimSpace(string(out))
	group, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/autogroup") // like "/autogroup-7 nice 0"
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if _, nice, ok := strings.Cut(string(group), " nice "); ok {
		p.session = strings.TrimSpace(nice)
	}
	return p
}
