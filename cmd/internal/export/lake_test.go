package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// source is a log and its feed, whose answers can be made to break off.
type source struct {
	log *node.Node
	url string
	// breakAfter, when above zero, cuts off the next answers after so many bytes.
	breakAfter atomic.Int64
	written    []string // ids of the events, in the log's order
}

func serveFeed(t *testing.T) *source {
	t.Helper()
	n, err := node.Open(node.Options{Dir: "log", FS: vfs.NewMem(), CacheBytes: 8 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := &source{log: n}
	f := feed.New(feed.Config{Log: n, Logger: slog.New(slog.DiscardHandler), Problem: func(w http.ResponseWriter, _ *http.Request, status int, code, _ string) {
		http.Error(w, code, status)
	}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if most := s.breakAfter.Load(); most > 0 {
			f.Events(&breaking{ResponseWriter: w, left: most}, r)
			return
		}
		f.Events(w, r)
	}))
	s.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// breaking aborts an answer in the middle of its body.
type breaking struct {
	http.ResponseWriter

	left int64
}

func (b *breaking) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *breaking) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left])
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= int64(len(p))
	return b.ResponseWriter.Write(p)
}

// record appends an event for each day of October 2026 that is given, as recorded then.
func (s *source) record(t *testing.T, days ...int) {
	t.Helper()
	for _, day := range days {
		at := time.Date(2026, 10, day, 23, 59, 59, 0, time.UTC)
		eventType, data, metadata, err := order.Encode(order.OrderIssued{}, order.Metadata{
			LedgerID: ulid.Make().String(), OccurredAt: at, OccurredAtBasis: order.BasisSourceField, RecordedAt: at, Source: "decta", SourceAccount: "shop",
		})
		if err != nil {
			t.Fatal(err)
		}
		e := eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: data, Metadata: metadata}
		if _, err := s.log.Append(t.Context(), "order-"+ulid.Make().String(), eventstore.NoStream, e); err != nil {
			t.Fatal(err)
		}
		s.written = append(s.written, e.ID.String())
	}
}

func (s *source) job(dir string, part int64) export.LakeJob {
	return export.LakeJob{URL: s.url, Dir: dir, Sign: key(), PartEvents: part}
}

func runLake(t *testing.T, j export.LakeJob) export.LakeRun {
	t.Helper()
	run, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// lakeRow is what tests read of a row.
type lakeRow struct {
	ID       string `parquet:"id,optional"`
	Position string `parquet:"position,optional"`
}

// rows are those of a lake's files, as its manifests name them, in the order of the log, and proves that
// every file has one day only.
func rows(t *testing.T, dir string, manifests int) (ids []string) {
	t.Helper()
	for n := range manifests {
		var part []lakeRow
		for _, f := range manifest(t, dir, n+1).Files {
			read, err := parquet.ReadFile[lakeRow](filepath.Join(dir, f.Path))
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(read)) != f.Events || read[0].Position != f.First || read[len(read)-1].Position != f.Last || !strings.HasPrefix(f.Path, "day="+f.Day+"/") {
				t.Errorf("%+v has %d rows from %s to %s", f, len(read), read[0].Position, read[len(read)-1].Position)
			}
			part = append(part, read...)
		}
		slices.SortFunc(part, func(a, b lakeRow) int { return position(t, a).Compare(position(t, b)) })
		for _, r := range part {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func position(t *testing.T, r lakeRow) eventstore.Position {
	t.Helper()
	p, err := eventstore.ParsePosition(r.Position)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func manifestFile(dir string, number int) string {
	return filepath.Join(dir, "_manifests", fmt.Sprintf("%06d.json", number))
}

func manifest(t *testing.T, dir string, number int) (m export.LakeManifest) {
	t.Helper()
	text, err := os.ReadFile(manifestFile(dir, number))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLake_Days: days that alternate are in one file each, as long as not more than three are open; what a
// file was closed for goes on in another. Files are named by first position.
func TestLake_Days(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, 1, 2, 1, 3, 2, 1) // three days at once
	s.record(t, 4, 4, 1, 5, 6)    // a fourth closes the first, which comes again, and so on
	run := runLake(t, s.job(dir, 0))
	if got := rows(t, dir, 1); !slices.Equal(got, s.written) {
		t.Errorf("rows %v, want %v", got, s.written)
	}
	var days []string
	for _, f := range run.Files {
		days = append(days, fmt.Sprintf("%s:%d", f.Day[len("2026-10-"):], f.Events))
	}
	if want := []string{"01:3", "02:2", "03:1", "04:2", "01:1", "05:1", "06:1"}; !slices.Equal(days, want) {
		t.Errorf("files %v, want %v", days, want)
	}
	if content, err := export.VerifyLake(dir, nil, nil); err != nil || content.Events != 11 || content.Files != 7 || content.Cursor != run.Cursor {
		t.Errorf("%+v: %v", content, err)
	}
	if again := runLake(t, s.job(dir, 0)); again.Events != 0 || again.Cursor != run.Cursor {
		t.Errorf("nothing is new: %+v", again)
	}
}

// TestLake_BreaksOff: what came whole before the feed broke off stays, and the next run goes on after it.
func TestLake_BreaksOff(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, slices.Repeat([]int{1}, 400)...)
	broken := 0
	for ; broken < 100; broken++ {
		s.breakAfter.Store(3_000) // of the compressed answer: some forty events
		run, err := s.job(dir, 7).Run(t.Context())
		if err == nil {
			break
		}
		if run.Events == 0 || !strings.Contains(err.Error(), "broke off") {
			t.Fatalf("%d events: %v", run.Events, err)
		}
		if _, err := export.VerifyLake(dir, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	content, err := export.VerifyLake(dir, nil, nil)
	if err != nil || broken < 5 {
		t.Fatalf("broke off %d times: %v", broken, err)
	}
	if got := rows(t, dir, content.Manifests); !slices.Equal(got, s.written) {
		t.Errorf("%d rows, want %d", len(got), len(s.written))
	}
}

// TestLake_CutOffCommit: a run that was killed anywhere between the files and its last manifest is completed
// or swept up by the next.
func TestLake_CutOffCommit(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(dir string) error{
		"before the manifest": func(dir string) error { // files without a manifest
			text, err := os.ReadFile(manifestFile(dir, 2))
			return errors.Join(err, os.Remove(manifestFile(dir, 3)), os.WriteFile(filepath.Join(dir, "_manifests", "latest.json"), text, 0o600))
		},
		"between the manifests": func(dir string) error { return os.Remove(manifestFile(dir, 3)) },
		"in a file": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "day=2026-10-01", "part-000004-1.parquet.new"), []byte("PAR1"), 0o600)
		},
		"after a file": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "day=2026-10-01", "part-000004-1.parquet"), []byte("PAR1"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := serveFeed(t), t.TempDir()
			s.record(t, 1, 1, 1, 1, 1, 1)
			runLake(t, s.job(dir, 2))
			if err := cut(dir); err != nil {
				t.Fatal(err)
			}
			s.record(t, 1)
			runLake(t, s.job(dir, 2))
			content, err := export.VerifyLake(dir, nil, nil)
			if err != nil || content.Manifests != 4 || content.Unfinished != 0 {
				t.Fatalf("%+v: %v", content, err)
			}
			if got := rows(t, dir, 4); !slices.Equal(got, s.written) {
				t.Errorf("rows %v, want %v", got, s.written)
			}
		})
	}
}

// TestLake_OneRunAtATime refuses to write into a lake that is being written.
func TestLake_OneRunAtATime(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, slices.Repeat([]int{1}, export.SayEvery)...)
	j := s.job(dir, 0)
	var second error
	j.Said = func(int64) { _, second = s.job(dir, 0).Run(t.Context()) }
	runLake(t, j)
	if !errors.Is(second, export.ErrBusy) {
		t.Errorf("a second run: %v", second)
	}
}

// TestVerifyLake: whatever is done to a lake is noticed, an older copy of it by who knows of a newer one.
func TestVerifyLake(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, 1, 1, 1, 2, 2, 2)
	runLake(t, s.job(dir, 2))
	other := t.TempDir()
	runLake(t, s.job(other, 3))
	mark := func(number int) func(string) (export.LakeMark, error) {
		m := manifest(t, dir, number)
		return func(string) (export.LakeMark, error) {
			return export.LakeMark{Lake: m.Lake, Number: number, Signature: m.Signature}, nil
		}
	}
	all := mark(3)
	remove := func(names ...string) func(string) error {
		return func(dir string) (err error) {
			for _, name := range names {
				err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
			}
			return err
		}
	}
	change := func(name, from, to string) func(string) error {
		return func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil && !bytes.Contains(text, []byte(from)) {
				err = fmt.Errorf("%s does not have %q", name, from)
			}
			return errors.Join(err, os.WriteFile(filepath.Join(dir, name), bytes.Replace(text, []byte(from), []byte(to), 1), 0o600))
		}
	}
	const first, second, third, latest = "_manifests/000001.json", "_manifests/000002.json", "_manifests/000003.json", "_manifests/latest.json"
	older := func(dir string) error { // as it was after the second manifest
		text, err := os.ReadFile(filepath.Join(dir, second))
		return errors.Join(err, os.WriteFile(filepath.Join(dir, latest), text, 0o600), remove(third, "day=2026-10-02/part-000003-1.parquet")(dir))
	}
	for name, c := range map[string]struct {
		do    func(dir string) error
		known func(string) (export.LakeMark, error)
		want  string // of the error; empty is none
	}{
		"nothing":               {nil, all, ""},
		"first gone":            {remove(first), nil, "manifest 1 is missing"},
		"one gone":              {remove(second), nil, "manifest 2 is missing"},
		"last gone":             {remove(third), nil, "latest.json is another"},
		"last two gone":         {remove(second, third), nil, "latest.json is another"},
		"latest gone":           {remove(latest), nil, "latest.json is another"},
		"all gone":              {remove(first, second, third, latest), nil, "no manifest"},
		"older, nobody knows":   {older, nil, ""},
		"older, somebody knows": {older, all, "is not among its 2"},
		"newer than is known":   {nil, mark(2), ""},
		"swapped": {func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, second), filepath.Join(dir, "x")), os.Rename(filepath.Join(dir, third), filepath.Join(dir, second)), os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, third)))
		}, nil, "does not follow"},
		"of another lake": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, first)), os.Link(manifestFile(other, 1), filepath.Join(dir, first)))
		}, nil, "was changed"},
		"manifest changed":    {change(second, `"events": 2`, `"events": 3`), nil, "changed after it was signed"},
		"member added":        {change(second, `"events": 2`, `"EVENTS": 3, "events": 2`), nil, "changed after it was signed"},
		"manifest is no JSON": {change(second, `{`, ``), nil, "cannot be read"},
		"file gone":           {remove("day=2026-10-01/part-000001-1.parquet"), nil, "is missing"},
		"file changed":        {change("day=2026-10-01/part-000001-1.parquet", "PAR1", "PAR2"), nil, "was changed"},
		"file added": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "day=2026-10-01", "part-000002-7.parquet"), []byte("PAR1"), 0o600)
		}, nil, "no manifest names"},
		"a run that has not end": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "day=2026-10-01", "part-000004-1.parquet"), []byte("PAR1"), 0o600)
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copied := filepath.Join(t.TempDir(), "lake")
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if c.do != nil {
				if err := c.do(copied); err != nil {
					t.Fatal(err)
				}
			}
			_, err := export.VerifyLake(copied, nil, c.known)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, export.ErrNotProven) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestVerifyLake_Keys: who signed is proven by keys from elsewhere; several when the key was replaced.
func TestVerifyLake_Keys(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, 1, 1)
	runLake(t, s.job(dir, 0))
	old := manifest(t, dir, 1).PublicKey
	s.record(t, 1)
	j := s.job(dir, 0)
	j.Sign = otherKey()
	runLake(t, j)
	replaced := manifest(t, dir, 2).PublicKey
	for name, c := range map[string]struct {
		keys  []string
		right bool
	}{
		"both": {[]string{old, replaced}, true}, "old only": {[]string{old}, false}, "new only": {[]string{replaced}, false}, "none": {nil, false},
	} {
		if _, err := export.VerifyLake(dir, c.keys, nil); (err == nil) != c.right || err != nil && !errors.Is(err, export.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := export.VerifyLakeManifest(manifestFile(dir, 1), []string{replaced}); !errors.Is(err, export.ErrNotProven) {
		t.Errorf("a manifest of another key: %v", err)
	}
}

// TestVerifyLake_Exchanged: a manifest that somebody else with a right key wrote in the place of another, for the same
// events, is not the one that the next names.
func TestVerifyLake_Exchanged(t *testing.T) {
	t.Parallel()
	s, dir := serveFeed(t), t.TempDir()
	s.record(t, 1, 1)
	runLake(t, s.job(dir, 2))
	fork := filepath.Join(t.TempDir(), "fork")
	if err := os.CopyFS(fork, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.record(t, 1, 1, 1, 1)
	runLake(t, s.job(dir, 2))
	j := s.job(fork, 2)
	j.Sign = otherKey()
	runLake(t, j)
	keys := []string{manifest(t, dir, 1).PublicKey, manifest(t, fork, 2).PublicKey}
	if err := os.Remove(manifestFile(dir, 2)); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(manifestFile(fork, 2), manifestFile(dir, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := export.VerifyLake(dir, keys, nil); !errors.Is(err, export.ErrNotProven) || !strings.Contains(err.Error(), "000003.json does not follow") {
		t.Errorf("got %v", err)
	}
}

// TestLake_Refused tells what the ledger says, and leaves the lake alone.
func TestLake_Refused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"code":"feed_busy","detail":"Too many clients."}`)
	}))
	t.Cleanup(server.Close)
	_, err := export.LakeJob{URL: server.URL, Dir: t.TempDir(), Sign: key()}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Too many clients.") {
		t.Errorf("got %v", err)
	}
}
