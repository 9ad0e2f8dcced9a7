package node_test

import (
	"bufio"
	"flag"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

// openEvents is small in every run; the goal is stated for -open-events=10000000, which takes a few GB
// of disk.
var openEvents = flag.Int("open-events", 200_000, "how many events the log of BenchmarkOpen holds")

// tailEvents are appended by the process that is killed: about what the write buffers hold.
const tailEvents = 100_000

// BenchmarkOpen measures how long a log takes to open after a clean stop and after the process was
// killed while its write buffers were full, and what the open node then holds in memory.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	fillForOpen(b, dir, *openEvents)
	b.Run("clean", func(b *testing.B) {
		measureOpen(b, dir, func() {})
	})
	b.Run("killed", func(b *testing.B) {
		measureOpen(b, dir, func() { writeAndKill(b, dir) })
	})
}

// measureOpen reports the median and the longest time to open.
func measureOpen(b *testing.B, dir string, before func()) {
	var times []time.Duration
	var heap runtime.MemStats
	for range b.N {
		before()
		start := time.Now()
		n, err := node.Open(node.Options{Dir: dir})
		times = append(times, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&heap)
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(times)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(times[len(times)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(times[len(times)-1].Milliseconds()), "max-ms")
	b.ReportMetric(float64(heap.HeapAlloc)/(1<<20), "heap-MiB")
}

func fillForOpen(b *testing.B, dir string, events int) {
	b.Helper()
	n, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	if err := appendMany(n, events); err != nil {
		b.Fatal(err)
	}
	if err := n.Close(); err != nil {
		b.Fatal(err)
	}
}

// writeAndKill lets another process append and kills it when it has.
func writeAndKill(b *testing.B, dir string) {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDirVariable+"="+dir, childRoleVariable+"=fill")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the child ends with it
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		b.Fatal(err)
	}
	_ = stdin.Close()
	_ = cmd.Wait() // it was killed
}
