package order

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// InvariantError says that a stream tells something that cannot be: it was
// written by somebody else, or by a mistake of ours. Revision is that of the
// first event that does.
type InvariantError struct {
	Detail   string
	Revision uint64
}

func (e *InvariantError) Error() string { return "order invariant broken: " + e.Detail }

// Evolve folds one more event into the state and returns the new state. It
// consumes s: a caller that needs the old state keeps a Clone. It never fails
// and never validates; what cannot be true is told by State.Err.
func Evolve(s State, r Recorded) State {
	s.Apply(r)
	return s
}

// Err tells the first breach of an invariant that the fold met, or nil. The
// state is not to be trusted after one.
func (s *State) Err() error { return s.err }

// Apply is Evolve in place.
func (s *State) Apply(r Recorded) {
	s.stamp(&r)
	if foreign := s.adoptCurrency(r.Event); foreign != "" {
		s.fail(foreign)
		return
	}
	switch e := r.Event.(type) {
	case NotificationRecorded:
		if e.Version != nil {
			s.dueVersion.note(*e.Version, r.Metadata.received())
		}
		for _, again := range e.Repeats {
			version := again.Version
			if version == nil {
				version = e.Version
			}
			if p := s.payment(again.PaymentID); p != nil && version != nil {
				p.amountVersion.note(*version, r.Metadata.received())
			}
		}
	case OrderRegistered:
		s.applyRegistered(e)
	case OrderAmountChanged:
		s.AmountDue, s.DueKnown, s.dueRevision = e.NewAmountDue, true, r.Revision
		if e.SourceOrderID != "" {
			s.SourceOrderID = e.SourceOrderID
		}
	case OrderDetailsLearned:
		s.applyDetails(e)
	case OrderIssued:
	case OrderViewed:
		if e.PaymentID != "" {
			s.progress(e.PaymentID, PaymentViewedStatus, &r)
		}
	case OrderOverdue:
		s.closeAs(LifecycleOverdue, &r)
	case OrderExpired:
		s.closeAs(LifecycleExpired, &r)
	case OrderCancelled:
		s.closeAs(LifecycleCancelled, &r)
		s.endHolds(e.SourceOrderID)
	case OrderRejectedByCustomer:
		if e.ByMerchant {
			s.rejected = true
			s.Lifecycle, s.LifecycleAt = LifecycleRejected, latest(s.LifecycleAt, r.Metadata.OccurredAt)
			break
		}
		s.closeAs(LifecycleRejected, &r)
	case OrderPaidExternally:
		s.External = add(s.External, e.Amount)
	case GatewayOrderStatusObserved:
		// A status that the source gives no time for cannot be compared with ours.
		if r.Metadata.OccurredAtBasis != BasisReceived && !r.Metadata.OccurredAt.Before(s.gatewayOrderAt) {
			s.gatewayOrderStatus, s.gatewayOrderAt, s.gatewayOrderRevision = e.Status, r.Metadata.OccurredAt, r.Revision
		}
	case AnomalyFlagged:
		s.flag(e.Code)
	case AnomalyResolved:
		if i, found := slices.BinarySearch(s.flags, e.Code); found {
			s.flags = slices.Delete(s.flags, i, i+1)
		}
	case LedgerCorrectionRecorded:
		for _, a := range e.Adjustments {
			s.adjust(a, &e, &r)
		}
		s.endCorrection(e.CorrectionID, e.Approver, CorrectionIsApproved, &r)
	case CorrectionProposed:
		s.applyCorrectionProposed(e, &r)
	case CorrectionDeclined:
		s.endCorrection(e.CorrectionID, "", CorrectionIsDeclined, &r)
	case GatewayActionInitiated:
		s.GatewayActions = append(s.GatewayActions, GatewayAction{
			CommandID: e.CommandID, Action: e.Action, PaymentID: e.PaymentID, RefundID: e.RefundID, Amount: e.Amount, InitiatedAt: r.Metadata.OccurredAt,
		})
	case GatewayActionAnswered:
		for i := range s.GatewayActions {
			if a := &s.GatewayActions[i]; a.CommandID == e.CommandID {
				a.Outcome, a.Reason, a.SourceOrderID, a.Checkout, a.Links = e.Outcome, e.Reason, e.SourceOrderID, e.Checkout, e.Links
			}
		}
	case SettlementMatched:
		s.applySettlement(e)
	case SettlementMismatchFlagged:
		s.applyMismatch(e)
	case FeeCharged, PersonalDataErased, CommandRecorded:
	case NotificationQuarantined, ReferenceLinked:
		s.fail(r.Event.EventType() + " in an order's stream")
	default:
		s.applyParts(&r)
	}
}

// applyParts folds the events about payments, refunds, disputes and payouts.
func (s *State) applyParts(r *Recorded) {
	if s.applyPayment(r) || s.applyRefund(r) || s.applyDispute(r) || s.applyPayout(r) {
		return
	}
	s.fail(fmt.Sprintf("no fold for event type %s", r.Event.EventType()))
}

// stamp notes what every event carries.
func (s *State) stamp(r *Recorded) {
	s.seen.add(r.ID)
	if s.FirstRecordedAt.IsZero() {
		s.FirstRecordedAt = r.Metadata.RecordedAt
		s.Lifecycle = LifecycleOpen
	}
	if !s.Exists {
		s.FirstPosition = r.Position
	}
	s.LastRecordedAt = r.Metadata.RecordedAt
	s.Revision, s.Position, s.LastEventID = r.Revision, r.Position, r.ID
	s.Exists = true
	for _, f := range r.Metadata.Flags {
		s.flag(f)
	}
	s.noteStatus(r)
}

// noteStatus keeps the newest verbatim status. A source without times is
// ordered by how far each status is along the course of a payment.
func (s *State) noteStatus(r *Recorded) {
	status := r.Metadata.SourceStatus
	if status == "" {
		return
	}
	switch r.Event.(type) {
	case NotificationRecorded, OrderRegistered, GatewayOrderStatusObserved:
		return
	default:
	}
	at, rank := r.Metadata.OccurredAt, courseRank(r.Event)
	if r.Metadata.OccurredAtBasis == BasisReceived {
		if _, failed := r.Event.(RefundFailed); !failed && rank < s.statusRank {
			return
		}
	} else if at.Before(s.statusAt) {
		return
	}
	s.GatewayStatus, s.statusAt, s.statusRank = status, at, rank
}

// courseRank orders events along the usual course of a payment.
func courseRank(e Event) int {
	switch e := e.(type) {
	case PaymentInitiated, OrderIssued:
		return 10
	case GatewayStatusObserved:
		if e.RefundID != "" {
			return 90
		}
		return 20
	case OrderViewed:
		return 30
	case PaymentProcessingStarted:
		return 40
	case PaymentPendingAtProvider:
		return 50
	case PaymentAttemptFailed, PaymentAbandoned, PaymentExpired, PaymentWithdrawn, RefundFailed:
		return 60
	case PaymentCaptured:
		return 70
	case PaymentSettled:
		return 80
	case RefundInitiated:
		return 90
	case RefundObserved:
		return 100
	case RefundCompleted:
		return 110
	default:
		return 0
	}
}

func (s *State) applyRegistered(e OrderRegistered) {
	s.ID, s.Kind, s.IsTest = e.OrderID, e.Kind, e.IsTest
	s.Source, s.SourceAccount = e.Source, e.SourceAccount
	s.SourceOrderID, s.MerchantReference = e.SourceOrderID, e.MerchantReference
	s.DueFromPayments, s.MaxAttempts, s.DueAt = e.DueFromPayments, e.MaxAttempts, e.DueAt
	s.RefundLimitPercent = e.RefundLimitPercent
	if e.AmountDue != nil {
		s.AmountDue, s.DueKnown = *e.AmountDue, true
	}
}

func (s *State) applyDetails(e OrderDetailsLearned) {
	if e.SourceOrderID != "" {
		s.SourceOrderID = e.SourceOrderID
	}
	if e.MerchantReference != "" {
		s.MerchantReference = e.MerchantReference
	}
	if e.DueAt != nil {
		s.DueAt = e.DueAt
	}
	if e.MaxAttempts != 0 {
		s.MaxAttempts = e.MaxAttempts
	}
}

// closeAs takes over a due-date or closing fact unless a later one is known;
// facts of the same moment are ordered by how final they are.
func (s *State) closeAs(l Lifecycle, r *Recorded) {
	at := r.Metadata.OccurredAt
	if s.rejected && l == LifecycleCancelled {
		return
	}
	if at.Before(s.LifecycleAt) || (at.Equal(s.LifecycleAt) && finality(l) < finality(s.Lifecycle)) {
		return
	}
	s.Lifecycle, s.LifecycleAt = l, at
}

func finality(l Lifecycle) int {
	return slices.Index([]Lifecycle{LifecycleOpen, LifecycleOverdue, LifecycleExpired, LifecycleRejected, LifecycleCancelled}, l)
}

// endHolds ends the holds of a cancelled gateway order, those reported later
// included.
func (s *State) endHolds(sourceOrderID string) {
	if !slices.Contains(s.holdsEnded, sourceOrderID) {
		s.holdsEnded = append(s.holdsEnded, sourceOrderID)
	}
	for i := range s.Payments {
		if p := &s.Payments[i]; sourceOrderID == "" || p.SourceOrderID == sourceOrderID {
			p.HoldEnded = true
		}
	}
}

func (s *State) flag(f Flag) {
	if i, found := slices.BinarySearch(s.flags, f); !found {
		s.flags = slices.Insert(s.flags, i, f)
	}
}

func (s *State) fail(detail string) {
	if s.err == nil {
		s.err = &InvariantError{Detail: detail, Revision: s.Revision}
	}
}

// adoptCurrency takes the order's currency from its first amount, and tells of
// any other (invariant I13).
func (s *State) adoptCurrency(e Event) (foreign string) {
	eachAmount(e, func(m money.Money) {
		switch c := m.Currency(); {
		case c.IsZero() || foreign != "":
		case s.Currency.IsZero():
			s.Currency = c
		case c != s.Currency:
			foreign = fmt.Sprintf("%s in %s on an order in %s", e.EventType(), c, s.Currency)
		}
	})
	return foreign
}

// adjust applies a correction to the part of the order that it names. A capture
// that became the amount of its payment may be corrected again.
func (s *State) adjust(a Adjustment, e *LedgerCorrectionRecorded, r *Recorded) {
	move := func(m money.Money) money.Money {
		if a.Direction == Decrease {
			return sub(m, a.Amount)
		}
		return add(m, a.Amount)
	}
	if a.Balance == BalanceExternal {
		s.External = move(s.External)
		return
	}
	if d := s.dispute(a.DisputeID); d != nil {
		s.adjustDispute(d, a, e, move, r)
		return
	}
	if f := s.refund(a.RefundID); f != nil {
		f.Completed, f.LastEvent = move(f.Completed), r.ref()
		switch p := s.payment(f.PaymentID); {
		case p == nil:
		case f.GivenByHand:
			p.refundedByHand = move(p.refundedByHand)
		default:
			p.refundCounter = move(p.refundCounter)
			p.refundAssumed = uuid.Nil
			p.refundEnded.noteTime(e.countedAt(), &r.Metadata)
			p.refundClosed.noteTime(e.countedAt(), &r.Metadata)
		}
		return
	}
	p := s.payment(a.PaymentID)
	if p == nil {
		s.fail(fmt.Sprintf("correction of %s names no part of the order", a.Balance))
		return
	}
	p.LastEvent = r.ref()
	switch a.Balance {
	case BalanceAuthorised:
		p.Held = move(p.Held)
	case BalanceExpected:
		p.Confirmed = move(p.Confirmed)
	case BalanceCaptured:
		p.Captured, p.captureRevisable = move(p.Captured), e.AmountOfPayment
	case BalanceSettled:
		p.Settled = move(p.Settled)
	case BalanceReversed:
		p.Reversed = move(p.Reversed)
	case BalanceExternal, BalanceRefundPending, BalanceRefunded, BalanceDisputeHeld, BalanceDisputeLost:
		s.fail(fmt.Sprintf("correction of %s on a payment", a.Balance))
	}
}

// adjustDispute adds a step, so that the timeline tells of the same money as the balances. What is lost
// was taken before: correcting it moves no money.
func (s *State) adjustDispute(d *Dispute, a Adjustment, e *LedgerCorrectionRecorded, move func(money.Money) money.Money, r *Recorded) {
	if a.Balance == BalanceDisputeLost {
		d.Lost = move(d.Lost)
		d.step(corrected, a.Amount, money.Money{}, r)
		return
	}
	before := d.Withdrawn
	d.Withdrawn = move(before)
	if d.Amount.Equal(before) && !d.amountTold() {
		d.Amount = d.Withdrawn
	}
	d.step(corrected, a.Amount, sub(before, d.Withdrawn), r)
	if p := s.payment(d.PaymentID); p != nil {
		p.withdrawnCounter = move(p.withdrawnCounter)
		p.withdrawnAssumed = uuid.Nil
		p.disputeCounted.noteTime(e.countedAt(), &r.Metadata)
	}
}

// countedAt is the zero time for a correction that follows no counter.
func (e *LedgerCorrectionRecorded) countedAt() time.Time {
	if e.CountedAt == nil {
		return time.Time{}
	}
	return *e.CountedAt
}

// add, sub: within one order all amounts share a currency (adoptCurrency).

func add(a, b money.Money) money.Money {
	if sum, err := a.Add(b); err == nil {
		return sum
	}
	return a
}

func sub(a, b money.Money) money.Money {
	if diff, err := a.Sub(b); err == nil {
		return diff
	}
	return a
}

func less(a, b money.Money) bool { return sub(a, b).IsNegative() }

func lesser(a, b money.Money) money.Money {
	if less(b, a) {
		return b
	}
	return a
}

func floorZero(m money.Money) money.Money { return m.FloorZero() }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
