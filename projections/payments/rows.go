// Package payments is the read model behind the view ledger.payments: the payments of every order
// that collects money, test orders excepted.
package payments

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

var (
	//go:embed upsert.sql
	upsertSQL string
	//go:embed copy.sql
	copySQL string
)

// Rows collects what ledger_data.payments is to hold, column by column. The zero value is empty.
type Rows struct {
	orderID, paymentID, sourcePaymentID, method, status, currency []string
	amount, captured, settled, reasonCode                         []string
	lastOccurredAt                                                []time.Time
	at                                                            provenance.Columns
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.orderID) }

// Add appends the rows of all payments of one order. An order may be added once.
func (r *Rows) Add(id string, s *order.State) {
	cur := s.Currency
	for i := range s.Payments {
		p := &s.Payments[i]
		r.orderID = append(r.orderID, storable.Text(id))
		r.paymentID = append(r.paymentID, storable.Text(p.ID))
		r.sourcePaymentID = append(r.sourcePaymentID, storable.Text(p.SourceID))
		r.method = append(r.method, storable.Text(p.Method))
		r.status = append(r.status, string(p.Status))
		r.currency = append(r.currency, cur.Code())
		r.amount = append(r.amount, storable.KnownAmount(p.Amount, cur, p.AmountKnown))
		r.captured = append(r.captured, storable.Amount(p.Captured, cur))
		r.settled = append(r.settled, storable.Amount(p.Settled, cur))
		r.reasonCode = append(r.reasonCode, storable.Text(p.ReasonCode))
		occurredAt := p.LastOccurredAt
		if occurredAt.IsZero() { // nothing but its existence is known
			occurredAt = s.FirstRecordedAt
		}
		r.lastOccurredAt = append(r.lastOccurredAt, occurredAt)
		r.at.Add(p.LastEvent)
	}
}

// Totals adds up what the payments from one row on, all of one order, captured and settled.
func (r *Rows) Totals(from int) (captured, settled money.Money, err error) {
	if from == r.Len() {
		return money.Money{}, money.Money{}, nil
	}
	if captured, err = storable.Sum(r.captured[from:], r.currency[from]); err == nil {
		settled, err = storable.Sum(r.settled[from:], r.currency[from])
	}
	return captured, settled, err
}

// Queue adds the one statement that writes all rows.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(upsertSQL, r.orderID, r.paymentID, r.sourcePaymentID, r.method, r.status, r.currency,
		r.amount, r.captured, r.settled, r.reasonCode, r.lastOccurredAt, r.at.Revision, r.at.Position, r.at.EventID)
}

// Copy writes all rows into a table that has none of them, within the connection's transaction.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	const columns = 14
	var t pgcopy.Table
	for i := range r.Len() {
		t.Row(columns)
		t.Text(r.orderID[i])
		t.Text(r.paymentID[i])
		t.KnownText(r.sourcePaymentID[i])
		t.KnownText(r.method[i])
		t.Text(r.status[i])
		t.KnownText(r.currency[i])
		t.KnownNumeric(r.amount[i])
		t.Numeric(r.captured[i])
		t.Numeric(r.settled[i])
		t.KnownText(r.reasonCode[i])
		t.Time(r.lastOccurredAt[i])
		r.at.Write(&t, i)
	}
	if err := t.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	return nil
}
