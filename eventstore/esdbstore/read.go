package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/order-ledger/order-ledger/eventstore"
)

// ReadStream implements eventstore.Reader.
func (s *Store) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		if err := checkStream(stream); err != nil {
			yield(eventstore.RecordedEvent{}, err)
			return
		}
		ctx, leave, err := s.enter(ctx)
		if err != nil {
			yield(eventstore.RecordedEvent{}, err)
			return
		}
		defer leave()
		s.readStream(ctx, stream, read)(yield)
	}
}

func (s *Store) readStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.RecordedEvent, error] {
	options := esdb.ReadStreamOptions{Direction: clientDirection(read.Direction)}
	switch {
	case read.From != nil:
		options.From = esdb.Revision(*read.From)
	case read.Direction == eventstore.Backwards:
		options.From = esdb.End{}
	default:
		options.From = esdb.Start{}
	}
	return s.read(ctx, stream, func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
		return c.ReadStream(ctx, stream, options, countOf(read.Count))
	})
}

// ReadAll implements eventstore.Reader.
func (s *Store) ReadAll(ctx context.Context, read eventstore.AllRead) iter.Seq2[eventstore.RecordedEvent, error] {
	options := esdb.ReadAllOptions{Direction: clientDirection(read.Direction)}
	switch {
	case read.From != nil:
		options.From = esdb.Position{Commit: read.From.Commit, Prepare: read.From.Prepare}
	case read.Direction == eventstore.Backwards:
		options.From = esdb.End{}
	default:
		options.From = esdb.Start{}
	}
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		if read.From != nil && read.From.Commit < read.From.Prepare {
			yield(eventstore.RecordedEvent{}, fmt.Errorf("%w: position %s", eventstore.ErrInvalid, read.From))
			return
		}
		ctx, leave, err := s.enter(ctx)
		if err != nil {
			yield(eventstore.RecordedEvent{}, err)
			return
		}
		defer leave()
		s.read(ctx, "$all", func(ctx context.Context, c *esdb.Client) (*esdb.ReadStream, error) {
			return c.ReadAll(ctx, options, countOf(read.Count))
		})(yield)
	}
}

// Head implements eventstore.Reader.
func (s *Store) Head(ctx context.Context) (eventstore.Position, bool, error) {
	for e, err := range s.ReadAll(ctx, eventstore.AllRead{Direction: eventstore.Backwards, Count: 1}) {
		if err != nil {
			return eventstore.Position{}, false, err
		}
		return e.Position, true, nil
	}
	return eventstore.Position{}, false, nil
}

// read yields what one read of the client receives, and closes it. A read that
// breaks before its first event is begun again; later the error is the
// caller's, who knows how far it got.
func (s *Store) read(
	ctx context.Context, stream string, open func(context.Context, *esdb.Client) (*esdb.ReadStream, error),
) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		begun, stopped := false, false
		err := s.retry(ctx, "read", func() error {
			err := s.readOnce(ctx, open, func(e eventstore.RecordedEvent) bool {
				begun = true
				stopped = !yield(e, nil)
				return !stopped
			})
			if err = translate(ctx, stream, eventstore.Any, err); err != nil && begun {
				return final{fmt.Errorf("read of %q broke: %w", stream, err)}
			}
			return err
		})
		if err != nil && !stopped {
			yield(eventstore.RecordedEvent{}, err)
		}
	}
}

// readOnce shows what one read receives until its end.
func (s *Store) readOnce(
	ctx context.Context, open func(context.Context, *esdb.Client) (*esdb.ReadStream, error), show func(eventstore.RecordedEvent) bool,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, ses, err := receive(ctx, s, func(c *esdb.Client) (func() (eventstore.RecordedEvent, error), func(), error) {
		opened, err := open(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		return func() (eventstore.RecordedEvent, error) {
			resolved, err := opened.Recv()
			if err != nil {
				return eventstore.RecordedEvent{}, err
			}
			return recorded(resolved), nil
		}, opened.Close, nil
	})
	if err != nil {
		return err
	}
	for {
		e, err := take(ctx, events, ses)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !show(e):
			return nil
		}
	}
}

// recorded takes the event at its own place: links are not followed.
func recorded(r *esdb.ResolvedEvent) eventstore.RecordedEvent {
	e := r.OriginalEvent()
	return eventstore.RecordedEvent{
		ID: e.EventID, Stream: e.StreamID, Revision: e.EventNumber,
		Position: eventstore.Position{Commit: e.Position.Commit, Prepare: e.Position.Prepare},
		Type:     e.EventType, JSON: e.ContentType == "application/json", Created: e.CreatedDate.UTC(),
		Data: e.Data, Metadata: e.UserMetadata,
	}
}

func clientDirection(d eventstore.Direction) esdb.Direction {
	if d == eventstore.Backwards {
		return esdb.Backwards
	}
	return esdb.Forwards
}

func countOf(n uint64) uint64 {
	if n == 0 {
		return math.MaxInt64
	}
	return n
}
