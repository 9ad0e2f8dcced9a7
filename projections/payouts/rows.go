// Package payouts is the read model behind the view ledger.payouts: orders that send money out.
// They are counted in no other view of money.
package payouts

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

// Rows collects what ledger_data.payouts is to hold, column by column. The zero value is empty.
type Rows struct {
	orderID, source, account, sourceOrderID, merchantReference, currency []string
	amount, paidOut, state, flags                                        []string
	firstRecordedAt, lastRecordedAt                                      []time.Time
	at                                                                   provenance.Columns
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.orderID) }

// Add appends the row of one payout order. An order may be added once.
func (r *Rows) Add(id string, s *order.State, flags []order.Flag) {
	cur := s.Currency
	r.orderID = append(r.orderID, storable.Text(id))
	r.source = append(r.source, storable.Text(s.Source))
	r.account = append(r.account, storable.Text(s.SourceAccount))
	r.sourceOrderID = append(r.sourceOrderID, storable.Text(s.SourceOrderID))
	r.merchantReference = append(r.merchantReference, storable.Text(s.MerchantReference))
	r.currency = append(r.currency, cur.Code())
	r.amount = append(r.amount, storable.KnownAmount(s.Payout.Amount, cur, s.Payout.Known))
	r.paidOut = append(r.paidOut, storable.Amount(s.Payout.PaidOut, cur))
	r.state = append(r.state, state(s))
	r.flags = append(r.flags, storable.Array(flags))
	r.firstRecordedAt = append(r.firstRecordedAt, s.FirstRecordedAt)
	r.lastRecordedAt = append(r.lastRecordedAt, s.LastRecordedAt)
	r.at.Add(s.LastEvent())
}

// state of a payout that was registered and of which nothing else is known yet is that it was asked
// for.
func state(s *order.State) string {
	if s.Payout.Status == "" {
		return string(order.PayoutStateRequested)
	}
	return string(s.Payout.Status)
}

// Queue adds the one statement that writes all rows. A row never goes back in revision.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(upsertSQL,
		r.orderID, r.source, r.account, r.sourceOrderID, r.merchantReference, r.currency,
		r.amount, r.paidOut, r.state, r.flags,
		r.firstRecordedAt, r.lastRecordedAt, r.at.Revision, r.at.Position, r.at.EventID)
}

// Copy writes all rows into a table that has none of them, within the connection's transaction.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	const columns = 15
	var t pgcopy.Table
	for i := range r.Len() {
		t.Row(columns)
		t.Text(r.orderID[i])
		t.Text(r.source[i])
		t.Text(r.account[i])
		t.KnownText(r.sourceOrderID[i])
		t.KnownText(r.merchantReference[i])
		t.KnownText(r.currency[i])
		t.KnownNumeric(r.amount[i])
		t.Numeric(r.paidOut[i])
		t.Text(r.state[i])
		t.Texts(storable.Elements(r.flags[i]))
		t.Time(r.firstRecordedAt[i])
		t.Time(r.lastRecordedAt[i])
		r.at.Write(&t, i)
	}
	if err := t.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("payouts: %w", err)
	}
	return nil
}
