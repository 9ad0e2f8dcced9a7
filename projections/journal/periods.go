package journal

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

//go:embed insert_period.sql
var insertPeriodSQL string

// Change is one closing of a period, or opening again.
type Change struct {
	accounting.PeriodChanged

	Lock     accounting.Lock
	Closed   bool
	Event    eventstore.RecordedEvent
	Metadata order.Metadata
}

// ChangeOf reads an event of a period's stream.
func ChangeOf(ev *eventstore.RecordedEvent) (Change, error) {
	lock, changed, err := accounting.LockOf(ev.Type, ev.Data, ev.Position.Commit)
	if err != nil {
		return Change{}, fmt.Errorf("event %s at %s: %w", ev.ID, ev.Position, err)
	}
	c := Change{PeriodChanged: changed, Lock: lock, Closed: ev.Type == accounting.PeriodClosedType, Event: *ev}
	if err := json.Unmarshal(ev.Metadata, &c.Metadata); err != nil {
		return Change{}, fmt.Errorf("decode the envelope of %s at %s: %w", ev.Type, ev.Position, err)
	}
	if c.Metadata.Actor == "" || (!c.Closed && (c.Approver == "" || c.Approver == c.Metadata.Actor)) {
		return Change{}, fmt.Errorf("event %s at %s: a period is opened again by two people", ev.ID, ev.Position)
	}
	return c, nil
}

// Changes reads what was done to the periods of an entity, oldest first. An event that nobody can read
// changes nothing, here and everywhere.
func Changes(ctx context.Context, log eventstore.Reader, entity string) ([]Change, error) {
	var all []Change
	for ev, err := range log.ReadStream(ctx, accounting.PeriodStream(entity), eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the periods of %s: %w", entity, err)
		}
		if c, err := ChangeOf(&ev); err == nil {
			all = append(all, c)
		}
	}
	return all, nil
}

// Take adds what an event of a stream of periods says to the calendar. A closing, or opening again, is
// returned; it is nil for the definition of an entity.
func Take(c *accounting.Calendar, ev *eventstore.RecordedEvent) (*Change, error) {
	if ev.Stream == accounting.EntityStream {
		if ev.Type != accounting.EntityDefinedType {
			return nil, fmt.Errorf("event %s of type %s defines no entity", ev.ID, ev.Type)
		}
		return nil, c.Define(ev.Data, ev.Position.Commit)
	}
	change, err := ChangeOf(ev)
	if err != nil {
		return nil, err
	}
	if ev.Stream != accounting.PeriodStream(change.Entity) {
		return nil, fmt.Errorf("event %s is about the books of %s and stands in %s", ev.ID, change.Entity, ev.Stream)
	}
	c.Lock(change.Entity, change.Lock)
	return &change, nil
}

// Calendar reads the entities and the locks of their books. What stands behind a place in the log does not matter for
// it, so a calendar that was read early is missing only what comes later.
func Calendar(ctx context.Context, log eventstore.Reader) (*accounting.Calendar, error) {
	c := new(accounting.Calendar)
	if err := take(ctx, log, c, accounting.EntityStream); err != nil {
		return nil, err
	}
	for _, e := range c.Entities() {
		if err := take(ctx, log, c, accounting.PeriodStream(e.Entity)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// take adds a stream to a calendar. An event that nobody can read says nothing, here and everywhere.
func take(ctx context.Context, log eventstore.Reader, c *accounting.Calendar, stream string) error {
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the calendar of the books: %w", err)
		}
		_, _ = Take(c, &ev)
	}
	return nil
}

// Periods collects what ledger_data.period_changes is to hold. The zero value is empty.
type Periods struct{ changes []Change }

// Add appends the row of a change.
func (p *Periods) Add(c Change) { p.changes = append(p.changes, c) }

// Queue adds the statements that write all rows.
func (p *Periods) Queue(b *pgx.Batch) {
	for i := range p.changes {
		c := &p.changes[i]
		month, err := accounting.ParsePeriod(c.Period)
		if err != nil {
			continue // ChangeOf has read it
		}
		var upTo *int64
		if c.UpTo != 0 {
			at := int64(c.UpTo)
			upTo = &at
		}
		b.Queue(insertPeriodSQL, int64(c.Event.Position.Commit), [16]byte(c.Event.ID), storable.Text(c.Entity), month.First(),
			c.Closed, c.Metadata.RecordedAt, storable.Text(c.Metadata.Actor), known(c.Approver), known(c.Reason),
			known(c.TrialBalanceSHA256), upTo)
	}
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	text = storable.Text(text)
	return &text
}

// Shown is a change of a period as people see it.
type Shown struct {
	accounting.PeriodChanged

	Closed     bool      `json:"closed"`
	Actor      string    `json:"actor"`
	RecordedAt time.Time `json:"recorded_at"` // UTC
	EventID    uuid.UUID `json:"event_id"`
	Position   uint64    `json:"position"` // commit position in the log
	Prepare    uint64    `json:"-"`
}

// At is where the change stands in the log.
func (s *Shown) At() eventstore.Position {
	return eventstore.Position{Commit: s.Position, Prepare: s.Prepare}
}

// ShownOf shows a change.
func ShownOf(c *Change) Shown {
	return Shown{
		PeriodChanged: c.PeriodChanged, Closed: c.Closed, Actor: c.Metadata.Actor, RecordedAt: c.Metadata.RecordedAt,
		EventID: c.Event.ID, Position: c.Event.Position.Commit, Prepare: c.Event.Position.Prepare,
	}
}
