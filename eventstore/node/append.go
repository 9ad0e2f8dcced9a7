package node

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Append implements eventstore.Appender.
//
// Idempotency goes further than a server's: event ids are indexed on disk, so that an append with
// eventstore.Any or eventstore.StreamExists that repeats events of the stream is recognised however
// long ago they were written, restarts included.
func (n *Node) Append(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData,
) (eventstore.AppendResult, error) {
	if err := validateAppend(stream, events); err != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", stream, err)
	}
	return n.submit(ctx, newRequest(stream, expected, opAppend, events))
}

// submit queues a request and waits for its answer.
func (n *Node) submit(ctx context.Context, r *request) (eventstore.AppendResult, error) {
	if err := ctx.Err(); err != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
	}
	if err := n.broken.get(); err != nil {
		return eventstore.AppendResult{}, stoppedWriting(r.stream, err)
	}
	if err := n.guard.refuse(); err != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
	}
	if err := n.queue.put(r); err != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
	}
	select {
	case <-r.done:
		res, err := r.result, r.err
		r.recycle()
		return res, err
	case <-ctx.Done():
		// Before the decider has taken it the append can still be called off; afterwards it stands.
		r.state.CompareAndSwap(requestQueued, requestCancelled)
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, ctx.Err())
	case <-n.broken.happened:
		return eventstore.AppendResult{}, stoppedWriting(r.stream, n.broken.get())
	}
}

func stoppedWriting(stream string, cause error) error {
	return fmt.Errorf("append to stream %q: %w: the log stopped writing: %w", stream, eventstore.ErrUnavailable, cause)
}

// operation tells what a request does to its stream.
type operation uint8

const (
	opAppend operation = iota
	// opTombstone writes the last event that the stream will ever have.
	opTombstone
	// opSoftDelete checks the expected revision against the stream, but writes its one event, the
	// metadata that hides the stream, to the metadata stream.
	opSoftDelete
)

const (
	requestQueued int32 = iota
	requestTaken
	requestCancelled
)

// request is an append on its way through the writer.
type request struct {
	stream   string // whose revision is expected
	expected eventstore.ExpectedRevision
	op       operation
	ids      []uuid.UUID
	// frame holds the encoded events, without their place.
	frame   []byte
	bodyCRC uint32
	// metadata is the last event's data when the request writes stream metadata.
	metadata []byte

	state atomic.Int32
	// result and err are the answer: the decider's until done has a token.
	result eventstore.AppendResult
	err    error
	done   chan struct{} // buffered: the committer never waits
}

// requests keeps answered requests for the next appends.
var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// recycle gives an answered request back. Nobody may know it any more: one that was called off stays with the writer.
func (r *request) recycle() {
	*r = request{ids: r.ids[:0], done: r.done}
	if cap(r.ids) > idsRecycled {
		r.ids = nil
	}
	requests.Put(r)
}

// idsRecycled is how many ids an idle request has room for at most.
const idsRecycled = 64

// newRequest encodes the events in the caller's goroutine; it keeps nothing of them.
func newRequest(stream string, expected eventstore.ExpectedRevision, op operation, events []eventstore.EventData) *request {
	r := requests.Get().(*request)
	r.stream, r.expected, r.op = stream, expected, op
	if len(events) == 0 {
		return r
	}
	target := stream
	if op == opSoftDelete {
		target = metadataStream(stream)
	}
	r.frame, r.bodyCRC = encodeFrame(target, events)
	r.ids = slices.Grow(r.ids, len(events))
	for i := range events {
		r.ids = append(r.ids, events[i].ID)
	}
	if last := events[len(events)-1]; isMetadataStream(target) && last.Type == metadataType {
		r.metadata = bytes.Clone(last.Data)
	}
	return r
}

func validateAppend(stream string, events []eventstore.EventData) error {
	if err := validateStreamName(stream); err != nil {
		return err
	}
	if base, isMetadata := baseName(stream); isMetadata && isMetadataStream(base) {
		return fmt.Errorf("%w: a metadata stream has no metadata", eventstore.ErrInvalid)
	}
	for i := range events {
		e := &events[i]
		switch {
		case e.ID == uuid.Nil:
			return fmt.Errorf("%w: event %d has no id", eventstore.ErrInvalid, i)
		case e.Type == "":
			return fmt.Errorf("%w: event %d has no type", eventstore.ErrInvalid, i)
		case len(e.Type) > maxTypeBytes:
			return fmt.Errorf("%w: event %d has a type of %d bytes, at most %d are allowed",
				eventstore.ErrInvalid, i, len(e.Type), maxTypeBytes)
		}
	}
	if size := eventstore.AppendSize(events); size > eventstore.MaxAppendSize {
		return &eventstore.TooLargeError{Size: size, Limit: eventstore.MaxAppendSize}
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// tombstoneRevision is the revision of the event that ends a stream, as in EventStoreDB.
const tombstoneRevision = math.MaxInt64
