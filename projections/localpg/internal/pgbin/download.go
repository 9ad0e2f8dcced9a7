package pgbin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// defaultDownload is the major version that is downloaded when no cluster asks for another one.
const defaultDownload = 17

// Downloader fetches the server programs for this operating system and processor.
type Downloader struct {
	// Cache is the directory that keeps them. It is created when missing.
	Cache string
	// Repository is the base URL of the Maven repository to ask; empty = the library's default.
	Repository string
	// Shared makes the programs readable for every user, which is needed when the server runs as
	// another user than the ledger.
	Shared bool
}

// releases are the versions that the library knows, by major version.
func releases(major int) (embeddedpostgres.PostgresVersion, error) {
	switch major {
	case 0:
		return releases(defaultDownload)
	case 13:
		return embeddedpostgres.V13, nil
	case 14:
		return embeddedpostgres.V14, nil
	case 15:
		return embeddedpostgres.V15, nil
	case 16:
		return embeddedpostgres.V16, nil
	case 17:
		return embeddedpostgres.V17, nil
	case 18:
		return embeddedpostgres.V18, nil
	}
	return "", fmt.Errorf("download PostgreSQL %d: no such download is known", major)
}

// Dir returns where the programs of a major version (0 = the default) are after a download, whether
// it took place or not.
func (d Downloader) Dir(major int) (string, error) {
	release, err := releases(major)
	if err != nil {
		return "", err
	}
	return filepath.Join(d.Cache, "postgresql-"+string(release), "bin"), nil
}

// Download makes the programs of a major version (0 = the default) available and returns their
// directory. What an earlier call fetched is used again.
//
// When ctx ends first, Download returns at once; the library has no way to cancel, so its transfer
// goes on in the background until it ends or the process does.
func (d Downloader) Download(ctx context.Context, major int) (string, error) {
	bin, err := d.Dir(major)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err == nil {
		return bin, nil
	}
	//nolint:gosec // G301: the server may run as another user, who has to get in
	if err := os.MkdirAll(d.Cache, 0o755); err != nil {
		return "", fmt.Errorf("download PostgreSQL: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- d.fetch(ctx, major, filepath.Dir(bin)) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("download PostgreSQL: %w", err)
	}
	return bin, nil
}

// fetch downloads and unpacks into a temporary directory and renames it to home, so that home is
// either complete or absent, whatever kills us and whoever else downloads at the same time.
func (d Downloader) fetch(ctx context.Context, major int, home string) error {
	temporary, err := os.MkdirTemp(d.Cache, "download-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // nothing depends on it
	unpacked := filepath.Join(temporary, "postgresql")
	if err := d.unpack(ctx, major, temporary, unpacked); err != nil {
		return err
	}
	if d.Shared {
		if err := readableForAll(unpacked); err != nil {
			return err
		}
	}
	if err := os.Rename(unpacked, home); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// unpack lets the library download and unpack, and nothing more. The library has no such call: its
// Start goes on to create a cluster and to start a server of its own. It is given a data directory
// whose name no file system accepts, so that Start fails at exactly that step; what counts is that
// the programs are there.
func (d Downloader) unpack(ctx context.Context, major int, temporary, unpacked string) error {
	const impossible = "\x00"
	release, err := releases(major)
	if err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	config := embeddedpostgres.DefaultConfig().Version(release).Port(port).Logger(io.Discard).
		CachePath(filepath.Join(temporary, "archive")).RuntimePath(filepath.Join(temporary, "runtime")).
		BinariesPath(unpacked).DataPath(filepath.Join(temporary, impossible))
	if d.Repository != "" {
		config = config.BinaryRepositoryURL(d.Repository)
	}
	server := embeddedpostgres.NewDatabase(config)
	startErr := server.Start()
	if startErr == nil { // cannot be; but if it ever is, no server may be left behind
		if err := server.Stop(); err != nil {
			return err
		}
	}
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(unpacked, "bin", program)); err != nil {
			return fmt.Errorf("the download holds no program %s: %w", program, cmp.Or(startErr, err))
		}
	}
	return nil
}

// freePort satisfies the library, which looks whether its port is free before it downloads.
func freePort(ctx context.Context) (uint32, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return uint32(port), listener.Close()
}

// readableForAll lets everybody read the tree and run its programs, whatever our umask took away.
func readableForAll(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // G122: the tree is ours alone so far
	})
}
