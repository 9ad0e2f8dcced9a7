package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// externalIDBytesMax bounds an external id, which becomes part of a stream's
// name.
const externalIDBytesMax = 400

// errReferenceTaken says that somebody else linked a reference between our
// look and our claim.
var errReferenceTaken = errors.New("reference was linked by another writer")

// link is the order that a reference stands for.
type link struct {
	OrderID  string
	Category order.Category
	Account  string
	// Reference is what an order was to be called, where the name is an idempotency key.
	Reference string
	// minted: the order was made up in this call and has no stream yet.
	minted bool
}

func (l link) stream() string { return order.StreamName(l.Category, l.OrderID) }

// references finds the order that a notification belongs to, by the streams
// that link external ids to orders (design decision D7), and links new ids.
type references struct {
	log     Log
	stripes *stripes
	known   *lru.Cache[string, link]
}

func newReferences(log Log, size int) *references {
	known, err := lru.New[string, link](size)
	if err != nil { // only a size below one can be refused
		panic(err)
	}
	return &references{log: log, stripes: newStripes(), known: known}
}

// keys are the reference streams of a notification.
type keys struct {
	merchant []string // best first
	own      []string // the gateway's order id, then payment ids
}

func (k keys) all() []string { return append(slices.Clone(k.merchant), k.own...) }

func keysOf(n Notification, t *Translation) (keys, *Rejection) {
	var k keys
	add := func(to *[]string, kind, id, external string) *Rejection {
		if id == "" {
			return nil
		}
		if len(external) > externalIDBytesMax || !utf8.ValidString(external) || strings.IndexFunc(external, unicode.IsControl) >= 0 {
			return &Rejection{Code: order.FlagMalformedBody,
				Detail: fmt.Sprintf("the %s id is longer than %d bytes or holds control characters", kind, externalIDBytesMax)}
		}
		if name := order.ReferenceStream(n.Gateway, kind, external); !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
		return nil
	}
	rejection := add(&k.own, order.ReferenceOrder, t.SourceOrderID, t.SourceOrderID)
	for _, id := range t.SourcePaymentIDs {
		if r := add(&k.own, order.ReferencePayment, id, id); r != nil {
			rejection = r
		}
	}
	for _, ref := range t.MerchantReferences {
		if r := add(&k.merchant, order.ReferenceMerchant, ref, n.Account+"/"+ref); r != nil {
			rejection = r
		}
	}
	if rejection == nil && len(k.own) == 0 && len(k.merchant) == 0 {
		rejection = &Rejection{Code: order.FlagUnknownOrder, Detail: "the notification names no order, payment or merchant reference"}
	}
	return k, rejection
}

// resolve finds or makes the order of a notification; first match wins: the
// gateway's own ids, then merchant references, then a new order. All ids that
// the notification carries are linked when it returns.
func (r *references) resolve(
	ctx context.Context, n Notification, t *Translation, ids *idSource, clock func() time.Time,
) (link, *Rejection, error) {
	k, rejection := keysOf(n, t)
	if rejection != nil {
		return link{}, rejection, nil
	}
	if target, ok := r.cached(k); ok {
		return r.checkAccount(target, n)
	}
	// One at a time for each key, so that two first notifications in this
	// process do not race for the same references.
	defer r.lockKeys(k.all())()
	target, found, err := r.find(ctx, n, t, k)
	if err != nil {
		return link{}, nil, err
	}
	if found {
		if _, rejection, _ := r.checkAccount(target, n); rejection != nil {
			return link{}, rejection, nil
		}
	} else {
		if t.Uncountable != nil { // nothing to hang it on
			return link{}, &Rejection{Code: t.Uncountable.Code, Detail: t.Uncountable.Detail}, nil
		}
		target = link{
			OrderID: ids.next(clock().UTC()), Account: n.Account, minted: true,
			Category: order.CategoryOf(t.Registration.Kind, t.Registration.IsTest),
		}
	}
	if err := r.claim(ctx, n, k, target); err != nil {
		return link{}, nil, err
	}
	return target, nil, nil
}

// cached answers when everything about the notification is known already.
func (r *references) cached(k keys) (link, bool) {
	if len(k.own) == 0 {
		return link{}, false
	}
	if len(k.merchant) > 0 && !r.known.Contains(k.merchant[0]) {
		return link{}, false // the merchant's name for the order may still be unlinked
	}
	var target link
	for i, key := range k.own {
		l, ok := r.known.Get(key)
		if !ok {
			return link{}, false
		}
		if i == 0 {
			target = l
		}
	}
	return target, true
}

// checkAccount keeps one account's notifications off another's orders.
func (r *references) checkAccount(target link, n Notification) (link, *Rejection, error) {
	if target.Account != n.Account {
		return link{}, &Rejection{Code: order.FlagAccountMismatch,
			Detail: "the gateway's id belongs to an order of another account"}, nil
	}
	return target, nil, nil
}

func (r *references) lockKeys(names []string) (unlock func()) {
	indexes := make([]int, 0, len(names))
	for _, name := range names {
		indexes = append(indexes, r.stripes.index(name))
	}
	slices.Sort(indexes)
	indexes = slices.Compact(indexes)
	for _, i := range indexes {
		r.stripes.locks[i].Lock()
	}
	return func() {
		for _, i := range indexes {
			r.stripes.locks[i].Unlock()
		}
	}
}

func (r *references) find(ctx context.Context, n Notification, t *Translation, k keys) (link, bool, error) {
	for _, key := range slices.Concat(k.own, k.merchant) {
		l, found, err := r.lookUp(ctx, key)
		if err != nil || found {
			return l, found, err
		}
	}
	for _, ref := range t.MerchantReferences {
		l, found, err := r.byOurID(ctx, n, ref)
		if err != nil || found {
			return l, found, err
		}
	}
	return link{}, false, nil
}

// lookUp reads what a reference stands for: its stream's last event.
func (r *references) lookUp(ctx context.Context, key string) (link, bool, error) {
	if l, ok := r.known.Get(key); ok {
		return l, true, nil
	}
	for recorded, err := range r.log.ReadStream(ctx, key, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return link{}, false, nil
		}
		if err != nil {
			return link{}, false, fmt.Errorf("read reference %q: %w", key, err)
		}
		event, _, err := decode(recorded)
		if err != nil {
			return link{}, false, err
		}
		linked, ok := event.(order.ReferenceLinked)
		if !ok {
			return link{}, false, fmt.Errorf("reference %q holds an event of type %s", key, recorded.Type)
		}
		l := link{OrderID: linked.OrderID, Category: linked.Category, Account: linked.Account, Reference: linked.MerchantReference}
		r.known.Add(key, l)
		return l, true, nil
	}
	return link{}, false, nil
}

// byOurID recognises a merchant reference that is the id of an order of ours
// from the same account.
func (r *references) byOurID(ctx context.Context, n Notification, ref string) (link, bool, error) {
	if _, err := ulid.ParseStrict(ref); err != nil {
		return link{}, false, nil
	}
	for _, c := range []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout} {
		for recorded, err := range r.log.ReadStream(ctx, order.StreamName(c, ref), eventstore.StreamRead{Count: 1}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) {
				break
			}
			if err != nil {
				return link{}, false, fmt.Errorf("look for order %q: %w", ref, err)
			}
			_, metadata, err := decode(recorded)
			if err != nil {
				return link{}, false, err
			}
			if metadata.SourceAccount == n.Account && metadata.Source == n.Gateway {
				return link{OrderID: ref, Category: c, Account: n.Account}, true, nil
			}
		}
	}
	return link{}, false, nil
}

// claim links all ids of a notification to its order: the merchant's name for
// it first, as the one that other gateway orders may share. Only a new order
// takes a merchant reference.
func (r *references) claim(ctx context.Context, n Notification, k keys, target link) error {
	names := k.own
	if len(k.merchant) > 0 {
		names = append([]string{k.merchant[0]}, k.own...)
	}
	for _, name := range names {
		if !target.minted { // else find has just seen that nothing is linked
			_, found, err := r.lookUp(ctx, name)
			if err != nil {
				return err
			}
			if found {
				continue
			}
		}
		if err := r.append(ctx, n, name, target); err != nil {
			return err
		}
	}
	return nil
}

func (r *references) append(ctx context.Context, n Notification, name string, target link) error {
	return r.write(ctx, n, name, target, eventstore.NoStream, order.EventID(target.OrderID, name, order.ReferenceLinked{}.EventType()))
}

// relink gives a name to another order, unless somebody else is doing so.
func (r *references) relink(ctx context.Context, n Notification, name string, target link) error {
	for last, err := range r.log.ReadStream(ctx, name, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if err != nil {
			return fmt.Errorf("read reference %q: %w", name, err)
		}
		return r.write(ctx, n, name, target, eventstore.Revision(last.Revision), order.EventID(target.OrderID, name, fmt.Sprint(last.Revision)))
	}
	return fmt.Errorf("read reference %q: %w", name, eventstore.ErrStreamNotFound)
}

func (r *references) write(
	ctx context.Context, n Notification, name string, target link, expected eventstore.ExpectedRevision, id uuid.UUID,
) error {
	linked := order.ReferenceLinked{
		OrderID: target.OrderID, Category: target.Category, Account: target.Account, MerchantReference: target.Reference,
	}
	eventType, data, metadata, err := order.Encode(linked, order.Metadata{
		OccurredAt: n.ReceivedAt, OccurredAtBasis: order.BasisReceived, ReceivedAt: n.ReceivedAt, RecordedAt: n.ReceivedAt,
		Source: n.Gateway, SourceAccount: n.Account, Actor: "system",
	})
	if err != nil {
		return err
	}
	_, err = r.log.Append(ctx, name, expected, eventstore.EventData{
		ID: id, Type: eventType, JSON: true, Data: data, Metadata: metadata,
	})
	var wrong *eventstore.WrongExpectedRevisionError
	if errors.As(err, &wrong) {
		return fmt.Errorf("link %q: %w", name, errReferenceTaken)
	}
	if err != nil {
		return fmt.Errorf("link %q: %w", name, err)
	}
	r.known.Add(name, link{OrderID: target.OrderID, Category: target.Category, Account: target.Account, Reference: target.Reference})
	return nil
}
