package eventstore

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the log. Both parts are opaque: they grow along the
// log, are not dense, and mean nothing to another engine or another log.
type Position struct {
	Commit  uint64
	Prepare uint64
}

// Compare orders positions along the log.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Commit, q.Commit); c != 0 {
		return c
	}
	return cmp.Compare(p.Prepare, q.Prepare)
}

// String renders the position as "C:commit/P:prepare", EventStoreDB's form.
func (p Position) String() string { return fmt.Sprintf("C:%d/P:%d", p.Commit, p.Prepare) }

// ParsePosition reads what String wrote, or a bare decimal number that stands
// for both parts.
func ParsePosition(s string) (Position, error) {
	commit, prepare, both := strings.Cut(s, "/")
	if !both {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return Position{}, fmt.Errorf("parse position %q: %w", s, err)
		}
		return Position{Commit: n, Prepare: n}, nil
	}
	c, errC := strconv.ParseUint(strings.TrimPrefix(commit, "C:"), 10, 64)
	p, errP := strconv.ParseUint(strings.TrimPrefix(prepare, "P:"), 10, 64)
	if errC != nil || errP != nil {
		return Position{}, fmt.Errorf("parse position %q: want C:commit/P:prepare", s)
	}
	return Position{Commit: c, Prepare: p}, nil
}

// ExpectedRevision is what the writer believes a stream's last revision to be.
// Make one with Revision, or use NoStream, Any or StreamExists. The zero value
// is NoStream.
type ExpectedRevision struct{ v int64 }

// What a writer may expect besides an exact revision; the numbers are
// EventStoreDB's.
var (
	// NoStream expects that the stream has no events.
	NoStream = ExpectedRevision{v: 0}
	// Any expects nothing.
	Any = ExpectedRevision{v: -1}
	// StreamExists expects at least one event or metadata.
	StreamExists = ExpectedRevision{v: -3}
)

// Revision expects the stream's last event to have this revision.
func Revision(r uint64) ExpectedRevision { return ExpectedRevision{v: int64(r) + 1} }

// Number returns EventStoreDB's number: the revision, or -1 for NoStream, -2
// for Any, -4 for StreamExists.
func (e ExpectedRevision) Number() int64 { return e.v - 1 }

// String names the expectation for messages.
func (e ExpectedRevision) String() string {
	switch e {
	case NoStream:
		return "no stream"
	case Any:
		return "any"
	case StreamExists:
		return "stream exists"
	}
	return strconv.FormatInt(e.Number(), 10)
}
