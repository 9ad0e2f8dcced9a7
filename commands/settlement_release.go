package commands

import (
	"context"
	"errors"
	"fmt"

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

// Release takes a line out of suspense, once, and for good: the line matches nothing any more. Errors: ErrRelease,
// ErrStatementUnknown.
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
	stream, known := settlement.BookingStreams(&st.imported.Header, st.lines)[r.Line]
	if !known {
		return eventstore.Position{}, fmt.Errorf("%w: the statement has no line %d", ErrRelease, r.Line)
	}
	booked, err := s.readBooking(ctx, stream)
	if errors.Is(err, eventstore.ErrStreamNotFound) || (err == nil && !booked.inSuspense()) {
		return eventstore.Position{}, fmt.Errorf("%w: line %d is not in suspense", ErrRelease, r.Line)
	}
	if err != nil {
		return eventstore.Position{}, err
	}
	booked.To, booked.Reason, booked.Approver = r.To, r.Reason, r.Approver
	at, err := s.appendBooking(ctx, st, stream, settlement.LineReleasedType, eventstore.Revision(0), &booked.LineBooked, r.Actor)
	var wrong *eventstore.WrongExpectedRevisionError
	if errors.As(err, &wrong) {
		return at, fmt.Errorf("%w: line %d left suspense meanwhile", ErrRelease, r.Line)
	}
	return at, err
}
