package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// secret is what stands in files as it is: nothing compresses it.
func secret() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return string(b)
}

// inFiles is the part of a secret that stands in files as it is: its ends may be what a compressor has seen, with what stands beside
// them.
func inFiles(secret string) []byte { return []byte(secret[4 : len(secret)-4]) }

// written are texts by the name of what was done to their events.
type written map[string][]string

// put appends one event with a text in its data and one in its metadata, and remembers both.
func (w written) put(t *testing.T, n *node.Node, what, stream string) eventstore.EventData {
	t.Helper()
	e := eventstore.EventData{ID: uuid.New(), Type: "Put", Data: []byte(secret()), Metadata: []byte(secret())}
	w[what] = append(w[what], string(e.Data), string(e.Metadata))
	if _, err := n.Append(t.Context(), stream, eventstore.Any, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func limitStream(t *testing.T, n *node.Node, stream, metadata string) {
	t.Helper()
	if _, err := n.SetStreamMetadata(t.Context(), stream, eventstore.Any, []byte(metadata)); err != nil {
		t.Fatal(err)
	}
}

// holds tells which texts stand in files of a folder.
func holds(t *testing.T, dir string, texts []string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		content, _ := os.ReadFile(path) // nothing of a folder, nor of a file that is being deleted
		for _, text := range texts {
			if bytes.Contains(content, inFiles(text)) {
				found = append(found, fmt.Sprintf("%s holds %x", filepath.Base(path), text))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestScavenge: what is hidden for good is in no file of the log any more, and everything else is as it was: what reads
// show, places, ids, and the proofs of verify.
func TestScavenge(t *testing.T) {
	t.Parallel()
	dir, now := filepath.Join(t.TempDir(), "log"), time.Now()
	options := node.Options{Dir: dir, Clock: func() time.Time { return now }}
	n, err := node.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	w := written{}
	limitStream(t, n, "counted", `{"$maxCount":2}`)
	limitStream(t, n, "aged", `{"$maxAge":60}`)
	limitStream(t, n, "cut", `{"was":"something else"}`)
	limitStream(t, n, "cut", `{"$tb":1}`)
	var first eventstore.EventData
	for i := range 4 {
		what := "gone"
		if i >= 2 {
			what = "kept"
		}
		if e := w.put(t, n, what, "counted"); i == 0 {
			first = e
		}
	}
	w.put(t, n, "gone", "cut")
	w.put(t, n, "kept", "cut")
	w.put(t, n, "gone", "aged")
	now = now.Add(2 * time.Minute)
	w.put(t, n, "kept", "aged")
	w.put(t, n, "gone", "deleted")
	w.put(t, n, "gone", "ended")
	for range 3 {
		w.put(t, n, "kept", "order-1")
	}
	if _, err := n.DeleteStream(t.Context(), "deleted", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	if _, err := n.TombstoneStream(t.Context(), "ended", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	// An append of which a part is hidden.
	parts := []eventstore.EventData{{ID: uuid.New(), Type: "Part", Data: []byte(secret())}, {ID: uuid.New(), Type: "Part", Data: []byte(secret())}}
	w["gone"], w["kept"] = append(w["gone"], string(parts[0].Data)), append(w["kept"], string(parts[1].Data))
	limitStream(t, n, "parted", `{"$maxCount":1}`)
	if _, err := n.Append(t.Context(), "parted", eventstore.NoStream, parts...); err != nil {
		t.Fatal(err)
	}
	shown := func() (all string) {
		t.Helper()
		for _, stream := range []string{"counted", "aged", "cut", "parted", "order-1", "$$cut"} {
			for e, err := range n.ReadStream(t.Context(), stream, eventstore.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
				all += fmt.Sprintf("%s@%d %s %s %x %x\n", e.Stream, e.Revision, e.Position, e.ID, e.Data, e.Metadata)
			}
		}
		return all
	}
	before := shown()
	if err := n.Close(); err != nil { // everything is in tables, of which those of a scavenge are others
		t.Fatal(err)
	}
	if n, err = node.Open(options); err != nil {
		t.Fatal(err)
	}
	head, _, err := n.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found := holds(t, dir, w["gone"]); len(found) < len(w["gone"]) {
		t.Fatalf("only %d of %d texts are found: the search is blind", len(found), len(w["gone"]))
	}
	report, err := n.Scavenge(t.Context(), "")
	if err != nil || report.Streams != 6 || report.Events != 8 {
		t.Errorf("%+v, %v; want 8 events of 6 streams", report, err)
	}
	// Pebble goes on writing tables anew, and deletes the old ones, in the background.
	waitFor(t, func() bool { return len(holds(t, dir, w["gone"])) == 0 })
	waitFor(t, func() bool { return len(holds(t, dir, w["kept"])) >= len(w["kept"]) })
	if after := shown(); after != before {
		t.Errorf("shows\n%s\nand showed\n%s", after, before)
	}
	if _, err := n.Append(t.Context(), "counted", eventstore.NoStream, first); err != nil {
		t.Errorf("a repetition of a scavenged event: %v", err)
	}
	result, err := n.Append(t.Context(), "deleted", eventstore.NoStream, newEvent("Again"))
	if err != nil || result.Revision != 1 || result.Position.Commit != head.Commit+1 {
		t.Errorf("begun anew: %+v, %v", result, err)
	}
	events, err := readEverything(n)
	if err != nil {
		t.Fatal(err)
	}
	inAll := 0
	for _, e := range events {
		if inAll++; strings.Contains(strings.Join(w["gone"], " "), string(e.Data)) && len(e.Data) > 0 {
			t.Errorf("$all shows %s@%d", e.Stream, e.Revision)
		}
	}
	if want := int(head.Commit) + 2 - 8; inAll != want { // the metadata of the undelete too
		t.Errorf("$all shows %d events, want %d", inAll, want)
	}
	followed := 0
	for m, err := range n.SubscribeAll(t.Context(), eventstore.AllSubscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(eventstore.CaughtUp); ok {
			break
		}
		followed++
	}
	if followed < inAll { // the newest ones come from memory, with what was removed
		t.Errorf("a subscription shows %d events", followed)
	}
	for _, want := range []uint64{1, 0} { // the metadata that the undelete replaced
		if again, err := n.Scavenge(t.Context(), ""); err != nil || again.Events != want {
			t.Errorf("again: %+v, %v; want %d events", again, err, want)
		}
	}
	backup := dir + ".backup"
	if err := errors.Join(n.Backup(t.Context(), backup), n.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, backup} {
		if r, err := node.Verify(t.Context(), dir, nil); err != nil || !r.OK() || r.Scavenged != 9 || r.Events != head.Commit+2 {
			t.Errorf("%s: %+v, %v", dir, r, err)
		}
	}
	if n, err = node.Open(options); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if after := shown(); after != before {
		t.Errorf("opened again it shows\n%s\nand showed\n%s", after, before)
	}
	if at, err := n.LastScavenge(); err != nil || !at.Equal(now.Truncate(time.Second)) {
		t.Errorf("last scavenge %s, %v", at, err)
	}
}

// TestScavenge_OfAPrefix touches nothing else.
func TestScavenge_OfAPrefix(t *testing.T) {
	t.Parallel()
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem()})
	w := written{}
	for _, stream := range []string{"a-1", "b-1", "b-2", "c-1"} {
		limitStream(t, n, stream, `{"$maxCount":1}`)
		w.put(t, n, "gone", stream)
		w.put(t, n, "kept", stream)
	}
	if report, err := n.Scavenge(t.Context(), "b-"); err != nil || report.Events != 2 {
		t.Errorf("%+v, %v; want 2 events", report, err)
	}
	if at, err := n.LastScavenge(); err != nil || !at.IsZero() {
		t.Errorf("the whole log was scavenged at %s, %v", at, err)
	}
}

// TestScavenge_WhileInUse: a stream of which only the newest event is shown always shows one, and never an older one than
// before, while it is appended to and scavenged.
func TestScavenge_WhileInUse(t *testing.T) {
	t.Parallel()
	const appends = 120
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem(), MemTableBytes: 256 << 10})
	limitStream(t, n, "s", `{"$maxCount":1}`)
	w := written{}
	w.put(t, n, "all", "s")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := n.Scavenge(ctx, "s"); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		group.Go(func() {
			last := uint64(0)
			for ctx.Err() == nil {
				shown := 0
				for e, err := range n.ReadStream(ctx, "s", eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
					if err != nil {
						if ctx.Err() == nil {
							t.Error(err)
						}
						return
					}
					if e.Revision < last || len(e.Data) == 0 {
						t.Errorf("revision %d after %d, %d bytes", e.Revision, last, len(e.Data))
					}
					last = e.Revision
					shown++
				}
				if shown != 1 && ctx.Err() == nil {
					t.Errorf("%d events are shown after revision %d", shown, last)
				}
			}
		})
	}
	for i := range appends {
		w.put(t, n, "all", "s")
		if i%20 == 0 {
			limitStream(t, n, "s", fmt.Sprintf(`{"$maxCount":1,"n":%d}`, i))
		}
	}
	cancel()
	group.Wait()
}

// TestScavenge_PowerLossAtEveryStep cuts the power at every step of a scavenge: what is shown is as it was, the log is
// sound, and a scavenge that begins anew finishes: no file holds what the first one removed, be it from tables or logs.
func TestScavenge_PowerLossAtEveryStep(t *testing.T) {
	t.Parallel()
	var (
		mem     = vfs.NewCrashableMem()
		mu      sync.Mutex
		armed   bool
		crashes []*vfs.MemFS
		rng     = mathrand.New(mathrand.NewPCG(3, 4))
	)
	files := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename, errorfs.OpCreate, errorfs.OpRemove, errorfs.OpReuseForWrite, errorfs.OpLink:
		default:
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if armed {
			for _, keep := range []int{0, 50} {
				crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rng}))
			}
		}
		return nil
	}))
	n, err := node.Open(crashOptions(files))
	if err != nil {
		t.Fatal(err)
	}
	w := written{}
	for stream := range 3 {
		name := fmt.Sprintf("s%d", stream)
		limitStream(t, n, name, `{"$maxCount":1}`)
		for i := range 20 {
			what := "gone"
			if i == 19 {
				what = "kept"
			}
			w.put(t, n, what, name)
			w.put(t, n, "kept", "order-1")
		}
	}
	if err := n.Close(); err != nil { // tables hold it all
		t.Fatal(err)
	}
	if n, err = node.Open(crashOptions(files)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	armed = true
	mu.Unlock()
	if report, err := n.Scavenge(t.Context(), ""); err != nil || report.Events != 57 {
		t.Fatalf("%+v, %v", report, err)
	}
	mu.Lock()
	armed = false
	mu.Unlock()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if len(crashes) < 20 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for i, crashed := range crashes {
		n, err := node.Open(crashOptions(crashed))
		if err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		var kept []string
		for _, stream := range []string{"s0", "s1", "s2", "order-1"} {
			events, err := collect(n.ReadStream(t.Context(), stream, eventstore.StreamRead{}))
			if err != nil {
				t.Fatalf("crash %d: %v", i, err)
			}
			for _, e := range events {
				kept = append(kept, string(e.Data), string(e.Metadata))
			}
		}
		if len(kept) != len(w["kept"]) {
			t.Fatalf("crash %d: %d texts are shown, want %d", i, len(kept), len(w["kept"]))
		}
		if _, err := n.Scavenge(t.Context(), ""); err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if report, err := node.VerifyFS(t.Context(), crashed, "log", nil); err != nil || !report.OK() || report.Scavenged != 57 {
			t.Fatalf("crash %d: %+v, %v", i, report, err)
		}
		if found := holdsFS(t, crashed, "log", w["gone"]); len(found) > 0 {
			t.Errorf("crash %d: %d texts are left, the first one in %s", i, len(found), found[0])
		}
	}
}

// holdsFS is holds for a folder of any file system.
func holdsFS(t *testing.T, files vfs.FS, dir string, texts []string) (found []string) {
	t.Helper()
	names, err := files.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := files.Open(files.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if bytes.Contains(content, inFiles(text)) {
				found = append(found, name)
			}
		}
	}
	return found
}

// TestScavenge_LeavesStreamsWithoutLimits: orders and their like are never touched, and verify tells when one was.
func TestScavenge_LeavesStreamsWithoutLimits(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	n, err := node.Open(node.Options{Dir: "log", FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	w := written{}
	w.put(t, n, "kept", "order-1")
	limitStream(t, n, "order-2", `{"$acl":{}}`)
	w.put(t, n, "kept", "order-2")
	limitStream(t, n, "order-3", fmt.Sprintf(`{"$tb":%d}`, int64(math.MaxInt64)-1)) // cut, and not deleted
	w.put(t, n, "gone", "order-3")
	if report, err := n.Scavenge(t.Context(), ""); err != nil || report.Events != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := node.ScavengeFrameAt(mem, "log", 1); err != nil {
		t.Fatal(err)
	}
	report, err := node.VerifyFS(t.Context(), mem, "log", nil)
	if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], `"order-1" was scavenged`) {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestScavenge_LeavesWhatIsKept: whoever limits, hides or deletes a stream that is kept destroys nothing.
func TestScavenge_LeavesWhatIsKept(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	options := node.Options{Dir: "log", FS: mem, Kept: func(stream string) bool { return strings.HasPrefix(stream, "order-") }}
	n, err := node.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	w := written{}
	for _, stream := range []string{"order-1", "order-2", "order-3", "other"} {
		what := "kept"
		if stream == "other" {
			what = "gone"
		}
		w.put(t, n, what, stream)
		w.put(t, n, what, stream)
	}
	limitStream(t, n, "order-1", `{"$maxCount":1}`)
	for _, stream := range []string{"order-2", "other"} {
		if _, err := n.DeleteStream(t.Context(), stream, eventstore.Any); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.TombstoneStream(t.Context(), "order-3", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "order-"} {
		want := uint64(0)
		if prefix == "" {
			want = 2
		}
		if report, err := n.Scavenge(t.Context(), prefix); err != nil || report.Events != want {
			t.Errorf("prefix %q: %+v, %v; want %d events", prefix, report, err, want)
		}
	}
	limitStream(t, n, "order-1", `{}`) // who looks into it sees it all again
	events, err := collect(n.ReadStream(t.Context(), "order-1", eventstore.StreamRead{}))
	if err != nil || len(events) != 2 || string(events[0].Data) != w["kept"][0] {
		t.Errorf("%d events are shown, %v", len(events), err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if found := holdsFS(t, mem, "log", w["kept"]); len(found) < len(w["kept"]) {
		t.Errorf("only %d of %d texts are there", len(found), len(w["kept"]))
	}
}
