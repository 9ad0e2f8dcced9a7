package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// appendAttemptsMax bounds how often one notification is decided again
	// because somebody else wrote to the order first.
	appendAttemptsMax = 16
	// retryDelayMax bounds the jittered pause between two attempts.
	retryDelayMax = 50 * time.Millisecond
	// cachedOrdersDefault and cachedReferencesDefault bound what the intake
	// keeps in memory: about 4 kB an order, 250 bytes a reference.
	cachedOrdersDefault     = 10_000
	cachedReferencesDefault = 50_000
)

// Log is what the write side needs of the event store.
type Log interface {
	eventstore.Appender
	eventstore.Reader
}

// IntakeConfig configures an Intake. Log and Translators are required.
type IntakeConfig struct {
	Log         Log
	Translators []Translator
	Clock       func() time.Time // nil is time.Now
	Logger      *slog.Logger     // nil discards
	// Confirm tells whether an account's webhooks are hints alone, whose money
	// counts when a GET confirms it; nil is no for all.
	Confirm func(gateway, account string) bool
	// CachedOrders and CachedReferences bound the memory; 0 is the default.
	CachedOrders     int
	CachedReferences int
}

// Intake takes in notifications: each becomes one atomic append of its
// evidence and of the events that it means, to the stream of the order that it
// is about. It is safe for use by many goroutines, and by many processes on
// one log.
type Intake struct {
	log         Log
	translators map[string]Translator
	clock       func() time.Time
	logger      *slog.Logger
	confirm     func(gateway, account string) bool
	ids         *idSource
	orders      *orderCache
	references  *references
	refusals    *refusalLimiter
}

// NewIntake makes an intake.
func NewIntake(c IntakeConfig) *Intake {
	in := &Intake{
		log: c.Log, translators: make(map[string]Translator, len(c.Translators)), clock: c.Clock, logger: c.Logger,
		ids: newIDSource(), refusals: newRefusalLimiter(), confirm: c.Confirm,
	}
	if in.clock == nil {
		in.clock = time.Now
	}
	if in.logger == nil {
		in.logger = slog.New(slog.DiscardHandler)
	}
	for _, t := range c.Translators {
		in.translators[t.Gateway()] = t
	}
	in.orders = newOrderCache(either(c.CachedOrders, cachedOrdersDefault))
	in.references = newReferences(c.Log, either(c.CachedReferences, cachedReferencesDefault))
	return in
}

func either(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// Outcome of taking in a notification.
type Outcome string

// Outcomes.
const (
	// Accepted: the notification is recorded on its order.
	Accepted Outcome = "accepted"
	// Duplicate: the same body was recorded before; nothing was written.
	Duplicate Outcome = "duplicate"
	// Quarantined: it belongs to no order and is kept apart.
	Quarantined Outcome = "quarantined"
	// Answered: it asks and reports nothing; nothing was written.
	Answered Outcome = "answered"
)

// Receipt says what became of a notification.
type Receipt struct {
	Outcome        Outcome
	OrderID        string
	NotificationID string
	// Code and Detail tell why it was quarantined.
	Code   order.Flag
	Detail string
	// Position in the log of what was written; zero for Answered, and for a
	// Duplicate.
	Position eventstore.Position
	// Written is the same for what was Accepted, with its revisions.
	Written Written
}

// UnknownGatewayError says that no translator serves a gateway.
type UnknownGatewayError struct{ Gateway string }

func (e *UnknownGatewayError) Error() string { return fmt.Sprintf("unknown gateway %q", e.Gateway) }

// Accept records a notification. When it returns without an error, what it
// says is durable. With an error nothing is promised, and the same
// notification can be handed in again without harm. With an *UnreadableError
// it is in quarantine, as the receipt says, and counts when it is handed in
// again to a program that can read its order.
func (in *Intake) Accept(ctx context.Context, n Notification) (Receipt, error) {
	translator, ok := in.translators[n.Gateway]
	if !ok {
		return Receipt{}, &UnknownGatewayError{Gateway: n.Gateway}
	}
	if n.ReceivedAt.IsZero() {
		n.ReceivedAt = in.clock().UTC()
	}
	sum := sha256.Sum256(n.Body)
	digest := hex.EncodeToString(sum[:])
	t := translator.Translate(n)
	switch {
	case t.Question:
		return Receipt{Outcome: Answered}, nil
	case t.Rejection != nil:
		return in.quarantine(ctx, n, digest, *t.Rejection, t.Evidence)
	}
	t.Registration.Source, t.Registration.SourceAccount = n.Gateway, n.Account
	if in.unconfirmed(n) {
		t.withhold()
	}
	return in.record(ctx, n, digest, translator.Version(), t)
}

// record appends to the order's stream, deciding again when somebody else was
// faster.
func (in *Intake) record(ctx context.Context, n Notification, digest, version string, t Translation) (Receipt, error) {
	for attempt := range appendAttemptsMax {
		receipt, err := in.try(ctx, n, digest, version, t)
		var wrong *eventstore.WrongExpectedRevisionError
		var large *eventstore.TooLargeError
		var unreadable *UnreadableError
		switch {
		case err == nil:
			return receipt, nil
		case errors.As(err, &large) && t.Evidence != nil:
			t.Evidence = nil // the digest still proves what was received
		case errors.As(err, &large):
			return in.quarantine(ctx, n, digest, Rejection{
				Code: order.FlagMalformedBody, Detail: "the notification means more events than one append can hold",
			}, nil)
		case errors.As(err, &unreadable):
			return in.quarantineUnreadable(ctx, n, digest, unreadable, t.Evidence)
		case errors.As(err, &wrong), errors.Is(err, errReferenceTaken):
			if err := pause(ctx, attempt); err != nil {
				return Receipt{}, err
			}
		default:
			return Receipt{}, err
		}
	}
	return Receipt{}, fmt.Errorf("record notification %s: %w: %d attempts lost against other writers",
		digest, eventstore.ErrUnavailable, appendAttemptsMax)
}

// pause waits a jittered moment that grows with the attempts.
func pause(ctx context.Context, attempt int) error {
	limit := min(time.Millisecond<<attempt, retryDelayMax)
	timer := time.NewTimer(rand.N(limit) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (in *Intake) try(ctx context.Context, n Notification, digest, version string, t Translation) (Receipt, error) {
	target, rejection, err := in.references.resolve(ctx, n, &t, in.ids, in.clock)
	if err != nil {
		return Receipt{}, err
	}
	if rejection != nil {
		return in.quarantine(ctx, n, digest, *rejection, t.Evidence)
	}
	unlock := in.orders.lock(target.OrderID)
	defer unlock()
	state, err := in.load(ctx, target)
	if err != nil {
		return Receipt{}, err
	}
	now := in.clock().UTC()
	notificationID := in.ids.next(now)
	decided, err := decide(target, state, order.Observe{
		OrderID: target.OrderID,
		Evidence: order.NotificationRecorded{
			NotificationID: notificationID, Gateway: n.Gateway, Account: n.Account, Via: string(n.Via),
			Verified: n.Verified, BodySHA256: digest, Body: t.Evidence,
			Unconfirmed: in.unconfirmed(n),
		},
		ReceivedAt: n.ReceivedAt, Registration: t.Registration, Facts: t.Facts, Uncountable: t.Uncountable,
	})
	if err != nil {
		return Receipt{}, err
	}
	if len(decided) == 0 {
		return Receipt{Outcome: Duplicate, OrderID: target.OrderID}, nil
	}
	e := envelope{
		notification: n, notificationID: notificationID, eventID: t.SourceEventID, digest: digest, translator: version,
		recordedAt: now,
	}
	result, err := in.append(ctx, target, state, decided, e)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{
		Outcome: Accepted, OrderID: target.OrderID, NotificationID: notificationID, Position: result.Position,
		Written: Written{Events: len(decided), Revision: result.Revision, Position: result.Position},
	}, nil
}

// append writes the decided events and folds them into the cached state. The
// caller holds the order's lock.
func (in *Intake) append(
	ctx context.Context, target link, state *order.State, decided []order.Decided, e envelope,
) (eventstore.AppendResult, error) {
	expected, next := eventstore.NoStream, uint64(0)
	if state.Exists {
		expected, next = eventstore.Revision(state.Revision), state.Revision+1
	}
	events, recorded, err := e.seal(decided, next, in.ids)
	if err != nil {
		return eventstore.AppendResult{}, err
	}
	result, err := in.log.Append(ctx, target.stream(), expected, events...)
	if err != nil {
		in.orders.drop(target.OrderID) // it may have been written all the same
		return result, fmt.Errorf("append to stream %q: %w", target.stream(), err)
	}
	if result.Revision != next+uint64(len(recorded))-1 {
		// An idempotent answer about an older append: what is cached is old.
		in.orders.drop(target.OrderID)
		return result, nil
	}
	for i := range recorded {
		state.Apply(recorded[i])
	}
	in.orders.put(target.OrderID, state)
	return result, nil
}

// load returns the order's state, from the cache or folded from its stream.
// The caller holds the order's lock and may fold on.
func (in *Intake) load(ctx context.Context, target link) (*order.State, error) {
	if state, ok := in.orders.get(target.OrderID); ok {
		return state, nil
	}
	state := &order.State{}
	if target.minted {
		return state, nil
	}
	for recorded, err := range in.log.ReadStream(ctx, target.stream(), eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return state, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %q: %w", target.stream(), err)
		}
		event, metadata, err := decode(recorded)
		if err != nil {
			return nil, err
		}
		state.Apply(order.Recorded{
			Event: event, ID: recorded.ID, Revision: recorded.Revision, Position: recorded.Position.Commit, Metadata: metadata,
		})
	}
	return state, nil
}

// PartitionKey returns a key that notifications of one order share in nearly
// all cases, so that a bulk import can keep them in order; correctness does
// not depend on it.
func (in *Intake) PartitionKey(n Notification) string {
	if p, ok := in.translators[n.Gateway].(Partitioner); ok {
		return n.Gateway + "/" + n.Account + "/" + p.PartitionKey(n.Body)
	}
	return n.Gateway + "/" + n.Account
}

// Partitioner is what a translator may offer besides: a cheap look at which
// order a body is about.
type Partitioner interface {
	PartitionKey(body []byte) string
}
