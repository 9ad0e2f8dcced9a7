package projections

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// What decides which rows a state becomes, and what writes them. How they are batched does not.
//
//go:embed agree.go batch.go bulk.go feed.go fold.go state.go verdict.go internal/invariant/*.go internal/storable/*.go internal/pgcopy/pgcopy.go
//go:embed */rows.go history/envelope.go journal/statement.go */insert*.sql */upsert*.sql */copy*.sql */mark*.sql journal/periods.go parked/marks.go parked/parked.go
var modelSource embed.FS

// Fingerprint is of the program that runs: of what decides what a row of the views means. tables adds
// the definitions of the tables, by name, which this package does not know.
func Fingerprint(tables map[string]string) (fingerprint.Fingerprint, error) {
	f := make(fingerprint.Fingerprint)
	for part, source := range map[string]fs.FS{"fold": order.FoldSource(), "money": money.Source(), "accounting": accounting.Source(), "settlement": settlement.Source(), "models": modelSource} {
		digest, err := fingerprint.OfSource(source)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", part, err)
		}
		f[part] = digest
	}
	for name, definition := range tables {
		f[name] = fingerprint.OfText(definition)
	}
	return f, nil
}
