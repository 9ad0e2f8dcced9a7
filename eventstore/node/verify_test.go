package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// pebbleWriter is what corrupt changes a log with, behind the node's back.
type pebbleWriter interface {
	Set(key, value []byte, o *pebble.WriteOptions) error
	Delete(key []byte, o *pebble.WriteOptions) error
}

func corrupt(t *testing.T, fs vfs.FS, change func(pebbleWriter) error) {
	t.Helper()
	db, err := pebble.Open("log", &pebble.Options{FS: fs, LoggerAndTracer: quietLogger{}, FormatMajorVersion: pebble.FormatTableFormatV6})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// firstKey returns the first entry of a kind.
func firstKey(t *testing.T, db pebbleWriter, prefix string) (key, value []byte) {
	t.Helper()
	it, err := db.(*pebble.DB).NewIter(&pebble.IterOptions{LowerBound: []byte(prefix)})
	if err != nil {
		t.Fatal(err)
	}
	if !it.First() {
		t.Fatalf("no key from %q on", prefix)
	}
	key, value = slices.Clone(it.Key()), slices.Clone(it.Value())
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return key, value
}

// writeSample fills a log with all that a log can hold.
func writeSample(t *testing.T, n *node.Node) {
	t.Helper()
	var acks acked
	if err := write(n, 0, 1, 40, nil, &acks); err != nil {
		t.Fatal(err)
	}
	if _, err := n.SetStreamMetadata(t.Context(), "s0", eventstore.Any, []byte(`{"$maxCount":100}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.DeleteStream(t.Context(), "s1", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	if _, err := n.TombstoneStream(t.Context(), "s2", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	repeated := newEvent("Repeated")
	for i := range uint64(2) {
		expected := eventstore.NoStream
		if i > 0 {
			expected = eventstore.Revision(i - 1)
		}
		if _, err := n.Append(t.Context(), "repeated", expected, repeated); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerify_FindsWhatIsWrong changes single entries of a log.
func TestVerify_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(t *testing.T, db pebbleWriter) error
		want   string // in a problem; empty when there is none
	}{
		{"Nothing", func(*testing.T, pebbleWriter) error { return nil }, ""},
		{"FlippedBit", func(t *testing.T, db pebbleWriter) error {
			key, value := firstKey(t, db, "e")
			value[len(value)-1] ^= 4
			return db.Set(key, value, nil)
		}, "checksum"},
		{"MissingRecord", func(t *testing.T, db pebbleWriter) error {
			key, _ := firstKey(t, db, "e\x00\x00\x00\x00\x00\x00\x00\x02")
			return db.Delete(key, nil)
		}, "follows position"},
		{"MovedRecord", func(t *testing.T, db pebbleWriter) error {
			key, _ := firstKey(t, db, "e")
			_, value := firstKey(t, db, "e\x00\x00\x00\x00\x00\x00\x00\x02")
			return db.Set(key, value, nil)
		}, "holds position"},
		{"MissingIndexEntry", func(t *testing.T, db pebbleWriter) error {
			key, _ := firstKey(t, db, "s")
			return db.Delete(key, nil)
		}, "stream index"},
		{"WrongIndexEntry", func(t *testing.T, db pebbleWriter) error {
			key, value := firstKey(t, db, "s")
			value[7]++
			return db.Set(key, value, nil)
		}, "stream index"},
		{"SurplusIndexEntry", func(t *testing.T, db pebbleWriter) error {
			_, value := firstKey(t, db, "s")
			return db.Set([]byte("s\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff\xff"), value, nil)
		}, "revision 65535"},
		{"MissingEventID", func(t *testing.T, db pebbleWriter) error {
			key, _ := firstKey(t, db, "i")
			return db.Delete(key, nil)
		}, "event-id index"},
		{"SurplusEventID", func(t *testing.T, db pebbleWriter) error {
			key, value := firstKey(t, db, "i")
			key[len(key)-1]++
			return db.Set(key, value, nil)
		}, "event-id index has"},
		{"MissingDirectoryEntry", func(t *testing.T, db pebbleWriter) error { return db.Delete([]byte("ds3"), nil) }, `stream "s3"`},
		{"SurplusDirectoryEntry", func(t *testing.T, db pebbleWriter) error {
			_, value := firstKey(t, db, "d")
			return db.Set([]byte("dnever"), value, nil)
		}, "directory has"},
		{"ForgottenTombstone", func(t *testing.T, db pebbleWriter) error {
			key, value := firstKey(t, db, "ds2")
			clear(value[16:])
			return db.Set(key, value, nil)
		}, "tombstone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewMem()
			n := open(t, node.Options{Dir: "log", FS: fs})
			writeSample(t, n)
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			corrupt(t, fs, func(db pebbleWriter) error { return c.change(t, db) })
			stages := map[string]bool{}
			report, err := node.VerifyFS(t.Context(), fs, "log", func(p node.VerifyProgress) { stages[p.Stage] = true })
			if err != nil || len(stages) != 4 {
				t.Fatalf("verify: %v after stages %v", err, stages)
			}
			if problems := strings.Join(report.Problems, "\n"); !strings.Contains(problems, c.want) || (c.want == "") != report.OK() {
				t.Errorf("problems:\n%s\nwant one about %q", problems, c.want)
			}
		})
	}
}

// TestNode_BitFlips flips single bits in every file of a log: the log gives the same answers or refuses
// to answer; it never loses or changes anything silently.
func TestNode_BitFlips(t *testing.T) {
	t.Parallel()
	const flipsPerFile = 12
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
	if _, err := n.Append(t.Context(), "s", eventstore.Any, taggedEvents(99, 2)...); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, fs, log)
	end := lengthWithoutPadding(whole)
	if end-start < 100 {
		t.Fatalf("the last append is only %d bytes", end-start)
	}
	for cut := start; cut <= end; cut++ {
		torn := copyFiles(t, fs)
		writeFile(t, torn, log, whole[:cut])
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

func TestVerify_RefusesOpenLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, node.Options{Dir: dir})
	var locked *node.LockedError
	if _, err := node.Verify(t.Context(), dir, nil); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("verify of a log in use: %v", err)
	}
}

func TestVerify_MissingLog(t *testing.T) {
	t.Parallel()
	if _, err := node.Verify(t.Context(), filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("verify of a directory that does not exist succeeded")
	}
}

// TestNode_Backup copies a log while it is written to; the copy is whole, holds what was acknowledged
// before, and is a log of its own.
func TestNode_Backup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := open(t, node.Options{Dir: filepath.Join(dir, "log")})
	var acks acked
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- write(n, 0, 4, 1<<20, stop, &acks) }()
	waitFor(t, func() bool { return len(acks.snapshot()) > 50 })
	before := acks.snapshot()
	backup := filepath.Join(dir, "backup")
	if err := n.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	report, err := node.Verify(t.Context(), backup, nil)
	if err != nil || !report.OK() {
		t.Fatalf("verify backup: %+v, %v", report, err)
	}
	restored := open(t, node.Options{Dir: backup})
	events, err := readEverything(restored)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, events)
	checkAcked(t, events, before)
	if _, err := restored.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
		t.Errorf("append to the restored log: %v", err)
	}
	if err := n.Backup(t.Context(), backup); err == nil {
		t.Error("a second backup overwrote the first")
	}
}
