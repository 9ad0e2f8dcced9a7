package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// UnreadableError says that a stream holds an event that this program cannot
// decode, or that cannot be true of the order: one of a newer version, of
// somebody else, or a damaged one. What the order is cannot be known, so
// nothing is decided on it.
type UnreadableError struct {
	Stream   string
	Revision uint64
	// EventType is empty of an event that can be decoded.
	EventType string
	Cause     error
}

func (e *UnreadableError) Error() string { return e.Place() + ": " + e.Cause.Error() }

func (e *UnreadableError) Unwrap() error { return e.Cause }

// Place names the event, and nothing of what it says.
func (e *UnreadableError) Place() string {
	what := "with this event the order cannot be true for this version of the program"
	if e.EventType != "" {
		what = fmt.Sprintf("an event of type %q cannot be read by this version of the program", e.EventType)
	}
	return fmt.Sprintf("stream %q, revision %d: %s", e.Stream, e.Revision, what)
}

// decode reads an event of an order or of a reference. Errors: *UnreadableError.
func decode(r eventstore.RecordedEvent) (order.Event, order.Metadata, error) {
	event, metadata, err := order.Decode(r.Type, r.Data, r.Metadata)
	if err != nil {
		return nil, order.Metadata{}, &UnreadableError{Stream: r.Stream, Revision: r.Revision, EventType: r.Type, Cause: err}
	}
	return event, metadata, nil
}

// decide is order.Decide for what stands in a stream. Errors: its own, and
// *UnreadableError when an invariant is broken.
func decide(target link, state *order.State, cmd order.Command) ([]order.Decided, error) {
	decided, err := order.Decide(*state, cmd)
	return decided, asUnreadable(target, err)
}

// asUnreadable makes an *UnreadableError of a broken invariant; other errors stay as they are.
func asUnreadable(target link, err error) error {
	var broken *order.InvariantError
	if errors.As(err, &broken) {
		return &UnreadableError{Stream: target.stream(), Revision: broken.Revision, Cause: err}
	}
	return err
}

// quarantineUnreadable keeps what a notification says about an order that
// cannot be read, and returns why besides: the sender is to send it again, to
// a program that can. The evidence has an id of its own, apart from that on
// the order when it comes again.
func (in *Intake) quarantineUnreadable(
	ctx context.Context, n Notification, digest string, why *UnreadableError, evidence json.RawMessage,
) (Receipt, error) {
	receipt, err := in.quarantineAs(ctx, n, digest, "unreadable|",
		Rejection{Code: order.FlagOrderUnreadable, Detail: why.Place()}, evidence)
	if err != nil {
		return Receipt{}, err
	}
	return receipt, fmt.Errorf("kept in quarantine, to be taken in again once its order can be read: %w", why)
}
