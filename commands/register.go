package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Register brings an order into being. OrderID of the registration is chosen here, and the merchant's
// reference of an order that is to be created at the gateway, if it has none. Errors: those of Do,
// *ReferenceTakenError.
//
// Two names lead to a new order, each bound once and for ever: the merchant's reference, then the
// idempotency key. A crash may leave names of an order that was never written; whoever comes next with
// the reference writes it. A request that is refused binds nothing.
func (o *Orders) Register(ctx context.Context, r Request, reg order.OrderRegistered, atGateway bool) (Done, error) {
	digest, err := r.digest()
	if err != nil {
		return Done{}, err
	}
	if len(r.Personal) > 0 && o.personal == nil {
		return Done{}, ErrNoSealer
	}
	r.Revision = nil
	action := order.Register{Order: reg, AtGateway: atGateway}
	category := order.CategoryOf(reg.Kind, reg.IsTest)
	key := order.ReferenceStream("api", "command", digest) // of no gateway
	for attempt := range appendAttemptsMax {
		target, known, err := o.in.references.lookUp(ctx, key)
		if err != nil {
			return Done{}, err
		}
		if known {
			written, byCommand, err := o.written(ctx, target, digest)
			switch {
			case err != nil:
				return Done{}, err
			case byCommand:
				return o.replay(ctx, target, r, digest, action)
			case written:
				return Done{}, &ReferenceTakenError{Reference: target.Reference, OrderID: target.OrderID}
			}
			// Nothing of the first request is left but the key.
			if fields := target.unlike(&reg, category); len(fields) > 0 {
				return Done{}, &KeyReusedError{Fields: fields}
			}
		} else {
			target = link{OrderID: o.in.ids.next(o.in.clock().UTC()), Category: category, Account: reg.SourceAccount, Reference: reg.MerchantReference}
		}
		if action.Order.MerchantReference == "" && atGateway { // by it the gateway's notifications find the order
			action.Order.MerchantReference = target.OrderID
		}
		if ref := action.Order.MerchantReference; ref != "" {
			if target, err = o.claim(ctx, &action.Order, target); err != nil {
				return Done{}, err
			}
		}
		if !known {
			bound, err := o.bind(ctx, reg.Source, key, target)
			if err != nil {
				return Done{}, err
			}
			if bound.OrderID != target.OrderID { // the same request came twice at once
				action.Order.MerchantReference = reg.MerchantReference
				if err := pause(ctx, attempt); err != nil {
					return Done{}, err
				}
				continue
			}
		}
		action.Order.OrderID = target.OrderID
		done, err := o.carryOut(ctx, target, r, digest, action)
		var refused *order.Rejection
		if errors.As(err, &refused) && refused.Code == order.CodeOrderExists { // somebody with the reference was faster
			return Done{}, &ReferenceTakenError{Reference: action.Order.MerchantReference, OrderID: target.OrderID}
		}
		return done, err
	}
	return Done{}, fmt.Errorf("register an order: %w: %d attempts lost against other writers", eventstore.ErrUnavailable, appendAttemptsMax)
}

// claim binds the merchant's reference to an order that is to be written: to target, or to the one that
// a crash kept from being written. *ReferenceTakenError when the reference is that of an order.
func (o *Orders) claim(ctx context.Context, reg *order.OrderRegistered, target link) (link, error) {
	stream := order.ReferenceStream(reg.Source, order.ReferenceMerchant, reg.SourceAccount+"/"+reg.MerchantReference)
	owner, err := o.bind(ctx, reg.Source, stream, link{OrderID: target.OrderID, Category: target.Category, Account: target.Account})
	if err != nil || owner.OrderID == target.OrderID && owner.Category == target.Category {
		return target, err
	}
	written, _, err := o.written(ctx, owner, "")
	if err != nil {
		return target, err
	}
	if written {
		return target, &ReferenceTakenError{Reference: reg.MerchantReference, OrderID: owner.OrderID}
	}
	target.OrderID = owner.OrderID
	if owner.Category != target.Category { // what was to be a test order is to be a live one, or the reverse
		err = o.in.references.relink(ctx, Notification{Gateway: reg.Source, Account: target.Account, ReceivedAt: o.in.clock().UTC()}, stream, target)
	}
	return target, err
}

// bind links a name to an order, and answers with the order that the name belongs to.
func (o *Orders) bind(ctx context.Context, gateway, stream string, target link) (link, error) {
	refs := o.in.references
	owner, found, err := refs.lookUp(ctx, stream)
	if err != nil || found {
		return owner, err
	}
	now := o.in.clock().UTC()
	err = refs.append(ctx, Notification{Gateway: gateway, Account: target.Account, ReceivedAt: now}, stream, target)
	if errors.Is(err, errReferenceTaken) {
		owner, _, err = refs.lookUp(ctx, stream)
		return owner, err
	}
	return target, err
}

// written tells whether an order that a name leads to was ever written, and whether by the command with a
// key.
func (o *Orders) written(ctx context.Context, target link, digest string) (written, byCommand bool, err error) {
	defer o.in.orders.lock(target.OrderID)()
	state, err := o.in.load(ctx, target)
	if err != nil {
		return false, false, err
	}
	return state.Exists, state.Seen(order.CommandEventID(target.OrderID, digest)), nil
}

// unlike names what differs between a request and the first one with its key, of which only the names are
// left.
func (l link) unlike(reg *order.OrderRegistered, category order.Category) []string {
	var fields []string
	if l.Account != reg.SourceAccount {
		fields = append(fields, "account")
	}
	if l.Reference != reg.MerchantReference {
		fields = append(fields, "number")
	}
	if l.Category != category {
		fields = append(fields, "is_test")
	}
	return fields
}
