package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// A frame is the value of one log entry: the events of one append.
//
//	header   CRC32C of everything else, version, place in log and stream, time, sizes
//	events   per event: id, flags, sizes of type, data and metadata
//	names    stream name, types
//	bodies   data, metadata, data, metadata, ...
//
// The checksum runs over events, names and bodies first and the header last, so that the caller of
// Append computes most of it and the decider, which alone knows the place, only adds the header.
const (
	frameHeaderBytes = 48
	frameEventBytes  = 27
	frameVersion     = 1
	eventFlagJSON    = 1
)

// A scavenged frame keeps its place, ids, names and types; those of its events that are marked have neither data nor
// metadata any more.
const (
	scavengedVersion   = 2
	eventFlagScavenged = 2
)

// ticksPerSecond is the resolution of creation times: 100 ns, as in EventStoreDB.
const ticksPerSecond = 10_000_000

// CorruptError says that a record of the log does not have the checksum or the shape that it was
// written with. What it held is lost to this node; a backup has it.
type CorruptError struct {
	Position uint64 // of the frame's first event
	Reason   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("log record at position %d is corrupt: %s", e.Position, e.Reason)
}

// framePlace is what only the decider knows about a frame.
type framePlace struct {
	position uint64 // of the first event
	stream   uint64
	revision uint64 // of the first event
	created  time.Time
}

// encodeFrame lays out an append without its place. bodyCRC is the checksum of all but the header.
func encodeFrame(stream string, events []eventstore.EventData) (frame []byte, bodyCRC uint32) {
	names, bodies := len(stream), 0
	for i := range events {
		names += len(events[i].Type)
		bodies += len(events[i].Data) + len(events[i].Metadata)
	}
	b := make([]byte, frameHeaderBytes, frameHeaderBytes+len(events)*frameEventBytes+names+bodies)
	b[4] = frameVersion
	binary.LittleEndian.PutUint16(b[6:], uint16(len(stream)))
	binary.LittleEndian.PutUint32(b[40:], uint32(len(events)))
	binary.LittleEndian.PutUint32(b[44:], uint32(names))
	for i := range events {
		e := &events[i]
		b = append(b, e.ID[:]...)
		var flags byte
		if e.JSON {
			flags = eventFlagJSON
		}
		b = append(b, flags)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(e.Type)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Metadata)))
	}
	b = append(b, stream...)
	for i := range events {
		b = append(b, events[i].Type...)
	}
	for i := range events {
		b = append(b, events[i].Data...)
		b = append(b, events[i].Metadata...)
	}
	return b, checksum(0, b[frameHeaderBytes:])
}

// placeFrame completes an encoded frame.
func placeFrame(frame []byte, bodyCRC uint32, p framePlace) {
	binary.LittleEndian.PutUint64(frame[8:], p.position)
	binary.LittleEndian.PutUint64(frame[16:], p.stream)
	binary.LittleEndian.PutUint64(frame[24:], p.revision)
	binary.LittleEndian.PutUint64(frame[32:], uint64(ticks(p.created)))
	binary.LittleEndian.PutUint32(frame, checksum(bodyCRC, frame[4:frameHeaderBytes]))
}

// checksum extends a CRC32C.
func checksum(crc uint32, b []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), b)
}

// ticks counts 100 ns steps since the Unix epoch.
func ticks(t time.Time) int64 { return t.Unix()*ticksPerSecond + int64(t.Nanosecond()/100) }

func fromTicks(n int64) time.Time {
	sec, rest := n/ticksPerSecond, n%ticksPerSecond
	return time.Unix(sec, rest*100).UTC()
}

// decodedFrame reads the events of a frame one after the other. It owns its memory.
type decodedFrame struct {
	position, stream, revision uint64
	created                    time.Time
	count                      int
	name                       string // of the stream

	events []byte // event headers
	names  string // types
	bodies []byte
	next   int // ordinal of the next event
}

// checkFrame verifies a frame's checksum and shape; position is the one of its key.
func checkFrame(position uint64, v []byte) error {
	if len(v) < frameHeaderBytes {
		return &CorruptError{Position: position, Reason: fmt.Sprintf("only %d bytes", len(v))}
	}
	crc := checksum(0, v[frameHeaderBytes:])
	crc = checksum(crc, v[4:frameHeaderBytes])
	if want := binary.LittleEndian.Uint32(v); crc != want {
		return &CorruptError{Position: position, Reason: fmt.Sprintf("checksum %08x, want %08x", crc, want)}
	}
	if v[4] != frameVersion && v[4] != scavengedVersion {
		return &CorruptError{Position: position, Reason: fmt.Sprintf("unknown version %d", v[4])}
	}
	if p := binary.LittleEndian.Uint64(v[8:]); p != position {
		return &CorruptError{Position: position, Reason: fmt.Sprintf("holds position %d", p)}
	}
	count, names := frameCount(v), int(binary.LittleEndian.Uint32(v[44:]))
	size := frameHeaderBytes + count*frameEventBytes + names
	if count == 0 || size > len(v) {
		return &CorruptError{Position: position, Reason: "sizes do not fit"}
	}
	named := int(binary.LittleEndian.Uint16(v[6:]))
	for h := v[frameHeaderBytes : frameHeaderBytes+count*frameEventBytes]; len(h) > 0; h = h[frameEventBytes:] {
		named += int(binary.LittleEndian.Uint16(h[17:]))
		body := int(binary.LittleEndian.Uint32(h[19:])) + int(binary.LittleEndian.Uint32(h[23:]))
		if h[16]&eventFlagScavenged != 0 && (body > 0 || v[4] != scavengedVersion) {
			return &CorruptError{Position: position, Reason: "an event is marked as scavenged, and is not"}
		}
		size += body
	}
	if named != names || size != len(v) {
		return &CorruptError{Position: position, Reason: "sizes do not add up"}
	}
	return nil
}

// frameCount, frameStreamID and frameRevision read single fields of a checked frame.
func frameCount(v []byte) int       { return int(binary.LittleEndian.Uint32(v[40:])) }
func frameStreamID(v []byte) uint64 { return binary.LittleEndian.Uint64(v[16:]) }
func frameRevision(v []byte) uint64 { return binary.LittleEndian.Uint64(v[24:]) }

// decodeFrame checks a frame and copies it out of v.
func decodeFrame(position uint64, v []byte) (decodedFrame, error) {
	if err := checkFrame(position, v); err != nil {
		return decodedFrame{}, err
	}
	return copyFrame(v), nil
}

// copyFrame copies a checked frame: one allocation for its strings, one for the rest.
func copyFrame(v []byte) decodedFrame {
	count := frameCount(v)
	eventsEnd := frameHeaderBytes + count*frameEventBytes
	namesEnd := eventsEnd + int(binary.LittleEndian.Uint32(v[44:]))
	names := string(v[eventsEnd:namesEnd])
	stream := int(binary.LittleEndian.Uint16(v[6:]))
	f := decodedFrame{
		position: binary.LittleEndian.Uint64(v[8:]),
		stream:   frameStreamID(v),
		revision: frameRevision(v),
		created:  fromTicks(int64(binary.LittleEndian.Uint64(v[32:]))),
		count:    count,
		name:     names[:stream],
		names:    names[stream:],
	}
	rest := bytes.Clone(v[frameHeaderBytes:])
	f.events, f.bodies = rest[:eventsEnd-frameHeaderBytes], rest[namesEnd-frameHeaderBytes:]
	return f
}

// scavenged tells whether the data of an event was removed.
func (f *decodedFrame) scavenged(ordinal int) bool {
	return f.events[ordinal*frameEventBytes+16]&eventFlagScavenged != 0
}

// frameScavenged counts the scavenged events of a checked frame.
func frameScavenged(v []byte) (n int) {
	for h := v[frameHeaderBytes : frameHeaderBytes+frameCount(v)*frameEventBytes]; len(h) > 0; h = h[frameEventBytes:] {
		if h[16]&eventFlagScavenged != 0 {
			n++
		}
	}
	return n
}

// scavengeFrame removes the data and metadata of the first events of a checked frame, and marks those. removed counts their
// bytes; it is 0, and the frame is left as it is, when there is nothing to remove: an event that says {} says nothing.
func scavengeFrame(v []byte, events int) (frame []byte, removed int) {
	count := frameCount(v)
	headersEnd := frameHeaderBytes + count*frameEventBytes
	body := headersEnd + int(binary.LittleEndian.Uint32(v[44:]))
	frame = append(make([]byte, 0, len(v)), v[:body]...)
	for i := range count {
		h := frame[frameHeaderBytes+i*frameEventBytes : frameHeaderBytes+(i+1)*frameEventBytes]
		size := int(binary.LittleEndian.Uint32(h[19:])) + int(binary.LittleEndian.Uint32(h[23:]))
		if text := v[body : body+size]; i < events && size > 0 && string(text) != "{}" {
			h[16] |= eventFlagScavenged
			binary.LittleEndian.PutUint64(h[19:], 0) // both sizes
			removed += size
		} else {
			frame = append(frame, text...)
		}
		body += size
	}
	frame[4] = scavengedVersion
	binary.LittleEndian.PutUint32(frame, checksum(checksum(0, frame[frameHeaderBytes:]), frame[4:frameHeaderBytes]))
	return frame, removed
}

// read returns the next event; it must not be called more than count times.
func (f *decodedFrame) read() eventstore.RecordedEvent {
	h := f.events[f.next*frameEventBytes:]
	typeLen := int(binary.LittleEndian.Uint16(h[17:]))
	dataLen := int(binary.LittleEndian.Uint32(h[19:]))
	metaLen := int(binary.LittleEndian.Uint32(h[23:]))
	pos := f.position + uint64(f.next)
	e := eventstore.RecordedEvent{
		ID:       uuid.UUID(h[:16]),
		Stream:   f.name,
		Revision: f.revision + uint64(f.next),
		Position: eventstore.Position{Commit: pos, Prepare: pos},
		Type:     f.names[:typeLen],
		JSON:     h[16]&eventFlagJSON != 0,
		Created:  f.created,
	}
	// Capacities end where the slice ends: an append by the caller must not run into the neighbour.
	if dataLen > 0 {
		e.Data = f.bodies[:dataLen:dataLen]
	}
	if metaLen > 0 {
		e.Metadata = f.bodies[dataLen : dataLen+metaLen : dataLen+metaLen]
	}
	f.names, f.bodies = f.names[typeLen:], f.bodies[dataLen+metaLen:]
	f.next++
	return e
}

// skip passes over the next n events.
func (f *decodedFrame) skip(n int) {
	for range n {
		f.read()
	}
}

// rest reports how many events are left to read.
func (f *decodedFrame) rest() int { return f.count - f.next }

// all reads the remaining events.
func (f *decodedFrame) all() []eventstore.RecordedEvent {
	out := make([]eventstore.RecordedEvent, 0, f.rest())
	for f.rest() > 0 {
		out = append(out, f.read())
	}
	return out
}

const (
	maxStreamNameBytes = 1 << 10
	maxTypeBytes       = math.MaxUint16
)

// validateStreamName says what makes a stream name impossible.
func validateStreamName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty stream name", eventstore.ErrInvalid)
	case name == "$all":
		return fmt.Errorf("%w: $all is no stream", eventstore.ErrInvalid)
	case name == metadataPrefix:
		return fmt.Errorf("%w: metadata stream of no stream", eventstore.ErrInvalid)
	case len(name) > maxStreamNameBytes:
		return fmt.Errorf("%w: stream name of %d bytes, at most %d are allowed", eventstore.ErrInvalid, len(name), maxStreamNameBytes)
	}
	if i := bytes.IndexFunc([]byte(name), isControl); i >= 0 {
		return fmt.Errorf("%w: control character at byte %d of stream name %q", eventstore.ErrInvalid, i, name)
	}
	return nil
}
