package audit

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/parked"
)

//go:embed tables.sql
var tablesSQL string

// tableRow is a row about an order as its table holds it: what readers of the views cannot see is in it too.
type tableRow struct {
	table, key string
	columns    map[string]any
}

func tableRows(ctx context.Context, tx pgx.Tx, orderID string) ([]tableRow, error) {
	rows, err := tx.Query(ctx, tablesSQL, orderID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (tableRow, error) {
		var r tableRow
		var raw []byte
		if err := row.Scan(&r.table, &r.key, &raw); err != nil {
			return r, err
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		return r, decoder.Decode(&r.columns)
	})
}

// compareTables finds rows in tables that the order has no place in, where no reader of the views may come by, and
// amounts that are written with other digits than the ledger writes: 12.5 for 12.50.
func (f *Finding) compareTables(streams []string, rows *snapshot) {
	own := make(map[string]bool)
	for _, stream := range streams {
		switch category, _, _ := order.ParseStreamName(stream); category {
		case order.CategoryOrder:
			own["orders"] = true
		case order.CategoryTestOrder:
			own["test_orders"] = true
		case order.CategoryPayout:
			own["payouts"] = true
		case order.CategoryReference, order.CategoryQuarantine:
		}
	}
	read := rows.order != nil && rows.order.Order != nil // with its parts, which were compared as people see them
	for i := range rows.tables {
		r := &rows.tables[i]
		switch isPart := r.key != ""; {
		case own[r.table], isPart && read:
			f.compareDigits(r)
		default:
			f.differ(r.name(), "", "a row in table "+r.table)
		}
	}
}

func (r *tableRow) name() string {
	if r.key == "" {
		return r.table
	}
	return r.table + "[" + r.key + "]"
}

// compareDigits: all numbers of these tables but counts and places are amounts.
func (f *Finding) compareDigits(r *tableRow) {
	code, _ := r.columns["currency"].(string)
	currency, err := money.ParseCurrency(code)
	if err != nil {
		return // there are no amounts without one
	}
	for _, name := range slices.Sorted(maps.Keys(r.columns)) {
		number, ok := r.columns[name].(json.Number)
		if !ok || name == "revision" || name == "position" || name == "seq" {
			continue
		}
		m, err := storable.ReadAmount(number.String(), currency.Code())
		if want := storable.Amount(m, currency); err == nil && want != number.String() {
			f.differ(r.name()+"."+name, want, number.String())
		}
	}
}

// compareParked compares what is kept of where an order is parked with the event that stands there.
func (f *Finding) compareParked(h *parked.Order, stream []history.Line) {
	at := slices.IndexFunc(stream, func(l history.Line) bool { return l.Revision == h.Revision })
	if at < 0 {
		f.differ("parked", "", fmt.Sprintf("%s at revision %d", h.Stream, h.Revision))
		return
	}
	event := &stream[at]
	for _, column := range []struct{ name, log, views string }{
		{"position", strconv.FormatUint(event.Position, 10), strconv.FormatUint(h.Position, 10)},
		{"event_id", event.EventID.String(), h.EventID.String()},
		{"event_type", event.EventType, h.EventType},
		{"held_back", strconv.Itoa(len(stream) - at - 1), strconv.FormatInt(h.HeldBack, 10)},
	} {
		if column.log != column.views {
			f.differ("parked."+column.name, column.log, column.views)
		}
	}
}
