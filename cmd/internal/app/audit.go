package app

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// AuditRequest says which orders are to be audited: exactly one of Orders, Sample and All.
type AuditRequest struct {
	// Orders are names: our ids, the gateways' ids or merchants' references.
	Orders []string `json:"orders,omitempty"`
	// Sample is how many orders to choose, by Seed; without one they are others each time.
	Sample int    `json:"sample,omitempty"`
	Seed   string `json:"seed,omitempty"`
	All    bool   `json:"all,omitempty"`
	// Heal writes the rows of an order that differs again from the log.
	Heal bool `json:"heal,omitempty"`
}

// Validate tells whether the request says clearly what it wants.
func (a *AuditRequest) Validate() error {
	wanted := 0
	for _, is := range []bool{len(a.Orders) > 0, a.Sample > 0, a.All} {
		if is {
			wanted++
		}
	}
	if wanted != 1 || a.Sample < 0 {
		return errors.New("audit what: some orders, a sample, or all of them")
	}
	return nil
}

// AuditDatabase is what an audit needs: a pool or a connection.
type AuditDatabase interface {
	audit.Database
	projections.Beginner
}

// Run audits. Rows that another version of the program made can be audited, which finds what it did
// differently, but not healed one by one: that would mix the two. It is a *projections.StaleError. tell, which may be nil,
// is told how far an audit of everything is.
func (a *AuditRequest) Run(
	ctx context.Context, db AuditDatabase, log eventstore.Reader, accounts config.Accounts, tell func(AuditProgress),
) (audit.Report, error) {
	if err := a.Validate(); err != nil {
		return audit.Report{}, err
	}
	var heal audit.Heal
	if a.Heal {
		if err := CheckRows(ctx, db); err != nil {
			return audit.Report{}, err
		}
		heal = func(ctx context.Context, id string) error { return projections.Heal(ctx, db, log, id) }
	}
	if a.All {
		if tell == nil {
			return audit.All(ctx, db, log, heal, nil)
		}
		meter := auditMeter{tell: tell, clock: time.Now}
		return audit.All(ctx, db, log, heal, meter.take)
	}
	var orders iter.Seq2[string, error]
	switch {
	case a.Sample > 0:
		if a.Seed == "" {
			a.Seed = rand.Text()
		}
		chosen, err := audit.Sample(ctx, db, a.Sample, a.Seed)
		if err != nil {
			return audit.Report{}, err
		}
		orders = audit.Each(chosen)
	default:
		orders = named(ctx, log, accounts, a.Orders)
	}
	report, err := audit.Pass(ctx, db, log, orders, heal)
	report.Seed = a.Seed
	return report, err
}

// OrderNamed finds the id of an order by any of its names; a name that the log does not know is taken for an id.
func OrderNamed(ctx context.Context, log eventstore.Reader, accounts config.Accounts, name string) (string, error) {
	stream, err := ResolveStream(ctx, log, accounts, name)
	switch {
	case errors.Is(err, refold.ErrNotFound):
		return name, nil
	case err != nil:
		return "", err
	}
	_, id, _ := order.ParseStreamName(stream)
	return id, nil
}

// named finds the ids of orders by any of their names. A name that the log does not know may be the
// id of a row that ought not to be there.
func named(ctx context.Context, log eventstore.Reader, accounts config.Accounts, names []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range names {
			id, err := OrderNamed(ctx, log, accounts, name)
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}
