package payouts

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

// findMost bounds how many payout orders are found by a name.
const findMost = 100

// ErrNotFound says that no payout order has this id, as far as the views have come.
var ErrNotFound = errors.New("payout order not found")

// Payout is one row of ledger.payouts. Times are UTC.
type Payout struct {
	OrderID           string             `json:"order_id"`
	Source            string             `json:"source"`
	SourceAccount     string             `json:"source_account"`
	SourceOrderID     string             `json:"source_order_id,omitempty"`
	MerchantReference string             `json:"merchant_reference,omitempty"`
	Amount            *money.Money       `json:"amount"` // nil while unknown
	PaidOut           money.Money        `json:"paid_out"`
	State             order.PayoutStatus `json:"payout_state"`
	Flags             []order.Flag       `json:"flags"`
	FirstRecordedAt   time.Time          `json:"first_recorded_at"`
	LastRecordedAt    time.Time          `json:"last_recorded_at"`
	Revision          uint64             `json:"revision"`
	Position          uint64             `json:"position"`
	EventID           uuid.UUID          `json:"event_id"` // of its newest event
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Get returns the payout order with our id, or ErrNotFound.
func Get(ctx context.Context, db Querier, orderID string) (Payout, error) {
	rows, err := db.Query(ctx, getSQL, orderID)
	if err != nil {
		return Payout{}, fmt.Errorf("get payout order %q: %w", orderID, err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Payout{}, fmt.Errorf("get payout order %q: %w", orderID, ErrNotFound)
	}
	if err != nil {
		return Payout{}, fmt.Errorf("get payout order %q: %w", orderID, err)
	}
	return p, nil
}

// BySource returns our ids of the payout orders that a gateway knows by this id, sorted, at most a hundred.
func BySource(ctx context.Context, db Querier, source, sourceOrderID string) ([]string, error) {
	return find(ctx, db, bySourceSQL, source, sourceOrderID)
}

// ByReference returns our ids of the payout orders with a merchant's reference, sorted, at most a hundred.
func ByReference(ctx context.Context, db Querier, merchantReference string) ([]string, error) {
	return find(ctx, db, byReferenceSQL, merchantReference)
}

func find(ctx context.Context, db Querier, sql string, names ...any) ([]string, error) {
	rows, err := db.Query(ctx, sql, append(names, findMost)...)
	if err == nil {
		var ids []string
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("find payout orders %q: %w", names, err)
}

func scan(row pgx.CollectableRow) (Payout, error) {
	var (
		p        Payout
		currency string
		amount   *string
		paidOut  string
	)
	err := row.Scan(&p.OrderID, &p.Source, &p.SourceAccount, &p.SourceOrderID, &p.MerchantReference, &currency, &amount,
		&paidOut, &p.State, &p.Flags, &p.FirstRecordedAt, &p.LastRecordedAt, &p.Revision, &p.Position, &p.EventID)
	p.FirstRecordedAt, p.LastRecordedAt = p.FirstRecordedAt.UTC(), p.LastRecordedAt.UTC()
	if err != nil || currency == "" {
		return p, err
	}
	if p.Amount, err = storable.ReadKnownAmount(amount, currency); err != nil {
		return Payout{}, err
	}
	p.PaidOut, err = storable.ReadAmount(paidOut, currency)
	return p, err
}
