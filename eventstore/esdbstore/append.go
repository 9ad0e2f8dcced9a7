package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// streamNameBytesMax bounds a stream's name.
const streamNameBytesMax = 1024

func checkStream(stream string) error {
	switch {
	case stream == "" || stream == "$all":
		return fmt.Errorf("%w: stream name %q", eventstore.ErrInvalid, stream)
	case len(stream) > streamNameBytesMax:
		return fmt.Errorf("%w: stream name of %d bytes is longer than %d", eventstore.ErrInvalid, len(stream), streamNameBytesMax)
	case strings.IndexFunc(stream, unicode.IsControl) >= 0:
		return fmt.Errorf("%w: stream name %q holds control characters", eventstore.ErrInvalid, stream)
	}
	return nil
}

// Append implements eventstore.Appender.
func (s *Store) Append(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData,
) (eventstore.AppendResult, error) {
	if err := checkStream(stream); err != nil {
		return eventstore.AppendResult{}, err
	}
	proposed := make([]esdb.EventData, len(events))
	for i, e := range events {
		if e.ID == uuid.Nil || e.Type == "" {
			return eventstore.AppendResult{}, fmt.Errorf("%w: event %d of the append has no id or no type", eventstore.ErrInvalid, i)
		}
		proposed[i] = esdb.EventData{EventID: e.ID, EventType: e.Type, Data: e.Data, Metadata: e.Metadata}
		if e.JSON {
			proposed[i].ContentType = esdb.ContentTypeJson
		}
	}
	// The client answers an oversized append with a bare EOF: look first.
	if size := eventstore.AppendSize(events); size > eventstore.MaxAppendSize {
		return eventstore.AppendResult{}, &eventstore.TooLargeError{Size: size, Limit: eventstore.MaxAppendSize}
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return eventstore.AppendResult{}, err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, eventstore.ErrUnavailable)
	defer cancel()

	options := esdb.AppendToStreamOptions{ExpectedRevision: clientRevision(expected)}
	var written *esdb.WriteResult
	// Equal ids at an expected revision are written once, however often they
	// are sent; without one the server remembers only recent ids, so only what
	// never reached it is sent again.
	repeatable := expected != eventstore.Any && expected != eventstore.StreamExists
	err = s.retry(ctx, "append", func() error {
		var err error
		written, err = call(ctx, s, func(c *esdb.Client) (*esdb.WriteResult, error) {
			return c.AppendToStream(ctx, stream, options, proposed...)
		})
		if lostItsReason(err) {
			err = s.reasonFor(ctx, stream, err)
		}
		if err = translate(ctx, stream, expected, err); err != nil && !repeatable && !errors.Is(err, errNotSent) {
			return final{err}
		}
		return err
	})
	if err != nil {
		return eventstore.AppendResult{}, err
	}
	if len(events) == 0 {
		return s.lastOf(ctx, stream)
	}
	result := eventstore.AppendResult{
		Revision: written.NextExpectedVersion,
		Position: eventstore.Position{Commit: written.CommitPosition, Prepare: written.PreparePosition},
	}
	if result.Position == (eventstore.Position{}) { // the client fills in zeros when it did not understand the answer
		return s.verifyWritten(ctx, stream, events[len(events)-1].ID)
	}
	return result, nil
}

// reasonAttempts bounds asking for a reason.
const reasonAttempts = 8

// reasonFor finds out why the server ended an append before it was sent whole.
// The client reports only that it did. An append of nothing to the same stream
// is refused for the same reason, and has next to nothing to send after the
// refusal: that this too is cut short, several times in a row, is all but
// impossible. A read may be refused as well, and keeps its reason in any case.
func (s *Store) reasonFor(ctx context.Context, stream string, err error) error {
	for range reasonAttempts {
		_, nothing := call(ctx, s, func(c *esdb.Client) (*esdb.WriteResult, error) {
			return c.AppendToStream(ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}})
		})
		if reason := translate(ctx, stream, eventstore.Any, nothing); isRefusal(reason) {
			return reason
		}
		if nothing == nil {
			break
		}
	}
	for _, reason := range s.readStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if isRefusal(reason) {
			return reason
		}
	}
	return err
}

// lastOf answers an append of nothing.
func (s *Store) lastOf(ctx context.Context, stream string) (eventstore.AppendResult, error) {
	for e, err := range s.readStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return eventstore.AppendResult{}, nil
		}
		return eventstore.AppendResult{Revision: e.Revision, Position: e.Position}, err
	}
	return eventstore.AppendResult{}, nil
}

// verifyWritten finds out where an append went whose answer said nothing.
func (s *Store) verifyWritten(ctx context.Context, stream string, last uuid.UUID) (eventstore.AppendResult, error) {
	for e, err := range s.readStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backwards}) {
		if err != nil {
			return eventstore.AppendResult{}, err
		}
		if e.ID == last {
			return eventstore.AppendResult{Revision: e.Revision, Position: e.Position}, nil
		}
	}
	return eventstore.AppendResult{}, fmt.Errorf("%w: append to %q was acknowledged without a position and is not in the stream",
		eventstore.ErrUnavailable, stream)
}

func clientRevision(e eventstore.ExpectedRevision) esdb.ExpectedRevision {
	switch e {
	case eventstore.NoStream:
		return esdb.NoStream{}
	case eventstore.Any:
		return esdb.Any{}
	case eventstore.StreamExists:
		return esdb.StreamExists{}
	}
	return esdb.Revision(uint64(e.Number()))
}
