package pgbin_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// machine is a computer that exists only in a test.
type machine struct {
	goos      string
	release   string
	inPath    map[string]string // program to path
	globs     map[string][]string
	installed map[string]string // directory of both programs to what postgres --version prints
	noInitdb  map[string]bool   // directories without initdb
	bindir    string            // what pg_config --bindir prints
}

func (m machine) describe() pgbin.Machine {
	return pgbin.Machine{
		GOOS: m.goos, OSRelease: m.release,
		LookPath: func(program string) (string, error) {
			if path, ok := m.inPath[program]; ok {
				return path, nil
			}
			return "", errors.New("not in PATH")
		},
		Glob: func(pattern string) ([]string, error) { return m.globs[pattern], nil },
		Output: func(_ context.Context, program string, _ ...string) (string, error) {
			dir, name := filepath.Split(program)
			dir = filepath.Clean(dir)
			switch version, ok := m.installed[dir]; {
			case name == "pg_config":
				return m.bindir + "\n", nil
			case name == "initdb" && ok && !m.noInitdb[dir]:
				return "initdb", nil
			case name == "postgres" && ok:
				return version, nil
			}
			return "", errors.New("cannot run " + program)
		},
	}
}

func TestFind_NewestFirst(t *testing.T) {
	t.Parallel()
	debian := machine{
		goos:   "linux",
		inPath: map[string]string{"postgres": "/opt/pg/bin/postgres", "pg_config": "/usr/bin/pg_config"},
		bindir: "/usr/lib/postgresql/15/bin",
		globs: map[string][]string{
			"/usr/lib/postgresql/*/bin": {"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/9.6/bin"},
			"/usr/pgsql-*/bin":          {"/usr/pgsql-17/bin", "/usr/pgsql-18/bin"},
		},
		installed: map[string]string{
			"/opt/pg/bin":                 "postgres (PostgreSQL) 16.9",
			"/usr/lib/postgresql/15/bin":  "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)",
			"/usr/lib/postgresql/16/bin":  "postgres (PostgreSQL) 16.9 (Debian 16.9-1.pgdg12+1)",
			"/usr/lib/postgresql/9.6/bin": "postgres (PostgreSQL) 9.6.24",
			"/usr/pgsql-17/bin":           "postgres (PostgreSQL) 17.10",
			"/usr/pgsql-18/bin":           "postgres (PostgreSQL) 18beta1",
		},
		noInitdb: map[string]bool{"/usr/pgsql-18/bin": true}, // a client package
	}
	want := []pgbin.Binaries{
		{Dir: "/usr/pgsql-17/bin", Version: "17.10", Major: 17, Minor: 10},
		{Dir: "/opt/pg/bin", Version: "16.9", Major: 16, Minor: 9}, // PATH before others of its version
		{Dir: "/usr/lib/postgresql/16/bin", Version: "16.9", Major: 16, Minor: 9},
		{Dir: "/usr/lib/postgresql/15/bin", Version: "15.13", Major: 15, Minor: 13}, // once, though two name it
	}
	if diff := cmp.Diff(want, pgbin.Find(t.Context(), debian.describe())); diff != "" {
		t.Error(diff)
	}
}

func TestFind_PlacesOfEachSystem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ goos, pattern, dir string }{
		"Debian":        {"linux", "/usr/lib/postgresql/*/bin", "/usr/lib/postgresql/15/bin"},
		"RHEL":          {"linux", "/usr/pgsql-*/bin", "/usr/pgsql-15/bin"},
		"Alpine":        {"linux", "/usr/libexec/postgresql*", "/usr/libexec/postgresql15"},
		"HomebrewARM":   {"darwin", "/opt/homebrew/opt/postgresql@*/bin", "/opt/homebrew/opt/postgresql@15/bin"},
		"HomebrewIntel": {"darwin", "/usr/local/opt/postgresql@*/bin", "/usr/local/opt/postgresql@15/bin"},
		"PostgresApp":   {"darwin", "/Applications/Postgres.app/Contents/Versions/*/bin", "/Applications/Postgres.app/Contents/Versions/15/bin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine{
				goos: tc.goos, globs: map[string][]string{tc.pattern: {tc.dir}},
				installed: map[string]string{tc.dir: "postgres (PostgreSQL) 15.13"},
			}
			found := pgbin.Find(t.Context(), m.describe())
			if len(found) != 1 || found[0].Dir != tc.dir {
				t.Errorf("found %v", found)
			}
		})
	}
}

func TestHint_NamesTheCommandOfTheSystem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		goos, release string
		major         int
		want          string
	}{
		"Debian":     {"linux", "ID=debian\n", 0, "install it with `apt-get install postgresql`"},
		"Ubuntu":     {"linux", "ID=ubuntu\nID_LIKE=debian\n", 16, "install it with `apt-get install postgresql-16`"},
		"Mint":       {"linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", 0, "install it with `apt-get install postgresql`"},
		"Fedora":     {"linux", "ID=fedora\n", 0, "install it with `dnf install postgresql-server`"},
		"Rocky":      {"linux", "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", 0, "install it with `dnf install postgresql-server`"},
		"Alpine":     {"linux", "ID=alpine\n", 0, "install it with `apk add postgresql`"},
		"Alpine16":   {"linux", "ID=alpine\n", 16, "install it with `apk add postgresql16`"},
		"Arch":       {"linux", "ID=arch\n", 0, "install it with `pacman -S postgresql`"},
		"SUSE":       {"linux", "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", 16, "install it with `zypper install postgresql16-server`"},
		"Mac":        {"darwin", "", 0, "install it with `brew install postgresql@17`"},
		"Mac15":      {"darwin", "", 15, "install it with `brew install postgresql@15`"},
		"Unknown":    {"linux", "ID=plan9\n", 0, "install the PostgreSQL server"},
		"NoRelease":  {"linux", "", 16, "install the PostgreSQL server 16"},
		"OtherBSD":   {"openbsd", "", 0, "install the PostgreSQL server"},
		"NotAFormat": {"linux", "hello\n=\n\x00", 0, "install the PostgreSQL server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := pgbin.Hint(pgbin.Machine{GOOS: tc.goos, OSRelease: tc.release}, tc.major); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestChoose_FailureIsOneSentenceThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	debian := machine{goos: "linux", release: "ID=debian\n"}
	old := debian
	old.inPath = map[string]string{"postgres": "/pg/postgres"}
	old.installed = map[string]string{"/pg": "postgres (PostgreSQL) 16.9"}
	for name, tc := range map[string]struct {
		machine machine
		request pgbin.Request
		want    string
	}{
		"NothingInstalled": {debian, pgbin.Request{}, "no PostgreSQL server is installed on this machine: " +
			"install it with `apt-get install postgresql`, or set LEDGER_DATABASE_URL to a PostgreSQL database that you have"},
		"OtherVersion": {old, pgbin.Request{Major: 15, Dir: "./ledger-data/postgres"},
			"the database in ./ledger-data/postgres was made by PostgreSQL 15, which is not installed (found: 16.9): " +
				"install it with `apt-get install postgresql-15`, or set LEDGER_DATABASE_URL to a PostgreSQL database that you have, " +
				"or delete that directory (the ledger rebuilds it from the event log)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pgbin.Choose(t.Context(), tc.machine.describe(), tc.request)
			var missing *pgbin.MissingError
			if !errors.As(err, &missing) {
				t.Fatalf("error = %v, want a MissingError", err)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChoose_TakesTheVersionOfTheCluster(t *testing.T) {
	t.Parallel()
	m := machine{
		goos: "linux",
		globs: map[string][]string{
			"/usr/lib/postgresql/*/bin": {"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin"},
		},
		installed: map[string]string{
			"/usr/lib/postgresql/15/bin": "postgres (PostgreSQL) 15.13",
			"/usr/lib/postgresql/17/bin": "postgres (PostgreSQL) 17.5",
		},
	}
	for major, want := range map[int]string{0: "17.5", 15: "15.13", 17: "17.5"} {
		b, err := pgbin.Choose(t.Context(), m.describe(), pgbin.Request{Major: major})
		if err != nil || b.Version != want {
			t.Errorf("for a cluster of version %d: %v, %v; want %s", major, b, err, want)
		}
	}
}

// What is installed on the machine that runs the tests is found, whatever it is.
func TestFind_OnThisMachineEveryResultRuns(t *testing.T) {
	t.Parallel()
	m := pgbin.This(func(*exec.Cmd) {})
	for _, b := range pgbin.Find(t.Context(), m) {
		out, err := m.Output(t.Context(), b.Path("postgres"), "--version")
		if err != nil || !strings.Contains(out, b.Version) {
			t.Errorf("%v: %q, %v", b, out, err)
		}
	}
}
