package projections

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/disputes"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/payouts"
	"github.com/order-ledger/order-ledger/projections/quarantine"
	"github.com/order-ledger/order-ledger/projections/refunds"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// rows is what one transaction writes about the states of orders: all models but the ones that are
// written once per event.
type rows struct {
	live, test orders.Rows
	payouts    payouts.Rows
	payments   payments.Rows
	refunds    refunds.Rows
	disputes   disputes.Rows
}

// add appends the rows of one order, if it has any, and makes sure that they agree. A panic on the way is
// the order's fault.
func (r *rows) add(o *orderState) (err error) {
	if !o.registered {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	flags := o.state.Flags()
	switch o.category {
	case order.CategoryPayout:
		r.payouts.Add(o.id, &o.state, flags)
	case order.CategoryTestOrder:
		r.test.Add(o.id, &o.state, flags)
	case order.CategoryOrder:
		before := r.filled()
		r.live.Add(o.id, &o.state, flags)
		r.payments.Add(o.id, &o.state)
		r.refunds.Add(o.id, &o.state)
		r.disputes.Add(o.id, &o.state)
		return r.agree(before)
	case order.CategoryReference, order.CategoryQuarantine:
	}
	return nil
}

// guardedStatements counts the statements at the beginning of what queue adds that write each row or,
// when it has a later revision, do not.
func (r *rows) guardedStatements() int {
	n := 0
	for _, length := range []int{r.live.Len(), r.test.Len(), r.payouts.Len()} {
		n += min(length, 1)
	}
	return n
}

func (r *rows) queue(b *pgx.Batch) {
	r.live.Queue(b)
	r.test.QueueTest(b)
	r.payouts.Queue(b)
	r.payments.Queue(b)
	r.refunds.Queue(b)
	r.disputes.Queue(b)
}

// batch is what one transaction is to write.
type batch struct {
	// moved: to is set.
	moved bool
	to    eventstore.Position
	// seen is the newest event up to there, nil when there is none in this batch.
	seen *checkpoint.Seen
	// canary: somebody waits for to, though there may be no rows.
	canary bool
	events int
	bytes  int64
	// newlyParked counts orders.
	newlyParked int
	lastEvent   *eventstore.RecordedEvent

	touched map[string]*orderState
	// parked are the orders whose parking is new or has more events held back.
	parked map[string]*parked.Order
	// span tells for each stream the first and the last revision in the batch.
	span map[string]span

	history     *history.Rows
	journal     journal.Rows
	periods     journal.Periods
	settlements settlements.Rows
	quarantine  quarantine.Rows
	// quarantined are the events behind quarantine's rows.
	quarantined []*eventstore.RecordedEvent

	sealed bool
	rows   rows
	parks  parked.Rows
	marks  map[order.Category]*parked.Marks
}

// span is a range of revisions, both inclusive.
type span struct{ first, last uint64 }

func newBatch(trail *history.Rows) *batch {
	return &batch{
		history: trail,
		touched: make(map[string]*orderState),
		parked:  make(map[string]*parked.Order),
		span:    make(map[string]span),
	}
}

func (b *batch) advance(it *item) {
	b.to, b.moved = it.position, true
	if it.id != uuid.Nil {
		b.seen = &checkpoint.Seen{Position: it.position.Commit, ID: it.id}
	}
}

func (b *batch) note(ev *eventstore.RecordedEvent) {
	b.events++
	b.bytes += weightOf(ev)
	b.lastEvent = ev
	s, ok := b.span[ev.Stream]
	if !ok {
		s.first = ev.Revision
	}
	s.last = ev.Revision
	b.span[ev.Stream] = s
}

// seal turns states into rows; the states may be folded on afterwards. Sealing twice is sealing once.
func (b *batch) seal() error {
	if b.sealed {
		return nil
	}
	b.sealed = true
	for _, o := range b.touched {
		if err := b.rows.add(o); err != nil {
			return &refusedError{cause: fmt.Errorf("rows of %s: %w", o.stream, err), batch: b}
		}
	}
	b.marks = make(map[order.Category]*parked.Marks)
	for stream, p := range b.parked {
		b.parks.Add(p)
		category, _, _ := order.ParseStreamName(stream)
		if b.marks[category] == nil {
			b.marks[category] = new(parked.Marks)
		}
		b.marks[category].Add(p)
	}
	return nil
}

// queue adds all statements but the checkpoint's, the audit trail's and the journal's.
func (b *batch) queue(to *pgx.Batch) {
	b.rows.queue(to)
	for category, marks := range b.marks {
		marks.Queue(to, category)
	}
	b.parks.Queue(to)
	b.periods.Queue(to)
	b.settlements.Queue(to)
	b.quarantine.Queue(to)
}
