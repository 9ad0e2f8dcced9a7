package app

import (
	"context"
	"fmt"
	"regexp"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// definesTables matches migrations that change what rows can hold; others change views, or what only
// the ledger itself looks at.
var definesTables = regexp.MustCompile(`(?im)^\s*(create|alter)\s+table\s`)

// CheckRows returns a *projections.StaleError when another version of the program made the rows of the
// views.
func CheckRows(ctx context.Context, db checkpoint.Querier) error {
	own, err := Fingerprint()
	if err != nil {
		return err
	}
	return projections.CheckRows(ctx, db, own)
}

// Fingerprint is of this program: of everything that decides what the rows of the views mean.
func Fingerprint() (fingerprint.Fingerprint, error) {
	set, err := migrations.Ledger()
	if err != nil {
		return nil, fmt.Errorf("take the fingerprint of the tables: %w", err)
	}
	tables := make(map[string]string)
	for _, m := range set {
		if m.MakesTables() && definesTables.MatchString(m.Up) {
			tables["migration "+m.String()] = m.Up
		}
	}
	return projections.Fingerprint(tables)
}
