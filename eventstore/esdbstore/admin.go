package esdbstore

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// SetStreamMetadata replaces a stream's metadata, a JSON object. expected is
// the revision of the metadata, not of the stream.
func (s *Store) SetStreamMetadata(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, metadata []byte,
) (eventstore.AppendResult, error) {
	return s.Append(ctx, "$$"+stream, expected, eventstore.EventData{
		ID: uuid.New(), Type: "$metadata", JSON: true, Data: metadata,
	})
}

// DeleteStream hides all events of a stream; see the server's soft delete.
func (s *Store) DeleteStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error) {
	return s.end(ctx, stream, expected, func(ctx context.Context, c *esdb.Client) (*esdb.DeleteResult, error) {
		return c.DeleteStream(ctx, stream, esdb.DeleteStreamOptions{ExpectedRevision: clientRevision(expected)})
	})
}

// TombstoneStream ends a stream for ever.
func (s *Store) TombstoneStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error) {
	return s.end(ctx, stream, expected, func(ctx context.Context, c *esdb.Client) (*esdb.DeleteResult, error) {
		return c.TombstoneStream(ctx, stream, esdb.TombstoneStreamOptions{ExpectedRevision: clientRevision(expected)})
	})
}

func (s *Store) end(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision,
	use func(context.Context, *esdb.Client) (*esdb.DeleteResult, error),
) (eventstore.Position, error) {
	if err := checkStream(stream); err != nil {
		return eventstore.Position{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return eventstore.Position{}, err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, eventstore.ErrUnavailable)
	defer cancel()
	result, err := call(ctx, s, func(c *esdb.Client) (*esdb.DeleteResult, error) { return use(ctx, c) })
	if err != nil {
		return eventstore.Position{}, translateDelete(ctx, stream, expected, err)
	}
	return eventstore.Position{Commit: result.Position.Commit, Prepare: result.Position.Prepare}, nil
}
