package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	// relocatedPrefix begins the name of a directory that stands in for one that the server's user
	// cannot reach.
	relocatedPrefix = "ledger-postgres-"
	// originFile is the file in it that names the directory it stands in for.
	originFile = "origin"
)

// place is a directory that holds a cluster and what belongs to it. The directory belongs to
// ourselves, only the cluster in it belongs to the server's user.
type place struct {
	// dir is the real directory; it differs from the one that was asked for when that is a symbolic
	// link.
	dir     string
	account account
	// note is a sentence for a person when something unusual was done, else empty.
	note string
}

func (p place) cluster() string  { return filepath.Join(p.dir, "cluster") }
func (p place) log() string      { return filepath.Join(p.dir, "server.log") }
func (p place) password() string { return filepath.Join(p.dir, "password") }
func (p place) port() string     { return filepath.Join(p.dir, "port") }
func (p place) lock() string     { return filepath.Join(p.dir, "lock") }

// openPlace prepares the directory so that the server's user can reach the cluster in it.
func openPlace(ctx context.Context, dir string) (place, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return place{}, fmt.Errorf("find the directory of PostgreSQL: %w", err)
	}
	p, err := openAt(ctx, dir)
	if info, errInfo := os.Lstat(dir); err != nil && errInfo == nil && info.Mode()&fs.ModeSymlink != 0 {
		return openAt(ctx, dir) // another process has just put the link there
	}
	return p, err
}

func openAt(ctx context.Context, dir string) (place, error) {
	var note string
	if target, err := os.Readlink(dir); err == nil {
		if note, err = checkLink(dir, target); err != nil {
			return place{}, err
		}
	}
	//nolint:gosec // G301: the server may run as another user, who passes through
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return place{}, fmt.Errorf("create the directory of PostgreSQL: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return place{}, fmt.Errorf("find the directory of PostgreSQL: %w", err)
	}
	p := place{dir: real, note: note}
	if p.account, err = serverAccount(p.cluster()); err != nil {
		return place{}, err
	}
	mode := fs.FileMode(0o700)
	if p.account.switched {
		mode = 0o711 // its user passes through to the cluster and sees nothing else
	}
	if err := os.Chmod(real, mode); err != nil {
		return place{}, fmt.Errorf("protect the directory of PostgreSQL: %w", err)
	}
	if p.account.reaches(ctx, real) && p.ownable() {
		return p, nil
	}
	return p.relocate(ctx, dir)
}

// ownable tells whether the file system lets us give files to the server's user (network file systems
// and shared folders of virtual machines often do not).
func (p place) ownable() bool {
	if !p.account.switched {
		return true
	}
	if _, err := os.Stat(p.cluster()); err == nil {
		return true // it was done before
	}
	probe, err := os.CreateTemp(p.dir, "owner-")
	if err != nil {
		return false
	}
	owned := p.account.own(probe.Name()) == nil
	return errors.Join(probe.Close(), os.Remove(probe.Name())) == nil && owned
}

// checkLink judges a symbolic link at the place of the directory. One that a person made is followed.
// One that relocate made is followed when its target still stands in for this directory, and taken
// away when it does not: then the cluster is made anew, which costs a rebuild and nothing else.
func checkLink(dir, target string) (note string, err error) {
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(dir), target)
	}
	if !strings.HasPrefix(filepath.Base(target), relocatedPrefix) {
		return "", nil
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		note = fmt.Sprintf("the PostgreSQL files that %s pointed to are gone (%s); starting afresh",
			dir, target)
	case err != nil:
		return "", fmt.Errorf("follow the link %s: %w", dir, err)
	default:
		uid, _, ok := ownerOf(info)
		if !info.IsDir() || !ok || int(uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
			return "", fmt.Errorf("refuse to use %s, which %s points to: "+
				"it is not a directory that only we can write to", target, dir)
		}
		origin, err := os.ReadFile(filepath.Join(target, originFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("follow the link %s: %w", dir, err)
		}
		if string(origin) == dir {
			return "", nil
		}
		if !leadsTo(string(origin), target) {
			// The data directory was moved, and its link with it; or the link has just been made.
			return "", os.WriteFile(filepath.Join(target, originFile), []byte(dir), 0o600)
		}
		note = fmt.Sprintf("%s is a copy of %s, whose PostgreSQL files stay with the original; "+
			"starting afresh", dir, origin)
	}
	if err := os.Remove(dir); err != nil {
		return "", fmt.Errorf("take away the link %s: %w", dir, err)
	}
	return note, nil
}

// relocate moves the place to where the server's user can reach it and leaves a symbolic link at dir.
// Its name is random and recorded only in the link: nobody can prepare it for us, and when the data
// directory is deleted, the old database does not come back.
func (p place) relocate(ctx context.Context, dir string) (place, error) {
	if p.dir != dir {
		return place{}, fmt.Errorf("the user %s, as which PostgreSQL runs, cannot use %s: "+
			"choose another data directory", p.account.name, p.dir)
	}
	target, err := relocatedDir(ctx, dir, p.account)
	if err != nil {
		return place{}, err
	}
	if _, err := os.Lstat(p.cluster()); errors.Is(err, fs.ErrNotExist) {
		for _, leftover := range []string{p.lock(), p.port(), p.password()} {
			_ = os.Remove(leftover) // of a start that failed; if it stays, the next line says so
		}
	}
	err = removeEmptyDir(dir)
	if err == nil {
		err = os.Symlink(target, dir)
	}
	if err != nil {
		err = fmt.Errorf("the user %s, as which PostgreSQL runs, cannot reach %s, and it cannot be replaced "+
			"by a link; empty it or choose another data directory: %w", p.account.name, dir, err)
		return place{}, errors.Join(err, os.RemoveAll(target))
	}
	// Last, because from then on the directory counts as abandoned when the link is not there.
	if err := os.WriteFile(filepath.Join(target, originFile), []byte(dir), 0o600); err != nil {
		return place{}, fmt.Errorf("prepare %s: %w", target, err)
	}
	p.dir = target
	p.note = strings.TrimPrefix(p.note+fmt.Sprintf("; the user %s, as which PostgreSQL runs, cannot reach "+
		"%s: its files are in %s", p.account.name, dir, target), "; ")
	return p, nil
}

// relocatedDir makes a new private directory that the account can reach: beside other temporary files
// when dir is temporary itself, else where systems keep the data of services.
func relocatedDir(ctx context.Context, dir string, a account) (string, error) {
	var parents []string
	if !within(os.TempDir(), dir) && !within("/tmp", dir) {
		service := "/var/lib/order-ledger"
		if runtime.GOOS == "darwin" {
			service = "/usr/local/var/order-ledger"
		}
		//nolint:gosec // G301: the server runs as another user, who passes through
		if err := os.MkdirAll(service, 0o755); err == nil {
			parents = append(parents, service)
		}
	}
	parents = append(parents, os.TempDir(), "/tmp")
	for _, parent := range parents {
		removeAbandoned(parent)
		target, err := os.MkdirTemp(parent, relocatedPrefix)
		if err != nil {
			continue
		}
		//nolint:gosec // G302: the server runs as another user, who passes through and sees nothing
		if err := os.Chmod(target, 0o711); err == nil && a.reaches(ctx, target) {
			return target, nil
		}
		if err := os.Remove(target); err != nil {
			return "", fmt.Errorf("clean up %s: %w", target, err)
		}
	}
	return "", fmt.Errorf("the user %s, as which PostgreSQL runs, can reach neither %s nor any of %s: "+
		"choose another data directory", a.name, dir, strings.Join(parents, ", "))
}

// leadsTo tells whether link is a symbolic link to target, however either is written.
func leadsTo(link, target string) bool {
	info, err := os.Lstat(link) //nolint:gosec // G703: it is only looked at
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	there, errThere := os.Stat(link) //nolint:gosec // G703: it is only looked at
	wanted, errWanted := os.Stat(target)
	return errThere == nil && errWanted == nil && os.SameFile(there, wanted)
}

// within tells whether a path lies under a directory, both as they are written.
func within(dir, path string) bool {
	return strings.HasPrefix(path, filepath.Clean(dir)+string(filepath.Separator))
}

// removeAbandoned deletes relocated files under a temporary directory whose origin, temporary too, does
// not lead to them any more. Under other directories nothing is deleted: a missing origin may be a disk
// that is not mounted.
func removeAbandoned(parent string) {
	if parent != os.TempDir() && parent != "/tmp" {
		return
	}
	matches, err := filepath.Glob(filepath.Join(parent, relocatedPrefix+"*"))
	if err != nil {
		return
	}
	for _, target := range matches {
		info, err := os.Lstat(target)
		if err != nil || !info.IsDir() {
			continue
		}
		if uid, _, ok := ownerOf(info); !ok || int(uid) != os.Geteuid() {
			continue
		}
		origin, err := os.ReadFile(filepath.Join(target, originFile))
		if err != nil || !within(parent, string(origin)) {
			continue
		}
		if leadsTo(string(origin), target) {
			continue
		}
		if pid, err := readPostmasterFile(place{dir: target}.cluster()); err == nil && pid.alive() {
			continue // still shutting down; the next time is soon enough
		}
		_ = os.RemoveAll(target) // best effort: it is temporary
	}
}
