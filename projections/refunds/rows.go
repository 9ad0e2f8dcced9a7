// Package refunds is the read model behind the view ledger.refunds: the refunds of every order that
// collects money, test orders excepted. The view ledger.refund_balances needs no table of its own: it
// reads the orders.
package refunds

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

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

// Rows collects what ledger_data.refunds is to hold, column by column. The zero value is empty.
type Rows struct {
	orderID, refundID, paymentID, sourceRefundID, currency, amount, status, reasonCode []string
	initiatedAt, resolvedAt                                                            []pgtype.Timestamptz
	lastRecordedAt                                                                     []time.Time
	at                                                                                 provenance.Columns
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.orderID) }

// Add appends the rows of all refunds of one order. An order may be added once.
func (r *Rows) Add(id string, s *order.State) {
	cur := s.Currency
	for i := range s.Refunds {
		f := &s.Refunds[i]
		r.orderID = append(r.orderID, storable.Text(id))
		r.refundID = append(r.refundID, storable.Text(f.ID))
		r.paymentID = append(r.paymentID, storable.Text(f.PaymentID))
		r.sourceRefundID = append(r.sourceRefundID, storable.Text(f.SourceID))
		r.currency = append(r.currency, cur.Code())
		r.amount = append(r.amount, storable.KnownAmount(f.Amount, cur, f.AmountKnown))
		r.status = append(r.status, string(f.Status))
		r.reasonCode = append(r.reasonCode, storable.Text(f.ReasonCode))
		r.initiatedAt = append(r.initiatedAt, storable.Time(f.InitiatedAt))
		r.resolvedAt = append(r.resolvedAt, storable.Time(f.ResolvedAt))
		recordedAt := f.LastRecordedAt
		if recordedAt.IsZero() { // nothing but its existence is known
			recordedAt = s.FirstRecordedAt
		}
		r.lastRecordedAt = append(r.lastRecordedAt, recordedAt)
		r.at.Add(f.LastEvent)
	}
}

// Queue adds the one statement that writes all rows.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(upsertSQL, r.orderID, r.refundID, r.paymentID, r.sourceRefundID, r.currency, r.amount, r.status,
		r.reasonCode, r.initiatedAt, r.resolvedAt, r.lastRecordedAt, r.at.Revision, r.at.Position, r.at.EventID)
}

// Copy writes all rows into a table that has none of them, within the connection's transaction.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	const columns = 14
	var t pgcopy.Table
	for i := range r.Len() {
		t.Row(columns)
		t.Text(r.orderID[i])
		t.Text(r.refundID[i])
		t.KnownText(r.paymentID[i])
		t.KnownText(r.sourceRefundID[i])
		t.KnownText(r.currency[i])
		t.KnownNumeric(r.amount[i])
		t.Text(r.status[i])
		t.KnownText(r.reasonCode[i])
		t.KnownTime(r.initiatedAt[i])
		t.KnownTime(r.resolvedAt[i])
		t.Time(r.lastRecordedAt[i])
		r.at.Write(&t, i)
	}
	if err := t.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("refunds: %w", err)
	}
	return nil
}
