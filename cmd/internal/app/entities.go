package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/journal"
)

// EntityRequest defines a legal entity whose books the ledger keeps.
type EntityRequest struct {
	accounting.EntityDefined

	Actor string `json:"actor"`
}

// ErrEntity says that an entity cannot be defined as asked.
var ErrEntity = errors.New("entity")

// Entities are the legal entities whose books the ledger keeps, by name.
func Entities(ctx context.Context, log eventstore.Reader) ([]accounting.EntityDefined, error) {
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return nil, err
	}
	return calendar.Entities(), nil
}

// DefineEntity records which merchant accounts an entity keeps books of from now on. Saying again what stands
// already records nothing.
func DefineEntity(ctx context.Context, log eventstore.Store, r EntityRequest, now time.Time) error {
	if r.Accounts == nil {
		r.Accounts = []string{}
	}
	slices.Sort(r.Accounts)
	r.Accounts = slices.Compact(r.Accounts)
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrEntity, err)
	}
	if r.Actor == "" {
		return fmt.Errorf("%w: say who does it", ErrEntity)
	}
	known, err := Entities(ctx, log)
	if err != nil {
		return err
	}
	for _, e := range known {
		switch {
		case e.Entity == r.Entity && e.TimeZone == r.TimeZone && slices.Equal(e.Accounts, r.Accounts):
			return nil
		case e.Entity == r.Entity:
		default:
			for _, account := range r.Accounts {
				if slices.Contains(e.Accounts, account) {
					return fmt.Errorf("%w: %s is in the books of %s; define that one without it first", ErrEntity, account, e.Entity)
				}
			}
		}
	}
	event, err := operatorEvent(accounting.EntityDefinedType, r.EntityDefined, r.Actor, now)
	if err != nil {
		return err
	}
	if _, err := log.Append(ctx, accounting.EntityStream, eventstore.Any, event); err != nil {
		return fmt.Errorf("record entity %s: %w", r.Entity, err)
	}
	return nil
}
