package commands

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// KeyBytesMax bounds an idempotency key.
const KeyBytesMax = 255

// PersonalData seals what must not stand in the log in clear, and opens it to compare a repeated
// request with the first.
type PersonalData interface {
	Sealer
	Open(ctx context.Context, orderID, token string) (plaintext []byte, err error)
}

// Request is a command as a caller gave it.
type Request struct {
	// Key makes the command happen once: the same key and body get the same answer for ever. Keys of
	// Register are unique in the ledger, those of Do within the order. Empty makes one up.
	Key string
	// Actor names the credential that is used, Person who uses it; an empty Person is the Actor.
	Actor, Person string
	// Revision, when set, is that of the order that the caller acts on (If-Match).
	Revision *uint64
	// Body is what was asked, a JSON object without personal data; it is kept in the log.
	Body json.RawMessage
	// Personal is the personal data of the request, a JSON object; it is sealed.
	Personal json.RawMessage
}

// Done is the answer to a command.
type Done struct {
	OrderID  string
	Category order.Category
	// State is the order just after the command, whatever has happened to it since. It belongs to the
	// caller.
	State order.State
	// Request is the body of the command, as it stands in the log.
	Request json.RawMessage
	// Revision and Position are those of the command's last event.
	Revision uint64
	Position eventstore.Position
	// Through is how far the request has led since: to the last event that it appended, what became of it at the gateway
	// included. Its revision is one that the caller knows all events up to.
	Through Through
	// At is when the command was recorded, UTC.
	At time.Time
	// CommandID names the command in the events about it.
	CommandID string
	// Replayed: the command was carried out before, and this is its answer from the log.
	Replayed bool
}

// Through is a place in an order's stream and in the log.
type Through struct {
	Revision uint64
	Position eventstore.Position
}

// Led notes that the request has led to more events of its order. Events of others in between are none that the caller
// knows of.
func (d *Done) Led(w Written) {
	if w.Events == 0 {
		return
	}
	if d.Through.Revision+uint64(w.Events) == w.Revision {
		d.Through.Revision = w.Revision
	}
	d.Reached(w.Position)
}

// Reached notes that what the request has led to stands in the log up to a position.
func (d *Done) Reached(p eventstore.Position) {
	if p.Compare(d.Through.Position) > 0 {
		d.Through.Position = p
	}
}

// ErrOrderNotFound says that there is no order with an id.
var ErrOrderNotFound = errors.New("there is no such order")

// ErrNoSealer says that personal data cannot be kept: nothing is configured to seal it.
var ErrNoSealer = errors.New("personal data cannot be sealed")

// ErrSealing says that personal data could not be sealed now: there is no room for a key, or the service that holds
// the master key is away. Nothing was recorded.
var ErrSealing = errors.New("personal data cannot be sealed now")

// ErrErased says that personal data was sealed and its key destroyed.
var ErrErased = errors.New("personal data was erased")

// RevisionError says that an order has moved on since the caller looked at it.
type RevisionError struct{ Expected, Actual uint64 }

func (e *RevisionError) Error() string {
	return fmt.Sprintf("the order is at revision %d, not %d: somebody else changed it", e.Actual, e.Expected)
}

// KeyReusedError says that an idempotency key was used for another request.
type KeyReusedError struct{ Fields []string }

func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("the idempotency key was used for another request; different: %v", e.Fields)
}

// ReferenceTakenError says that another order of the account goes by a merchant reference.
type ReferenceTakenError struct{ Reference, OrderID string }

func (e *ReferenceTakenError) Error() string {
	return fmt.Sprintf("order %s goes by the reference %q already", e.OrderID, e.Reference)
}

// Orders carries out our own commands. It shares locks and cache with the Intake, so that commands and
// notifications about one order take turns. It is safe for use by many goroutines and processes.
type Orders struct {
	in       *Intake
	personal PersonalData
}

// NewOrders makes the use cases of orders. Without personal, requests with personal data are refused.
func NewOrders(in *Intake, personal PersonalData) *Orders {
	return &Orders{in: in, personal: personal}
}

// Get is the order as it is now, and its category. Errors: ErrOrderNotFound, *UnreadableError.
func (o *Orders) Get(ctx context.Context, orderID string) (order.Category, order.State, error) {
	target, err := o.find(ctx, orderID)
	if err != nil {
		return "", order.State{}, err
	}
	state, err := o.in.Load(ctx, target.Category, orderID)
	if err != nil {
		return "", order.State{}, err
	}
	return target.Category, state, asUnreadable(target, state.Err())
}

// Personal is the newest personal data that a command gave for an order, opened; nil when none was given.
// Errors: ErrOrderNotFound, ErrErased.
func (o *Orders) Personal(ctx context.Context, orderID string) (json.RawMessage, error) {
	target, err := o.find(ctx, orderID)
	if err != nil {
		return nil, err
	}
	sealed := ""
	for recorded, err := range o.in.log.ReadStream(ctx, target.stream(), eventstore.StreamRead{}) {
		if err != nil {
			return nil, fmt.Errorf("read stream %q: %w", target.stream(), err)
		}
		if recorded.Type != (order.CommandRecorded{}).EventType() {
			continue
		}
		var c order.CommandRecorded
		if err := json.Unmarshal(recorded.Data, &c); err != nil {
			return nil, fmt.Errorf("stream %q revision %d: %w", target.stream(), recorded.Revision, err)
		}
		sealed = cmp.Or(c.Sealed, sealed)
	}
	switch {
	case sealed == "":
		return nil, nil
	case o.personal == nil:
		return nil, ErrNoSealer
	}
	return o.personal.Open(ctx, target.OrderID, sealed)
}

// Do carries out an action on an order. Errors: ErrOrderNotFound, *order.Rejection when the order's
// state does not allow it, *KeyReusedError, *RevisionError.
func (o *Orders) Do(ctx context.Context, orderID string, r Request, action order.Action) (Done, error) {
	digest, err := r.digest()
	if err != nil {
		return Done{}, err
	}
	target, err := o.find(ctx, orderID)
	if err != nil {
		return Done{}, err
	}
	return o.carryOut(ctx, target, r, digest, action)
}

func (r *Request) digest() (string, error) {
	key := r.Key
	if len(key) > KeyBytesMax {
		return "", fmt.Errorf("an idempotency key of %d bytes is longer than %d", len(key), KeyBytesMax)
	}
	if key == "" {
		key = rand.Text()
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]), nil
}

// find looks an order of ours up by its id.
func (o *Orders) find(ctx context.Context, orderID string) (link, error) {
	if _, err := ulid.ParseStrict(orderID); err != nil {
		return link{}, ErrOrderNotFound
	}
	for _, c := range []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout} {
		for _, err := range o.in.log.ReadStream(ctx, order.StreamName(c, orderID), eventstore.StreamRead{Count: 1}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) {
				break
			}
			if err != nil {
				return link{}, fmt.Errorf("look for order %q: %w", orderID, err)
			}
			return link{OrderID: orderID, Category: c}, nil
		}
	}
	return link{}, ErrOrderNotFound
}

// carryOut decides on the order as it is and appends, again when somebody else was faster.
func (o *Orders) carryOut(ctx context.Context, target link, r Request, digest string, action order.Action) (Done, error) {
	for attempt := range appendAttemptsMax {
		done, err := o.try(ctx, target, r, digest, action)
		var wrong *eventstore.WrongExpectedRevisionError
		if !errors.As(err, &wrong) {
			return done, err
		}
		if err := pause(ctx, attempt); err != nil {
			return Done{}, err
		}
	}
	return Done{}, fmt.Errorf("%s on order %s: %w: %d attempts lost against other writers",
		action.ActionName(), target.OrderID, eventstore.ErrUnavailable, appendAttemptsMax)
}

func (o *Orders) seal(ctx context.Context, orderID string, personal json.RawMessage) (string, error) {
	if len(personal) == 0 {
		return "", nil
	}
	if o.personal == nil {
		return "", ErrNoSealer
	}
	token, err := o.personal.Seal(ctx, orderID, personal)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSealing, err)
	}
	return token, nil
}

func (o *Orders) try(ctx context.Context, target link, r Request, digest string, action order.Action) (Done, error) {
	defer o.in.orders.lock(target.OrderID)()
	state, err := o.in.load(ctx, target)
	if err != nil {
		return Done{}, err
	}
	if state.Seen(order.CommandEventID(target.OrderID, digest)) {
		return o.replay(ctx, target, r, digest, action)
	}
	if r.Revision != nil && *r.Revision != state.Revision {
		return Done{}, &RevisionError{Expected: *r.Revision, Actual: state.Revision}
	}
	sealed, err := o.seal(ctx, target.OrderID, r.Personal)
	if err != nil {
		return Done{}, err
	}
	now := o.in.clock().UTC()
	id := o.in.ids.next(now)
	decided, err := decide(target, state, order.Instruct{
		OrderID: target.OrderID, At: now, Actor: r.Actor, Person: r.Person, Action: action,
		Evidence: order.CommandRecorded{CommandID: id, Action: action.ActionName(), KeySHA256: digest, Request: r.Body, Sealed: sealed},
	})
	if err != nil {
		return Done{}, err
	}
	source := Notification{Gateway: state.Source, Account: state.SourceAccount, ReceivedAt: now}
	if register, ok := action.(order.Register); ok {
		source.Gateway, source.Account = register.Order.Source, register.Order.SourceAccount
	}
	next := uint64(len(decided)) - 1
	if state.Exists {
		next += state.Revision + 1
	}
	result, err := o.in.append(ctx, target, state, decided, envelope{
		notification: source, notificationID: id, eventID: digest, actor: r.Actor, recordedAt: now,
	})
	if err != nil {
		return Done{}, err
	}
	if result.Revision != next { // the answer to an append of ours that was thought lost
		return o.replay(ctx, target, r, digest, action)
	}
	after := state.Clone()
	after.Position = result.Position.Commit // what is cached does not know it
	return Done{
		OrderID: target.OrderID, Category: target.Category, State: after, Request: r.Body, CommandID: id,
		Revision: result.Revision, Position: result.Position, At: now,
		Through: Through{Revision: result.Revision, Position: result.Position},
	}, nil
}
