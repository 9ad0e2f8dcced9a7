package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
)

// Querier is what a comparison needs of the database.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const ordersSQL = `
select coalesce(currency, ''), coalesce(amount_due::text, ''), authorised::text, expected::text, captured::text, settled::text,
       received_externally::text, reversed::text, refund_pending::text, refunded::text, dispute_held::text, dispute_lost::text,
       gross_paid::text, net::text, overpaid::text, payment_state, refund_state, dispute_state, lifecycle
from ledger.%s where source = $1 and source_order_id = $2`

// Compare looks every expected order up in the views and describes each
// difference.
func Compare(ctx context.Context, db Querier, expected []simulate.Expected) ([]string, error) {
	var differences []string
	for _, e := range expected {
		found, err := compareOne(ctx, db, e)
		if errors.Is(err, pgx.ErrNoRows) {
			found, err = []string{"is in no view"}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look up order %s of %s: %w", e.SourceOrderID, e.Gateway, err)
		}
		for _, f := range found {
			differences = append(differences, fmt.Sprintf("%s order %s (%s) %s", e.Gateway, e.SourceOrderID, e.Scenario, f))
		}
	}
	return differences, nil
}

func compareOne(ctx context.Context, db Querier, e simulate.Expected) ([]string, error) {
	if e.Payout != nil {
		var paidOut, state string
		err := db.QueryRow(ctx, `select paid_out::text, payout_state from ledger.payouts where source = $1 and source_order_id = $2`,
			e.Gateway, e.SourceOrderID).Scan(&paidOut, &state)
		if err != nil {
			return nil, err
		}
		return differ([]string{"paid_out", "payout_state"}, []string{e.PaidOut, e.PayoutState}, []string{paidOut, state}), nil
	}
	view := "orders"
	if e.View == simulate.ViewTestOrders {
		view = "test_orders"
	}
	names := []string{
		"currency", "amount_due", "authorised", "expected", "captured", "settled", "received_externally", "reversed",
		"refund_pending", "refunded", "dispute_held", "dispute_lost", "gross_paid", "net", "overpaid",
		"payment_state", "refund_state", "dispute_state", "lifecycle",
	}
	f := e.Figures
	want := []string{
		text(e.Currency), text(f.AmountDue), f.Authorised, f.Expected, f.Captured, f.Settled, f.ReceivedExternally, f.Reversed,
		f.RefundPending, f.Refunded, f.DisputeHeld, f.DisputeLost, f.GrossPaid, f.Net, f.Overpaid,
		f.PaymentState, f.RefundState, f.DisputeState, f.Lifecycle,
	}
	got := make([]string, len(names))
	into := make([]any, len(names))
	for i := range got {
		into[i] = &got[i]
	}
	if err := db.QueryRow(ctx, fmt.Sprintf(ordersSQL, view), e.Gateway, e.SourceOrderID).Scan(into...); err != nil {
		return nil, err
	}
	return differ(names, want, got), nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// differ compares columns; amounts are equal when their values are.
func differ(names, want, got []string) []string {
	var differences []string
	for i, name := range names {
		if want[i] == got[i] {
			continue
		}
		w, wantErr := decimal.NewFromString(want[i])
		g, gotErr := decimal.NewFromString(got[i])
		if wantErr == nil && gotErr == nil && w.Equal(g) {
			continue
		}
		differences = append(differences, fmt.Sprintf("has %s %q, want %q", name, got[i], want[i]))
	}
	return differences
}
