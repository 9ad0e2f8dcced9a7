package localpg

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// pollInterval is how often a file or process is looked at while we wait for it to change.
	pollInterval = 20 * time.Millisecond
	// fastTimeout is how long a fast shutdown (a checkpoint, mostly) may take before we ask for an
	// immediate one, which costs a recovery at the next start and no data.
	fastTimeout = 30 * time.Second
	// immediateTimeout is how long an immediate shutdown may take; the server itself kills what does
	// not end within 5 s.
	immediateTimeout = 10 * time.Second
)

// postmasterFile is what a running server says of itself in postmaster.pid.
type postmasterFile struct {
	cluster string
	pid     int
	port    int
	ready   bool
}

// readPostmasterFile reads the file; fs.ErrNotExist means that no server runs, or that none has come
// so far.
func readPostmasterFile(cluster string) (postmasterFile, error) {
	content, err := os.ReadFile(filepath.Join(cluster, "postmaster.pid"))
	if err != nil {
		return postmasterFile{}, fmt.Errorf("read who runs the cluster: %w", err)
	}
	// Lines: process id, data directory, start time, port, socket directory, address, shared memory,
	// status. They are written one after the other, the status last.
	lines := strings.Split(string(content), "\n")
	file := postmasterFile{cluster: cluster}
	if file.pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || file.pid <= 0 {
		return postmasterFile{}, fmt.Errorf("read who runs the cluster: "+
			"postmaster.pid in %s begins with %q: %w", cluster, lines[0], fs.ErrNotExist)
	}
	if len(lines) > 3 {
		if file.port, err = strconv.Atoi(strings.TrimSpace(lines[3])); err != nil {
			file.port = 0 // half written
		}
	}
	file.ready = len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
	return file, nil
}

// alive tells whether a process with this id exists, whatever it is.
func (f postmasterFile) alive() bool { return processExists(f.pid) }

// identity is what a living process turns out to be. Process ids are given out again, soon so in
// containers, so the one in postmaster.pid may belong to anything by now.
type identity int

const (
	somethingElse identity = iota // or no process at all
	ourServer
	someServer // a PostgreSQL server, and nobody can tell whose
)

func (f postmasterFile) identify() identity {
	if !f.alive() {
		return somethingElse
	}
	proc := filepath.Join("/proc", strconv.Itoa(f.pid))
	if f.isCluster(filepath.Join(proc, "cwd")) == ourServer { // a server works in its cluster
		return ourServer
	}
	arguments, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		//nolint:noctx // it ends at once, and is needed while we stop, too
		out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(f.pid)).Output()
		if err != nil {
			return someServer // cannot be found out; two servers on one cluster destroy it
		}
		if strings.Contains(string(out), " -D "+f.cluster+" ") {
			return ourServer
		}
		arguments = out
	}
	if !strings.Contains(string(arguments), "postgres") {
		return somethingElse
	}
	if _, rest, ok := strings.Cut(string(arguments), "\x00-D\x00"); ok {
		dir, _, _ := strings.Cut(rest, "\x00")
		return f.isCluster(dir)
	}
	return someServer
}

// isCluster compares a directory with the cluster. One that does not exist may be the cluster before
// it was moved.
func (f postmasterFile) isCluster(dir string) identity {
	theirs, err := os.Stat(dir) //nolint:gosec // G703: it is only looked at
	if err != nil {
		return someServer
	}
	if ours, err := os.Stat(f.cluster); err == nil && os.SameFile(theirs, ours) {
		return ourServer
	}
	return somethingElse
}

// end makes the server of this cluster stop and waits for it: first in the fast way, then at once.
// The end of the context shortens the first wait. It never signals a process that is not surely ours.
func (f postmasterFile) end(ctx context.Context) error {
	steps := []struct {
		fast  bool
		limit time.Duration
	}{{true, fastTimeout}, {false, immediateTimeout}}
	for _, step := range steps {
		switch f.identify() {
		case somethingElse:
			return nil
		case someServer:
			return fmt.Errorf("a PostgreSQL server, process %d, seems to use %s: stop it, "+
				"or remove %s when it is another one's", f.pid, f.cluster,
				filepath.Join(f.cluster, "postmaster.pid"))
		case ourServer:
		}
		if err := shutdown(f.pid, step.fast); err != nil {
			return fmt.Errorf("stop the PostgreSQL process %d: %w", f.pid, err)
		}
		limit, cancel := context.WithTimeout(ctx, step.limit)
		err := waitUntil(limit, func() bool { return f.identify() != ourServer })
		cancel()
		if err == nil {
			return nil
		}
		ctx = context.WithoutCancel(ctx)
	}
	return fmt.Errorf("the PostgreSQL process %d does not stop", f.pid)
}

// waitUntil looks at a condition until it holds or the context ends.
func waitUntil(ctx context.Context, holds func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
	return nil
}
