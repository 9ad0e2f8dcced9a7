package localpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// chooseBinaries finds the programs to run a cluster of this major version with (0 = a new cluster:
// the newest), and downloads them when there are none.
func (s *Server) chooseBinaries(ctx context.Context, major int) (pgbin.Binaries, error) {
	machine := pgbin.This(func(c *exec.Cmd) { s.place.account.prepare(c) })
	download := pgbin.Downloader{Cache: downloadCache(), Shared: s.place.account.switched}
	return choose(ctx, machine, major, chooser{
		dir: s.opts.Dir, progress: s.opts.Progress, allowed: !s.opts.NoDownload, download: download,
	})
}

// chooser is what the choice depends on beside the machine.
type chooser struct {
	dir      string
	progress func(string)
	allowed  bool // to download
	download pgbin.Downloader
}

func choose(ctx context.Context, machine pgbin.Machine, major int, c chooser) (pgbin.Binaries, error) {
	var extra []string
	if dir, err := c.download.Dir(major); err == nil {
		extra = append(extra, dir)
	}
	installed := pgbin.Find(ctx, machine, extra...)
	if b, ok := pick(installed, major); ok {
		return b, nil
	}
	var failed error
	if c.allowed {
		c.progress("no fitting PostgreSQL is installed; downloading one (about 30 MB, once)")
		var dir string
		if dir, failed = c.download.Download(ctx, major); failed == nil {
			if b, ok := pick(pgbin.Find(ctx, machine, dir), major); ok {
				return b, nil
			}
			failed = fmt.Errorf("the programs in %s do not run here", dir)
		}
	}
	return pgbin.Binaries{}, &MissingError{
		Dir: c.dir, Major: major, Installed: installed, Hint: pgbin.Hint(machine, major), Download: failed,
	}
}

func pick(installed []pgbin.Binaries, major int) (pgbin.Binaries, bool) {
	for _, b := range installed {
		if major == 0 || b.Major == major {
			return b, true
		}
	}
	return pgbin.Binaries{}, false
}

// downloadCache is where downloaded programs are kept: the user's cache, or for root, whose cache the
// server's user cannot enter, the system's.
func downloadCache() string {
	if os.Geteuid() == 0 && runtime.GOOS == "linux" {
		return "/var/cache/order-ledger"
	}
	if os.Geteuid() == 0 {
		return "/usr/local/var/order-ledger/cache"
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "order-ledger")
}

// MissingError says, in one sentence, that no PostgreSQL server can be run and what to do about it.
type MissingError struct {
	// Dir is the directory of the cluster and Major its version; 0 = there is none so far.
	Dir   string
	Major int
	// Installed is what was found and does not fit.
	Installed []pgbin.Binaries
	// Hint says how to install it on this system.
	Hint string
	// Download is why the download failed; nil when it was not tried.
	Download error
}

func (e *MissingError) Error() string {
	var text strings.Builder
	if e.Major == 0 {
		text.WriteString("no PostgreSQL server is installed on this machine")
	} else {
		fmt.Fprintf(&text, "the database in %s was made by PostgreSQL %d, which is not installed", e.Dir, e.Major)
		for i, b := range e.Installed {
			text.WriteString(map[bool]string{true: " (found: ", false: ", "}[i == 0] + b.Version)
		}
		if len(e.Installed) > 0 {
			text.WriteString(")")
		}
	}
	if e.Download != nil {
		fmt.Fprintf(&text, " and could not be downloaded (%v)", e.Download)
	}
	fmt.Fprintf(&text, ": %s, or set LEDGER_DATABASE_URL to a PostgreSQL database that you have", e.Hint)
	if e.Major != 0 {
		text.WriteString(", or delete that directory: the ledger rebuilds it from the event log")
	}
	return text.String()
}

// Unwrap returns why the download failed.
func (e *MissingError) Unwrap() error { return e.Download }
