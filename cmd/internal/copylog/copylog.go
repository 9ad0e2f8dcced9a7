// Package copylog moves a ledger's log from one event store to another: every
// event of every ledger stream, in the order of the log, with its id, type,
// data and metadata, but for keys of personal data and canaries. Positions differ afterwards, so projections are rebuilt.
package copylog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

const (
	// batchEvents and batchBytes bound one append of the copy.
	batchEvents = 200
	batchBytes  = 512 << 10
)

// Progress tells how far a copy or a comparison has come.
type Progress struct {
	Comparing bool
	Events    uint64
	// Position in the source up to which everything is copied.
	Position eventstore.Position
}

// Copy copies everything after a position of the source; nil is the start. It
// may be begun again from any earlier position, or from the start: what is
// there already is recognised by its ids and revisions. save is called after
// each append with the position up to which all is durable in the target.
//
// It fails with a *eventstore.WrongExpectedRevisionError when the target holds
// other events in a stream of the source.
func Copy(
	ctx context.Context, from eventstore.Reader, to eventstore.Appender, after *eventstore.Position, save func(Progress) error,
) (events uint64, err error) {
	var batch []eventstore.RecordedEvent
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := appendBatch(ctx, to, batch); err != nil {
			return err
		}
		events += uint64(len(batch))
		last := batch[len(batch)-1].Position
		batch, size = batch[:0], 0
		return save(Progress{Events: events, Position: last})
	}
	for e, err := range from.ReadAll(ctx, eventstore.AllRead{From: after}) {
		if err != nil {
			return events, fmt.Errorf("read the source: %w", err)
		}
		if isOther(e.Stream) || (after != nil && e.Position.Compare(*after) <= 0) {
			continue
		}
		full := len(batch) == batchEvents || size+len(e.Data)+len(e.Metadata) > batchBytes
		if len(batch) > 0 && (full || e.Stream != batch[0].Stream) {
			if err := flush(); err != nil {
				return events, err
			}
		}
		batch = append(batch, e)
		size += len(e.Data) + len(e.Metadata)
	}
	return events, flush()
}

// Holds tells whether a copy that came as far as a position of the source can go on from there: the
// event at that position is in the source, and in the target. Else one of them is not the log that it
// was, and the copy begins at the start.
func Holds(ctx context.Context, from, to eventstore.Reader, at eventstore.Position) (bool, error) {
	for marked, err := range from.ReadAll(ctx, eventstore.AllRead{From: &at, Count: 1}) {
		if errors.Is(err, eventstore.ErrInvalid) || err == nil && marked.Position != at {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for the marked event in the source: %w", err)
		}
		for e, err := range to.ReadStream(ctx, marked.Stream, eventstore.StreamRead{From: &marked.Revision, Count: 1}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
				return false, nil
			}
			if err != nil {
				return false, fmt.Errorf("look for the marked event in the target: %w", err)
			}
			return e.ID == marked.ID && e.Revision == marked.Revision, nil
		}
	}
	return false, nil
}

// appendBatch appends events of one stream at their own revisions.
func appendBatch(ctx context.Context, to eventstore.Appender, batch []eventstore.RecordedEvent) error {
	expected := eventstore.NoStream
	if first := batch[0].Revision; first > 0 {
		expected = eventstore.Revision(first - 1)
	}
	events := make([]eventstore.EventData, len(batch))
	for i, e := range batch {
		events[i] = eventstore.EventData{ID: e.ID, Type: e.Type, JSON: e.JSON, Data: e.Data, Metadata: e.Metadata}
	}
	result, err := to.Append(ctx, batch[0].Stream, expected, events...)
	if err != nil {
		return fmt.Errorf("copy stream %q from revision %d: %w", batch[0].Stream, batch[0].Revision, err)
	}
	if last := batch[len(batch)-1].Revision; result.Revision != last {
		return fmt.Errorf("copy stream %q: revision %d became %d", batch[0].Stream, last, result.Revision)
	}
	return nil
}

// DifferenceError says where a copy departs from its source.
type DifferenceError struct {
	Event  uint64 // number of the event in the log of ledger streams, from 1
	Detail string
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("event %d of the log differs: %s", e.Event, e.Detail)
}

// Common tells how much of the source the target holds already: the position in the source of the last event of the
// target, nil when that is empty, and their number. It fails with a *DifferenceError when the target holds anything that the source
// does not begin with: it is no unfinished copy, and would never become one.
func Common(ctx context.Context, from, to eventstore.Reader, tell func(Progress)) (at *eventstore.Position, events uint64, err error) {
	next, stop := iter.Pull2(ledgerEvents(ctx, from))
	defer stop()
	for got, err := range ledgerEvents(ctx, to) {
		if err != nil {
			return at, events, fmt.Errorf("read the target: %w", err)
		}
		want, err, ok := next()
		if err != nil {
			return at, events, fmt.Errorf("read the source: %w", err)
		}
		if ok {
			err = compare(events+1, want, got)
		} else {
			err = &DifferenceError{Event: events + 1, Detail: "the target goes on with " + name(got)}
		}
		if err != nil {
			return at, events, err
		}
		if at, events = &want.Position, events+1; events%batchEvents == 0 {
			tell(Progress{Comparing: true, Events: events, Position: want.Position})
		}
	}
	return at, events, nil
}

// Verify reads both logs, the source up to and including a position, nil is its end, and compares them event by event, in
// order, whatever their positions are. It returns the number of equal events.
func Verify(ctx context.Context, from, to eventstore.Reader, upTo *eventstore.Position, tell func(Progress)) (uint64, error) {
	next, stop := iter.Pull2(ledgerEvents(ctx, to))
	defer stop()
	var n uint64
	for want, err := range ledgerEvents(ctx, from) {
		if err != nil {
			return n, fmt.Errorf("read the source: %w", err)
		}
		if upTo != nil && want.Position.Compare(*upTo) > 0 {
			break
		}
		got, err, ok := next()
		switch {
		case !ok:
			return n, &DifferenceError{Event: n + 1, Detail: "the copy ends before " + name(want)}
		case err != nil:
			return n, fmt.Errorf("read the copy: %w", err)
		}
		if err := compare(n+1, want, got); err != nil {
			return n, err
		}
		if n++; n%batchEvents == 0 {
			tell(Progress{Comparing: true, Events: n, Position: want.Position})
		}
	}
	if extra, err, more := next(); more {
		return n, errors.Join(err, &DifferenceError{Event: n + 1, Detail: "the copy goes on with " + name(extra)})
	}
	return n, nil
}

// Grown tells whether the source has events of a ledger after a position.
func Grown(ctx context.Context, from eventstore.Reader, after *eventstore.Position) (bool, error) {
	for e, err := range from.ReadAll(ctx, eventstore.AllRead{From: after}) {
		if err != nil {
			return false, fmt.Errorf("read the source: %w", err)
		}
		if !isOther(e.Stream) && (after == nil || e.Position.Compare(*after) > 0) {
			return true, nil
		}
	}
	return false, nil
}

func compare(n uint64, want, got eventstore.RecordedEvent) error {
	var what string
	switch {
	case want.Stream != got.Stream || want.Revision != got.Revision:
		what = "is " + name(got)
	case want.ID != got.ID:
		what = "has id " + got.ID.String()
	case want.Type != got.Type || want.JSON != got.JSON:
		what = "has type " + got.Type
	case !bytes.Equal(want.Data, got.Data):
		what = "has other data"
	case !bytes.Equal(want.Metadata, got.Metadata):
		what = "has other metadata"
	default:
		return nil
	}
	return &DifferenceError{Event: n, Detail: name(want) + " " + what + " in the copy"}
}

func name(e eventstore.RecordedEvent) string { return fmt.Sprintf("%s@%d", e.Stream, e.Revision) }

// ledgerEvents are the events of $all that a ledger wrote.
func ledgerEvents(ctx context.Context, log eventstore.Reader) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		for e, err := range log.ReadAll(ctx, eventstore.AllRead{}) {
			if err == nil && isOther(e.Stream) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// isOther tells the streams that are not copied event by event: those of the engine, those of keys, of which only the
// newest version of each sheet may be carried on, and canaries, which say nothing, and of which a scavenge may have left the
// newest only.
func isOther(stream string) bool {
	return strings.HasPrefix(stream, "$") || privacy.IsKeyStream(stream) || strings.HasPrefix(stream, freshness.StreamPrefix)
}
