package journal

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// AddStatement appends the rows of a line of a statement that is booked without an order, or released. The name of its
// stream stands where other rows have that of an order.
func (r *Rows) AddStatement(ev *eventstore.RecordedEvent, m *order.Metadata, booked *settlement.LineBooked, c *accounting.Calendar) error {
	rows, err := StatementLines(ev, m, booked, c)
	if err == nil {
		r.add(ev.Stream, rows)
	}
	return err
}

// StatementLines are the rows that AddStatement appends.
func StatementLines(ev *eventstore.RecordedEvent, m *order.Metadata, booked *settlement.LineBooked, c *accounting.Calendar) ([]Line, error) {
	lines, err := accounting.StatementEntry(booked, ev.Type == settlement.LineReleasedType)
	if err != nil {
		return nil, err
	}
	day, err := settlement.ParseDay(booked.ValueDate)
	if err != nil {
		return nil, err
	}
	where := c.Book(accounting.Occurrence{
		Source: m.Source, Account: m.SourceAccount, Entity: booked.Entity, OccurredAt: day.UTC(), Basis: order.BasisSourceDay,
		FirstPosition: ev.Position.Commit, Position: ev.Position.Commit,
	})
	rows := make([]Line, len(lines))
	for i, l := range lines {
		currency := l.Amount.Currency()
		rows[i] = Line{
			Revision: ev.Revision, Number: i + 1, Position: ev.Position.Commit, EventID: ev.ID,
			PostingDate: where.PostingDate, ValueDate: where.ValueDate, RecordedAt: storable.ShownTime(m.RecordedAt).In(time.UTC),
			Account: l.Account.Code(), Currency: currency.Code(), Amount: storable.Amount(l.Amount, currency),
			Source: storable.Text(m.Source), SourceAccount: storable.Text(m.SourceAccount), Entity: storable.Text(where.Entity),
		}
	}
	return rows, nil
}
