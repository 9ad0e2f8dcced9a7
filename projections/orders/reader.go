package orders

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

var (
	//go:embed get.sql
	getSQL string
	//go:embed by_source.sql
	bySourceSQL string
	//go:embed by_reference.sql
	byReferenceSQL string
)

// ErrNotFound says that no order has this id, as far as the views have come.
var ErrNotFound = errors.New("order not found")

// findMost bounds the orders that one reference finds; a reference that more orders share is none.
const findMost = 100

// Order is one row of ledger.orders, or of ledger.test_orders. Amounts are in Currency; times are
// UTC.
type Order struct {
	ID                string `json:"order_id"`
	Test              bool   `json:"test,omitempty"`
	Source            string `json:"source"`
	SourceAccount     string `json:"source_account"`
	SourceOrderID     string `json:"source_order_id,omitempty"`
	MerchantReference string `json:"merchant_reference,omitempty"`
	// Currency is an ISO 4217 code; empty until the first amount is known, and all amounts are then
	// the zero Money.
	Currency string `json:"currency,omitempty"`

	// AmountDue is nil while unknown.
	AmountDue          *money.Money `json:"amount_due"`
	Authorised         money.Money  `json:"authorised"`
	Expected           money.Money  `json:"expected"`
	Captured           money.Money  `json:"captured"`
	Settled            money.Money  `json:"settled"`
	ReceivedExternally money.Money  `json:"received_externally"`
	Reversed           money.Money  `json:"reversed"`
	RefundPending      money.Money  `json:"refund_pending"`
	Refunded           money.Money  `json:"refunded"`
	DisputeHeld        money.Money  `json:"dispute_held"`
	DisputeLost        money.Money  `json:"dispute_lost"`
	GrossPaid          money.Money  `json:"gross_paid"`
	Net                money.Money  `json:"net"`
	Overpaid           money.Money  `json:"overpaid"`

	PaymentState  order.PaymentState `json:"payment_state"`
	RefundState   order.RefundState  `json:"refund_state"`
	DisputeState  order.DisputeState `json:"dispute_state"`
	Lifecycle     order.Lifecycle    `json:"lifecycle"`
	GatewayStatus string             `json:"gateway_status,omitempty"`
	Flags         []order.Flag       `json:"flags"`

	FirstRecordedAt time.Time `json:"first_recorded_at"`
	LastRecordedAt  time.Time `json:"last_recorded_at"`
	Revision        uint64    `json:"revision"`
	// Position is the commit position of the order's newest event.
	Position uint64 `json:"position"`
	// EventID is the id of that event.
	EventID uuid.UUID `json:"event_id"`
}

// Querier is a pool, a connection or a transaction. Several reads that are to show one moment go
// through one transaction of isolation level repeatable read.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Reader reads orders from the public views.
type Reader struct{ db Querier }

// NewReader makes a Reader.
func NewReader(db Querier) *Reader { return &Reader{db: db} }

// Get returns the order with our id, live or test, or ErrNotFound.
func (r *Reader) Get(ctx context.Context, id string) (Order, error) {
	found, err := r.find(ctx, getSQL, id)
	if err != nil {
		return Order{}, fmt.Errorf("get order %q: %w", id, err)
	}
	if len(found) == 0 {
		return Order{}, fmt.Errorf("get order %q: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// FindBySource returns the orders that a gateway knows by its own order or payment id, in the order
// of our ids, at most a hundred; none is no error.
func (r *Reader) FindBySource(ctx context.Context, source, sourceOrderID string) ([]Order, error) {
	found, err := r.find(ctx, bySourceSQL, source, sourceOrderID, findMost)
	if err != nil {
		return nil, fmt.Errorf("find orders of %s %q: %w", source, sourceOrderID, err)
	}
	return found, nil
}

// FindByReference returns the orders with a merchant's reference, in the order of our ids, at most a
// hundred; none is no error. A reference is unique within an account only.
func (r *Reader) FindByReference(ctx context.Context, merchantReference string) ([]Order, error) {
	found, err := r.find(ctx, byReferenceSQL, merchantReference, findMost)
	if err != nil {
		return nil, fmt.Errorf("find orders with reference %q: %w", merchantReference, err)
	}
	return found, nil
}

func (r *Reader) find(ctx context.Context, sql string, args ...any) ([]Order, error) {
	rows, err := r.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func scan(row pgx.CollectableRow) (Order, error) {
	var (
		o       Order
		due     *string
		amounts [13]string
	)
	into := []any{&o.ID, &o.Source, &o.SourceAccount, &o.SourceOrderID, &o.MerchantReference, &o.Currency, &due}
	for i := range amounts {
		into = append(into, &amounts[i])
	}
	into = append(into, &o.PaymentState, &o.RefundState, &o.DisputeState, &o.Lifecycle, &o.GatewayStatus, &o.Flags,
		&o.FirstRecordedAt, &o.LastRecordedAt, &o.Revision, &o.Position, &o.EventID, &o.Test)
	if err := row.Scan(into...); err != nil {
		return Order{}, err
	}
	o.FirstRecordedAt, o.LastRecordedAt = o.FirstRecordedAt.UTC(), o.LastRecordedAt.UTC()
	if o.Currency == "" {
		return o, nil
	}
	var err error
	if o.AmountDue, err = storable.ReadKnownAmount(due, o.Currency); err != nil {
		return Order{}, fmt.Errorf("order %s: %w", o.ID, err)
	}
	for i, amount := range []*money.Money{
		&o.Authorised, &o.Expected, &o.Captured, &o.Settled, &o.ReceivedExternally, &o.Reversed, &o.RefundPending,
		&o.Refunded, &o.DisputeHeld, &o.DisputeLost, &o.GrossPaid, &o.Net, &o.Overpaid,
	} {
		if *amount, err = storable.ReadAmount(amounts[i], o.Currency); err != nil {
			return Order{}, fmt.Errorf("order %s: %w", o.ID, err)
		}
	}
	return o, nil
}
