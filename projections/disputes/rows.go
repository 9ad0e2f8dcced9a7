// Package disputes is the read model behind the views ledger.disputes and ledger.dispute_timeline:
// the disputes about every order that collects money, test orders excepted, and each step of them.
package disputes

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

var (
	//go:embed upsert.sql
	upsertSQL string
	//go:embed insert_timeline.sql
	insertTimelineSQL string
	//go:embed copy.sql
	copySQL string
	//go:embed copy_timeline.sql
	copyTimelineSQL string
)

// Rows collects what ledger_data.disputes and ledger_data.dispute_timeline are to hold, column by
// column. The zero value is empty.
type Rows struct {
	orderID, disputeID, paymentID, track, stage, outcome []string
	reasonCode, arn, currency, disputed, held, lost      []string
	respondBy                                            []pgtype.Timestamptz
	at                                                   provenance.Columns

	steps timeline
}

type timeline struct {
	orderID, disputeID, stage, currency, amount, moved []string
	seq                                                []int64
	occurredAt, recordedAt                             []time.Time
	at                                                 provenance.Columns
}

// Len counts the disputes.
func (r *Rows) Len() int { return len(r.orderID) }

// Steps counts the steps of timelines.
func (r *Rows) Steps() int { return len(r.steps.orderID) }

// Totals adds up what the disputes from one row on, all about one order, hold and have lost.
func (r *Rows) Totals(from int) (held, lost money.Money, err error) {
	if from == r.Len() {
		return money.Money{}, money.Money{}, nil
	}
	if held, err = storable.Sum(r.held[from:], r.currency[from]); err == nil {
		lost, err = storable.Sum(r.lost[from:], r.currency[from])
	}
	return held, lost, err
}

// Moved adds up what the steps from one on, all about one order, moved; negative was taken.
func (r *Rows) Moved(from int) (money.Money, error) {
	t := &r.steps
	if from == r.Steps() {
		return money.Money{}, nil
	}
	return storable.Sum(t.moved[from:], t.currency[from])
}

// Add appends the rows of all disputes of one order. An order may be added once.
func (r *Rows) Add(id string, s *order.State) {
	cur := s.Currency
	for i := range s.Disputes {
		d := &s.Disputes[i]
		r.orderID = append(r.orderID, storable.Text(id))
		r.disputeID = append(r.disputeID, storable.Text(d.ID))
		r.paymentID = append(r.paymentID, storable.Text(d.PaymentID))
		r.track = append(r.track, string(d.Track))
		r.stage = append(r.stage, string(d.Stage))
		r.outcome = append(r.outcome, string(d.Outcome))
		r.reasonCode = append(r.reasonCode, storable.Text(d.ReasonCode))
		r.arn = append(r.arn, storable.Text(d.ARN))
		r.currency = append(r.currency, cur.Code())
		r.disputed = append(r.disputed, storable.KnownAmount(d.Amount, cur, d.AmountKnown))
		r.held = append(r.held, storable.Amount(d.Held(), cur))
		r.lost = append(r.lost, storable.Amount(d.Lost, cur))
		respondBy := pgtype.Timestamptz{}
		if d.RespondBy != nil {
			respondBy = storable.Time(*d.RespondBy)
		}
		r.respondBy = append(r.respondBy, respondBy)
		r.at.Add(d.LastEvent)
		r.steps.add(id, d, cur)
	}
}

func (t *timeline) add(id string, d *order.Dispute, cur money.Currency) {
	for i := range d.Steps {
		step := &d.Steps[i]
		t.orderID = append(t.orderID, storable.Text(id))
		t.disputeID = append(t.disputeID, storable.Text(d.ID))
		t.seq = append(t.seq, int64(step.Seq))
		t.stage = append(t.stage, storable.Text(step.Stage))
		t.currency = append(t.currency, cur.Code())
		// A step that tells no amount has none; only movements of money move it.
		t.amount = append(t.amount, storable.KnownAmount(step.Amount, cur, !step.Amount.Currency().IsZero()))
		t.moved = append(t.moved, storable.Amount(step.Moved, cur))
		t.occurredAt = append(t.occurredAt, step.OccurredAt)
		t.recordedAt = append(t.recordedAt, step.RecordedAt)
		t.at.Add(step.Event)
	}
}

// Queue adds the statements that write all rows. A step of the timeline is written once and does not
// change.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(upsertSQL, r.orderID, r.disputeID, r.paymentID, r.track, r.stage, r.outcome, r.reasonCode, r.arn,
		r.currency, r.disputed, r.held, r.lost, r.respondBy, r.at.Revision, r.at.Position, r.at.EventID)
	if t := &r.steps; len(t.orderID) > 0 {
		b.Queue(insertTimelineSQL, t.orderID, t.disputeID, t.seq, t.stage, t.currency, t.amount, t.moved,
			t.occurredAt, t.recordedAt, t.at.Revision, t.at.Position, t.at.EventID)
	}
}

// Copy writes all rows into tables that have none of them, within the connection's transaction.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	const columns = 16
	var t pgcopy.Table
	for i := range r.Len() {
		t.Row(columns)
		t.Text(r.orderID[i])
		t.Text(r.disputeID[i])
		t.KnownText(r.paymentID[i])
		t.Text(r.track[i])
		t.KnownText(r.stage[i])
		t.KnownText(r.outcome[i])
		t.KnownText(r.reasonCode[i])
		t.KnownText(r.arn[i])
		t.KnownText(r.currency[i])
		t.KnownNumeric(r.disputed[i])
		t.Numeric(r.held[i])
		t.Numeric(r.lost[i])
		t.KnownTime(r.respondBy[i])
		r.at.Write(&t, i)
	}
	if err := t.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("disputes: %w", err)
	}
	if err := r.steps.copy(ctx, conn, rest); err != nil {
		return fmt.Errorf("dispute timeline: %w", err)
	}
	return nil
}

func (t *timeline) copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	const columns = 12
	var table pgcopy.Table
	for i := range t.orderID {
		table.Row(columns)
		table.Text(t.orderID[i])
		table.Text(t.disputeID[i])
		table.Integer(int32(t.seq[i]))
		table.Text(t.stage[i])
		table.KnownText(t.currency[i])
		table.KnownNumeric(t.amount[i])
		table.Numeric(t.moved[i])
		table.Time(t.occurredAt[i])
		table.Time(t.recordedAt[i])
		t.at.Write(&table, i)
	}
	return table.Copy(ctx, conn, copyTimelineSQL, rest)
}
