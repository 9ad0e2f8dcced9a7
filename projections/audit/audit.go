// Package audit compares the views with the log: it folds orders again from their streams, with
// nothing shared with the runner that wrote the rows, and compares every column at the position that
// the views stand at. A difference is drift: somebody changed a row by hand, or there is a bug.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// Difference is a column in which the views do not say what the log says.
type Difference struct {
	// Field names it: order.captured, payments[01J…].status, history[3].data.
	Field string `json:"field"`
	// Log and Views are what each says, as text; empty when it says nothing.
	Log   string `json:"log"`
	Views string `json:"views"`
}

// Finding is the result of auditing one order.
type Finding struct {
	OrderID string `json:"order_id"`
	// Position is the place in the log at which both were compared.
	Position string `json:"position"`
	// Parked: the order is parked, and was compared up to the event that parks it.
	Parked bool `json:"parked,omitempty"`
	// Drift is empty when the views say what the log says.
	Drift []Difference `json:"drift"`
	// Healed: the rows were written again from the log, after this finding.
	Healed bool `json:"healed,omitempty"`
}

// Beginner opens snapshots: a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Order audits one order by our id, or the stream of a line of a statement that is booked without an order. The views are
// read in one snapshot; an order that neither the log nor the views know is refold.ErrNotFound.
func Order(ctx context.Context, db Beginner, log eventstore.Reader, orderID string) (Finding, error) {
	if strings.HasPrefix(orderID, settlement.BookingStreamPrefix) {
		return booking(ctx, db, log, orderID)
	}
	rows, err := readRows(ctx, db, orderID)
	if err != nil {
		return Finding{}, fmt.Errorf("audit order %q: %w", orderID, err)
	}
	f := Finding{OrderID: orderID, Position: rows.at.String(), Parked: len(rows.parked) > 0, Drift: []Difference{}}
	streams, err := refold.Streams(ctx, log, orderID)
	if err != nil {
		return Finding{}, fmt.Errorf("audit order %q: %w", orderID, err)
	}
	if len(streams) == 0 && rows.empty() {
		return Finding{}, fmt.Errorf("audit order %q: %w", orderID, refold.ErrNotFound)
	}
	var trail []history.Line
	var posted []journal.Line
	var shown *refold.Expected
	for _, stream := range streams {
		held := rows.parkedAt(stream)
		var before *uint64
		if held != nil {
			before = &held.Revision
		}
		e, err := refold.UpTo(ctx, log, stream, rows.at.Position, before)
		if err != nil {
			return Finding{}, fmt.Errorf("audit order %q: %w", orderID, err)
		}
		trail, posted = append(trail, e.History...), append(posted, e.Journal...)
		if held != nil {
			f.compareParked(held, e.History)
		}
		if e.Unfoldable != nil {
			f.differ("parked", e.Unfoldable.Error(), "")
		}
		if shown == nil && len(e.History) > 0 {
			shown = &e
		}
	}
	for i := range rows.parked {
		if h := &rows.parked[i]; !slices.Contains(streams, h.Stream) {
			f.compareParked(h, nil)
		}
	}
	if err := f.compareOrder(shown, rows); err != nil {
		return Finding{}, fmt.Errorf("audit order %q: %w", orderID, err)
	}
	slices.SortFunc(trail, func(a, b history.Line) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Position, b.Position))
	})
	f.compareHistory(trail, rows.history)
	f.compareJournal(posted, rows.journal)
	f.compareTables(streams, rows)
	return f, nil
}

func (f *Finding) differ(field, log, views string) {
	f.Drift = append(f.Drift, Difference{Field: field, Log: log, Views: views})
}

func (f *Finding) compareOrder(e *refold.Expected, rows *snapshot) error {
	var want *detail.Order
	if e != nil {
		want = e.Order
		if held := rows.parkedAt(e.Stream); held != nil {
			if want == nil { // parked before it was anything: a row that says nothing else
				if rows.order == nil || !slices.Contains(rows.order.Flags(), order.FlagParked) {
					f.differ("flags", "["+string(order.FlagParked)+"]", "")
				}
				return nil
			}
			want.Flag(order.FlagParked)
		}
	}
	changes, err := detail.Diff(want, rows.order)
	for _, c := range changes {
		f.differ(c.Field, c.Before, c.After)
	}
	return err
}

func (f *Finding) compareHistory(want, got []history.Line) {
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(got) == 0 || (len(want) > 0 && before(&want[0], &got[0])):
			f.differ(fmt.Sprintf("history[%d]", want[0].Revision), want[0].EventType+" "+want[0].EventID.String(), "")
			want = want[1:]
		case len(want) == 0 || before(&got[0], &want[0]):
			f.differ(fmt.Sprintf("history[%d]", got[0].Revision), "", got[0].EventType+" "+got[0].EventID.String())
			got = got[1:]
		default:
			f.compareLine(&want[0], &got[0])
			want, got = want[1:], got[1:]
		}
	}
}

func (f *Finding) compareJournal(want, got []journal.Line) {
	slices.SortFunc(want, func(a, b journal.Line) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Number, b.Number))
	})
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(got) == 0 || (len(want) > 0 && precedes(&want[0], &got[0])):
			f.differ(fmt.Sprintf("journal[%d.%d]", want[0].Revision, want[0].Number), posting(&want[0]), "")
			want = want[1:]
		case len(want) == 0 || precedes(&got[0], &want[0]):
			f.differ(fmt.Sprintf("journal[%d.%d]", got[0].Revision, got[0].Number), "", posting(&got[0]))
			got = got[1:]
		default:
			if want[0] != got[0] {
				f.differ(fmt.Sprintf("journal[%d.%d]", want[0].Revision, want[0].Number), posting(&want[0]), posting(&got[0]))
			}
			want, got = want[1:], got[1:]
		}
	}
}

// precedes orders lines as they are read: by position, then number.
func precedes(a, b *journal.Line) bool {
	return a.Position < b.Position || (a.Position == b.Position && a.Number < b.Number)
}

func posting(l *journal.Line) string {
	return fmt.Sprintf("%s %s %s on %s value %s event %s of %s/%s recorded %s", l.Account, l.Amount, l.Currency,
		l.PostingDate.Format(time.DateOnly), l.ValueDate.Format(time.DateOnly), l.EventID, l.Source, l.SourceAccount,
		l.RecordedAt.Format(time.RFC3339Nano))
}

// before orders lines as they are read: by revision, then position.
func before(a, b *history.Line) bool {
	return a.Revision < b.Revision || (a.Revision == b.Revision && a.Position < b.Position)
}

func (f *Finding) compareLine(want, got *history.Line) {
	if *want == *got {
		return
	}
	for _, column := range []struct{ name, want, got string }{
		{"event_id", want.EventID.String(), got.EventID.String()}, {"event_type", want.EventType, got.EventType},
		{"occurred_at", want.OccurredAt.String(), got.OccurredAt.String()},
		{"recorded_at", want.RecordedAt.String(), got.RecordedAt.String()},
		{"source", want.Source, got.Source}, {"actor", want.Actor, got.Actor},
		{"data", want.Data, got.Data}, {"metadata", want.Metadata, got.Metadata},
	} {
		if column.want != column.got {
			f.differ(fmt.Sprintf("history[%d].%s", want.Revision, column.name), column.want, column.got)
		}
	}
}

// snapshot is all that the views hold about one order at one moment.
type snapshot struct {
	at      checkpoint.Checkpoint
	order   *detail.Order
	history []history.Line
	journal []journal.Line
	parked  []parked.Order
	// tables are the rows as the tables hold them.
	tables []tableRow
}

func (s *snapshot) empty() bool {
	return s.order == nil && len(s.history) == 0 && len(s.journal) == 0 && len(s.parked) == 0 && len(s.tables) == 0
}

func (s *snapshot) parkedAt(stream string) *parked.Order {
	for i := range s.parked {
		if s.parked[i].Stream == stream {
			return &s.parked[i]
		}
	}
	return nil
}

// oneMoment is for reading what was committed at one moment.
var oneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

func readRows(ctx context.Context, db Beginner, orderID string) (*snapshot, error) {
	tx, err := db.BeginTx(ctx, oneMoment)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only read
	var s snapshot
	if s.at, err = checkpoint.Read(ctx, tx); err != nil {
		return nil, err
	}
	found, err := detail.Read(ctx, tx, storable.Text(orderID))
	switch {
	case err == nil:
		s.order = &found
	case !errors.Is(err, orders.ErrNotFound):
		return nil, err
	}
	if s.history, err = history.Stored(ctx, tx, orderID); err != nil {
		return nil, err
	}
	if s.journal, err = journal.Stored(ctx, tx, orderID); err != nil {
		return nil, err
	}
	if s.parked, err = parked.OfOrder(ctx, tx, orderID); err != nil {
		return nil, err
	}
	s.tables, err = tableRows(ctx, tx, storable.Text(orderID))
	return &s, err
}
