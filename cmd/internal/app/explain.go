package app

import (
	"context"
	"errors"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// Explanation is how an order came to be what the log says, and whether the views agree.
type Explanation struct {
	refold.Explanation
	// Views is the result of comparing both; nil when the views were not asked or could not be, and
	// Error says why.
	Views *audit.Finding `json:"views"`
	Error string         `json:"views_error,omitempty"`
}

// Explain tells how the order of a stream came to be. db may be nil: it is needed only to tell whether
// the views agree.
func Explain(ctx context.Context, log eventstore.Reader, db audit.Beginner, stream string) (Explanation, error) {
	told, err := refold.Explain(ctx, log, stream)
	if err != nil || db == nil {
		return Explanation{Explanation: told}, err
	}
	e := Explanation{Explanation: told}
	_, id, _ := order.ParseStreamName(stream)
	finding, err := audit.Order(ctx, db, log, id)
	switch {
	case errors.Is(err, refold.ErrNotFound):
	case err != nil:
		e.Error = err.Error()
	default:
		e.Views = &finding
	}
	return e, nil
}
