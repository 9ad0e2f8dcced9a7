package orders

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
	//go:embed upsert_test.sql
	upsertTestSQL string
	//go:embed copy.sql
	copySQL string
	//go:embed copy_test.sql
	copyTestSQL string
)

// Rows collects what one table of orders is to hold, column by column: one array per column is one
// parameter of one statement. The zero value is empty. Live and test orders have one Rows each.
type Rows struct {
	orderID, source, account, sourceOrderID, merchantReference, currency []string

	amountDue, authorised, expected, captured, settled, external, reversed []string
	refundPending, refunded, disputeHeld, disputeLost                      []string
	paymentState, refundState, disputeState, lifecycle, gatewayStatus      []string
	flags                                                                  []string

	firstRecordedAt, lastRecordedAt []time.Time
	at                              provenance.Columns
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.orderID) }

// Add appends the row of one order with these flags, sorted. An order may be added once.
func (r *Rows) Add(id string, s *order.State, flags []order.Flag) {
	b := s.Balances()
	cur := s.Currency

	r.orderID = append(r.orderID, storable.Text(id))
	r.source = append(r.source, storable.Text(s.Source))
	r.account = append(r.account, storable.Text(s.SourceAccount))
	r.sourceOrderID = append(r.sourceOrderID, storable.Text(s.SourceOrderID))
	r.merchantReference = append(r.merchantReference, storable.Text(s.MerchantReference))
	r.currency = append(r.currency, cur.Code())

	r.amountDue = append(r.amountDue, storable.KnownAmount(s.AmountDue, cur, s.DueKnown))
	r.authorised = append(r.authorised, storable.Amount(b.Authorised, cur))
	r.expected = append(r.expected, storable.Amount(b.Expected, cur))
	r.captured = append(r.captured, storable.Amount(b.Captured, cur))
	r.settled = append(r.settled, storable.Amount(b.Settled, cur))
	r.external = append(r.external, storable.Amount(b.External, cur))
	r.reversed = append(r.reversed, storable.Amount(b.Reversed, cur))
	r.refundPending = append(r.refundPending, storable.Amount(b.RefundPending, cur))
	r.refunded = append(r.refunded, storable.Amount(b.Refunded, cur))
	r.disputeHeld = append(r.disputeHeld, storable.Amount(b.DisputeHeld, cur))
	r.disputeLost = append(r.disputeLost, storable.Amount(b.DisputeLost, cur))

	r.paymentState = append(r.paymentState, string(s.PaymentState()))
	r.refundState = append(r.refundState, string(s.RefundState()))
	r.disputeState = append(r.disputeState, string(s.DisputeState()))
	r.lifecycle = append(r.lifecycle, lifecycle(s))
	r.gatewayStatus = append(r.gatewayStatus, storable.Text(s.GatewayStatus))
	r.flags = append(r.flags, storable.Array(flags))

	r.firstRecordedAt = append(r.firstRecordedAt, s.FirstRecordedAt)
	r.lastRecordedAt = append(r.lastRecordedAt, s.LastRecordedAt)
	r.at.Add(s.LastEvent())
}

// Last reads the row that was added last back, as far as other rows must agree with it.
func (r *Rows) Last() (Order, error) {
	i := r.Len() - 1
	o := Order{ID: r.orderID[i], Currency: r.currency[i], PaymentState: order.PaymentState(r.paymentState[i])}
	if o.Currency == "" {
		return o, nil
	}
	for _, column := range []struct {
		into  *money.Money
		texts []string
	}{
		{&o.Captured, r.captured}, {&o.Settled, r.settled}, {&o.ReceivedExternally, r.external}, {&o.Reversed, r.reversed},
		{&o.DisputeHeld, r.disputeHeld}, {&o.DisputeLost, r.disputeLost},
	} {
		var err error
		if *column.into, err = storable.ReadAmount(column.texts[i], o.Currency); err != nil {
			return Order{}, fmt.Errorf("row of order %s: %w", o.ID, err)
		}
	}
	if due := r.amountDue[i]; due != "" {
		var err error
		if o.AmountDue, err = storable.ReadKnownAmount(&due, o.Currency); err != nil {
			return Order{}, fmt.Errorf("row of order %s: %w", o.ID, err)
		}
	}
	return o, nil
}

func lifecycle(s *order.State) string {
	if s.Lifecycle == "" {
		return string(order.LifecycleOpen)
	}
	return string(s.Lifecycle)
}

// Queue adds the one statement that writes all rows of live orders. A row never goes back in
// revision.
func (r *Rows) Queue(b *pgx.Batch) { r.queue(b, upsertSQL) }

// QueueTest is Queue for test orders, which have a table of their own.
func (r *Rows) QueueTest(b *pgx.Batch) { r.queue(b, upsertTestSQL) }

func (r *Rows) queue(b *pgx.Batch, sql string) {
	if r.Len() == 0 {
		return
	}
	b.Queue(sql,
		r.orderID, r.source, r.account, r.sourceOrderID, r.merchantReference, r.currency,
		r.amountDue, r.authorised, r.expected, r.captured, r.settled, r.external, r.reversed,
		r.refundPending, r.refunded, r.disputeHeld, r.disputeLost,
		r.paymentState, r.refundState, r.disputeState, r.lifecycle, r.gatewayStatus, r.flags,
		r.firstRecordedAt, r.lastRecordedAt, r.at.Revision, r.at.Position, r.at.EventID)
}

// Copy writes all rows of live orders into a table that has none of them, within the connection's
// transaction.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	return r.copy(ctx, conn, copySQL, rest)
}

// CopyTest is Copy for test orders.
func (r *Rows) CopyTest(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	return r.copy(ctx, conn, copyTestSQL, rest)
}

func (r *Rows) copy(ctx context.Context, conn *pgconn.PgConn, sql string, rest pgcopy.Rest) error {
	const columns = 28
	var t pgcopy.Table
	for i := range r.Len() {
		t.Row(columns)
		t.Text(r.orderID[i])
		t.Text(r.source[i])
		t.Text(r.account[i])
		t.KnownText(r.sourceOrderID[i])
		t.KnownText(r.merchantReference[i])
		t.KnownText(r.currency[i])
		t.KnownNumeric(r.amountDue[i])
		for _, amounts := range [...][]string{
			r.authorised, r.expected, r.captured, r.settled, r.external, r.reversed, r.refundPending, r.refunded,
			r.disputeHeld, r.disputeLost,
		} {
			t.Numeric(amounts[i])
		}
		t.Text(r.paymentState[i])
		t.Text(r.refundState[i])
		t.Text(r.disputeState[i])
		t.Text(r.lifecycle[i])
		t.KnownText(r.gatewayStatus[i])
		t.Texts(storable.Elements(r.flags[i]))
		t.Time(r.firstRecordedAt[i])
		t.Time(r.lastRecordedAt[i])
		r.at.Write(&t, i)
	}
	if err := t.Copy(ctx, conn, sql, rest); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}
