package feed

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// cursorVersion is the first byte of every cursor. Cursors are kept by others for years: a new
	// form gets a new number, and old ones stay readable.
	cursorVersion = 1
	// cursorCharsMax bounds what is decoded.
	cursorCharsMax = 128
	tagSize        = 8
	checkSize      = 4
)

var (
	// ErrCursorMalformed says that a text is no cursor.
	ErrCursorMalformed = errors.New("this is no cursor of the feed")
	// ErrCursorForeign says that a cursor comes from another log than this.
	ErrCursorForeign = errors.New("the cursor does not belong to this ledger's log")
)

// cursor is a place between two events of the log. The zero value is the start.
//
// after is the last position that was considered. anchor is the last position at or before it where
// an event of the feed stood, and tag a digest of which event that was: what proves that the cursor
// belongs to this log. The two differ where events follow that are not for the feed.
type cursor struct {
	after, anchor eventstore.Position
	tag           [tagSize]byte
}

// isStart tells whether no event of the feed was seen: then the cursor names no log.
func (c cursor) isStart() bool { return c.anchor == eventstore.Position{} }

// past is the cursor after an event of the feed's streams. An event's id alone would not do: two
// ledgers that are told the same give it the same id. They do not write it at the same moment.
func past(e *eventstore.RecordedEvent) cursor {
	c := cursor{after: e.Position, anchor: e.Position}
	digest := fnv.New64a()
	_, _ = digest.Write(e.ID[:]) // a digest takes everything
	_, _ = digest.Write([]byte(e.Stream))
	_, _ = digest.Write(binary.BigEndian.AppendUint64(nil, uint64(e.Created.UnixMicro())))
	digest.Sum(c.tag[:0])
	return c
}

// CursorAfter is the cursor with which the feed goes on after an event that was read from the log: what
// somebody needs who has got the history up to there another way. There is none after events that are
// not for the feed.
func CursorAfter(e *eventstore.RecordedEvent) (text string, ok bool) {
	if !isFeedStream(e.Stream) {
		return "", false
	}
	return past(e).String(), true
}

// considered moves the cursor over what is not for the feed.
func (c cursor) considered(position eventstore.Position) cursor {
	if !c.isStart() && position.Compare(c.after) > 0 {
		c.after = position
	}
	return c
}

// appendText appends the cursor's text, which is empty at the start.
func (c cursor) appendText(out []byte) []byte {
	if c.isStart() {
		return out
	}
	var space [1 + 4*binary.MaxVarintLen64 + tagSize + checkSize]byte
	b := append(space[:0], cursorVersion)
	b = binary.AppendUvarint(b, c.anchor.Commit)
	b = binary.AppendUvarint(b, c.anchor.Prepare)
	b = binary.AppendUvarint(b, c.after.Commit-c.anchor.Commit)
	b = binary.AppendUvarint(b, c.after.Prepare-c.anchor.Prepare) // wraps around when it is smaller
	b = append(b, c.tag[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.AppendEncode(out, b)
}

// String is the text that clients keep.
func (c cursor) String() string { return string(c.appendText(nil)) }

// parseCursor reads what String wrote. Errors are ErrCursorMalformed.
func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	if len(text) > cursorCharsMax {
		return cursor{}, fmt.Errorf("%w: %d characters are too many", ErrCursorMalformed, len(text))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+4+tagSize+checkSize {
		return cursor{}, fmt.Errorf("%w: it is cut off or was changed", ErrCursorMalformed)
	}
	body, check := b[:len(b)-checkSize], b[len(b)-checkSize:]
	if binary.BigEndian.Uint32(check) != crc32.ChecksumIEEE(body) {
		return cursor{}, fmt.Errorf("%w: it is cut off or was changed", ErrCursorMalformed)
	}
	if body[0] != cursorVersion {
		return cursor{}, fmt.Errorf("%w: its form %d is newer than this ledger", ErrCursorMalformed, body[0])
	}
	var c cursor
	numbers, tag := body[1:len(body)-tagSize], body[len(body)-tagSize:]
	for _, target := range []*uint64{&c.anchor.Commit, &c.anchor.Prepare, &c.after.Commit, &c.after.Prepare} {
		v, n := binary.Uvarint(numbers)
		if n <= 0 {
			return cursor{}, ErrCursorMalformed
		}
		*target, numbers = v, numbers[n:]
	}
	c.after.Commit += c.anchor.Commit
	c.after.Prepare += c.anchor.Prepare
	copy(c.tag[:], tag)
	if len(numbers) > 0 || c.isStart() || c.after.Compare(c.anchor) < 0 {
		return cursor{}, ErrCursorMalformed
	}
	return c, nil
}
