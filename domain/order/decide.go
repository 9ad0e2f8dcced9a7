package order

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Decide answers a command with the events that are to be appended, in order.
// It is pure, leaves state alone, and is idempotent: a command whose meaning
// is in the stream yields no events.
//
// Observe is never refused. Other commands may be refused with a *Rejection.
func Decide(state State, cmd Command) ([]Decided, error) {
	switch c := cmd.(type) {
	case Observe:
		return decideObserve(state, c)
	case Instruct:
		return decideInstruct(state, c)
	case ResolveDispute:
		return decideResolveDispute(state, c)
	case MatchSettlement:
		return decideMatchSettlement(state, c)
	case RecordErasure:
		return decideRecordErasure(state, c)
	case RecordGatewayAnswer:
		return decideRecordGatewayAnswer(state, c)
	case RaiseAlarm:
		return decideRaiseAlarm(state, c)
	}
	return nil, fmt.Errorf("decide: no rule for command %T", cmd)
}

// Rejection is the "no" of a business rule to a command.
type Rejection struct {
	Code   string // for machines
	Reason string // a sentence for people
}

func (r *Rejection) Error() string { return r.Reason }

// decider works on a copy of the state: each event that it decides is folded
// at once, so that the next rule sees it.
type decider struct {
	s          State
	orderID    string
	receivedAt time.Time
	out        []Decided
}

// emit decides one event unless its id is in the stream. The id comes from the
// key and the event's type. It reports whether the event is new.
func (d *decider) emit(at At, e Event, flags ...Flag) bool {
	return d.emitAs(EventID(d.orderID, at.Key, e.EventType()), at, e, flags...)
}

func (d *decider) emitAs(id uuid.UUID, at At, e Event, flags ...Flag) bool {
	if d.s.Seen(id) {
		return false
	}
	occurredAt, basis, toldAt := at.OccurredAt, at.Basis, time.Time{}
	all := append(append([]Flag(nil), at.Flags...), flags...)
	switch {
	case occurredAt.IsZero():
		occurredAt, basis = d.receivedAt, BasisReceived
	case isAbsurd(occurredAt, d.receivedAt):
		occurredAt, basis, toldAt = d.receivedAt, BasisReceived, at.OccurredAt
		all = append(all, FlagClockSkew)
	}
	if len(all) == 0 {
		all = nil
	}
	decided := Decided{ID: id, Event: e, OccurredAt: occurredAt, Basis: basis, ToldAt: toldAt, SourceStatus: at.Status, Flags: all}
	d.out = append(d.out, decided)
	revision := uint64(0)
	if d.s.Exists {
		revision = d.s.Revision + 1
	}
	d.s.Apply(Recorded{Event: e, ID: id, Revision: revision, Metadata: Metadata{
		OccurredAt: occurredAt, OccurredAtBasis: basis, ToldAt: toldAt, ReceivedAt: d.receivedAt, RecordedAt: d.receivedAt,
		SourceStatus: at.Status, Flags: all,
	}})
	return true
}

// with returns a copy of at with another key.
func (a At) with(suffix string) At {
	a.Key += suffix
	return a
}

// counted is the time of a counter; nil when the source tells none.
func (a At) counted() *time.Time {
	if a.OccurredAt.IsZero() {
		return nil
	}
	t := a.OccurredAt.UTC()
	return &t
}

// on returns a copy of at with another time, unless t is zero.
func (a At) on(t time.Time) At {
	if !t.IsZero() {
		a.OccurredAt = t
	}
	return a
}

func decideObserve(state State, c Observe) ([]Decided, error) {
	digest := c.Evidence.BodySHA256
	if c.Evidence.Unconfirmed { // the same body counts when a GET answers with it
		digest = "unconfirmed|" + digest
	}
	evidence := NotificationEventID(c.Evidence.Gateway, c.Evidence.Account, digest)
	if state.Seen(evidence) {
		return nil, nil
	}
	d := &decider{s: state.scratch(), orderID: c.OrderID, receivedAt: c.ReceivedAt}
	reg := c.Registration
	at := At{OccurredAt: reg.OccurredAt, Basis: reg.Basis}

	uncountable := c.Uncountable
	if uncountable == nil {
		uncountable = foreignCurrency(d.s.Currency, &reg, c.Facts)
	}
	previous := d.s.dueVersion
	if uncountable == nil && reg.AmountDue != nil {
		version := reg.Version
		c.Evidence.Version = &version
	}
	if uncountable == nil {
		c.Evidence.Repeats = d.repeats(c.Facts, c.Evidence.Version)
	}
	d.emitAs(evidence, At{}, c.Evidence)
	if uncountable != nil {
		d.register(at, reg)
		d.emit(At{Key: "evidence:" + c.Evidence.BodySHA256, Status: uncountable.Status},
			AnomalyFlagged{Code: uncountable.Code, Detail: uncountable.Detail})
		return d.done()
	}
	d.register(at, reg)
	d.changeDue(at, reg, previous)
	d.learnTotal(at, reg)
	d.checkKind(reg)
	for _, f := range c.Facts {
		if err := d.fact(f); err != nil {
			return nil, err
		}
	}
	d.dueFromPayments()
	d.lowerProvisions()
	return d.done()
}

func (d *decider) done() ([]Decided, error) {
	if err := d.s.Err(); err != nil {
		return nil, fmt.Errorf("decide order %s: %w", d.orderID, err)
	}
	return d.out, nil
}

// foreignCurrency finds an amount that is not in the order's currency, or two
// currencies in one notification (domain rule A29).
func foreignCurrency(known money.Currency, reg *Registration, facts []Fact) *Anomaly {
	var found *Anomaly
	check := func(m *money.Money) {
		if m == nil || m.Currency().IsZero() || found != nil {
			return
		}
		if known.IsZero() {
			known = m.Currency()
		} else if m.Currency() != known {
			found = &Anomaly{Code: FlagCurrencyMismatch,
				Detail: fmt.Sprintf("amount in %s on an order in %s", m.Currency(), known)}
		}
	}
	if !reg.Currency.IsZero() {
		zero := money.Zero(reg.Currency)
		check(&zero)
	}
	check(reg.AmountDue)
	for _, f := range facts {
		eachFactAmount(f, check)
	}
	return found
}

// register makes the order known, or adds what an earlier notification could
// not tell.
func (d *decider) register(at At, reg Registration) {
	if d.s.ID == "" {
		kind := reg.Kind
		if kind == "" {
			kind = KindPayment
		}
		d.emit(at.with("registered"), OrderRegistered{
			OrderID: d.orderID, Kind: kind, IsTest: reg.IsTest, Source: reg.Source,
			SourceAccount: reg.SourceAccount, SourceOrderID: reg.SourceOrderID,
			MerchantReference: reg.MerchantReference, AmountDue: reg.AmountDue,
			DueFromPayments: reg.DueFromPayments, DueAt: reg.DueAt, AllowOverdue: reg.AllowOverdue,
			MaxAttempts: reg.MaxAttempts, TwoStep: reg.TwoStep, RefundLimitPercent: reg.RefundLimitPercent,
		})
		return
	}
	var learnt OrderDetailsLearned
	if d.s.SourceOrderID == "" {
		learnt.SourceOrderID = reg.SourceOrderID
	}
	if d.s.MerchantReference == "" {
		learnt.MerchantReference = reg.MerchantReference
	}
	if d.s.DueAt == nil {
		learnt.DueAt = reg.DueAt
	}
	if d.s.MaxAttempts == 0 {
		learnt.MaxAttempts = reg.MaxAttempts
	}
	if learnt != (OrderDetailsLearned{}) {
		key := "details:" + learnt.SourceOrderID + ":" + learnt.MerchantReference + ":" + strconv.Itoa(learnt.MaxAttempts)
		if learnt.DueAt != nil {
			key += ":" + strconv.FormatInt(learnt.DueAt.Unix(), 10)
		}
		d.emit(at.with(key), learnt)
	}
}

// changeDue takes over the amount due of the newest version of the order.
func (d *decider) changeDue(at At, reg Registration, previous versionMark) {
	if reg.AmountDue == nil {
		return
	}
	if d.s.DueKnown && previous.compare(reg.Version, d.receivedAt) < 0 {
		if _, absurd := reg.Version.believed(d.receivedAt); absurd && !d.s.AmountDue.Equal(*reg.AmountDue) {
			d.emit(At{Key: "clock_skew:due:" + reg.SourceOrderID + ":" + reg.AmountDue.String()}, AnomalyFlagged{Code: FlagClockSkew,
				Detail: fmt.Sprintf("an amount due of %s is told at a time that cannot be true; it is not taken for the newest", reg.AmountDue)})
		}
		return
	}
	sameOrder := reg.SourceOrderID == "" || reg.SourceOrderID == d.s.SourceOrderID
	if d.s.DueKnown && sameOrder && d.s.AmountDue.Equal(*reg.AmountDue) {
		return
	}
	v := reg.Version
	key := fmt.Sprintf("due:%s:%d:%d:%d:%s:%d", reg.SourceOrderID, v.IssuedAt.Unix(), v.ModifiedAt.Unix(), v.Progress,
		reg.AmountDue, d.s.events())
	d.emit(At{Key: key, OccurredAt: latest(v.IssuedAt, v.ModifiedAt), Basis: BasisSourceField},
		OrderAmountChanged{SourceOrderID: reg.SourceOrderID, NewAmountDue: *reg.AmountDue})
}

// checkKind flags an order that changes its nature (domain rules A11, A12);
// what it was registered as stands.
func (d *decider) checkKind(reg Registration) {
	if reg.IsTest != d.s.IsTest {
		d.emit(At{Key: "test_live_mix"}, AnomalyFlagged{Code: FlagTestLiveMix,
			Detail: fmt.Sprintf("registered with is_test=%t, reported with is_test=%t", d.s.IsTest, reg.IsTest)})
	}
	if reg.Kind == KindPayout && d.s.Kind == KindPayment {
		d.emit(At{Key: "kind_mix"}, AnomalyFlagged{Code: FlagUnexpectedTransition,
			Detail: "a payout was reported on an order that collects money"})
	}
}

// dueFromPayments keeps the amount due of an order whose source has no orders
// at the sum of its payments that may still count, or of the latest one when
// none may.
func (d *decider) dueFromPayments() {
	if !d.s.DueFromPayments {
		return
	}
	var due money.Money
	alive, known := false, false
	for i := range d.s.Payments {
		p := &d.s.Payments[i]
		if !p.AmountKnown {
			continue
		}
		known = true
		counts := !p.Dead || p.Captured.IsPositive()
		switch {
		case counts && !alive:
			due, alive = p.Amount, true
		case counts:
			due = add(due, p.Amount)
		case !alive:
			due = p.Amount
		}
	}
	if !known || (d.s.DueKnown && d.s.AmountDue.Equal(due)) {
		return
	}
	d.emit(At{Key: fmt.Sprintf("due:payments:%s:%d", due, d.s.events())}, OrderAmountChanged{NewAmountDue: due})
}

var errUnknownFact = errors.New("no rule for this fact")

// fact decides one fact.
func (d *decider) fact(f Fact) error {
	if d.s.Kind == KindPayout {
		d.payoutFact(f)
		return nil
	}
	if d.orderFact(f) || d.paymentFact(f) || d.refundFact(f) || d.disputeFact(f) {
		return nil
	}
	return fmt.Errorf("decide order %s: %w: %T", d.orderID, errUnknownFact, f)
}

// orderFact decides facts about the order as a whole.
func (d *decider) orderFact(f Fact) bool {
	at := f.about()
	switch f := f.(type) {
	case Issued:
		d.emit(at, OrderIssued{SourceOrderID: f.SourceOrderID})
	case Viewed:
		e := OrderViewed{}
		if f.Payment != nil {
			e.PaymentID = d.introduce(at, *f.Payment, nil, "").ID
		}
		d.emit(at, e)
	case Overdue:
		d.emit(at, OrderOverdue{DueAt: f.DueAt})
	case Expired:
		d.emit(at, OrderExpired{DueAt: f.DueAt}, d.closingFlags(at)...)
	case Cancelled:
		d.cancelled(at, f)
	case Rejected:
		d.emit(at, OrderRejectedByCustomer{}, d.closingFlags(at)...)
	case PaidOutside:
		d.paidOutside(at, f)
	case Fee:
		e := FeeCharged{FeeKind: f.Kind, Amount: f.Amount}
		if f.Payment != nil {
			e.PaymentID = d.introduce(at, *f.Payment, nil, "").ID
		}
		if f.Amount.IsPositive() {
			d.emit(at, e)
		}
	case StatusObserved:
		d.statusObserved(at, f)
	case OrderStatusObserved:
		d.emit(at, GatewayOrderStatusObserved{SourceOrderID: f.SourceOrderID, Status: at.Status})
	case Anomaly:
		d.emit(at, AnomalyFlagged{Code: f.Code, Detail: f.Detail})
	case PayoutReported:
		d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true}, FlagUnexpectedTransition)
	default:
		return false
	}
	return true
}

// closingFlags flags money that came after a close, when the close is learnt
// late.
func (d *decider) closingFlags(at At) []Flag {
	for i := range d.s.Payments {
		p := &d.s.Payments[i]
		if p.Captured.IsPositive() && p.capturedAt.After(d.believed(at.OccurredAt)) {
			return []Flag{FlagPaidAfterClose}
		}
	}
	return nil
}

func (d *decider) statusObserved(at At, f StatusObserved) {
	e := GatewayStatusObserved{Status: at.Status, Recognised: f.Recognised}
	if f.Payment != nil {
		e.PaymentID = d.introduce(at, *f.Payment, nil, "").ID
	}
	if f.Recognised {
		d.emit(at, e)
		return
	}
	d.emit(at, e, FlagStatusUnrecognised)
}

// askedToClose tells whether a command of ours may have made the gateway cancel the order by a time.
func (s *State) askedToClose(by time.Time) bool {
	for i := range s.GatewayActions {
		a := &s.GatewayActions[i]
		closing := a.Action == ActionVoid || a.Action == ActionCancel || a.Action == ActionReject
		if closing && a.Outcome != GatewayRefused && !a.InitiatedAt.Add(-clockTolerance).After(by) {
			return true
		}
	}
	return false
}

// cancelled closes the order and ends its hold; the cause is inferred from
// what came before (domain rule A15).
func (d *decider) cancelled(at At, f Cancelled) {
	e := OrderCancelled{SourceOrderID: f.SourceOrderID, Cause: CauseUnknown}
	var held []string
	lapsed := true
	for i := range d.s.Payments {
		p := &d.s.Payments[i]
		if f.SourceOrderID != "" && p.SourceOrderID != f.SourceOrderID {
			continue
		}
		e.Attempts = max(e.Attempts, p.Attempts)
		if p.OpenHold().IsPositive() {
			held = append(held, p.ID)
			lapsed = lapsed && !d.believed(at.OccurredAt).Before(p.holdEnds)
		}
	}
	limit := max(f.MaxAttempts, d.s.MaxAttempts)
	switch asked := d.s.askedToClose(d.believed(at.OccurredAt)); {
	case len(held) > 0 && asked:
		e.Cause = CauseHoldVoided
	case asked:
		e.Cause = CauseMerchantRequest
	case len(held) > 0 && lapsed:
		e.Cause, e.CauseInferred = CauseHoldExpired, true
	case len(held) > 0:
		e.Cause, e.CauseInferred = CauseHoldVoided, true
	case limit > 0 && e.Attempts >= limit:
		e.Cause, e.CauseInferred = CauseMaxAttempts, true
	}
	flags := d.closingFlags(at)
	if e.CauseInferred {
		flags = append(flags, FlagCauseInferred)
	}
	for _, id := range held {
		p := d.s.payment(id)
		d.emit(at.with(":release:"+id), AuthorizationReleased{PaymentID: id, Amount: p.OpenHold(), Cause: ReleaseCancelled})
	}
	d.emit(at, e, flags...)
	for i := range d.s.GatewayActions { // what we asked for, though its answer may be on its way or lost
		if a := &d.s.GatewayActions[i]; a.Action == ActionReject && a.Outcome != GatewayRefused && !d.s.rejected {
			d.emit(at.with(":rejected"), OrderRejectedByCustomer{ByMerchant: true})
		}
	}
}

func (d *decider) paidOutside(at At, f PaidOutside) {
	amount := f.Amount
	if amount == nil && d.s.DueKnown {
		open := floorZero(sub(d.s.AmountDue, d.s.Balances().Gross))
		amount = &open
	}
	if amount == nil || !amount.IsPositive() {
		d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true})
		return
	}
	d.emit(at, OrderPaidExternally{Amount: *amount})
}
