// Package eventstore is the port to the event log: streams of recorded bytes
// that can be appended to, read and followed. It knows nothing of orders.
//
// Two engines stand behind it: the embedded node (eventstore/node) and any
// EventStoreDB or KurrentDB server (eventstore/esdbstore). Both pass the
// conformance suite in eventstore/eventstoretest; nothing above this package
// may notice which one is in use.
//
// # Durability
//
// An Append that returned without an error is on stable storage. Reads and
// subscriptions only ever show events that are on stable storage, in the one
// commit order of the log; an event that was seen once cannot be taken back by
// a crash. The events of one Append are consecutive and become visible
// together, or not at all.
//
// # Ownership
//
// Byte slices handed to Append belong to the store from the call on; byte
// slices received from a read belong to the caller and are never reused.
package eventstore

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"
)

// EventData is an event that is to be appended.
type EventData struct {
	// ID makes the append idempotent; it MUST NOT be uuid.Nil.
	ID uuid.UUID
	// Type is the event's type name; it MUST NOT be empty.
	Type string
	// JSON says that Data is JSON (content type application/json); otherwise
	// it is application/octet-stream.
	JSON bool
	// Data is the event's body.
	Data []byte
	// Metadata is what the writer says about the event; JSON by convention.
	Metadata []byte
}

// RecordedEvent is an event as the log holds it.
type RecordedEvent struct {
	ID       uuid.UUID
	Stream   string
	Revision uint64 // within the stream, from 0, without gaps
	Position Position
	Type     string
	JSON     bool
	Created  time.Time // server's clock at the append, UTC, 100 ns precision
	Data     []byte
	Metadata []byte
}

// AppendResult tells where an append stands in the log.
type AppendResult struct {
	// Revision of the last event of the append.
	Revision uint64
	// Position of the last event of the append.
	Position Position
	// Idempotent is true when the engine knows that all events were in the
	// stream already and nothing was written. An engine that cannot tell
	// leaves it false.
	Idempotent bool
}

// Appender writes to streams.
type Appender interface {
	// Append adds events to the end of a stream, all or none, and returns when
	// they are durable.
	//
	// Errors: *WrongExpectedRevisionError, ErrStreamDeleted, *TooLargeError,
	// ErrUnavailable (nothing is known to be written; retrying with the same
	// ids is safe), ErrClosed. When ctx ends first the append may still
	// happen: retrying with the same ids and the same expected revision is
	// idempotent. An append of no events writes nothing and answers with the
	// stream's last revision.
	Append(ctx context.Context, stream string, expected ExpectedRevision, events ...EventData) (AppendResult, error)
}

// Direction of a read.
type Direction uint8

// Directions of reading.
const (
	Forwards Direction = iota
	Backwards
)

// StreamRead says which part of a stream is read. The zero value reads the
// whole stream forwards.
type StreamRead struct {
	Direction Direction
	// From is the first revision to return, inclusive. nil is the start of the
	// stream for Forwards and its end for Backwards.
	From *uint64
	// Count is the greatest number of events to return; 0 is no limit.
	Count uint64
}

// AllRead says which part of $all is read. The zero value reads the whole log
// forwards.
type AllRead struct {
	Direction Direction
	// From is where the read starts: forwards it returns events at positions
	// >= From, backwards events at positions < From. nil is the start of the
	// log for Forwards and its end for Backwards.
	From *Position
	// Count is the greatest number of events to return; 0 is no limit.
	Count uint64
}

// Reader reads what is durable.
type Reader interface {
	// ReadStream yields the events of one stream. A stream that does not exist
	// yields ErrStreamNotFound; a tombstoned one ErrStreamDeleted. After an
	// error the sequence ends. Stopping early releases all resources.
	ReadStream(ctx context.Context, stream string, read StreamRead) iter.Seq2[RecordedEvent, error]

	// ReadAll yields events of all streams in commit order, system events
	// (streams that begin with '$') included.
	ReadAll(ctx context.Context, read AllRead) iter.Seq2[RecordedEvent, error]

	// Head returns the position of the last durable event, and false when the
	// log is empty.
	Head(ctx context.Context) (Position, bool, error)
}

// AllSubscription says what part of $all is followed.
type AllSubscription struct {
	// After is the position after which events are shown (exclusive); nil
	// shows everything from the start of the log.
	After  *Position
	Filter Filter
	// CheckpointEvery is the number of considered events between two
	// checkpoint messages of a filtered subscription; 0 lets the engine
	// choose. A filtered subscription also sends a checkpoint when it has
	// caught up past events that did not match.
	CheckpointEvery uint32
}

// Message is what a subscription delivers.
//
//sumtype:decl
type Message interface{ isMessage() }

// EventAppeared carries the next event.
type EventAppeared struct{ Event RecordedEvent }

// CheckpointReached tells that everything up to and including Position has
// been considered, whether it matched the filter or not: a subscription that
// resumes after it misses nothing.
type CheckpointReached struct{ Position Position }

// CaughtUp tells that the subscription has shown all that was in the log and
// goes on live. It is sent again whenever it fell behind and caught up. It is
// no checkpoint.
type CaughtUp struct{}

func (EventAppeared) isMessage()     {}
func (CheckpointReached) isMessage() {}
func (CaughtUp) isMessage()          {}

// Subscriber follows the log.
type Subscriber interface {
	// SubscribeAll yields what is in $all after a position and then, without
	// gap or duplicate, what is appended later. It blocks until the next
	// message and ends only with an error: ctx's, ErrClosed, or what made it
	// impossible to go on. A slow consumer slows only itself.
	SubscribeAll(ctx context.Context, sub AllSubscription) iter.Seq2[Message, error]

	// SubscribeStream is SubscribeAll for one stream, which need not exist
	// yet; after is the last revision already processed (exclusive), nil for
	// none.
	SubscribeStream(ctx context.Context, stream string, after *uint64) iter.Seq2[Message, error]
}

// Store is a whole engine. Each consumer should ask for the smallest of the
// interfaces above that serves it.
type Store interface {
	Appender
	Reader
	Subscriber
	// Close ends all subscriptions, waits for the appends under way and
	// releases the engine. Later calls answer ErrClosed.
	Close() error
}
