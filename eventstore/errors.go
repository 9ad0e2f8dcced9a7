package eventstore

import (
	"errors"
	"fmt"
)

var (
	// ErrStreamNotFound says that a stream has no events and never had any, or
	// was soft-deleted.
	ErrStreamNotFound = errors.New("stream not found")
	// ErrStreamDeleted says that a stream was tombstoned.
	ErrStreamDeleted = errors.New("stream deleted")
	// ErrUnavailable says that the engine cannot take or answer the call now:
	// disk full, too busy, no connection, stopping. Trying again is safe.
	ErrUnavailable = errors.New("event store unavailable")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("event store closed")
	// ErrInvalid says that the call itself is wrong: an empty stream name, a
	// nil event id, a position that is none.
	ErrInvalid = errors.New("invalid event store call")
	// ErrAccessDenied says that the engine refused the credentials.
	ErrAccessDenied = errors.New("event store access denied")
)

// WrongExpectedRevisionError says that a stream was not at the revision that
// the writer expected. Nothing was written.
type WrongExpectedRevisionError struct {
	Stream   string
	Expected ExpectedRevision
	// Actual is the stream's last revision; -1 when it has no events, and -2
	// when the engine did not say.
	Actual int64
}

func (e *WrongExpectedRevisionError) Error() string {
	return fmt.Sprintf("stream %q: expected revision %s, actual %d", e.Stream, e.Expected, e.Actual)
}

// TooLargeError says that an append exceeds what every engine accepts.
type TooLargeError struct {
	Size, Limit int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("append of %d bytes exceeds the limit of %d bytes", e.Size, e.Limit)
}

// MaxAppendSize is the greatest size of one append in bytes, the smallest of
// the engines' limits. Size is counted by AppendSize.
const MaxAppendSize = 1 << 20

// AppendSize counts an append's bytes as the engines do: data, metadata, and
// two bytes for each byte of the type.
func AppendSize(events []EventData) int {
	n := 0
	for i := range events {
		n += len(events[i].Data) + len(events[i].Metadata) + 2*len(events[i].Type)
	}
	return n
}
