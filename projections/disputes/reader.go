package disputes

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

var (
	//go:embed of_order.sql
	ofOrderSQL string
	//go:embed timeline_of_order.sql
	timelineOfOrderSQL string
)

// Dispute is one row of ledger.disputes with its timeline. Times are UTC.
type Dispute struct {
	OrderID    string        `json:"order_id"`
	ID         string        `json:"dispute_id"`
	PaymentID  string        `json:"payment_id,omitempty"`
	Track      order.Track   `json:"track"`
	Stage      order.Stage   `json:"stage,omitempty"`   // the furthest reached
	Outcome    order.Outcome `json:"outcome,omitempty"` // empty while open
	ReasonCode string        `json:"reason_code,omitempty"`
	ARN        string        `json:"arn,omitempty"`
	Disputed   *money.Money  `json:"disputed_amount"` // nil while unknown
	Held       money.Money   `json:"held"`
	Lost       money.Money   `json:"lost"`
	RespondBy  *time.Time    `json:"respond_by"`
	Timeline   []Step        `json:"timeline"`

	provenance.Event
}

// Step is one row of ledger.dispute_timeline. Moved is signed from the merchant's side: negative
// was taken.
type Step struct {
	Seq        int          `json:"seq"` // from 1
	Stage      string       `json:"stage"`
	Amount     *money.Money `json:"amount"` // nil when the step told none
	Moved      money.Money  `json:"moved"`
	OccurredAt time.Time    `json:"occurred_at"`
	RecordedAt time.Time    `json:"recorded_at"`

	provenance.Event
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// OfOrder returns the disputes about an order with their timelines. An order that is not known has
// none.
func OfOrder(ctx context.Context, db Querier, orderID string) ([]Dispute, error) {
	rows, err := db.Query(ctx, ofOrderSQL, orderID)
	if err != nil {
		return nil, fmt.Errorf("read the disputes of order %q: %w", orderID, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read the disputes of order %q: %w", orderID, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	if rows, err = db.Query(ctx, timelineOfOrderSQL, orderID); err != nil {
		return nil, fmt.Errorf("read the dispute timeline of order %q: %w", orderID, err)
	}
	byID := make(map[string]*Dispute, len(found))
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	var s scannedStep
	if _, err := pgx.ForEachRow(rows, s.into(), func() error {
		step, err := s.step()
		if d := byID[s.disputeID]; d != nil && err == nil {
			d.Timeline = append(d.Timeline, step)
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("read the dispute timeline of order %q: %w", orderID, err)
	}
	return found, nil
}

func scan(row pgx.CollectableRow) (Dispute, error) {
	var (
		d          Dispute
		currency   string
		disputed   *string
		held, lost string
	)
	err := row.Scan(&d.OrderID, &d.ID, &d.PaymentID, &d.Track, &d.Stage, &d.Outcome, &d.ReasonCode, &d.ARN, &currency,
		&disputed, &held, &lost, &d.RespondBy, &d.Revision, &d.Position, &d.EventID)
	d.RespondBy = storable.UTC(d.RespondBy)
	if err != nil || currency == "" {
		return d, err
	}
	if d.Disputed, err = storable.ReadKnownAmount(disputed, currency); err != nil {
		return Dispute{}, err
	}
	if d.Held, err = storable.ReadAmount(held, currency); err != nil {
		return Dispute{}, err
	}
	d.Lost, err = storable.ReadAmount(lost, currency)
	return d, err
}

type scannedStep struct {
	disputeID, stage, currency, moved string
	seq                               int
	amount                            *string
	occurredAt, recordedAt            time.Time
	at                                provenance.Event
}

func (s *scannedStep) into() []any {
	return []any{&s.disputeID, &s.seq, &s.stage, &s.currency, &s.amount, &s.moved, &s.occurredAt, &s.recordedAt,
		&s.at.Revision, &s.at.Position, &s.at.EventID}
}

func (s *scannedStep) step() (Step, error) {
	step := Step{Seq: s.seq, Stage: s.stage, OccurredAt: s.occurredAt.UTC(), RecordedAt: s.recordedAt.UTC(), Event: s.at}
	if s.currency == "" {
		return step, nil
	}
	var err error
	if step.Amount, err = storable.ReadKnownAmount(s.amount, s.currency); err != nil {
		return Step{}, err
	}
	step.Moved, err = storable.ReadAmount(s.moved, s.currency)
	return step, err
}
