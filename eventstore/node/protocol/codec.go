package protocol

import (
	"encoding/binary"
	"strconv"
	"strings"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is wrapped
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Reading the log is sending one message for each event. Building each as a
// tree of messages, with its map of metadata, and encoding it by reflection
// costs more than everything else together, so events are written to the wire
// directly.

// frameCodec is the protobuf codec, but for events and appends, which are many, and for messages that nobody
// wants.
type frameCodec struct{ encoding.CodecV2 }

func newFrameCodec() frameCodec { return frameCodec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case eventFrame:
		return mem.BufferSlice{v.encode()}, nil
	case appendAnswer:
		return mem.BufferSlice{v.encode()}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *discarded:
		v.bytes = data.Len()
		return nil
	case *appendMessage:
		return v.unmarshal(contentOf(data))
	case *batchMessage:
		return v.unmarshal(contentOf(data))
	}
	return c.CodecV2.Unmarshal(data, v)
}

// pooledBytesMax is the largest message whose buffer is taken from the library's pool: the next size there is a megabyte, which
// each slow reader would hold twice.
const pooledBytesMax = 32 << 10

// contentOf returns a message's bytes for the events in it to keep. Those of small messages, which come from no
// pool, need not be copied; those of large ones are given back at once, for a pool's buffers are larger than what is in them.
func contentOf(data mem.BufferSlice) []byte {
	if len(data) == 1 {
		if own, ok := data[0].(mem.SliceBuffer); ok {
			return own
		}
	}
	return data.Materialize()
}

// eventFrame is the ReadResp message of one event.
type eventFrame struct {
	// event is nil when a link's target is gone; link is nil without one.
	event, link *eventstore.RecordedEvent
	uuidAsText  bool
}

// Field numbers of ReadResp, its ReadEvent, the RecordedEvent in it, and what
// that consists of.
const (
	respEvent = 1

	readEvent, readCommit = 1, 3 // the link is 2

	recordedID, recordedStream, recordedRevision, recordedPrepare, recordedCommit = 1, 2, 3, 4, 5
	recordedMetadata, recordedCustom, recordedData                                = 6, 7, 8

	uuidStructured, uuidText, uuidMost, uuidLeast = 1, 2, 1, 2
	identifierName                                = 3
	mapKey, mapValue                              = 1, 2
)

func (f eventFrame) encode() mem.Buffer {
	var sizes [2]int // of the RecordedEvent messages
	var texts [2]eventTexts
	size, commit := 0, uint64(0)
	for i, e := range []*eventstore.RecordedEvent{f.event, f.link} {
		if e != nil {
			texts[i] = textsOf(e)
			sizes[i] = recordedSize(e, &texts[i], f.uuidAsText)
			size += 1 + protowire.SizeBytes(sizes[i])
			commit = e.Position.Commit // the link's when there is one
		}
	}
	size += 1 + protowire.SizeVarint(commit)
	pool, total := mem.DefaultBufferPool(), 1+protowire.SizeBytes(size)
	if total > pooledBytesMax {
		pool = mem.NopBufferPool{}
	}
	buffer := pool.Get(total)
	b := protowire.AppendTag((*buffer)[:0], respEvent, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for i, e := range []*eventstore.RecordedEvent{f.event, f.link} {
		if e != nil {
			b = protowire.AppendTag(b, protowire.Number(readEvent+i), protowire.BytesType)
			b = protowire.AppendVarint(b, uint64(sizes[i]))
			b = appendRecorded(b, e, &texts[i], f.uuidAsText)
		}
	}
	b = protowire.AppendTag(b, readCommit, protowire.VarintType)
	b = protowire.AppendVarint(b, commit)
	*buffer = b
	return mem.NewBuffer(buffer, pool)
}

// eventTexts are the values of an event's metadata on the wire. Clients end
// their process when "created" is missing.
type eventTexts struct{ eventType, contentType, created string }

func textsOf(e *eventstore.RecordedEvent) eventTexts {
	t := eventTexts{
		eventType: strings.ToValidUTF8(e.Type, "\uFFFD"), contentType: contentBinary,
		created: strconv.FormatInt(e.Created.UnixNano()/100, 10),
	}
	if e.JSON {
		t.contentType = contentJSON
	}
	return t
}

func idSize(e *eventstore.RecordedEvent, asText bool) int {
	if asText {
		return 1 + protowire.SizeBytes(36)
	}
	most, least := binary.BigEndian.Uint64(e.ID[:8]), binary.BigEndian.Uint64(e.ID[8:])
	return 1 + protowire.SizeBytes(structuredSize(most, least))
}

func structuredSize(most, least uint64) int {
	return 2 + protowire.SizeVarint(most) + protowire.SizeVarint(least)
}

func entrySize(key, value string) int {
	return 2 + protowire.SizeBytes(len(key)) + protowire.SizeBytes(len(value))
}

func recordedSize(e *eventstore.RecordedEvent, t *eventTexts, uuidAsText bool) int {
	n := 1 + protowire.SizeBytes(idSize(e, uuidAsText))
	n += 1 + protowire.SizeBytes(1+protowire.SizeBytes(len(e.Stream)))
	for _, v := range []uint64{e.Revision, e.Position.Prepare, e.Position.Commit} {
		n += 1 + protowire.SizeVarint(v)
	}
	n += 1 + protowire.SizeBytes(entrySize("type", t.eventType))
	n += 1 + protowire.SizeBytes(entrySize("content-type", t.contentType))
	n += 1 + protowire.SizeBytes(entrySize("created", t.created))
	return n + 2 + protowire.SizeBytes(len(e.Metadata)) + protowire.SizeBytes(len(e.Data))
}

func appendRecorded(b []byte, e *eventstore.RecordedEvent, t *eventTexts, uuidAsText bool) []byte {
	b = protowire.AppendTag(b, recordedID, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(idSize(e, uuidAsText)))
	if uuidAsText {
		b = protowire.AppendTag(b, uuidText, protowire.BytesType)
		b = protowire.AppendString(b, e.ID.String())
	} else {
		most, least := binary.BigEndian.Uint64(e.ID[:8]), binary.BigEndian.Uint64(e.ID[8:])
		b = protowire.AppendTag(b, uuidStructured, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(structuredSize(most, least)))
		b = protowire.AppendVarint(protowire.AppendTag(b, uuidMost, protowire.VarintType), most)
		b = protowire.AppendVarint(protowire.AppendTag(b, uuidLeast, protowire.VarintType), least)
	}
	b = protowire.AppendTag(b, recordedStream, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(1+protowire.SizeBytes(len(e.Stream))))
	b = protowire.AppendString(protowire.AppendTag(b, identifierName, protowire.BytesType), e.Stream)
	b = protowire.AppendVarint(protowire.AppendTag(b, recordedRevision, protowire.VarintType), e.Revision)
	b = protowire.AppendVarint(protowire.AppendTag(b, recordedPrepare, protowire.VarintType), e.Position.Prepare)
	b = protowire.AppendVarint(protowire.AppendTag(b, recordedCommit, protowire.VarintType), e.Position.Commit)
	b = appendEntry(b, "type", t.eventType)
	b = appendEntry(b, "content-type", t.contentType)
	b = appendEntry(b, "created", t.created)
	b = protowire.AppendBytes(protowire.AppendTag(b, recordedCustom, protowire.BytesType), e.Metadata)
	return protowire.AppendBytes(protowire.AppendTag(b, recordedData, protowire.BytesType), e.Data)
}

func appendEntry(b []byte, key, value string) []byte {
	b = protowire.AppendTag(b, recordedMetadata, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(entrySize(key, value)))
	b = protowire.AppendString(protowire.AppendTag(b, mapKey, protowire.BytesType), key)
	return protowire.AppendString(protowire.AppendTag(b, mapValue, protowire.BytesType), value)
}
