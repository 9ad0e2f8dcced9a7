package node

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// gatedFile is a file of which the test decides when zeros are written, and whether they can be.
type gatedFile struct {
	vfs.File
	zeros func(at int64) error
	sync  func() error
}

func (f *gatedFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.zeros(at); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *gatedFile) SyncData() error {
	if f.sync != nil {
		return f.sync()
	}
	return f.File.SyncData()
}

// createLog creates a log on disk, of which some bytes were written before.
func createLog(t *testing.T, before []byte, gated *gatedFile) (f *logFile, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "000001.log")
	file, err := vfs.Default.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) > 0 {
		if _, err := file.WriteAt(before, 0); err != nil {
			t.Fatal(err)
		}
	}
	if gated != nil {
		gated.File = file
		file = gated
	}
	opts, err := Options{Dir: t.TempDir(), FS: vfs.Default}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newLogFile(guardFile{File: file, fs: newGuardFS(opts, newFailure()), name: path}, int64(len(before))), path
}

func readDisk(t *testing.T, path string) []byte {
	t.Helper()
	f, err := vfs.Default.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return content
}

// TestLogFile_HoldsWhatWasWritten: whatever is written, in whichever pieces, is there, and nothing but zeros, or what was there
// before, is behind it.
func TestLogFile_HoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		before := bytes.Repeat([]byte{0xee}, rng.IntN(2)*3<<20)
		f, path := createLog(t, before, nil)
		var want []byte
		for len(want) < 6<<20 {
			p := make([]byte, 1+rng.IntN(1<<rng.IntN(20)))
			for i := range p {
				p[i] = byte(rng.Uint32()) | 1
			}
			want = append(want, p...)
			if n, err := f.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
			if rng.IntN(8) == 0 {
				if err := f.SyncData(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 3 { // large or small, what came before
			want = append(want, 'x')
			if _, err := f.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := f.SyncData(); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got := readDisk(t, path)
		if !bytes.HasPrefix(got, want) {
			t.Fatalf("seed %d: the log does not hold what was written", seed)
		}
		if rest := bytes.Trim(got[len(want):], "\x00\xee"); len(rest) > 0 {
			t.Errorf("seed %d: %d bytes behind the end that nobody wrote", seed, len(rest))
		}
		if len(got) < len(want)+preparedBytes/4 {
			t.Errorf("seed %d: only %d bytes ahead of the end are prepared", seed, len(got)-len(want))
		}
	}
}

// TestLogFile_WritesWaitForZeros: a write to where zeros are just being written comes after them; one before that place
// does not wait.
func TestLogFile_WritesWaitForZeros(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, release := make(chan int64, preparedBytes/zerosBytes), make(chan struct{})
		f, path := createLog(t, nil, &gatedFile{zeros: func(at int64) error {
			asked <- at
			<-release
			return nil
		}})
		var want []byte
		write := func(size int, b byte) {
			p := bytes.Repeat([]byte{b}, size)
			want = append(want, p...)
			if _, err := f.Write(p); err != nil {
				t.Error(err)
			}
		}
		write(1000, 'a')
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
		write(1000, 'a')
		from := <-asked
		if from < 2000 {
			t.Fatalf("zeros go to byte %d of 2000", from)
		}
		write(int(from)-2000, 'b')                                // up to the zeros, while they are held
		waitsFor(t, release, func() { write(zerosBytes+1, 'c') }) // where zeros are still to come
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := readDisk(t, path); !bytes.HasPrefix(got, want) || len(got) != int(from)+preparedBytes {
			t.Errorf("the log has %d bytes and does not hold what was written", len(got))
		}
	})
}

// TestLogFile_GoesOnWithoutZeros: a disk that takes no zeros may take what matters.
func TestLogFile_GoesOnWithoutZeros(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int32
	f, path := createLog(t, nil, &gatedFile{zeros: func(int64) error {
		attempts.Add(1)
		return errors.New("no space")
	}})
	var want []byte
	for i := range 64 {
		p := bytes.Repeat([]byte{byte(i + 1)}, 1000)
		want = append(want, p...)
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.SyncData(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := readDisk(t, path); !bytes.Equal(got, want) {
		t.Error("the log does not hold what was written")
	}
	if n := attempts.Load(); n != 1 {
		t.Errorf("zeros were written %d times, once would have told", n)
	}
}

// TestLogFile_FailedSyncOfZeros stops the node: the sync of what was written before them might not tell any more.
func TestLogFile_FailedSyncOfZeros(t *testing.T) {
	t.Parallel()
	var failure error
	f, _ := createLog(t, nil, &gatedFile{zeros: func(int64) error { return nil }, sync: func() error { return failure }})
	for range 2 { // the first sync tells that they are small
		if _, err := f.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
		if failure == nil {
			if err := f.SyncData(); err != nil {
				t.Fatal(err)
			}
			failure = errors.New("disk is gone")
		}
	}
	select {
	case <-f.fs.broken.happened:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
	}
	if err := f.fs.broken.get(); !errors.Is(err, failure) {
		t.Error(err)
	}
}

// TestLogFile_LargeSyncs: a log of which much is synced at a time is not written twice.
func TestLogFile_LargeSyncs(t *testing.T) {
	t.Parallel()
	f, _ := createLog(t, nil, &gatedFile{zeros: func(at int64) error {
		t.Errorf("zeros at byte %d", at)
		return nil
	}})
	for range 20 {
		if _, err := f.Write(make([]byte, smallSyncBytes+1)); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLogFile_SyncWaitsForThatOfZeros: of two syncs at a time the disk tells only one that what was written is lost, so that neither
// counts before the other is over.
func TestLogFile_SyncWaitsForThatOfZeros(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int32
		release := make(chan struct{})
		f, _ := createLog(t, nil, &gatedFile{zeros: func(int64) error { return nil }, sync: func() error {
			if syncs.Add(1) == 2 { // that of zeros
				<-release
			}
			return nil
		}})
		for range 2 { // the first sync tells that they are small
			if _, err := f.Write([]byte("a")); err != nil {
				t.Fatal(err)
			}
			if syncs.Load() == 0 {
				if err := f.SyncData(); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if n := syncs.Load(); n != 2 {
			t.Fatalf("%d syncs, want that of zeros under way", n)
		}
		waitsFor(t, release, func() { // the sync of zeros may still fail
			if err := f.SyncData(); err != nil {
				t.Error(err)
			}
		})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// waitsFor makes sure, within a bubble of synctest, that work does not end before release is closed, and then does.
func waitsFor(t *testing.T, release chan struct{}, work func()) {
	t.Helper()
	done := false
	go func() {
		work()
		done = true
	}()
	synctest.Wait()
	if done {
		t.Error("done too early")
	}
	close(release)
	synctest.Wait()
	if !done {
		t.Error("not done once it could be")
	}
}
