package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

// ReleaseLine takes a line out of suspense by hand, to an account that two people agree on.
type ReleaseLine struct {
	StatementID string
	Line        int
	// To is one of accounting.ReleaseAccounts, by its code in the chart without configuration.
	To     string
	Reason string
	// Actor asks for it and Approver agrees: two people.
	Actor, Approver string
}

// ErrRelease says why a line cannot be released.
var ErrRelease = errors.New("the line cannot be released")

// Release takes a line out of suspense that matches nothing, once, and for good: the line matches nothing any more. Errors:
// ErrRelease, ErrStatementUnknown.
func (s *Settlements) Release(ctx context.Context, r ReleaseLine) (eventstore.Position, error) {
	if _, err := accounting.ReleaseAccount(r.To); err != nil {
		return eventstore.Position{}, fmt.Errorf("%w: %w", ErrRelease, err)
	}
	switch {
	case r.Reason == "":
		return eventstore.Position{}, fmt.Errorf("%w: say why", ErrRelease)
	case r.Actor == "" || r.Approver == "" || order.SamePerson(r.Actor, r.Approver):
		return eventstore.Position{}, fmt.Errorf("%w: it takes two people", ErrRelease)
	case !statementID.MatchString(r.StatementID):
		return eventstore.Position{}, fmt.Errorf("%w: %q", ErrStatementUnknown, r.StatementID)
	}
	st, err := s.read(ctx, r.StatementID)
	if err != nil {
		return eventstore.Position{}, err
	}
	if st.imported == nil {
		return eventstore.Position{}, fmt.Errorf("%w: %q", ErrStatementUnknown, r.StatementID)
	}
	i := slices.IndexFunc(st.lines, func(l settlement.Line) bool { return l.Number == r.Line })
	if i < 0 {
		return eventstore.Position{}, fmt.Errorf("%w: the statement has no line %d", ErrRelease, r.Line)
	}
	stream := settlement.BookingStreams(&st.imported.Header, st.lines)[r.Line]
	booked, err := s.readBooking(ctx, stream)
	if errors.Is(err, eventstore.ErrStreamNotFound) || (err == nil && !booked.inSuspense()) {
		return eventstore.Position{}, fmt.Errorf("%w: line %d is not in suspense", ErrRelease, r.Line)
	}
	if err != nil {
		return eventstore.Position{}, err
	}
	switch matches, err := s.matches(ctx, st, &st.lines[i]); {
	case err != nil:
		return eventstore.Position{}, err
	case matches:
		return eventstore.Position{}, fmt.Errorf("%w: line %d matches an order by now: match the statement again", ErrRelease, r.Line)
	}
	booked.To, booked.Reason, booked.Approver = r.To, r.Reason, r.Approver
	at, err := s.appendBooking(ctx, st, stream, settlement.LineReleasedType, eventstore.Revision(0), &booked.LineBooked, r.Actor)
	var wrong *eventstore.WrongExpectedRevisionError
	if errors.As(err, &wrong) {
		return at, fmt.Errorf("%w: line %d left suspense meanwhile", ErrRelease, r.Line)
	}
	return at, err
}

// matches tells whether the order that a line names has the line already, by an import that was interrupted or by another
// statement, or would take it: in suspense and on the order its money would count twice.
func (s *Settlements) matches(ctx context.Context, st *storedStatement, l *settlement.Line) (bool, error) {
	if l.Kind.OfPayout() {
		return false, nil
	}
	target, stranger, err := s.orderOf(ctx, &st.imported.Header, l)
	if err != nil || stranger != "" {
		return false, err
	}
	defer s.in.orders.lock(target.OrderID)()
	state, err := s.in.load(ctx, target)
	if err != nil {
		return false, err
	}
	matched, reason := state.SettlementOf(st.id, l.Number)
	decided, err := decide(target, state, order.MatchSettlement{
		StatementID: st.id, Lines: []settlement.Line{*l}, Window: settlement.Window(st.imported.Days), At: s.in.clock().UTC(),
	})
	if err != nil {
		return false, err
	}
	for i := range decided {
		switch e := decided[i].Event.(type) {
		case order.SettlementMatched:
			matched = true
		case order.SettlementMismatchFlagged:
			reason = e.Reason
		default:
		}
	}
	return matched || reason == settlement.AlreadyMatched, nil
}
