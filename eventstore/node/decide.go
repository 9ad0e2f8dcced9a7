package node

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// verdict is what the decider makes of a request.
type verdict uint8

const (
	verdictWrite verdict = iota
	// verdictKnown: all events are in the stream already; nothing is written.
	verdictKnown
	// verdictWrong: the stream is not where the writer expected it.
	verdictWrong
	// verdictDeleted: the stream can take no events, or not under this expectation.
	verdictDeleted
)

// decide is EventStoreDB's table of expected revisions and idempotency. known is the last revision of
// the original when the verdict is verdictKnown.
func decide(
	h headView, expected eventstore.ExpectedRevision, ids []uuid.UUID, past *history,
) (v verdict, known uint64, err error) {
	if h.tombstoned {
		return verdictDeleted, 0, nil
	}
	switch expected {
	case eventstore.StreamExists:
		if h.softDeleted {
			return verdictDeleted, 0, nil
		}
		if h.last == noRevision && !h.hasMetadata {
			return verdictWrong, 0, nil
		}
		return decideByID(h, ids, past)
	case eventstore.Any:
		return decideByID(h, ids, past)
	default:
		return decideExact(h, expected.Number(), ids, past)
	}
}

// decideByID is for writers that name no revision: all ids known is a repetition, none is new, and
// anything else is a mistake of the writer.
func decideByID(h headView, ids []uuid.UUID, past *history) (verdict, uint64, error) {
	if len(ids) == 0 || h.last == noRevision {
		return verdictWrite, 0, nil
	}
	var last uint64
	for i, id := range ids {
		revision, found, err := past.revisionOf(h.streamHead, id)
		switch {
		case err != nil:
			return 0, 0, err
		case !found && i == 0:
			return verdictWrite, 0, nil
		case !found:
			return verdictWrong, 0, nil
		}
		last = revision
	}
	return verdictKnown, last, nil
}

// decideExact is for writers that name a revision (noRevision for "no stream"): behind the stream's
// end an append is a repetition if the very same events follow the named revision.
func decideExact(h headView, expected int64, ids []uuid.UUID, past *history) (verdict, uint64, error) {
	switch {
	case expected > h.last:
		return verdictWrong, 0, nil
	case expected == h.last:
		return verdictWrite, 0, nil
	case len(ids) == 0:
		return verdictWrong, 0, nil
	}
	recorded, err := past.idsFrom(h.streamHead, uint64(expected+1), len(ids))
	if err != nil {
		return 0, 0, err
	}
	for i, id := range ids {
		if i < len(recorded) && recorded[i] == id {
			continue
		}
		if i == 0 && expected == noRevision && h.softDeleted {
			return verdictWrite, 0, nil
		}
		return verdictWrong, 0, nil
	}
	return verdictKnown, uint64(expected) + uint64(len(ids)), nil
}

// refusal turns a verdict that is no success into the port's error.
func refusal(v verdict, r *request, h headView) error {
	if v == verdictDeleted {
		return fmt.Errorf("append to stream %q: %w", r.stream, eventstore.ErrStreamDeleted)
	}
	return &eventstore.WrongExpectedRevisionError{Stream: r.stream, Expected: r.expected, Actual: h.last}
}
