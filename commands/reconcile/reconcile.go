package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Defaults of Config.
const (
	DefaultPollMin  = 5 * time.Second
	DefaultPollMax  = 15 * time.Minute
	DefaultLookback = 45 * day
)

// Account is an account of a gateway.
type Account struct {
	Gateway, Name string
	// Client calls the gateway; nil leaves alarms to be raised, and nobody to be asked.
	Client commands.Gateway
	Clocks Clocks
}

// Config configures a Reconciler. Log, Intake and Accounts are required.
type Config struct {
	Log    eventstore.Subscriber
	Intake *commands.Intake
	// Accounts are those whose orders are watched. Orders of others are left alone.
	Accounts []Account
	// PollMin is the time until an order is asked about first, after something happened to it. It
	// doubles up to PollMax.
	PollMin, PollMax time.Duration
	// Lookback is how long after its last event an order is asked about.
	Lookback time.Duration
	// Creation finds what only the caller of a command knew that creates an order at its gateway; nil
	// finishes no creations.
	Creation func(ctx context.Context, c order.Category, orderID, commandID string) (commands.GatewayOrder, error)
	Clock    func() time.Time // nil is time.Now
	Logger   *slog.Logger     // nil discards
}

// Reconciler asks gateways about orders that are not final, and watches their clocks.
type Reconciler struct {
	c        Config
	accounts map[string]*account // by gateway/account
	starters map[string]bool     // event types
	calls    bool                // some account can be asked
}

// New makes a reconciler.
func New(c Config) *Reconciler {
	if c.PollMin == 0 {
		c.PollMin = DefaultPollMin
	}
	if c.PollMax == 0 {
		c.PollMax = DefaultPollMax
	}
	if c.Lookback == 0 {
		c.Lookback = DefaultLookback
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Reconciler{c: c, accounts: map[string]*account{}, starters: clockStarters()}
	for _, a := range c.Accounts {
		a.Clocks = a.Clocks.withDefaults()
		r.accounts[a.Gateway+"/"+a.Name] = newAccount(a)
		r.calls = r.calls || a.Client != nil
	}
	return r
}

// Pending counts the orders that will be looked at again.
func (r *Reconciler) Pending() int {
	n := 0
	for _, a := range r.accounts {
		n += a.size()
	}
	return n
}

// Run follows the log and does the work until ctx ends or the log cannot be followed.
func (r *Reconciler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	caughtUp := make(chan struct{})
	group.Go(func() error { return r.follow(ctx, caughtUp) })
	for _, a := range r.accounts {
		group.Go(func() error {
			select { // nothing is asked that the rest of the log may answer
			case <-caughtUp:
			case <-ctx.Done():
				return nil
			}
			r.work(ctx, a)
			return nil
		})
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (r *Reconciler) follow(ctx context.Context, caughtUp chan<- struct{}) error {
	live := false
	for m, err := range r.c.Log.SubscribeAll(ctx, eventstore.AllSubscription{
		Filter: eventstore.Filter{StreamPrefixes: []string{
			string(order.CategoryOrder) + "-", string(order.CategoryTestOrder) + "-", string(order.CategoryPayout) + "-",
		}},
	}) {
		if err != nil {
			return fmt.Errorf("follow the log for reconciliation: %w", err)
		}
		switch m := m.(type) {
		case eventstore.EventAppeared:
			r.touch(&m.Event)
		case eventstore.CaughtUp:
			if !live {
				live = true
				close(caughtUp)
			}
		case eventstore.CheckpointReached:
		}
	}
	return nil
}

// seen is what an event tells the index.
type seen struct {
	Source     string    `json:"source"`
	Account    string    `json:"source_account"`
	RecordedAt time.Time `json:"recorded_at"`
}

type evidence struct {
	Via         string `json:"via"`
	Unconfirmed bool   `json:"unconfirmed"`
}

// touch schedules the order of an event. What was learnt by asking does not start the asking anew.
func (r *Reconciler) touch(e *eventstore.RecordedEvent) {
	if !r.calls && !r.startsClock(e) {
		return
	}
	var s seen
	if json.Unmarshal(e.Metadata, &s) != nil {
		return // not ours; the projections tell of events that cannot be read
	}
	a, ok := r.accounts[s.Source+"/"+s.Account]
	if !ok || e.Type == (order.AnomalyFlagged{}).EventType() || a.Client == nil && !r.startsClock(e) {
		return
	}
	var n evidence
	if e.Type == (order.NotificationRecorded{}).EventType() && json.Unmarshal(e.Data, &n) != nil {
		return
	}
	now := r.c.Clock()
	switch {
	case a.Client == nil: // alarms alone
		a.schedule(e.Stream, s.RecordedAt.Add(importPatience), r.c.PollMin, false)
	case n.Unconfirmed:
		a.schedule(e.Stream, now, r.c.PollMin, true)
	case n.Via == string(commands.ViaReconciliation):
		a.confirmed(e.Stream)
	default:
		a.schedule(e.Stream, now.Add(r.c.PollMin), r.c.PollMin, false)
	}
}

// clockStarters are the events from which a clock may run: where nobody can be asked, nothing else about
// an order needs to be looked at again.
func clockStarters() map[string]bool {
	starters := map[string]bool{}
	for _, e := range []order.Event{
		order.PaymentInitiated{}, order.PaymentAuthorized{}, order.PaymentConfirmed{}, order.PaymentOutcomeUnknown{},
		order.RefundInitiated{}, order.RefundObserved{}, order.GatewayActionInitiated{},
	} {
		starters[e.EventType()] = true
	}
	for _, stage := range []order.Stage{
		order.StageRetrieval, order.StageChargeback, order.StageRepresentment, order.StagePreArbitration, order.StageArbitration,
		order.StagePreCompliance, order.StageCompliance, order.StageFraudAdvice, order.StageGoodFaith,
	} {
		starters[order.DisputeStageEntered{Stage: stage}.EventType()] = true
	}
	return starters
}

// startsClock tells whether a clock may run from an event on. Of orders only those with a due date have one.
func (r *Reconciler) startsClock(e *eventstore.RecordedEvent) bool {
	return r.starters[e.Type] || bytes.Contains(e.Data, []byte(`"due_at"`))
}

// work looks at the orders of an account, one after the other, each when it is due.
func (r *Reconciler) work(ctx context.Context, a *account) {
	for ctx.Err() == nil {
		e, copied, wait := a.due(r.c.Clock())
		if e == nil {
			a.sleep(ctx, wait)
			continue
		}
		if a.Client == nil && a.pace.Wait(ctx) != nil {
			return
		}
		next, err := r.look(ctx, a, copied)
		if err != nil && ctx.Err() == nil {
			r.c.Logger.Warn("reconcile", slog.String("stream", copied.stream), slog.Any("error", err))
		}
		a.done(e, next, r.c.PollMax, copied.confirm && err != nil)
	}
}

// Check looks at one order now: it asks its gateway if there is something to ask, and raises the
// alarms that are due. Orders of other accounts are left alone.
func (r *Reconciler) Check(ctx context.Context, stream string) error {
	for _, a := range r.accounts {
		if _, err := r.look(ctx, a, entry{stream: stream, interval: r.c.PollMin}); err != nil {
			return err
		}
	}
	return nil
}

// look returns when the order is to be looked at again; the zero time is never.
func (r *Reconciler) look(ctx context.Context, a *account, e entry) (time.Time, error) {
	category, id, ok := order.ParseStreamName(e.stream)
	if !ok {
		return time.Time{}, nil
	}
	again := r.c.Clock().Add(e.interval)
	s, err := r.c.Intake.Load(ctx, category, id)
	if err != nil {
		return again, err
	}
	if !s.Exists || s.Source != a.Gateway || s.SourceAccount != a.Name {
		return time.Time{}, nil
	}
	var asked error
	if unfinished, err := r.finish(ctx, a, category, &s); err != nil {
		asked = err
	} else if unfinished {
		if s, err = r.c.Intake.Load(ctx, category, id); err != nil {
			return again, err
		}
	}
	due := r.dueAlarms(a, &s)
	if a.Client != nil && (e.confirm || len(due) > 0 || r.polls(a, &s)) {
		asked = errors.Join(asked, r.ask(httpcall.Polling(ctx), a.Client, &s, func(commands.Receipt) {}))
		if s, err = r.c.Intake.Load(ctx, category, id); err != nil {
			return again, err
		}
	}
	standing := a.alarms(&s)
	for _, alarm := range due {
		// The answer may have settled it. An answer that only repeats what is known puts it off not.
		if !slices.ContainsFunc(standing, func(s order.RaiseAlarm) bool { return s.Key == alarm.Key }) {
			continue
		}
		raised, err := r.c.Intake.RaiseAlarm(ctx, category, id, alarm)
		if err != nil {
			return again, err
		}
		if raised {
			r.c.Logger.Warn("alarm", slog.String("order", id), slog.String("code", string(alarm.Code)), slog.String("detail", alarm.Detail))
		}
	}
	return r.next(a, &s, again, asked != nil && e.confirm), asked
}

// next is the earliest of the next poll and the next alarm.
func (r *Reconciler) next(a *account, s *order.State, again time.Time, mustAsk bool) time.Time {
	var next time.Time
	if mustAsk || r.polls(a, s) || slices.ContainsFunc(s.GatewayActions, func(act order.GatewayAction) bool { return r.finishes(a, &act) }) {
		next = again
	}
	now := r.c.Clock()
	for _, alarm := range a.alarms(s) {
		if alarm.At.After(now) && (next.IsZero() || alarm.At.Before(next)) {
			next = alarm.At
		}
	}
	return next
}

func (r *Reconciler) polls(a *account, s *order.State) bool {
	return a.Client != nil && open(s) && r.c.Clock().Sub(s.LastRecordedAt) < r.c.Lookback
}

// alarms are those of an order, where nobody can be asked not before its news has come to rest.
func (a *account) alarms(s *order.State) []order.RaiseAlarm {
	alarms := a.Clocks.alarms(s)
	if a.Client == nil {
		rest := s.LastRecordedAt.Add(importPatience).UTC()
		for i := range alarms {
			if alarms[i].At.Before(rest) {
				alarms[i].At = rest
			}
		}
	}
	return alarms
}

func (r *Reconciler) dueAlarms(a *account, s *order.State) []order.RaiseAlarm {
	now := r.c.Clock()
	return slices.DeleteFunc(a.alarms(s), func(alarm order.RaiseAlarm) bool { return alarm.At.After(now) })
}

// ask takes in what the gateway's GETs tell about an order.
func (r *Reconciler) ask(ctx context.Context, g commands.Gateway, s *order.State, wrote func(commands.Receipt)) error {
	var failed []error
	for _, ref := range refs(s) {
		failed = append(failed, r.fetch(ctx, g, ref, wrote))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("ask %s/%s about order %s: %w", g.Gateway(), g.Account(), s.ID, err)
	}
	return nil
}

// fetch records what the gateway tells about an order.
func (r *Reconciler) fetch(ctx context.Context, g commands.Gateway, ref commands.GatewayRefs, wrote func(commands.Receipt)) error {
	bodies, err := g.Fetch(ctx, ref)
	failed := []error{err}
	for _, body := range bodies {
		receipt, err := r.c.Intake.Accept(ctx, commands.Notification{
			Gateway: g.Gateway(), Account: g.Account(), Via: commands.ViaReconciliation, Body: body, Verified: "api",
			ReceivedAt: r.c.Clock().UTC().Truncate(time.Microsecond),
		})
		if err == nil {
			wrote(receipt)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
