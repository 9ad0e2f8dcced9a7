package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// ResolveStream finds an order's stream in the log alone, by our id, by a gateway's id, or by the
// merchant's reference, in this order; it needs no database. It answers refold.ErrNotFound when there
// is none.
func ResolveStream(ctx context.Context, log eventstore.Reader, accounts config.Accounts, name string) (string, error) {
	stream, err := refold.FindStream(ctx, log, name)
	if err == nil || !errors.Is(err, refold.ErrNotFound) {
		return stream, err
	}
	var own, merchant []string
	for _, gateway := range config.Gateways() {
		own = append(own, order.ReferenceStream(gateway, order.ReferenceOrder, name),
			order.ReferenceStream(gateway, order.ReferencePayment, name))
		for account := range accounts[gateway] {
			merchant = append(merchant, order.ReferenceStream(gateway, order.ReferenceMerchant, account+"/"+name))
		}
	}
	for _, references := range [][]string{own, merchant} {
		found, err := linked(ctx, log, references)
		if err != nil {
			return "", err
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0].stream, nil
		default:
			ambiguous := &AmbiguousReferenceError{Reference: name}
			for _, l := range found {
				ambiguous.IDs = append(ambiguous.IDs, l.id)
			}
			return "", ambiguous
		}
	}
	return "", fmt.Errorf("find order %q: %w", name, refold.ErrNotFound)
}

type link struct{ stream, id string }

// linked reads to which orders reference streams lead, each once.
func linked(ctx context.Context, log eventstore.Reader, references []string) ([]link, error) {
	var found []link
	for _, reference := range references {
		for ev, err := range log.ReadStream(ctx, reference, eventstore.StreamRead{Count: 1}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) || errors.Is(err, eventstore.ErrInvalid) {
				break // nothing can go by a name that no stream may have
			}
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", reference, err)
			}
			decoded, _, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", reference, err)
			}
			to, ok := decoded.(order.ReferenceLinked)
			if !ok {
				continue
			}
			l := link{stream: order.StreamName(to.Category, to.OrderID), id: to.OrderID}
			if !slices.Contains(found, l) {
				found = append(found, l)
			}
		}
	}
	return found, nil
}
