package feed

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// The first byte of every cursor. Cursors are kept by others for years: a new form gets a new number,
	// and old ones stay readable. The second form has the place, too.
	cursorVersion1 = 1
	cursorVersion2 = 2
	// cursorCharsMax bounds what is decoded, streamCharsMax a stream's name that is no ULID.
	cursorCharsMax = 192
	streamCharsMax = 48
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
// belongs to this log. The two differ where events follow that are not for the feed. place finds that
// event again in a copy of the log, where positions and times differ.
type cursor struct {
	after, anchor eventstore.Position
	tag           [tagSize]byte
	place         place
}

// place is where an event stands in any copy of the log; zero in cursors of the first form.
type place struct {
	stream   string
	revision uint64
	// content is a checksum of the event's id and metadata, which no other ledger has.
	content uint32
}

func placeOf(e *eventstore.RecordedEvent) place {
	return place{stream: e.Stream, revision: e.Revision, content: crc32.Update(crc32.ChecksumIEEE(e.ID[:]), crc32.IEEETable, e.Metadata)}
}

// isStart tells whether no event of the feed was seen: then the cursor names no log.
func (c cursor) isStart() bool { return c.anchor == eventstore.Position{} }

// past is the cursor after an event of the feed's streams. An event's id alone would not do: two
// ledgers that are told the same give it the same id. They do not write it at the same moment.
func past(e *eventstore.RecordedEvent) cursor {
	c := cursor{after: e.Position, anchor: e.Position, place: placeOf(e)}
	digest := fnv.New64a()
	_, _ = digest.Write(e.ID[:]) // a digest takes everything
	_, _ = digest.Write([]byte(e.Stream))
	_, _ = digest.Write(binary.BigEndian.AppendUint64(nil, uint64(e.Created.UnixMicro())))
	digest.Sum(c.tag[:0])
	return c
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
	var space [cursorCharsMax]byte
	version := byte(cursorVersion2)
	if c.place == (place{}) || len(c.place.stream) > streamCharsMax {
		version = cursorVersion1
	}
	b := append(space[:0], version)
	b = binary.AppendUvarint(b, c.anchor.Commit)
	b = binary.AppendUvarint(b, c.anchor.Prepare)
	b = binary.AppendUvarint(b, c.after.Commit-c.anchor.Commit)
	b = binary.AppendUvarint(b, c.after.Prepare-c.anchor.Prepare) // wraps around when it is smaller
	b = append(b, c.tag[:]...)
	if version == cursorVersion2 {
		b = c.place.appendBytes(b)
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.AppendEncode(out, b)
}

// ulidCategories are those of streams that are a ULID each, by the byte that stands for them in a cursor.
// Bytes are never given another meaning. Other streams are written as they are named, after their length.
func ulidCategories() [3]order.Category {
	return [...]order.Category{order.CategoryOrder, order.CategoryPayout, order.CategoryTestOrder}
}

// ulidKind is what the bytes of ulidCategories begin at: no length is as high.
const ulidKind = 200

func (p place) appendBytes(b []byte) []byte {
	category, rest, _ := strings.Cut(p.stream, "-")
	kinds := ulidCategories()
	kind := slices.Index(kinds[:], order.Category(category))
	id, err := ulid.ParseStrict(rest)
	if kind >= 0 && err == nil && id.String() == rest {
		b = append(append(b, byte(ulidKind+kind)), id[:]...)
	} else {
		b = append(append(b, byte(len(p.stream))), p.stream...)
	}
	b = binary.AppendUvarint(b, p.revision)
	return binary.BigEndian.AppendUint32(b, p.content)
}

// parsePlace reads what appendBytes wrote.
func parsePlace(b []byte) (p place, ok bool) {
	if len(b) == 0 {
		return place{}, false
	}
	kind, b := int(b[0]), b[1:]
	kinds := ulidCategories()
	switch size := len(ulid.ULID{}); {
	case kind >= ulidKind && kind < ulidKind+len(kinds) && len(b) > size:
		p.stream, b = order.StreamName(kinds[kind-ulidKind], ulid.ULID(b[:size]).String()), b[size:] //nolint:gosec // the case is that it is in range
	case kind > 0 && kind <= streamCharsMax && len(b) > kind:
		p.stream, b = string(b[:kind]), b[kind:]
	default:
		return place{}, false
	}
	revision, n := binary.Uvarint(b)
	if n <= 0 || len(b[n:]) != 4 {
		return place{}, false
	}
	p.revision, p.content = revision, binary.BigEndian.Uint32(b[n:])
	return p, true
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
	if body[0] != cursorVersion1 && body[0] != cursorVersion2 {
		return cursor{}, fmt.Errorf("%w: its form %d is newer than this ledger", ErrCursorMalformed, body[0])
	}
	var c cursor
	version, rest := body[0], body[1:]
	for _, target := range []*uint64{&c.anchor.Commit, &c.anchor.Prepare, &c.after.Commit, &c.after.Prepare} {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return cursor{}, ErrCursorMalformed
		}
		*target, rest = v, rest[n:]
	}
	c.after.Commit += c.anchor.Commit
	c.after.Prepare += c.anchor.Prepare
	if len(rest) < tagSize {
		return cursor{}, ErrCursorMalformed
	}
	rest = rest[copy(c.tag[:], rest):]
	ok := len(rest) == 0
	if version == cursorVersion2 {
		c.place, ok = parsePlace(rest)
	}
	if !ok || c.isStart() || c.after.Compare(c.anchor) < 0 {
		return cursor{}, ErrCursorMalformed
	}
	return c, nil
}
