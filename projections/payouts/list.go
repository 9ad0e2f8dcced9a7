package payouts

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed list.sql
var listSQL string

// ListMost bounds what one call answers: a page, and one more that tells whether there is another page.
const ListMost = 501

// Filter chooses payout orders; an empty member chooses all.
type Filter struct {
	State, Flag, Gateway, Account, Currency string
	// Reference is the merchant's, SourceOrderID the gateway's id, both whole; Text is a part of one of
	// them or of our id, in any case.
	Reference, SourceOrderID, Text string
	// From and Before bound when the payout was first recorded.
	From, Before *time.Time
}

// List returns the payout orders that a filter chooses, newest first, after the one with an id (empty: from
// the newest on), at most so many.
func List(ctx context.Context, db Querier, f Filter, after string, most int) ([]Payout, error) {
	rows, err := db.Query(ctx, listSQL, after, f.State, f.Flag, f.Gateway, f.Account, f.Currency, f.Reference, f.SourceOrderID, f.Text,
		f.From, f.Before, min(most, ListMost))
	if err != nil {
		return nil, fmt.Errorf("list payout orders: %w", err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list payout orders: %w", err)
	}
	return found, nil
}
