package projections

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// What decides which rows a state becomes. How they are batched and written does not.
//
//go:embed agree.go batch.go feed.go state.go internal/invariant/*.go internal/storable/storable.go internal/storable/values.go internal/pgcopy/pgcopy.go
//go:embed orders/rows.go orders/upsert.sql orders/upsert_test.sql payments/rows.go payments/upsert.sql
//go:embed refunds/rows.go refunds/upsert.sql disputes/rows.go disputes/upsert.sql disputes/insert_timeline.sql
//go:embed payouts/rows.go payouts/upsert.sql history/rows.go history/copy.sql journal/rows.go journal/copy.sql journal/periods.go journal/insert_period.sql quarantine/rows.go quarantine/insert.sql settlements/rows.go settlements/insert_statement.sql settlements/insert_lines.sql settlements/insert_result.sql settlements/insert_pass.sql
//go:embed parked/marks.go parked/parked.go parked/upsert.sql parked/mark_orders.sql parked/mark_test_orders.sql parked/mark_payouts.sql
var modelSource embed.FS

// Fingerprint is of the program that runs: of what decides what a row of the views means. tables adds
// the definitions of the tables, by name, which this package does not know.
func Fingerprint(tables map[string]string) (fingerprint.Fingerprint, error) {
	f := make(fingerprint.Fingerprint)
	for part, source := range map[string]fs.FS{"fold": order.FoldSource(), "money": money.Source(), "accounting": accounting.Source(), "models": modelSource} {
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
