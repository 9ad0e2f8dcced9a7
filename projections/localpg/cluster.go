package localpg

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// role is the PostgreSQL user that owns everything in the cluster, and databaseName its database.
const (
	role         = "ledger"
	databaseName = "ledger"
)

// clusterMajor returns the major version that a cluster was made by, 0 when there is no cluster.
func clusterMajor(cluster string) (int, error) {
	content, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(cluster); !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("%s is there but is no PostgreSQL cluster: move it away", cluster)
		}
		return 0, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return 0, fmt.Errorf("%s belongs to another user: run the ledger as the one who ran it before, "+
			"or choose another data directory: %w", cluster, err)
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read the version of the cluster %s: %w", cluster, err)
	}
	return major, nil
}

// readPassword returns the role's password, making one for a new cluster. It is written before the
// cluster exists, so that a cluster never waits for a password that nobody knows.
func (p place) readPassword(clusterExists bool) (string, error) {
	content, err := os.ReadFile(p.password())
	if err == nil && len(bytes.TrimSpace(content)) > 0 {
		return string(bytes.TrimSpace(content)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the password of PostgreSQL: %w", err)
	}
	if clusterExists {
		return "", fmt.Errorf("the password of the PostgreSQL cluster is gone (%s): delete %s, "+
			"the ledger rebuilds its content from the event log", p.password(), p.dir)
	}
	password := rand.Text()
	if err := writeFile(p.password(), password+"\n"); err != nil {
		return "", fmt.Errorf("keep the password of PostgreSQL: %w", err)
	}
	return password, nil
}

// writeFile replaces a private file in one step.
func writeFile(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// create makes the cluster. initdb works in a directory of another name that is renamed when it is
// complete: a cluster is either whole or absent, whenever we are killed.
func (p place) create(ctx context.Context, b pgbin.Binaries, password string, sync bool) error {
	const unfinished = "cluster.new-"
	leftovers, err := filepath.Glob(filepath.Join(p.dir, unfinished+"*"))
	if err != nil {
		return fmt.Errorf("look for unfinished clusters: %w", err)
	}
	for _, leftover := range leftovers {
		// Best effort: an initdb whose ledger was killed may still be writing to it. It is in nobody's
		// way, and the next time is soon enough.
		_ = os.RemoveAll(leftover)
	}
	temporary, err := os.MkdirTemp(p.dir, unfinished)
	if err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	// initdb reads the password from a file that its user can read.
	passwordFile := filepath.Join(temporary, "password")
	data := filepath.Join(temporary, "cluster")
	err = errors.Join(
		os.WriteFile(passwordFile, []byte(password+"\n"), 0o600), p.account.own(passwordFile),
		os.Mkdir(data, 0o700), p.account.own(data), p.account.own(temporary))
	if err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	// The locale C sorts text by its bytes, which every machine and every version does alike.
	arguments := []string{
		"-D", data, "--username=" + role, "--pwfile=" + passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--data-checksums",
	}
	if !sync {
		arguments = append(arguments, "--no-sync")
	}
	command := exec.CommandContext(ctx, b.Path("initdb"), arguments...)
	p.account.prepare(command)
	command.WaitDelay = immediateTimeout
	if out, err := command.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "could not look up effective user ID") {
			return fmt.Errorf("PostgreSQL cannot run as user %d, who has no name on this system: add one (useradd), "+
				"run the ledger as another user, or use a PostgreSQL of yours (--database-url)", os.Geteuid())
		}
		return fmt.Errorf("create the cluster with %s: %w: %s", command.Path, err, lastLines(out))
	}
	if err := os.Rename(data, p.cluster()); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	if err := os.RemoveAll(temporary); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	return nil
}

// lastLines shortens the output of a program to what tells the cause.
func lastLines(out []byte) string {
	const keep = 3
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-keep):], " | ")
}
