package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	wirestatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// batchesPendingMax bounds the batches of one call that are begun and not
	// final, batchBytesPendingMax the memory of their events, and
	// batchesRunningMax the appends that one call has under way.
	batchesPendingMax    = 256
	batchBytesPendingMax = 16 << 20
	batchesRunningMax    = 256
)

// batch is one append of a BatchAppend call, as far as it has arrived.
type batch struct {
	correlation *shared.UUID
	options     *streams.BatchAppendReq_Options
	events      []eventstore.EventData
	size        int // as appends are counted
	held        share
	// err is why it will be refused; the rest of it is discarded.
	err error
}

// batchCall is one BatchAppend call: many appends over one stream of messages,
// each answered on its own.
type batchCall struct {
	service *streamsService
	call    streams.Streams_BatchAppendServer
	pending map[string]*batch // by correlation id
	bytes   int64             // that all pending events take in memory

	running chan struct{} // a place for each append under way
	done    sync.WaitGroup
	// last is, for each stream, closed when its newest append is answered: the
	// appends of one stream keep their order.
	last map[string]chan struct{}

	sending sync.Mutex
	sendErr error
}

// BatchAppend serves clients that send many appends over one call. Every batch
// is one atomic append; batches to the same stream are applied in the order in
// which they became final.
func (s *streamsService) BatchAppend(call streams.Streams_BatchAppendServer) error {
	b := &batchCall{
		service: s, call: call, pending: map[string]*batch{},
		running: make(chan struct{}, batchesRunningMax), last: map[string]chan struct{}{},
	}
	defer b.end()
	for {
		var message batchMessage
		err := call.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			b.done.Wait()
			b.sending.Lock()
			defer b.sending.Unlock()
			return b.sendErr
		}
		if err != nil {
			return err
		}
		if err := b.take(&message); err != nil {
			failure := s.statusOf(call.Context(), "", err)
			call.SetTrailer(failure.trailers)
			return failure
		}
	}
}

// end waits for the appends under way and forgets what was never finished.
func (b *batchCall) end() {
	b.done.Wait()
	for _, unfinished := range b.pending {
		unfinished.held.giveBack()
	}
}

// take adds a message to its batch and starts the append when it is the last.
func (b *batchCall) take(message *batchMessage) error {
	req := &message.req
	id, err := parseUUID(req.GetCorrelationId())
	if err != nil {
		return fail(codes.InvalidArgument, "the correlation id is no UUID")
	}
	key := id.String()
	current := b.pending[key]
	if current == nil {
		if len(b.pending) >= batchesPendingMax {
			return fail(codes.ResourceExhausted, fmt.Sprintf("more than %d batches are not final", batchesPendingMax))
		}
		current = &batch{correlation: req.GetCorrelationId(), held: share{budget: b.service.budget}}
		b.pending[key] = current
	}
	if o := req.GetOptions(); o != nil {
		current.options = o
	}
	before := current.held.bytes
	for i := range message.events {
		current.add(&message.events[i])
	}
	b.bytes += current.held.bytes - before
	if b.bytes > batchBytesPendingMax {
		return fail(codes.ResourceExhausted, fmt.Sprintf("batches that are not final hold more than %d bytes", batchBytesPendingMax))
	}
	if !req.GetIsFinal() {
		return nil
	}
	delete(b.pending, key)
	b.bytes -= current.held.bytes
	if err := b.start(current); err != nil {
		current.held.giveBack()
		return err
	}
	return nil
}

// add takes an event up; after a mistake or without room the batch holds nothing
// any more.
func (to *batch) add(p *proposedEvent) {
	if to.err != nil {
		return
	}
	event, err := p.event, p.err
	size := eventstore.AppendSize([]eventstore.EventData{event})
	if err == nil && to.size+size > eventstore.MaxAppendSize {
		err = &eventstore.TooLargeError{Size: to.size + size, Limit: eventstore.MaxAppendSize}
	}
	if err == nil {
		err = to.held.take(&event)
	}
	if err != nil {
		to.held.giveBack()
		to.err, to.events, to.size = err, nil, 0
		return
	}
	to.events = append(to.events, event)
	to.size += size
}

// start runs a batch beside those of other streams.
func (b *batchCall) start(current *batch) error {
	select {
	case b.running <- struct{}{}:
	case <-b.call.Context().Done():
		return context.Cause(b.call.Context())
	}
	name := string(current.options.GetStreamIdentifier().GetStreamName())
	before, answered := b.last[name], make(chan struct{})
	if len(b.last) > batchesRunningMax { // all but the running ones are of no more use
		for stream, done := range b.last {
			select {
			case <-done:
				delete(b.last, stream)
			default:
			}
		}
	}
	b.last[name] = answered
	b.done.Go(func() {
		defer func() { <-b.running }()
		defer close(answered)
		defer current.held.giveBack()
		if before != nil {
			<-before
		}
		b.answer(current, name)
	})
	return nil
}

// answer appends a batch and sends what became of it.
func (b *batchCall) answer(current *batch, name string) {
	ctx, cancel := current.deadline(b.call.Context())
	defer cancel()
	result, err := b.append(ctx, current, name)
	resp := &streams.BatchAppendResp{CorrelationId: current.correlation, StreamIdentifier: current.options.GetStreamIdentifier()}
	setExpectedPosition(resp, current.options)
	if err != nil {
		resp.Result = &streams.BatchAppendResp_Error{Error: b.service.batchError(ctx, name, current, err)}
	} else {
		resp.Result = &streams.BatchAppendResp_Success_{Success: batchSuccess(result, len(current.events))}
	}
	b.sending.Lock()
	defer b.sending.Unlock()
	if b.sendErr == nil {
		b.sendErr = b.call.Send(resp)
	}
}

func (b *batchCall) append(ctx context.Context, current *batch, name string) (eventstore.AppendResult, error) {
	if current.err != nil {
		return eventstore.AppendResult{}, current.err
	}
	if current.options == nil {
		return eventstore.AppendResult{}, fail(codes.InvalidArgument, "the batch has no options")
	}
	expected, err := expectedPosition(current.options)
	if err != nil {
		return eventstore.AppendResult{}, err
	}
	return b.service.node.Append(ctx, name, expected, current.events...)
}

// deadline bounds an append as its client asked.
func (b *batch) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if d := b.options.GetDeadline(); d != nil {
		return context.WithTimeout(ctx, d.AsDuration())
	}
	if t := b.options.GetDeadline_21_10_0(); t != nil {
		return context.WithDeadline(ctx, t.AsTime())
	}
	return context.WithCancel(ctx)
}

// positionExpectation gives a batch's options the names of the other requests.
type positionExpectation struct {
	*streams.BatchAppendReq_Options
}

func present(e *emptypb.Empty) *shared.Empty {
	if e == nil {
		return nil
	}
	return &shared.Empty{}
}

func (o positionExpectation) GetRevision() uint64 { return o.GetStreamPosition() }
func (o positionExpectation) GetNoStream() *shared.Empty {
	return present(o.BatchAppendReq_Options.GetNoStream())
}
func (o positionExpectation) GetAny() *shared.Empty {
	return present(o.BatchAppendReq_Options.GetAny())
}
func (o positionExpectation) GetStreamExists() *shared.Empty {
	return present(o.BatchAppendReq_Options.GetStreamExists())
}

func expectedPosition(o *streams.BatchAppendReq_Options) (eventstore.ExpectedRevision, error) {
	return expectedOf(positionExpectation{o})
}

func setExpectedPosition(resp *streams.BatchAppendResp, o *streams.BatchAppendReq_Options) {
	switch e := o.GetExpectedStreamPosition().(type) {
	case *streams.BatchAppendReq_Options_StreamPosition:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_StreamPosition{StreamPosition: e.StreamPosition}
	case *streams.BatchAppendReq_Options_NoStream:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_NoStream{NoStream: e.NoStream}
	case *streams.BatchAppendReq_Options_Any:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_Any{Any: e.Any}
	case *streams.BatchAppendReq_Options_StreamExists:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_StreamExists{StreamExists: e.StreamExists}
	}
}

func batchSuccess(r eventstore.AppendResult, events int) *streams.BatchAppendResp_Success {
	if events == 0 && r.Position == (eventstore.Position{}) { // nothing written to no stream
		return &streams.BatchAppendResp_Success{
			CurrentRevisionOption: &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}},
			PositionOption:        &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}},
		}
	}
	return &streams.BatchAppendResp_Success{
		CurrentRevisionOption: &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: r.Revision},
		PositionOption: &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{
			CommitPosition: r.Position.Commit, PreparePosition: r.Position.Prepare,
		}},
	}
}

// batchError encodes a failure with its one detail message.
func (s *streamsService) batchError(ctx context.Context, name string, b *batch, err error) *wirestatus.Status {
	var wrong *eventstore.WrongExpectedRevisionError
	var large *eventstore.TooLargeError
	switch {
	case errors.As(err, &wrong):
		return batchStatus(codes.AlreadyExists, wrong.Error(), wrongPosition(wrong, b.options))
	case errors.Is(err, eventstore.ErrStreamDeleted):
		return batchStatus(codes.NotFound, fmt.Sprintf("Event stream '%s' is deleted.", name),
			&shared.StreamDeleted{StreamIdentifier: b.options.GetStreamIdentifier()})
	case errors.As(err, &large):
		return batchStatus(codes.InvalidArgument, large.Error(), &shared.MaximumAppendSizeExceeded{MaxAppendSize: uint32(large.Limit)})
	case errors.Is(err, context.DeadlineExceeded):
		return batchStatus(codes.DeadlineExceeded, "the append's deadline has passed", &shared.Timeout{})
	}
	failure := s.statusOf(ctx, name, err)
	switch failure.code {
	case codes.InvalidArgument:
		return batchStatus(codes.InvalidArgument, failure.text, &shared.BadRequest{Message: failure.text})
	case codes.Unavailable:
		return batchStatus(codes.Unavailable, failure.text, &shared.Unknown{})
	default:
		return batchStatus(codes.Unknown, failure.text, &shared.Unknown{})
	}
}

// batchStatus holds exactly one detail: to other languages' clients the field
// is a single message.
func batchStatus(code codes.Code, text string, detail proto.Message) *wirestatus.Status {
	st := &wirestatus.Status{Code: int32(code), Message: text}
	if packed, err := anypb.New(detail); err == nil {
		st.Details = append(st.Details, packed)
	}
	return st
}

func wrongPosition(e *eventstore.WrongExpectedRevisionError, o *streams.BatchAppendReq_Options) *shared.WrongExpectedVersion {
	w := &shared.WrongExpectedVersion{
		CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}},
	}
	if e.Actual >= 0 {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: uint64(e.Actual)}
	}
	switch x := o.GetExpectedStreamPosition().(type) {
	case *streams.BatchAppendReq_Options_StreamPosition:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: x.StreamPosition}
	case *streams.BatchAppendReq_Options_NoStream:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: x.NoStream}
	case *streams.BatchAppendReq_Options_Any:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: x.Any}
	case *streams.BatchAppendReq_Options_StreamExists:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: x.StreamExists}
	}
	return w
}
