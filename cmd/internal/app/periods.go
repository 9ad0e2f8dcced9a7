package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// PeriodRequest closes a period of the books, or opens it again.
type PeriodRequest struct {
	Period string `json:"period"` // like 2026-10
	Entity string `json:"entity" required:"false"`
	Reopen bool   `json:"reopen,omitempty"`
	Actor  string `json:"actor,omitempty" doc:"Who says so; a token with the scope operations speaks for its own name."`
	// Opening again takes two people, whom their API tokens name, and a reason. The tokens are not kept.
	Tokens *TwoTokens `json:"tokens,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Approver is the second person; it is never read from a request.
	Approver string `json:"-"`
}

// TwoTokens are the API tokens of two people, with the scope operations.
type TwoTokens struct {
	Actor    string `json:"actor"`
	Approver string `json:"approver"`
}

// PeriodAnswer is what came of it.
type PeriodAnswer struct {
	Change journal.Shown `json:"change"`
	// Trial is the trial balance that was closed, memo accounts included.
	Trial []accounting.TrialLine `json:"trial_balance,omitempty"`
}

// ErrPeriod says that a period cannot be closed or opened again as asked.
var ErrPeriod = errors.New("period")

// periodWait bounds waiting for the views, which the trial balance is taken from.
const periodWait = time.Minute

// ChangePeriod closes a period or opens it again, for good: it is an event. The trial balance of a closing
// is taken from the views once they show all that was recorded before it, and its digest stands in the
// event. What is recorded later is posted in the first open period.
func (l *Ledger) ChangePeriod(ctx context.Context, r PeriodRequest, now time.Time) (PeriodAnswer, error) {
	changes, month, err := l.checkPeriod(ctx, &r, now)
	if err != nil {
		return PeriodAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, periodWait)
	defer cancel()
	change := accounting.PeriodChanged{Entity: r.Entity, Period: month.String(), Approver: r.Approver, Reason: r.Reason}
	if r.Reopen {
		event, err := l.appendPeriod(ctx, accounting.PeriodReopenedType, change, r.Actor, len(changes), now)
		if err != nil {
			return PeriodAnswer{}, err
		}
		return PeriodAnswer{Change: event}, l.WaitForViews(ctx, event.At())
	}
	// The books are locked first, so that nothing can come between the balance and its digest; the second
	// event then says what was locked.
	locked, err := l.appendPeriod(ctx, accounting.PeriodClosedType, change, r.Actor, len(changes), now)
	if err != nil {
		return PeriodAnswer{}, err
	}
	if err := l.WaitForViews(ctx, locked.At()); err != nil {
		return PeriodAnswer{}, fmt.Errorf("period %s is locked, and its trial balance not taken; close it again: %w", month, err)
	}
	trial, err := l.closedBalance(ctx, r.Entity, month)
	if err != nil {
		return PeriodAnswer{}, fmt.Errorf("period %s is locked, and its trial balance not taken; close it again: %w", month, err)
	}
	change.TrialBalanceSHA256, change.UpTo = accounting.HashTrialBalance(trial), locked.Position
	closed, err := l.appendPeriod(ctx, accounting.PeriodClosedType, change, r.Actor, len(changes)+1, now)
	if err != nil {
		return PeriodAnswer{}, fmt.Errorf("period %s is locked, and its trial balance not recorded; close it again: %w", month, err)
	}
	return PeriodAnswer{Change: closed, Trial: trial}, l.WaitForViews(ctx, closed.At())
}

// checkPeriod refuses what makes no sense.
func (l *Ledger) checkPeriod(ctx context.Context, r *PeriodRequest, now time.Time) ([]journal.Change, accounting.Period, error) {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrPeriod, fmt.Sprintf(format, args...))
	}
	month, err := accounting.ParsePeriod(r.Period)
	if err != nil {
		return nil, month, refuse("%s", err)
	}
	if r.Entity == "" {
		r.Entity = accounting.DefaultEntity
	}
	calendar, err := journal.Calendar(ctx, l.Store)
	if err != nil {
		return nil, month, err
	}
	if !slices.ContainsFunc(calendar.Entities(), func(e accounting.EntityDefined) bool { return e.Entity == r.Entity }) {
		return nil, month, refuse("there is no entity %q; `ledger entity define` makes one", r.Entity)
	}
	changes, err := journal.Changes(ctx, l.Store, r.Entity)
	if err != nil {
		return nil, month, err
	}
	var through time.Time
	complete := true
	if n := len(changes); n > 0 {
		last := &changes[n-1]
		through, complete = last.Lock.Through, !last.Closed || last.TrialBalanceSHA256 != ""
	}
	switch {
	case r.Actor == "":
		return nil, month, refuse("say who does it")
	case r.Reopen && r.Approver == "":
		return nil, month, refuse("opening a period again takes another person's approval")
	case r.Reopen && r.Reason == "":
		return nil, month, refuse("say why %s is opened again", month)
	case r.Reopen && (through.IsZero() || month.First().After(through)):
		return nil, month, refuse("%s is open", month)
	case !r.Reopen && calendar.Today(r.Entity, now).Before(month.Next().First()):
		return nil, month, refuse("%s has not ended", month)
	case !r.Reopen && !through.IsZero() && (month.Last().Before(through) || complete && month.Last().Equal(through)):
		// A month that is only locked may be closed again, an earlier one never: that would open the later.
		return nil, month, refuse("%s is closed already", month)
	}
	return changes, month, nil
}

// closedBalance is the trial balance of a month that nothing can be posted into any more.
func (l *Ledger) closedBalance(ctx context.Context, entity string, month accounting.Period) ([]accounting.TrialLine, error) {
	pool, err := l.Database.Pool()
	if pool == nil {
		return nil, errors.Join(errors.New("the database of the views is away"), err)
	}
	p := reports.Params{Memo: true, Entity: entity}
	p.Period(month)
	var trial []accounting.TrialLine
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		trial, err = reports.TrialBalance(ctx, tx, p)
		return err
	})
	return trial, err
}

// appendPeriod appends a change, unless somebody else was faster.
func (l *Ledger) appendPeriod(
	ctx context.Context, eventType string, change accounting.PeriodChanged, actor string, known int, now time.Time,
) (journal.Shown, error) {
	now = now.UTC().Truncate(time.Microsecond)
	event, err := operatorEvent(eventType, change, actor, now)
	if err != nil {
		return journal.Shown{}, err
	}
	expected := eventstore.NoStream
	if known > 0 {
		expected = eventstore.Revision(uint64(known) - 1)
	}
	result, err := l.Store.Append(ctx, accounting.PeriodStream(change.Entity), expected, event)
	var wrong *eventstore.WrongExpectedRevisionError
	if errors.As(err, &wrong) {
		return journal.Shown{}, fmt.Errorf("%w: somebody else changed the periods just now; look at them and try again", ErrPeriod)
	}
	if err != nil {
		return journal.Shown{}, fmt.Errorf("record %s of %s: %w", eventType, change.Period, err)
	}
	return journal.Shown{
		PeriodChanged: change, Closed: eventType == accounting.PeriodClosedType, Actor: actor, RecordedAt: now,
		Position: result.Position.Commit, Prepare: result.Position.Prepare, EventID: event.ID,
	}, nil
}

// Periods shows what was done to the periods of all entities, oldest first.
func Periods(ctx context.Context, log eventstore.Reader) ([]journal.Shown, error) {
	entities, err := Entities(ctx, log)
	if err != nil {
		return nil, err
	}
	shown := []journal.Shown{}
	for _, e := range entities {
		changes, err := journal.Changes(ctx, log, e.Entity)
		if err != nil {
			return nil, err
		}
		for i := range changes {
			// A month is locked first, and closed with the digest of what was locked: the second says both.
			if s := journal.ShownOf(&changes[i]); !s.Closed || s.TrialBalanceSHA256 != "" {
				shown = append(shown, s)
			}
		}
	}
	slices.SortFunc(shown, func(a, b journal.Shown) int { return cmp.Compare(a.Position, b.Position) })
	return shown, nil
}

// PeriodVerdict says whether the books still hold what was closed.
type PeriodVerdict struct {
	Change journal.Shown `json:"change"`
	// TrialBalanceSHA256 is the digest of the trial balance now, of what stood in the log when it was closed.
	TrialBalanceSHA256 string `json:"trial_balance_sha256_now"`
	Holds              bool   `json:"holds"`
}

// VerifyPeriods takes the trial balance of every closing again, of what stood in the log then, and compares its digest
// with the one that the event holds. changes are those of Periods.
func VerifyPeriods(ctx context.Context, tx pgx.Tx, changes []journal.Shown) ([]PeriodVerdict, error) {
	verdicts := []PeriodVerdict{}
	for _, change := range changes {
		if !change.Closed || change.TrialBalanceSHA256 == "" {
			continue
		}
		month, err := accounting.ParsePeriod(change.Period)
		if err != nil {
			return nil, err
		}
		p := reports.Params{Memo: true, UpTo: change.UpTo, Entity: change.Entity}
		p.Period(month)
		trial, err := reports.TrialBalance(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		digest := accounting.HashTrialBalance(trial)
		verdicts = append(verdicts, PeriodVerdict{Change: change, TrialBalanceSHA256: digest, Holds: digest == change.TrialBalanceSHA256})
	}
	return verdicts, nil
}
