package projections_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usage is what the system counts about who works, from its start on.
type usage struct {
	// ledger and postgres are processor time of this process, and of PostgreSQL's, those that ended included.
	ledger, postgres time.Duration
	// idle and machine are processor time of the whole machine, whoever works on it: machine includes idle.
	idle, machine time.Duration
	// written are bytes that this process and PostgreSQL's had written to files, those that never reached the disk excluded.
	written int64
}

func (u usage) add(more usage) usage {
	return usage{
		ledger: u.ledger + more.ledger, postgres: u.postgres + more.postgres, idle: u.idle + more.idle,
		machine: u.machine + more.machine, written: u.written + more.written,
	}
}

func (u usage) since(before usage) usage {
	return u.add(usage{-before.ledger, -before.postgres, -before.idle, -before.machine, -before.written})
}

// report adds the metrics of a stage, or of all of them for the empty name.
func (u usage) report(b *testing.B, stage string, events int) {
	b.Helper()
	if u.machine <= 0 { // not told here
		return
	}
	if stage != "" {
		stage += "-"
	}
	b.ReportMetric(float64(u.ledger.Nanoseconds())/1e3/float64(events), stage+"ledger-µs/event")
	b.ReportMetric(float64(u.postgres.Nanoseconds())/1e3/float64(events), stage+"postgres-µs/event")
	b.ReportMetric(100*float64(u.idle)/float64(u.machine), stage+"idle-%")
	b.ReportMetric(float64(u.written)/float64(events), stage+"written-B/event")
}

// newUsageMeter returns what tells the usage; where the system does not tell (no Linux, or a PostgreSQL elsewhere) it is zero.
func newUsageMeter(b *testing.B, url string) func() usage {
	b.Helper()
	conn := newConn(b, url)
	defer func() { _ = conn.Close(context.WithoutCancel(b.Context())) }()
	var backend int
	if err := conn.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server, err := parentOf(backend)
	if err != nil {
		return func() usage { return usage{} }
	}
	return func() (u usage) {
		all, err := os.ReadFile("/proc/stat")
		if err != nil {
			return usage{}
		}
		line, _, _ := strings.Cut(string(all), "\n")
		for i, field := range strings.Fields(line)[1:9] { // user nice system idle iowait irq softirq steal
			d := ticks(field)
			u.machine += d
			if i == 3 || i == 4 {
				u.idle += d
			}
		}
		u.ledger, u.written = workOf(os.Getpid())
		pids, _ := filepath.Glob("/proc/[0-9]*")
		for _, path := range pids {
			pid, _ := strconv.Atoi(filepath.Base(path))
			if parent, err := parentOf(pid); pid != server && (err != nil || parent != server) {
				continue
			}
			worked, written := workOf(pid)
			u.postgres += worked
			u.written += written
		}
		return u
	}
}

// workOf is the processor time of a process and of its children that ended, and what they wrote; zero when it is gone.
func workOf(pid int) (worked time.Duration, written int64) {
	stat, err := statOf(pid)
	if err != nil {
		return 0, 0
	}
	for _, field := range stat[11:15] { // utime stime cutime cstime
		worked += ticks(field)
	}
	io, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)) // of children that ended too; only root may read others'
	for line := range strings.Lines(string(io)) {
		var n int64
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			written += n
		} else if _, err := fmt.Sscanf(line, "cancelled_write_bytes: %d", &n); err == nil {
			written -= n
		}
	}
	return worked, written
}

func parentOf(pid int) (int, error) {
	stat, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(stat[1])
}

// statOf are the fields of /proc/PID/stat from the third on, the state.
func statOf(pid int) ([]string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(rest), nil
}

// ticks are hundredths of a second on every Linux that Go runs on.
func ticks(field string) time.Duration {
	n, _ := strconv.ParseInt(field, 10, 64)
	return time.Duration(n) * 10 * time.Millisecond
}
