package protocol

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/order-ledger/order-ledger/eventstore"
)

// An append of one event is two small messages and one small answer. The generated messages spend more on
// maps, wrappers and reflection than the log does on storing the event, so the messages that clients send
// are read directly; whatever looks different is left to the generated code, which knows all of protobuf.

// Field numbers of AppendReq and what is in it, and of AppendResp.
const (
	appendReqOptions, appendReqProposed = 1, 2

	optionsStream, optionsRevision, optionsNone, optionsAny, optionsExists = 1, 2, 3, 4, 5

	proposedID, proposedMetadata, proposedCustom, proposedData = 1, 2, 3, 4

	appendRespSuccess                = 1
	successRevision, successPosition = 1, 3
	positionCommit, positionPrepare  = 1, 2
)

// appendMessage is one message of an Append call: its options, or an event.
type appendMessage struct {
	isOptions bool
	name      string // of the stream
	expected  eventstore.ExpectedRevision
	event     eventstore.EventData
	err       error // why it is refused, though it could be read
}

// unmarshal reads a message. The event keeps parts of b.
func (m *appendMessage) unmarshal(b []byte) error {
	*m = appendMessage{}
	if number, v, ok := onlyField(b); ok {
		switch {
		case number == appendReqOptions && m.readOptions(v):
			return nil
		case number == appendReqProposed && readProposed(v, &m.event, &m.err):
			return nil
		}
	}
	*m = appendMessage{}
	var req streams.AppendReq
	if err := proto.Unmarshal(b, &req); err != nil {
		return err
	}
	if o := req.GetOptions(); o != nil {
		m.isOptions, m.name = true, string(o.GetStreamIdentifier().GetStreamName())
		m.expected, m.err = expectedOf(o)
		return nil
	}
	p := req.GetProposedMessage()
	m.event, m.err = proposed(p.GetId(), p.GetMetadata(), p.GetData(), p.GetCustomMetadata())
	return nil
}

// onlyField returns the content of a message that is one embedded message.
func onlyField(b []byte) (number protowire.Number, v []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 || kind != protowire.BytesType {
		return 0, nil, false
	}
	v, size := protowire.ConsumeBytes(b[n:])
	return number, v, size >= 0 && n+size == len(b)
}

// fields shows the fields of a message until show returns false; number fields come as v, others as b. It
// returns whether all were shown, each not more than once unless it is the repeated one.
func fields(b []byte, repeated protowire.Number, show func(number protowire.Number, v uint64, b []byte) bool) bool {
	seen := uint64(0)
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 || number > 63 || seen&(1<<number) != 0 {
			return false
		}
		if number != repeated {
			seen |= 1 << number
		}
		b = b[n:]
		var v uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
			if content == nil {
				content = []byte{}
			}
		default:
			return false
		}
		if n < 0 || !show(number, v, content) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (m *appendMessage) readOptions(b []byte) bool {
	m.isOptions = true
	expectations := 0
	ok := fields(b, 0, func(number protowire.Number, v uint64, b []byte) bool {
		if number == optionsStream {
			only, name, ok := onlyField(b)
			m.name = string(name)
			return ok && only == identifierName
		}
		expectations++
		switch {
		case number == optionsRevision && b == nil && v < 1<<63-1:
			m.expected = eventstore.Revision(v)
		case number == optionsNone && b != nil && len(b) == 0:
			m.expected = eventstore.NoStream
		case number == optionsAny && b != nil && len(b) == 0:
			m.expected = eventstore.Any
		case number == optionsExists && b != nil && len(b) == 0:
			m.expected = eventstore.StreamExists
		default:
			return false
		}
		return true
	})
	return ok && expectations == 1
}

// readProposed reads an event; refused is why it is not taken, though it could be read.
func readProposed(b []byte, event *eventstore.EventData, refused *error) bool {
	*event = eventstore.EventData{}
	hasType, hasContentType := false, false
	ok := fields(b, proposedMetadata, func(number protowire.Number, _ uint64, b []byte) bool {
		switch {
		case b == nil:
			return false
		case number == proposedID:
			return readUUID(b, &event.ID)
		case number == proposedCustom:
			event.Metadata = b[:len(b):len(b)]
		case number == proposedData:
			event.Data = b[:len(b):len(b)]
		case number == proposedMetadata:
			key, value, ok := readEntry(b)
			switch {
			case !ok:
				return false
			case string(key) == "type":
				event.Type, hasType = string(value), true
			case string(key) == "content-type":
				event.JSON, hasContentType = string(value) == contentJSON, true
			}
		default:
			return false
		}
		return true
	})
	if ok {
		*refused = acceptable(event, hasType, hasContentType)
	}
	return ok
}

// acceptable says what a client's event lacks.
func acceptable(e *eventstore.EventData, hasType, hasContentType bool) error {
	switch {
	case !hasType || !hasContentType:
		return fail(codes.InvalidArgument, "Required Metadata Property 'type' or 'content-type' is missing.",
			"exception", "missing-required-metadata-property", "required-metadata-properties", "type,content-type")
	case e.ID == uuid.Nil || e.Type == "":
		return fail(codes.Unknown, "Exception was thrown by handler.")
	}
	return nil
}

func readUUID(b []byte, id *uuid.UUID) bool {
	number, structured, ok := onlyField(b)
	return ok && number == uuidStructured && fields(structured, 0, func(number protowire.Number, v uint64, b []byte) bool {
		switch {
		case b != nil:
			return false
		case number == uuidMost:
			binary.BigEndian.PutUint64(id[:8], v)
		case number == uuidLeast:
			binary.BigEndian.PutUint64(id[8:], v)
		default:
			return false
		}
		return true
	})
}

func readEntry(b []byte) (key, value []byte, ok bool) {
	ok = fields(b, 0, func(number protowire.Number, _ uint64, b []byte) bool {
		switch {
		case b == nil || !utf8.Valid(b):
			return false
		case number == mapKey:
			key = b
		case number == mapValue:
			value = b
		default:
			return false
		}
		return true
	})
	return key, value, ok
}

// batchMessage is one message of a BatchAppend call.
type batchMessage struct {
	// req has everything but the events.
	req    streams.BatchAppendReq
	events []proposedEvent
}

type proposedEvent struct {
	event eventstore.EventData
	err   error // why it is refused
}

const batchReqProposed = 3

// unmarshal reads a message. The events keep parts of b.
func (m *batchMessage) unmarshal(b []byte) error {
	*m = batchMessage{}
	rest := make([]byte, 0, 128)
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if field := b[:n]; number == batchReqProposed && kind == protowire.BytesType {
			_, v, _ := onlyField(field)
			p, err := readBatched(v)
			if err != nil {
				return err
			}
			m.events = append(m.events, p)
		} else {
			rest = append(rest, field...)
		}
		b = b[n:]
	}
	return proto.Unmarshal(rest, &m.req)
}

func readBatched(b []byte) (p proposedEvent, err error) {
	if readProposed(b, &p.event, &p.err) {
		return p, nil
	}
	var message streams.BatchAppendReq_ProposedMessage
	if err := proto.Unmarshal(b, &message); err != nil {
		return p, err
	}
	p.event, p.err = proposed(message.GetId(), message.GetMetadata(), message.GetData(), message.GetCustomMetadata())
	return p, nil
}

// appendAnswer is the AppendResp message of an append that succeeded.
type appendAnswer eventstore.AppendResult

func (a appendAnswer) encode() mem.Buffer {
	position := 2 + protowire.SizeVarint(a.Position.Commit) + protowire.SizeVarint(a.Position.Prepare)
	success := 1 + protowire.SizeVarint(a.Revision) + 1 + protowire.SizeBytes(position)
	b := make([]byte, 0, 1+protowire.SizeBytes(success))
	b = protowire.AppendTag(b, appendRespSuccess, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(success))
	b = protowire.AppendVarint(protowire.AppendTag(b, successRevision, protowire.VarintType), a.Revision)
	b = protowire.AppendTag(b, successPosition, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(position))
	b = protowire.AppendVarint(protowire.AppendTag(b, positionCommit, protowire.VarintType), a.Position.Commit)
	b = protowire.AppendVarint(protowire.AppendTag(b, positionPrepare, protowire.VarintType), a.Position.Prepare)
	return mem.SliceBuffer(b)
}
