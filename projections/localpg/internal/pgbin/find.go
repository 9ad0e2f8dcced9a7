// Package pgbin finds the programs of a PostgreSQL server on this machine, downloads them when there
// are none, and says in one sentence what to install when that fails too.
package pgbin

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MinMajor is the oldest major version of PostgreSQL that the ledger's SQL runs on.
const MinMajor = 14

// versionTimeout bounds one call of `postgres --version`.
const versionTimeout = 10 * time.Second

// Binaries is one installation of PostgreSQL.
type Binaries struct {
	// Dir holds initdb and postgres.
	Dir string
	// Version is what postgres says of itself, for example "15.13".
	Version string
	// Major and Minor are its numbers.
	Major, Minor int
}

// Path returns the path of one program.
func (b Binaries) Path(program string) string { return filepath.Join(b.Dir, program) }

// Machine is what Find needs to know about a computer; This is the one we run on.
type Machine struct {
	// GOOS is the operating system as Go names it.
	GOOS string
	// OSRelease is the content of /etc/os-release, empty where there is none.
	OSRelease string
	// LookPath finds a program in PATH.
	LookPath func(program string) (string, error)
	// Glob expands a pattern of directories.
	Glob func(pattern string) ([]string, error)
	// Output runs a program and returns its standard output. It MUST run it as the user that the
	// server will run as: a program that this user cannot execute is of no use.
	Output func(ctx context.Context, program string, args ...string) (string, error)
}

// This describes the computer we run on. prepare may change how programs are run (as which user).
func This(prepare func(*exec.Cmd)) Machine {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		release = nil // not Linux, or a very small one: the hint falls back to general words
	}
	return Machine{
		GOOS: runtime.GOOS, OSRelease: string(release),
		LookPath: exec.LookPath, Glob: filepath.Glob,
		Output: func(ctx context.Context, program string, args ...string) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, versionTimeout)
			defer cancel()
			command := exec.CommandContext(ctx, program, args...)
			prepare(command)
			out, err := command.Output()
			return string(out), err
		},
	}
}

// patterns returns where distributions install server programs, which are often not in PATH.
func patterns(goos string) []string {
	if goos == "darwin" {
		return []string{
			"/opt/homebrew/opt/postgresql@*/bin", "/opt/homebrew/opt/postgresql/bin",
			"/usr/local/opt/postgresql@*/bin", "/usr/local/opt/postgresql/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin", "/Library/PostgreSQL/*/bin",
			"/opt/local/lib/postgresql*/bin",
		}
	}
	return []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // RHEL and Fedora with the packages of postgresql.org
		"/usr/libexec/postgresql*",  // Alpine
		"/usr/lib/postgresql*/bin",  // SUSE
		"/usr/lib64/pgsql*/bin",     // Slackware and others
		"/usr/local/pgsql*/bin",     // built from source
		"/opt/homebrew/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/opt/postgresql*/bin", "/opt/bitnami/postgresql/bin",
		"/run/current-system/sw/bin", // NixOS
	}
}

// Find returns the usable installations, newest version first; of equal versions the one that PATH
// names comes first. extra are further directories to look into, for example of a download.
func Find(ctx context.Context, m Machine, extra ...string) []Binaries {
	var found []Binaries
	seen := make(map[string]bool)
	for _, dir := range candidates(ctx, m, extra) {
		real := dir
		if resolved, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			real = filepath.Dir(resolved) // PATH often holds links to the real directory
		}
		if seen[real] {
			continue
		}
		seen[real] = true
		if b, ok := probe(ctx, m, real); ok {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b Binaries) int {
		return cmp.Or(cmp.Compare(b.Major, a.Major), cmp.Compare(b.Minor, a.Minor))
	})
	return found
}

func candidates(ctx context.Context, m Machine, extra []string) []string {
	var dirs []string
	if path, err := m.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if path, err := m.LookPath("pg_config"); err == nil {
		if out, err := m.Output(ctx, path, "--bindir"); err == nil {
			dirs = append(dirs, strings.TrimSpace(out))
		}
	}
	for _, pattern := range patterns(m.GOOS) {
		if matches, err := m.Glob(pattern); err == nil {
			slices.Sort(matches)
			slices.Reverse(matches)
			dirs = append(dirs, matches...)
		}
	}
	return append(dirs, extra...)
}

// probe tells whether dir holds both programs and the server user can run them.
func probe(ctx context.Context, m Machine, dir string) (Binaries, bool) {
	if _, err := m.Output(ctx, filepath.Join(dir, "initdb"), "--version"); err != nil {
		return Binaries{}, false // client packages bring pg_config without a server
	}
	out, err := m.Output(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return Binaries{}, false
	}
	b, err := parseVersion(out)
	if err != nil || b.Major < MinMajor {
		return Binaries{}, false
	}
	b.Dir = dir
	return b, true
}

// versionPattern matches "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)" and "… 19beta1".
var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.(\d+))?\S*)`)

func parseVersion(out string) (Binaries, error) {
	parts := versionPattern.FindStringSubmatch(out)
	if parts == nil {
		return Binaries{}, fmt.Errorf("read the version of PostgreSQL from %q", strings.TrimSpace(out))
	}
	b := Binaries{Version: parts[1]}
	var err error
	if b.Major, err = strconv.Atoi(parts[2]); err != nil {
		return Binaries{}, fmt.Errorf("read the major version of PostgreSQL: %w", err)
	}
	if parts[3] != "" {
		if b.Minor, err = strconv.Atoi(parts[3]); err != nil {
			return Binaries{}, fmt.Errorf("read the minor version of PostgreSQL: %w", err)
		}
	}
	return b, nil
}
