package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestNode_BitFlips flips single bits in every file of a log: the log gives the same answers or refuses
// to answer; it never loses or changes anything silently.
func TestNode_BitFlips(t *testing.T) {
	t.Parallel()
	const flipsPerFile = 40
	fs := vfs.NewMem()
	n := open(t, crashOptions(fs))
	writeSample(t, n)
	want := answers(t, n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	flips, refused := 0, 0
	for _, name := range files {
		info, err := fs.Stat("log/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for range flipsPerFile {
			if info.Size() == 0 || info.IsDir() {
				break
			}
			copied := copyFiles(t, fs)
			bit := rng.Int64N(info.Size() * 8)
			flip(t, copied, "log/"+name, bit)
			flips++
			got, err := tryAnswers(t, copied)
			if err != nil {
				refused++
				continue
			}
			if got != want {
				t.Fatalf("bit %d of %s (%d bytes) changes the answers silently: %d bytes of them, want %d", bit, name, info.Size(), len(got), len(want))
			}
		}
	}
	if flips < 4*flipsPerFile || refused < flips/4 {
		t.Errorf("%d of %d flips were noticed: too few to be true", refused, flips)
	}
}

// TestNode_BitFlipsInLog flips bits in the write-ahead log that an open node leaves behind when its process
// is killed. The log is refused, unless the bit is in the last few records: nothing behind them proves that
// they were synced, so that a damaged one is a torn write.
func TestNode_BitFlipsInLog(t *testing.T) {
	t.Parallel()
	const flips, unproven = 400, 3
	fs := vfs.NewMem()
	n := open(t, node.Options{Dir: "log", FS: fs, CacheBytes: 16 << 20, MemTableBytes: 4 << 20})
	writeSample(t, n)
	type state struct {
		bytes   int64 // of the log
		answers string
	}
	var last []state
	name := ""
	for i := range uint64(unproven + 1) {
		file, size := writeAheadLog(t, fs)
		if last = append(last, state{size, answers(t, n)}); i > 0 && file != name {
			t.Fatalf("the last appends are not in one log: %s and %s", file, name)
		}
		name = file
		if i < unproven {
			if _, err := n.Append(t.Context(), "s0", eventstore.Any, taggedEvents(1<<40+i, 2)...); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := last[unproven]
	rng := rand.New(rand.NewPCG(5, 6))
	refused, torn := 0, 0
	for range flips {
		copied := copyFiles(t, fs)
		bit := rng.Int64N(whole.bytes * 8)
		flip(t, copied, name, bit)
		got, err := tryAnswers(t, copied)
		switch {
		case err != nil:
			refused++
		case got == whole.answers:
		case slices.ContainsFunc(last, func(s state) bool { return bit/8 >= s.bytes && got == s.answers }):
			torn++
		default:
			t.Fatalf("bit %d of %s (byte %d; the last records begin at byte %d) changes the answers silently", bit, name, bit/8, last[0].bytes)
		}
	}
	t.Logf("%d flips: %d refused, %d read as a torn write", flips, refused, torn)
	if refused < flips*8/10 {
		t.Errorf("%d of %d flips were refused: too few to be true", refused, flips)
	}
}

// TestNode_BitFlipsInZeros flips bits behind the end of the write-ahead log, in zeros that were written ahead: nothing is
// lost.
func TestNode_BitFlipsInZeros(t *testing.T) {
	t.Parallel()
	const flips, zeros = 100, 70 << 10
	fs := vfs.NewMem()
	n := open(t, node.Options{Dir: "log", FS: fs, CacheBytes: 16 << 20, MemTableBytes: 4 << 20})
	writeSample(t, n)
	want := answers(t, n)
	name, size := writeAheadLog(t, fs)
	content := append(readFile(t, fs, name), make([]byte, zeros)...)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range int64(flips) {
		copied := copyFiles(t, fs)
		writeFile(t, copied, name, content)
		bit := size*8 + i // of the first bytes each, of the others some
		if i >= flips/2 {
			bit = (size + rng.Int64N(zeros)) * 8
		}
		flip(t, copied, name, bit)
		if got, err := tryAnswers(t, copied); err != nil || got != want {
			t.Fatalf("bit %d of %d bytes and zeros: %d bytes of answers, want %d; %v", bit, size, len(got), len(want), err)
		}
	}
}

// TestNode_LostFiles removes each file of a log: the log gives the same answers, or Open refuses and says that it is
// damaged. It never makes a new log beside what is left of the old one.
func TestNode_LostFiles(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	n := open(t, crashOptions(fs))
	writeSample(t, n)
	want := answers(t, n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, crashOptions(fs)).Close(); err != nil { // the first manifest is found without its marker
		t.Fatal(err)
	}
	files, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, name := range files {
		copied := copyFiles(t, fs)
		if err := copied.Remove("log/" + name); err != nil {
			t.Fatal(err)
		}
		got, err := tryAnswers(t, copied)
		var damaged *node.DamagedError
		switch {
		case errors.As(err, &damaged):
			refused++
		case err != nil:
			t.Errorf("without %s: %v", name, err)
		case got != want:
			t.Errorf("without %s the log is %d bytes of answers, want %d or a refusal", name, len(got), len(want))
		}
	}
	if refused < 3 { // the manifest, its marker, tables
		t.Errorf("%d of %d lost files were noticed", refused, len(files))
	}
}

// writeAheadLog is the newest write-ahead log, and its size.
func writeAheadLog(t *testing.T, fs vfs.FS) (name string, size int64) {
	t.Helper()
	files, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	for _, file := range files {
		if strings.HasSuffix(file, ".log") {
			name = "log/" + file
		}
	}
	return name, int64(len(readFile(t, fs, name)))
}

// answers renders all that a log answers.
func answers(t *testing.T, n *node.Node) string {
	t.Helper()
	out, err := readAnswers(n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readAnswers(n *node.Node) (string, error) {
	var out strings.Builder
	events, err := readEverything(n)
	if err != nil {
		return "", err
	}
	for _, e := range events {
		fmt.Fprintln(&out, e)
	}
	for _, stream := range []string{"s0", "s1", "s2", "s3", "s4", "repeated", "never"} {
		events, err := collect(n.ReadStream(context.Background(), stream, eventstore.StreamRead{}))
		if err != nil && !errors.Is(err, eventstore.ErrStreamDeleted) && !errors.Is(err, eventstore.ErrStreamNotFound) {
			return "", err
		}
		fmt.Fprintln(&out, stream, events, err)
	}
	return out.String(), nil
}

func tryAnswers(t *testing.T, fs vfs.FS) (string, error) {
	t.Helper()
	n, err := node.Open(crashOptions(fs))
	if err != nil {
		return "", err
	}
	defer func() { _ = n.Close() }() // a damaged log may well fail to close
	return readAnswers(n)
}

// copyFiles copies a log within memory.
func copyFiles(t *testing.T, from vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if ok, err := vfs.Clone(from, to, "log", "log"); err != nil || !ok {
		t.Fatalf("copy log: %t, %v", ok, err)
	}
	return to
}

func flip(t *testing.T, fs vfs.FS, name string, bit int64) {
	t.Helper()
	content := readFile(t, fs, name)
	content[bit/8] ^= 1 << (bit % 8)
	writeFile(t, fs, name, content)
}

func readFile(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t *testing.T, fs vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(slices.Clone(content)) // a file may change what it is given
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNode_TornWrite cuts the write-ahead log at every byte of the last append, as a crash in the middle
// of a write does: the log opens and holds exactly the appends before the cut.
func TestNode_TornWrite(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	n := open(t, node.Options{Dir: "log", FS: fs})
	var acks acked
	if err := write(n, 0, 1, 10, nil, &acks); err != nil {
		t.Fatal(err)
	}
	log := newestLog(t, fs)
	start := lengthWithoutPadding(readFile(t, fs, log))
	before, err := readEverything(n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Append(t.Context(), "s", eventstore.Any, taggedEvents(0, 2)...); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, fs, log)
	end := lengthWithoutPadding(whole)
	if end-start < 100 {
		t.Fatalf("the last append is only %d bytes", end-start)
	}
	for cut := start; cut <= end; cut++ {
		// Behind the cut the file ends, or has the zeros that were written ahead.
		for _, content := range [][]byte{whole[:cut], append(slices.Clone(whole[:cut]), make([]byte, 40<<10)...)} {
			torn := copyFiles(t, fs)
			writeFile(t, torn, log, content)
			n, err := node.Open(node.Options{Dir: "log", FS: torn, MemTableBytes: 256 << 10})
			if err != nil {
				t.Fatalf("open with %d of %d bytes of the last append: %v", cut-start, end-start, err)
			}
			events, err := readEverything(n)
			if err := errors.Join(err, n.Close()); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, events)
			if len(events) != len(before) && (cut < end || len(events) != len(before)+2) {
				t.Fatalf("%d of %d bytes of the last append: %d events, %d before it", cut-start, end-start, len(events), len(before))
			}
		}
	}
}

func newestLog(t *testing.T, fs vfs.FS) string {
	t.Helper()
	files, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	newest := ""
	for _, f := range files {
		if strings.HasSuffix(f, ".log") {
			newest = max(newest, f)
		}
	}
	return "log/" + newest
}

func lengthWithoutPadding(content []byte) int {
	n := len(content)
	for n > 0 && content[n-1] == 0 {
		n--
	}
	return n
}
