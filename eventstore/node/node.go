package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
)

var _ eventstore.Store = (*Node)(nil)

// Node is an open event log. All methods may be called concurrently.
type Node struct {
	opts  Options
	lock  *dirLock
	db    *pebble.DB
	cache *pebble.Cache

	queue  *appendQueue
	writer *writer
	live   *liveLog
	guard  *guardFS
	broken *failure

	closing   chan struct{} // closed when Close begins: no new calls, subscriptions end
	stopped   chan struct{} // closed when the writer has answered everything
	closeOnce sync.Once
	closeErr  error

	// scavenging holds a token while a scavenge runs; scavenged counts what scavenges have changed.
	scavenging chan struct{}
	scavenged  atomic.Uint64

	// uses guards db: a call holds it for reading while it touches db, Close for writing.
	uses          sync.RWMutex
	dbClosed      bool
	chunks        chan struct{} // a place for each chunk that is being read
	subscriptions atomic.Int64
}

// Open opens the log in opts.Dir, creating it when there is none, and replays what a crash left in
// the write-ahead log. It returns a *LockedError when another process has the log open.
func Open(opts Options) (*Node, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		opts:    opts,
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		broken:  newFailure(),
		chunks:  make(chan struct{}, chunksAtOnce),

		scavenging: make(chan struct{}, 1),
	}
	if opts.FS == nil {
		if err := createDir(vfs.Default, opts.Dir); err != nil {
			return nil, fmt.Errorf("create event log directory: %w", err)
		}
		if n.lock, err = acquireLock(opts.Dir); err != nil {
			return nil, fmt.Errorf("open event log: %w", err)
		}
		n.opts.FS = vfs.Default
	}
	n.guard = newGuardFS(n.opts, n.broken)
	n.guard.preparing = n.lock != nil // what is not on a disk gains nothing
	opened := make(chan error, 1)
	go func() { opened <- n.openStorage() }()
	select {
	case err = <-opened:
		if err != nil {
			err = errors.Join(err, n.lock.release())
		}
	case <-n.guard.parked: // it never returns, and holds the files and the lock as long as the process lives
		err = explainOpen(opts.Dir, n.broken.get())
	}
	if err != nil {
		return nil, fmt.Errorf("open event log %s: %w", opts.Dir, err)
	}
	n.guard.armed.Store(true)
	n.queue = newAppendQueue(n.opts)
	n.start()
	opts.Logger.Info("event log open", slog.String("dir", opts.Dir), slog.Uint64("head", n.live.head()))
	return n, nil
}

// createDir makes a directory whose existence survives a power failure.
func createDir(disk vfs.FS, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// Each directory is named in its parent, and those above may be new as well.
	parents := []string{filepath.Dir(dir)}
	for p := parents[0]; ; p = filepath.Dir(p) {
		if _, err := disk.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		parents = append(parents, filepath.Dir(p))
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		if err := syncDir(disk, p); err != nil {
			return err
		}
	}
	return nil
}

// openStorage opens the files of the log and finds its end. On a disk that fails it may never return: see guardFS.
func (n *Node) openStorage() (err error) {
	n.cache = pebble.NewCache(n.opts.CacheBytes)
	defer func() {
		if err != nil {
			if n.db != nil {
				_ = n.db.Close() // why Open fails is known
			}
			n.cache.Unref()
		}
	}()
	db, err := openPebble(n.opts.Dir, pebbleOptions(n.opts, n.cache, n.guard))
	if err != nil {
		return err
	}
	n.db = db
	isNew, err := checkFormat(db)
	if err != nil {
		return err
	}
	tail, err := readTail(db)
	if err != nil {
		return err
	}
	n.live = newLiveLog(tail.position, n.opts.LiveBufferBytes)
	if n.writer, err = newWriter(n, tail); err != nil {
		return err
	}
	n.writer.isNew = isNew
	return nil
}

// start runs the decider and the committer until the queue is closed.
func (n *Node) start() {
	groups := make(chan *group, groupsInFlight)
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.writer.commitGroups(groups)
	}()
	go func() {
		defer close(n.stopped)
		n.writer.decideGroups(groups)
		close(groups)
		<-done
	}()
}

// tail is the end of the log.
type tail struct {
	position uint64 // of the last event; 0 when there is none
	stream   uint64 // last stream id in use; 0 when there is none
}

// readTail finds the end of the log with two seeks.
func readTail(db *pebble.DB) (t tail, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEvents}, UpperBound: prefixEnd(keyEvents)})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if it.Last() {
		pos, err := parseEventKey(it.Key())
		if err != nil {
			return t, err
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return t, err
		}
		if err := checkFrame(pos, v); err != nil {
			return t, err
		}
		t.position = pos + uint64(frameCount(v)) - 1
	}
	if err := it.Error(); err != nil {
		return t, err // SetBounds forgets it
	}
	it.SetBounds([]byte{keyStream}, prefixEnd(keyStream))
	if it.Last() {
		v, err := it.ValueAndErr()
		if err != nil {
			return t, err
		}
		entry, err := parseIndexEntry(it.Key(), v)
		if err != nil {
			return t, err
		}
		t.stream = entry.stream
	}
	if (t.position == 0) != (t.stream == 0) && it.Error() == nil {
		return t, fmt.Errorf("the log ends at position %d, but the last stream is %d", t.position, t.stream)
	}
	return t, it.Error()
}

// checkFormat refuses a log of another version and marks a new one.
func checkFormat(db *pebble.DB) (isNew bool, err error) {
	v, closer, err := db.Get([]byte(formatVersionKey))
	if errors.Is(err, pebble.ErrNotFound) {
		return true, db.Set([]byte(formatVersionKey), []byte(formatVersion), pebble.Sync)
	}
	if err != nil {
		return false, err
	}
	defer closer.Close()
	if !isFormat(v) {
		return false, fmt.Errorf("the log has format version %q; this program reads version %q and %q", v, formatVersion, formatScavenged)
	}
	return false, nil
}

// Head implements eventstore.Reader.
func (n *Node) Head(ctx context.Context) (eventstore.Position, bool, error) {
	if err := ctx.Err(); err != nil {
		return eventstore.Position{}, false, err
	}
	if n.isClosing() {
		return eventstore.Position{}, false, eventstore.ErrClosed
	}
	head := n.live.head()
	return eventstore.Position{Commit: head, Prepare: head}, head != 0, nil
}

// SetLockInfo publishes one line of text to other processes that find the directory locked: where
// this process can be reached. See ReadLock.
func (n *Node) SetLockInfo(info string) error {
	if n.lock == nil {
		return nil
	}
	return n.lock.setInfo(info)
}

// Err returns why the node no longer takes appends, or nil. It does not heal: only a new process that
// opens the log does.
func (n *Node) Err() error { return n.broken.get() }

// Refuses tells why appends are refused for the time being, as by a full disk, or nil.
func (n *Node) Refuses() error {
	if err := n.guard.refuse(); err != nil {
		return err
	}
	return checkFreeSpace(n.opts)
}

// Failed is closed when the node stops taking appends for good; Err then tells why. Reads go on until
// the process ends, which it should: a supervisor that starts it again brings the log back.
func (n *Node) Failed() <-chan struct{} { return n.broken.happened }

// Stats are what an operator wants to see of a node.
type Stats struct {
	Head          uint64 // position of the last synced event
	Appends       uint64 // written since Open; repetitions and refusals are not counted
	Groups        uint64 // fsyncs that they took
	Queued        int    // appends that wait for the writer
	Subscriptions int    // open
	DiskBytes     uint64 // tables and write-ahead log
}

// Stats returns the present numbers; it is cheap enough for a metrics scrape.
func (n *Node) Stats() Stats {
	s := Stats{
		Head:          n.live.head(),
		Appends:       n.writer.appends.Load(),
		Groups:        n.writer.groups.Load(),
		Queued:        n.queue.length(),
		Subscriptions: int(n.subscriptions.Load()),
	}
	if n.broken.get() == nil && n.use() == nil { // a failed disk may keep Pebble's metrics locked
		s.DiskBytes = n.db.Metrics().DiskSpaceUsage()
		n.release()
	}
	return s
}

// Close implements eventstore.Store. It waits for the appends under way and for the reads that touch
// the disk at the moment, not for consumers: a sequence that is still being consumed ends with
// ErrClosed at its next step. A clean Close leaves no write-ahead log to replay.
//
// A node whose write-ahead log failed is not closed cleanly: it keeps its files and its lock until the
// process ends, because what Pebble was doing at that moment is stuck for ever.
func (n *Node) Close() error {
	n.closeOnce.Do(func() {
		close(n.closing)
		n.queue.close()
		select {
		case <-n.stopped:
			n.closeErr = n.closeStorage()
		case <-n.guard.parked:
		}
		n.opts.Logger.Info("event log closed", slog.String("dir", n.opts.Dir), slog.Uint64("head", n.live.head()))
	})
	return n.closeErr
}

func (n *Node) closeStorage() error {
	n.uses.Lock()
	defer n.uses.Unlock()
	n.dbClosed = true
	done := make(chan error, 1)
	go func() { done <- n.closeDB() }()
	select {
	case err := <-done:
		n.cache.Unref()
		return errors.Join(err, n.lock.release())
	case <-n.guard.parked:
		return nil
	}
}

// closeDB leaves tables only, so that checksums cover every byte and the next Open has nothing to
// replay. When writing has failed there is nothing to add to what the callers were told.
func (n *Node) closeDB() error {
	if n.broken.get() != nil {
		_ = n.db.Close()
		return nil //nolint:nilerr // see above
	}
	return errors.Join(n.db.Flush(), n.db.Close())
}

// use keeps the database open until release is called.
func (n *Node) use() error {
	n.uses.RLock()
	if n.dbClosed || n.isClosing() {
		n.uses.RUnlock()
		return eventstore.ErrClosed
	}
	return nil
}

func (n *Node) release() { n.uses.RUnlock() }

func (n *Node) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}
