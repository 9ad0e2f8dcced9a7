package orders

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"
)

//go:embed list.sql
var listSQL string

// ListMost bounds what one call answers: a page, and one more that tells whether there is another page.
const ListMost = 501

// Filter chooses orders; an empty member chooses all.
type Filter struct {
	// Test chooses test orders in place of live ones.
	Test                                               bool
	PaymentState, RefundState, DisputeState, Lifecycle string
	Flag                                               string
	Gateway, Account, Currency                         string
	// Reference is the merchant's, whole; Text is a part of it, of the gateway's id or of ours, in any case.
	Reference, Text string
	// From and Before bound when the order was first recorded.
	From, Before *time.Time
}

// List returns the orders that a filter chooses, newest first, after the one with an id (empty: from the
// newest on), at most so many.
func (r *Reader) List(ctx context.Context, f Filter, after string, most int) ([]Order, error) {
	sql := listSQL
	if f.Test { // the views have the same columns
		sql = strings.NewReplacer("ledger.orders", "ledger.test_orders", "false AS is_test", "true AS is_test").Replace(sql)
	}
	found, err := r.find(ctx, sql, after, f.PaymentState, f.RefundState, f.DisputeState, f.Lifecycle, f.Flag, f.Gateway, f.Account,
		f.Currency, f.Reference, f.Text, f.From, f.Before, min(most, ListMost))
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return found, nil
}
