package orders

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

var (
	//go:embed summary_states.sql
	summaryStatesSQL string
	//go:embed summary_money.sql
	summaryMoneySQL string
	//go:embed summary_others.sql
	summaryOthersSQL string
)

// Summary counts all live orders by each of their states, and sums their money per currency.
type Summary struct {
	Orders     int64                        `json:"orders"`
	Payment    map[order.PaymentState]int64 `json:"payment_states"`
	Refund     map[order.RefundState]int64  `json:"refund_states"`
	Dispute    map[order.DisputeState]int64 `json:"dispute_states"`
	Lifecycle  map[order.Lifecycle]int64    `json:"lifecycles"`
	Currencies []CurrencySummary            `json:"currencies"` // by code

	// What is counted nowhere above.
	TestOrders  int64 `json:"test_orders"`
	Payouts     int64 `json:"payouts"`
	Quarantined int64 `json:"quarantined"`
	Parked      int64 `json:"parked"` // of any kind of order
}

// CurrencySummary sums the money of the live orders in one currency.
type CurrencySummary struct {
	Currency      string      `json:"currency"`
	Orders        int64       `json:"orders"`
	AmountDue     money.Money `json:"amount_due"`
	Captured      money.Money `json:"captured"`
	GrossPaid     money.Money `json:"gross_paid"`
	RefundPending money.Money `json:"refund_pending"`
	Refunded      money.Money `json:"refunded"`
	DisputeHeld   money.Money `json:"dispute_held"`
	DisputeLost   money.Money `json:"dispute_lost"`
	Net           money.Money `json:"net"`
	Overpaid      money.Money `json:"overpaid"`
}

// Summary reads the whole model; it is for people, not for every request. Its parts show one moment
// when the Reader was made on a transaction of isolation level repeatable read.
func (r *Reader) Summary(ctx context.Context) (Summary, error) {
	s := Summary{
		Payment: make(map[order.PaymentState]int64), Refund: make(map[order.RefundState]int64),
		Dispute: make(map[order.DisputeState]int64), Lifecycle: make(map[order.Lifecycle]int64),
	}
	if err := r.countStates(ctx, &s); err != nil {
		return Summary{}, fmt.Errorf("count orders by state: %w", err)
	}
	rows, err := r.db.Query(ctx, summaryMoneySQL)
	if err != nil {
		return Summary{}, fmt.Errorf("sum the money of orders: %w", err)
	}
	if s.Currencies, err = pgx.CollectRows(rows, scanCurrency); err != nil {
		return Summary{}, fmt.Errorf("sum the money of orders: %w", err)
	}
	if rows, err = r.db.Query(ctx, summaryOthersSQL); err != nil {
		return Summary{}, fmt.Errorf("count what is no live order: %w", err)
	}
	if _, err := pgx.ForEachRow(rows, []any{&s.TestOrders, &s.Payouts, &s.Quarantined, &s.Parked},
		func() error { return nil }); err != nil {
		return Summary{}, fmt.Errorf("count what is no live order: %w", err)
	}
	return s, nil
}

func (r *Reader) countStates(ctx context.Context, s *Summary) error {
	rows, err := r.db.Query(ctx, summaryStatesSQL)
	if err != nil {
		return err
	}
	var (
		payment   order.PaymentState
		refund    order.RefundState
		dispute   order.DisputeState
		lifecycle order.Lifecycle
		n         int64
	)
	_, err = pgx.ForEachRow(rows, []any{&payment, &refund, &dispute, &lifecycle, &n}, func() error {
		s.Orders += n
		s.Payment[payment] += n
		s.Refund[refund] += n
		s.Dispute[dispute] += n
		s.Lifecycle[lifecycle] += n
		return nil
	})
	return err
}

func scanCurrency(row pgx.CollectableRow) (CurrencySummary, error) {
	var (
		c       CurrencySummary
		amounts [9]string
	)
	into := []any{&c.Currency, &c.Orders}
	for i := range amounts {
		into = append(into, &amounts[i])
	}
	if err := row.Scan(into...); err != nil {
		return CurrencySummary{}, err
	}
	var err error
	for i, amount := range []*money.Money{
		&c.AmountDue, &c.Captured, &c.GrossPaid, &c.RefundPending, &c.Refunded, &c.DisputeHeld, &c.DisputeLost,
		&c.Net, &c.Overpaid,
	} {
		if *amount, err = storable.ReadAmount(amounts[i], c.Currency); err != nil {
			return CurrencySummary{}, fmt.Errorf("sum of %s: %w", c.Currency, err)
		}
	}
	return c, nil
}
