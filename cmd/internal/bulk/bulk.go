// Package bulk takes many notifications in at once: files and streams with one
// raw body a line. It is the webhooks' path without the webhooks: the same
// intake, many orders in parallel, the lines of one order in order.
package bulk

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// workers is how many notifications are under way at once: enough for one
	// fsync to serve many.
	workers = 256
	// queued is how many lines may wait for one worker.
	queued = 16
	// LineBytesMax bounds a line, as the webhooks bound a body. A longer one is
	// quarantined as malformed.
	LineBytesMax = 1 << 20
	// storeAttemptsMax and storeRetryMax bound how long one line waits for a
	// store that is away.
	storeAttemptsMax = 8
	storeRetryMax    = 2 * time.Second
)

// Summary counts what became of the lines; each line counts once.
type Summary struct {
	Accepted    uint64 `json:"accepted"`
	Duplicate   uint64 `json:"duplicate"`
	Quarantined uint64 `json:"quarantined"`
	Failed      uint64 `json:"failed"`
	// Last is the position of the last event that was written, if any was.
	Last eventstore.Position `json:"-"`
	// Seconds is how long taking in took, ViewsSeconds how much longer the
	// views needed to show all of it.
	Seconds      float64 `json:"seconds"`
	ViewsSeconds float64 `json:"views_seconds"`
	// FirstFailure says why the first failed line failed.
	FirstFailure string `json:"first_failure,omitempty"`
}

// String is the last line of `ledger ingest`.
func (s Summary) String() string {
	return fmt.Sprintf("accepted %d, duplicate %d, quarantined %d, failed %d", s.Accepted, s.Duplicate, s.Quarantined, s.Failed)
}

// Source says whose notifications are read.
type Source struct {
	Gateway, Account string
	// Verified names how the sender was verified: imports by whoever runs
	// them.
	Verified string
	// Observe, if not nil, is called for each line with what became of it.
	Observe func(commands.Receipt, error)
}

// Ingest reads lines to the end. It returns an error when the input cannot be
// read or ctx ends; lines that cannot be stored, and those about orders that
// cannot be read, are counted as failed.
func Ingest(ctx context.Context, intake *commands.Intake, source Source, in io.Reader) (Summary, error) {
	t := &tally{}
	lanes := make([]chan []byte, workers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range lanes {
		lanes[i] = make(chan []byte, queued)
		group.Go(func() error {
			for body := range lanes[i] {
				if ctx.Err() != nil {
					continue // let the reader end
				}
				receipt, err := accept(ctx, intake, notification(source, body))
				if ctx.Err() != nil && err != nil {
					continue
				}
				t.count(receipt, err)
				if source.Observe != nil {
					source.Observe(receipt, err)
				}
			}
			return nil
		})
	}
	err := dispatch(ctx, intake, source, in, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	_ = group.Wait() // workers return nil
	return t.summary, err
}

func notification(source Source, body []byte) commands.Notification {
	return commands.Notification{
		Gateway: source.Gateway, Account: source.Account, Via: commands.ViaImport, Verified: source.Verified, Body: body,
	}
}

// dispatch hands each line to the lane of its order.
func dispatch(ctx context.Context, intake *commands.Intake, source Source, in io.Reader, lanes []chan []byte) error {
	seed := maphash.MakeSeed()
	lines := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			key := intake.PartitionKey(notification(source, line))
			select {
			case lanes[maphash.String(seed, key)%uint64(len(lanes))] <- line:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read notifications: %w", err)
		}
	}
}

// readLine reads one line without its end and without blanks around it. Of a
// line that is too long it returns the beginning and the digest of the whole,
// which is malformed whatever was cut, and differs where two such lines do.
func readLine(in *bufio.Reader) ([]byte, error) {
	const end = "\r\n"
	var line []byte
	var whole hash.Hash // nil while the line is not too long
	for {
		part, err := in.ReadSlice('\n')
		if whole == nil && len(line)+len(part) > LineBytesMax+len(end) {
			whole = sha256.New()
			whole.Write(line)
		}
		if whole != nil {
			whole.Write(part)
			part = part[:max(0, min(len(part), LineBytesMax-len(line)))]
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case whole != nil:
			return fmt.Appendf(line, "\x00 cut, sha256 of the line %x", whole.Sum(nil)), err
		default:
			return trim(line), err
		}
	}
}

func trim(line []byte) []byte {
	blank := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
	for len(line) > 0 && blank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	for len(line) > 0 && blank(line[0]) {
		line = line[1:]
	}
	return line
}

// accept takes one line in, and waits a bounded time for a store that is away.
func accept(ctx context.Context, intake *commands.Intake, n commands.Notification) (commands.Receipt, error) {
	for attempt := 0; ; attempt++ {
		receipt, err := intake.Accept(ctx, n)
		if err == nil || !errors.Is(err, eventstore.ErrUnavailable) || attempt == storeAttemptsMax {
			return receipt, err
		}
		limit := min(10*time.Millisecond<<attempt, storeRetryMax)
		timer := time.NewTimer(limit/2 + rand.N(limit/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return receipt, context.Cause(ctx)
		}
	}
}

// tally adds up what the workers report.
type tally struct {
	mu      sync.Mutex
	summary Summary
}

func (t *tally) count(r commands.Receipt, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.summary.Failed++
		if t.summary.FirstFailure == "" {
			t.summary.FirstFailure = err.Error()
		}
		t.reached(r.Position) // it may be in quarantine
		return
	}
	switch r.Outcome {
	case commands.Accepted, commands.Answered:
		t.summary.Accepted++
	case commands.Duplicate:
		t.summary.Duplicate++
		return // where it was written before is not where the log ends
	case commands.Quarantined:
		t.summary.Quarantined++
	}
	t.reached(r.Position)
}

func (t *tally) reached(p eventstore.Position) {
	if p.Compare(t.summary.Last) > 0 {
		t.summary.Last = p
	}
}
