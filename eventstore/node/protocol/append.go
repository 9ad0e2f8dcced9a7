package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// streamsService is the Streams service over a node.
type streamsService struct {
	streams.UnimplementedStreamsServer
	node     *node.Node
	logger   *slog.Logger
	stopping <-chan struct{}
	budget   *budget
}

// Append is one atomic append: options, then events, then the end.
func (s *streamsService) Append(call streams.Streams_AppendServer) error {
	in := beginAppend(s.budget)
	defer in.end()
	err := in.receive(call)
	var result eventstore.AppendResult
	if err == nil {
		result, err = s.node.Append(call.Context(), in.name, in.expected, in.events...)
	}
	var wrong *eventstore.WrongExpectedRevisionError
	switch {
	case errors.As(err, &wrong):
		return call.SendAndClose(wrongVersion(wrong))
	case err != nil:
		failure := s.statusOf(call.Context(), in.name, err)
		call.SetTrailer(failure.trailers)
		return failure
	}
	if result.Position == (eventstore.Position{}) {
		return call.SendAndClose(nothingInNoStream())
	}
	return call.SendMsg(appendAnswer(result))
}

// incoming is an append as far as it has been received.
type incoming struct {
	name     string // of the stream
	expected eventstore.ExpectedRevision
	events   []eventstore.EventData
	held     share
	message  appendMessage
}

// eventsRecycled is how many events an idle incoming has room for at most.
const eventsRecycled = 64

// incomings keeps the memory of appends that have ended for the next ones.
var incomings = sync.Pool{New: func() any { return new(incoming) }}

func beginAppend(b *budget) *incoming {
	in := incomings.Get().(*incoming)
	in.held.budget = b
	return in
}

// end gives everything back. The node keeps nothing of an append's events.
func (in *incoming) end() {
	in.held.giveBack()
	clear(in.events)
	if cap(in.events) > eventsRecycled {
		in.events = nil
	}
	*in = incoming{events: in.events[:0]}
	incomings.Put(in)
}

// receive reads a whole append. A malformed one is read to its end before it is refused.
func (in *incoming) receive(call streams.Streams_AppendServer) error {
	refuse := func(err error) error {
		in.held.giveBack()
		drain(call)
		return err
	}
	m := &in.message
	if err := call.RecvMsg(m); err != nil {
		return received(err)
	}
	if !m.isOptions {
		return refuse(fail(codes.Unknown, "Exception was thrown by handler."))
	}
	if in.name, in.expected = m.name, m.expected; m.err != nil {
		return refuse(m.err)
	}
	size := 0
	for {
		err := call.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return received(err)
		}
		if m.isOptions { // a second time
			m.err = acceptable(&m.event, false, false)
		}
		if err = m.err; err == nil {
			err = in.held.take(&m.event)
		}
		if err != nil {
			return refuse(err)
		}
		in.events = append(in.events, m.event)
		if size += eventstore.AppendSize(in.events[len(in.events)-1:]); size > eventstore.MaxAppendSize {
			return refuse(&eventstore.TooLargeError{Size: size, Limit: eventstore.MaxAppendSize})
		}
	}
}

// received is the error of a client that went away, or sent too much.
func received(err error) error {
	if errors.Is(err, io.EOF) {
		return fail(codes.Unknown, "Exception was thrown by handler.")
	}
	return err
}

// proposed checks one event of a client.
func proposed(id *shared.UUID, metadata map[string]string, data, custom []byte) (eventstore.EventData, error) {
	event := eventstore.EventData{Type: metadata["type"], JSON: metadata["content-type"] == contentJSON, Data: data, Metadata: custom}
	_, hasType := metadata["type"]
	_, hasContentType := metadata["content-type"]
	var err error
	if event.ID, err = parseUUID(id); err != nil {
		event.ID = uuid.Nil // as bad as none
	}
	if err := acceptable(&event, hasType, hasContentType); err != nil {
		return eventstore.EventData{}, err
	}
	return event, nil
}

// expectation is what the requests that change a stream have in common.
type expectation interface {
	GetRevision() uint64
	GetNoStream() *shared.Empty
	GetAny() *shared.Empty
	GetStreamExists() *shared.Empty
}

func expectedOf(o expectation) (eventstore.ExpectedRevision, error) {
	switch revision := o.GetRevision(); {
	case o.GetNoStream() != nil:
		return eventstore.NoStream, nil
	case o.GetAny() != nil:
		return eventstore.Any, nil
	case o.GetStreamExists() != nil:
		return eventstore.StreamExists, nil
	case revision >= math.MaxInt64: // no stream gets there, and some of these numbers mean other things
		return eventstore.NoStream, fail(codes.InvalidArgument, fmt.Sprintf("%d is no revision of a stream", revision))
	default:
		return eventstore.Revision(revision), nil
	}
}

// nothingInNoStream answers an append of no events to a stream that does not exist.
func nothingInNoStream() *streams.AppendResp {
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}},
		PositionOption:        &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}},
	}}}
}

// wrongVersion is the in-band answer to a version conflict, in today's fields
// and in those of 20.6.
func wrongVersion(e *eventstore.WrongExpectedRevisionError) *streams.AppendResp {
	w := &streams.AppendResp_WrongExpectedVersion{}
	if e.Actual >= 0 {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(e.Actual)}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: uint64(e.Actual)}
	} else {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
	}
	switch e.Expected {
	case eventstore.NoStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: math.MaxUint64}
	case eventstore.Any:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case eventstore.StreamExists:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
	default:
		revision := uint64(e.Expected.Number())
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: revision}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: revision}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}}
}

// Delete hides a stream's events.
func (s *streamsService) Delete(ctx context.Context, req *streams.DeleteReq) (*streams.DeleteResp, error) {
	o := req.GetOptions()
	name := string(o.GetStreamIdentifier().GetStreamName())
	expected, err := expectedOf(o)
	if err != nil {
		return nil, err
	}
	p, err := s.node.DeleteStream(ctx, name, expected)
	if err != nil {
		return nil, s.deleteFailure(ctx, name, err)
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{Position: &streams.DeleteResp_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}}, nil
}

// Tombstone ends a stream for ever.
func (s *streamsService) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := req.GetOptions()
	name := string(o.GetStreamIdentifier().GetStreamName())
	expected, err := expectedOf(o)
	if err != nil {
		return nil, err
	}
	p, err := s.node.TombstoneStream(ctx, name, expected)
	if err != nil {
		return nil, s.deleteFailure(ctx, name, err)
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: &streams.TombstoneResp_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}}, nil
}

// deleteFailure encodes a conflict as an error, unlike appends do.
func (s *streamsService) deleteFailure(ctx context.Context, name string, err error) error {
	var wrong *eventstore.WrongExpectedRevisionError
	failure := (*statusError)(nil)
	if errors.As(err, &wrong) {
		actual := ""
		if wrong.Actual >= -1 {
			actual = strconv.FormatInt(wrong.Actual, 10)
		}
		expected := strconv.FormatInt(wrong.Expected.Number(), 10)
		failure = fail(codes.FailedPrecondition, fmt.Sprintf(
			"Delete failed due to WrongExpectedVersion. Stream: %s, Expected version: %s, Actual version: %s", name, expected, actual),
			"exception", "wrong-expected-version", "stream-name", printable(name),
			"expected-version", expected, "actual-version", actual)
	} else {
		failure = s.statusOf(ctx, name, err)
	}
	setTrailer(ctx, failure.trailers)
	return failure
}
