package app

import (
	"context"
	"errors"
	"time"

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

// compareTimeout bounds comparing one order with the views: what the log says is not to wait for a database that hangs.
const compareTimeout = 8 * time.Second

// Explain tells how the order of a stream came to be. db may be nil: it is needed only to tell whether
// the views agree.
func Explain(ctx context.Context, log eventstore.Reader, db audit.Beginner, stream string) (Explanation, error) {
	told, err := refold.Explain(ctx, log, stream)
	if err != nil || db == nil {
		return Explanation{Explanation: told}, err
	}
	e := Explanation{Explanation: told}
	_, id, _ := order.ParseStreamName(stream)
	comparing, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	finding, err := audit.Order(comparing, db, log, id)
	switch {
	case errors.Is(err, refold.ErrNotFound):
	case err != nil && comparing.Err() != nil && ctx.Err() == nil:
		e.Error = "the database does not answer"
	case err != nil:
		e.Error = err.Error()
	default:
		e.Views = &finding
	}
	return e, nil
}
