package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

// book books the lines that belong to no order, and releases from suspense what is known by now. reasons are those of the
// lines of orders, strangers those of the others; a fee that is booked has none any more.
func (s *Settlements) book(ctx context.Context, st *storedStatement, strangers, reasons []settlement.Reason, actor string) error {
	entity, err := s.entityOf(ctx, &st.imported.Header)
	if err != nil {
		return err
	}
	streams := settlement.BookingStreams(&st.imported.Header, st.lines)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bookingWorkers)
	for i := range st.lines {
		l := &st.lines[i]
		reason, ofOrder := strangers[i], strangers[i] == ""
		if reason == settlement.ReleasedByHand {
			continue // it is booked for good
		}
		switch {
		case l.Kind.OfPayout() && l.SettlementRef == "":
			reason = settlement.NoReference
		case ofOrder:
			reason = reasons[i]
		}
		as := settlement.BookingOf(st.imported.Side, l, reason)
		if ofOrder && as == settlement.BookedFee {
			if as = ""; settlement.StatusOf(reason) == settlement.Unmatched { // else the order has it
				as = settlement.BookedSuspense
			}
		}
		b := settlement.LineBooked{
			StatementID: st.id, Line: l.Number, Kind: l.Kind, Side: st.imported.Side, As: as, Entity: entity, Gross: l.Gross, Fee: l.Fee,
			Exchange: l.Exchange, ValueDate: l.ValueDate, Reference: l.Reference(), SettlementRef: l.SettlementRef, Reason: string(reason),
		}
		settled := ofOrder && !l.Kind.OfPayout() && (reason == "" || reason == settlement.AlreadyMatched)
		switch {
		case as != "":
			group.Go(func() error {
				taken, err := s.bookLine(ctx, st, streams[l.Number], &b, actor)
				if as == settlement.BookedFee {
					strangers[i] = taken // each goroutine has its own
				}
				return err
			})
		case settled: // it may have been unknown before: to this statement, to one that repeats it, or to an import that did not end
			group.Go(func() error { return s.release(ctx, st, streams[l.Number], string(reason), actor) })
		}
	}
	return group.Wait()
}

// bookedLines takes lines from their orders that are booked for good: fees that were booked when nobody knew the order, and
// what people released from suspense. They are not booked again.
func (s *Settlements) bookedLines(ctx context.Context, st *storedStatement, groups map[link][]int, strangers []settlement.Reason) error {
	streams := settlement.BookingStreams(&st.imported.Header, st.lines)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settlementWorkers)
	for _, lines := range groups {
		for _, i := range lines {
			group.Go(func() error {
				booked, err := s.readBooking(ctx, streams[st.lines[i].Number])
				switch {
				case errors.Is(err, eventstore.ErrStreamNotFound):
					return nil
				case err != nil:
					return err
				case booked.byHand:
					strangers[i] = settlement.ReleasedByHand
				case booked.As == settlement.BookedFee: // what is in suspense may have become known
					strangers[i] = settlement.UnknownReference
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for target, lines := range groups {
		groups[target] = slices.DeleteFunc(lines, func(i int) bool { return strangers[i] != "" })
		if len(groups[target]) == 0 {
			delete(groups, target)
		}
	}
	return nil
}

// entityOf is whose books a statement is in.
func (s *Settlements) entityOf(ctx context.Context, h *settlement.Header) (string, error) {
	var c accounting.Calendar
	for ev, err := range s.in.log.ReadStream(ctx, accounting.EntityStream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the entities: %w", err)
		}
		if ev.Type == accounting.EntityDefinedType {
			_ = c.Define(ev.Data, ev.Position.Commit) // one that nobody can read says nothing, here and everywhere
		}
	}
	return c.EntityOf(h.Gateway, h.Account), nil
}

// bookLine books a line once, whichever statements have it; AlreadyMatched says that it is another one's.
func (s *Settlements) bookLine(ctx context.Context, st *storedStatement, stream string, b *settlement.LineBooked, actor string) (settlement.Reason, error) {
	_, err := s.appendBooking(ctx, st, stream, settlement.LineBookedType, eventstore.NoStream, b, actor)
	var wrong *eventstore.WrongExpectedRevisionError
	if err == nil || !errors.As(err, &wrong) {
		return "", err
	}
	booked, err := s.readBooking(ctx, stream)
	if err != nil {
		return "", err
	}
	if booked.StatementID != b.StatementID || booked.Line != b.Line {
		return settlement.AlreadyMatched, nil
	}
	return "", nil
}

// release takes a line out of suspense that stands there.
func (s *Settlements) release(ctx context.Context, st *storedStatement, stream, reason, actor string) error {
	booked, err := s.readBooking(ctx, stream)
	if errors.Is(err, eventstore.ErrStreamNotFound) || (err == nil && !booked.inSuspense()) {
		return nil
	}
	if err != nil {
		return err
	}
	if booked.Reason = reason; reason == "" {
		booked.Reason = "matched"
	}
	_, err = s.appendBooking(ctx, st, stream, settlement.LineReleasedType, eventstore.Revision(0), &booked.LineBooked, actor)
	var wrong *eventstore.WrongExpectedRevisionError
	if errors.As(err, &wrong) {
		return nil // somebody else did
	}
	return err
}

func (s *Settlements) appendBooking(
	ctx context.Context, st *storedStatement, stream, eventType string, expected eventstore.ExpectedRevision, b *settlement.LineBooked, actor string,
) (eventstore.Position, error) {
	e, err := s.event(st, &st.imported.Header, eventType, "", actor, b)
	if err != nil {
		return eventstore.Position{}, err
	}
	e.ID = settlement.BookingEventID(stream, eventType, b.StatementID, b.Line)
	if b.To != "" { // what people decide is told from what others do, or the store would take one for the other
		e.ID = uuid.NewSHA1(e.ID, []byte(strings.Join([]string{b.To, b.Reason, actor, b.Approver}, "\x00")))
	}
	result, err := s.in.log.Append(ctx, stream, expected, e)
	if err != nil {
		return eventstore.Position{}, fmt.Errorf("book line %d of statement %s: %w", b.Line, st.id, err)
	}
	return result.Position, nil
}

// booking is what the stream of a line says: as what it is booked, and whether it left suspense.
type booking struct {
	settlement.LineBooked

	events int
	byHand bool // people released it
}

func (b *booking) inSuspense() bool { return b.As == settlement.BookedSuspense && b.events == 1 }

// readBooking returns the booking of a line.
func (s *Settlements) readBooking(ctx context.Context, stream string) (*booking, error) {
	var b booking
	for ev, err := range s.in.log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return nil, fmt.Errorf("read the booking %s: %w", stream, err)
		}
		var e settlement.LineBooked
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			return nil, fmt.Errorf("read the booking %s: %w", stream, err)
		}
		if b.events++; b.events == 1 {
			b.LineBooked = e
		}
		b.byHand = b.byHand || e.To != ""
	}
	return &b, nil
}
