package protocol

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
)

// linkType marks an event that points to another: its data is
// "revision@stream".
const linkType = "$>"

// Read serves counted reads and subscriptions of one stream and of $all.
func (s *streamsService) Read(req *streams.ReadReq, call streams.Streams_ReadServer) error {
	r := &reading{service: s, call: call, options: req.GetOptions(), taken: taken{connection: connectionOf(call.Context())}}
	defer r.taken.all()
	r.uuidAsText = r.options.GetUuidOption().GetString_() != nil
	var name string
	var err error
	switch {
	case r.options.GetStream() != nil:
		name = string(r.options.GetStream().GetStreamIdentifier().GetStreamName())
		if r.options.GetSubscription() != nil {
			err = r.followStream(name, r.options.GetStream())
		} else {
			err = r.readStream(name, r.options.GetStream())
		}
	case r.options.GetAll() != nil:
		name = allStream
		if r.options.GetSubscription() != nil {
			err = r.followAll(r.options.GetAll())
		} else {
			err = r.readAll(r.options.GetAll())
		}
	default:
		err = fail(codes.InvalidArgument, "a read names a stream or $all")
	}
	if err == nil {
		return nil
	}
	failure := s.statusOf(call.Context(), name, err)
	call.SetTrailer(failure.trailers)
	return failure
}

// reading is one Read call.
type reading struct {
	service    *streamsService
	call       streams.Streams_ReadServer
	options    *streams.ReadReq_Options
	uuidAsText bool
	taken      taken
}

func (r *reading) direction() eventstore.Direction {
	if r.options.GetReadDirection() == streams.ReadReq_Options_Backwards {
		return eventstore.Backwards
	}
	return eventstore.Forwards
}

func (r *reading) readStream(name string, o *streams.ReadReq_Options_StreamOptions) error {
	read := eventstore.StreamRead{Direction: r.direction(), Count: r.options.GetCount()}
	switch o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		revision := o.GetRevision()
		if revision == math.MaxUint64 && read.Direction == eventstore.Backwards { // -1 is the end
			break
		}
		read.From = &revision
	case *streams.ReadReq_Options_StreamOptions_Start:
		zero := uint64(0)
		read.From = &zero
	case *streams.ReadReq_Options_StreamOptions_End:
		if read.Direction == eventstore.Forwards {
			end := uint64(math.MaxInt64)
			read.From = &end
		}
	}
	err := r.send(r.service.node.ReadStream(r.call.Context(), name, read), read.Count)
	if errors.Is(err, eventstore.ErrStreamNotFound) {
		return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(name)},
		}}})
	}
	return err
}

func (r *reading) readAll(o *streams.ReadReq_Options_AllOptions) error {
	read := eventstore.AllRead{Direction: r.direction(), Count: r.options.GetCount()}
	switch o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		p, atEnd, err := positionOf(o.GetPosition())
		if err != nil || atEnd && read.Direction == eventstore.Forwards {
			return err
		}
		if !atEnd {
			read.From = &p
		}
	case *streams.ReadReq_Options_AllOptions_Start:
		if read.Direction == eventstore.Backwards {
			return nil
		}
	case *streams.ReadReq_Options_AllOptions_End:
		if read.Direction == eventstore.Forwards {
			return nil
		}
	}
	if err := r.mustExist(read.From, 1); err != nil {
		return err
	}
	if r.options.GetFilter() != nil {
		return r.readFiltered(read)
	}
	return r.send(r.service.node.ReadAll(r.call.Context(), read), read.Count)
}

// readFiltered counts only the events that match.
func (r *reading) readFiltered(read eventstore.AllRead) error {
	filter, _, err := filterOf(r.options.GetFilter())
	if err != nil || read.Count == 0 {
		return err
	}
	match, err := filter.Matcher()
	if err != nil {
		return err
	}
	left := read.Count
	read.Count = 0
	for e, err := range r.service.node.ReadAll(r.call.Context(), read) {
		if err != nil {
			return err
		}
		if match != nil && !match(&e) {
			continue
		}
		if err := r.sendEvent(&e); err != nil {
			return err
		}
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

// positionOf reads a client's position; the greatest number stands for the
// end.
func positionOf(p *streams.ReadReq_Options_Position) (position eventstore.Position, atEnd bool, err error) {
	position = eventstore.Position{Commit: p.GetCommitPosition(), Prepare: p.GetPreparePosition()}
	if position.Commit < position.Prepare {
		return position, false, fail(codes.InvalidArgument, "a commit position cannot be before its prepare position")
	}
	return position, position.Prepare == math.MaxUint64, nil
}

// mustExist refuses a position more than so many beyond the last, nil is none. No event
// stands there: it is of another log, or of a copy that knew more.
func (r *reading) mustExist(p *eventstore.Position, beyond uint64) error {
	head, _, err := r.service.node.Head(r.call.Context())
	if err == nil && p != nil && p.Commit > head.Commit+beyond {
		err = fail(codes.InvalidArgument, "Trying to read from an invalid position.")
	}
	return err
}

// send sends the events of a counted read.
func (r *reading) send(events iter.Seq2[eventstore.RecordedEvent, error], count uint64) error {
	if count == 0 {
		return nil
	}
	for e, err := range events {
		if err != nil {
			return err
		}
		if err := r.sendEvent(&e); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) sendEvent(e *eventstore.RecordedEvent) error {
	f := eventFrame{event: e, uuidAsText: r.uuidAsText}
	if r.options.GetResolveLinks() && e.Type == linkType {
		f.event, f.link = nil, e
		if target, ok := resolveLink(r.call.Context(), r.service.node, e); ok {
			f.event = &target
		}
	}
	r.taken.next(e)
	return r.call.SendMsg(f)
}

func (r *reading) followStream(name string, o *streams.ReadReq_Options_StreamOptions) error {
	var after *uint64
	switch o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		revision := o.GetRevision()
		if revision >= math.MaxInt64 {
			return fail(codes.InvalidArgument, "no event follows that revision")
		}
		after = &revision
	case *streams.ReadReq_Options_StreamOptions_End:
		last, err := r.lastRevision(name)
		if err != nil {
			return err
		}
		after = last
	}
	return r.follow(func(ctx context.Context) iter.Seq2[eventstore.Message, error] {
		return r.service.node.SubscribeStream(ctx, name, after)
	})
}

func (r *reading) lastRevision(name string) (*uint64, error) {
	for e, err := range r.service.node.ReadStream(r.call.Context(), name, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return nil, nil
		}
		return &e.Revision, err
	}
	return nil, nil
}

func (r *reading) followAll(o *streams.ReadReq_Options_AllOptions) error {
	sub := eventstore.AllSubscription{}
	switch o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		p, atEnd, err := positionOf(o.GetPosition())
		if err != nil {
			return err
		}
		if sub.After = &p; atEnd {
			sub.After, err = r.lastPosition()
		}
		if err != nil {
			return err
		}
	case *streams.ReadReq_Options_AllOptions_End:
		var err error
		if sub.After, err = r.lastPosition(); err != nil {
			return err
		}
	}
	if err := r.mustExist(sub.After, 0); err != nil {
		return err
	}
	if f := r.options.GetFilter(); f != nil {
		filter, every, err := filterOf(f)
		if err == nil && every == 0 {
			err = fail(codes.InvalidArgument, "the checkpoint interval multiplier must not be zero")
		}
		if err != nil {
			return err
		}
		sub.Filter, sub.CheckpointEvery = filter, every
	}
	return r.follow(func(ctx context.Context) iter.Seq2[eventstore.Message, error] {
		return r.service.node.SubscribeAll(ctx, sub)
	})
}

// lastPosition is where the log ends; nil when it is empty.
func (r *reading) lastPosition() (*eventstore.Position, error) {
	head, ok, err := r.service.node.Head(r.call.Context())
	if err != nil || !ok {
		return nil, err
	}
	return &head, nil
}

// follow confirms a subscription and sends its messages until the client
// leaves or the server stops. Sending blocks with the client: a slow one slows
// only itself.
func (r *reading) follow(open func(context.Context) iter.Seq2[eventstore.Message, error]) error {
	ctx, cancel := context.WithCancelCause(r.call.Context())
	defer cancel(nil)
	stopped := make(chan struct{})
	defer func() { cancel(nil); <-stopped }()
	go func() {
		defer close(stopped)
		select {
		case <-r.service.stopping:
			cancel(eventstore.ErrClosed)
		case <-ctx.Done():
		}
	}()
	confirmation := &streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}}
	if err := r.call.Send(confirmation); err != nil {
		return err
	}
	live := false
	for m, err := range open(ctx) {
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		switch m := m.(type) {
		case eventstore.EventAppeared:
			if err = r.sendEvent(&m.Event); live {
				r.taken.all() // the next may be long in coming
			}
		case eventstore.CheckpointReached:
			err = r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{
				CommitPosition: m.Position.Commit, PreparePosition: m.Position.Prepare,
			}}})
		case eventstore.CaughtUp:
			live = true
			r.taken.all()
			err = r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
