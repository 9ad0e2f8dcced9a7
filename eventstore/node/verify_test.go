package node_test

import (
	"errors"
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
