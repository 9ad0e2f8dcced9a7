package node

import (
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// preparedBytes is how much of a write-ahead log is written with zeros at a time, as soon as less than half as
	// much is left.
	preparedBytes = 2 << 20
	zerosBytes    = 64 << 10
	// smallSyncBytes is up to how much is synced at a time when it is worth it. Of more the metadata are a small part, while
	// the disk would have to take twice as much.
	smallSyncBytes = 32 << 10
)

// logFile is a write-ahead log on a disk that is written with zeros ahead of its end. What is written over them changes
// neither the length of the file nor which of its blocks hold data, so that a sync has no metadata to write: it takes
// half of the processor's time and a third less of everybody's. Pebble has the same of logs that it writes over older ones,
// but a process has none of those until it has filled four.
//
// Zeros behind the end mean nothing to who replays a log, as what is left of an older one does.
type logFile struct {
	guardFile

	mu       sync.Mutex
	end      int64 // of what was written
	prepared int64 // zeros, or an older log, reach to here
	// from is where zeros are being written, up to prepared, while busy.
	from    int64
	busy    bool
	syncing bool      // zeros were written and are being synced
	ready   sync.Cond // not busy any more
	full    bool      // the disk takes no zeros
	// unsynced counts the bytes since the last sync; small tells that those before it were few.
	unsynced int64
	small    bool
}

// newLogFile takes a log over whose first bytes were written before.
func newLogFile(f guardFile, written int64) *logFile {
	l := &logFile{guardFile: f, prepared: written}
	l.ready.L = &l.mu
	return l
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// Write implements vfs.File.
func (f *logFile) Write(p []byte) (int, error) {
	f.begin(int64(len(p)))
	return f.guardFile.Write(p)
}

// begin makes room for bytes at the end: no zeros are written there any more.
func (f *logFile) begin(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end += bytes
	f.unsynced += bytes
	for f.busy && f.end > f.from {
		f.ready.Wait()
	}
	if f.busy || f.full || !f.small || f.end+preparedBytes/2 <= f.prepared {
		return
	}
	if f.from = f.prepared; f.from < f.end {
		f.from = f.end + preparedBytes/4 // for what comes meanwhile
	}
	f.prepared, f.busy = f.from+preparedBytes, true
	go f.prepare(f.from, f.prepared)
}

// SyncData implements vfs.File. It also waits for a sync of zeros that goes on meanwhile: of two at a time only one may be told
// that what was written is lost.
func (f *logFile) SyncData() error {
	f.mu.Lock()
	f.small, f.unsynced = f.unsynced <= smallSyncBytes, 0
	f.mu.Unlock()
	err := f.guardFile.SyncData()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.syncing {
		f.ready.Wait()
	}
	return err
}

// prepare writes zeros and syncs them, so that nobody else's sync has to.
func (f *logFile) prepare(from, to int64) {
	err := writeZeros(f.File, from, to)
	if err == nil {
		f.mu.Lock()
		f.syncing = true
		f.mu.Unlock()
		err = f.guardFile.SyncData() // does not return when it fails: the sync of what matters might not fail once more
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy, f.syncing, f.full = false, false, err != nil
	f.ready.Broadcast()
}

func writeZeros(f vfs.File, from, to int64) error {
	zeros := make([]byte, zerosBytes)
	for from < to {
		n, err := f.WriteAt(zeros[:min(to-from, zerosBytes)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// Close implements vfs.File.
func (f *logFile) Close() error {
	f.mu.Lock()
	for f.busy {
		f.ready.Wait()
	}
	f.mu.Unlock()
	return f.guardFile.Close()
}
