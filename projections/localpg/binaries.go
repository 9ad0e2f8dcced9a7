package localpg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// MissingError says that this machine has no fitting PostgreSQL server and that none could be
// downloaded. Its text is one sentence for a person, with what to install on this system.
type MissingError = pgbin.MissingError

// chooseBinaries finds the programs to run a cluster of this major version with (0 = a new cluster:
// the newest), and downloads them when there are none.
func (s *Server) chooseBinaries(ctx context.Context, major int) (pgbin.Binaries, error) {
	request := pgbin.Request{Major: major, Dir: s.opts.Dir, Progress: s.opts.Progress}
	if !s.opts.NoDownload {
		request.Download = &pgbin.Downloader{Cache: downloadCache(), Shared: s.place.account.switched}
	}
	machine := pgbin.This(func(c *exec.Cmd) { s.place.account.prepare(c) })
	return pgbin.Choose(ctx, machine, request)
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
