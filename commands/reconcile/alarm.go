package reconcile

import (
	"fmt"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// Clocks are how long may pass before somebody should look, for an account. Zero means the default; bank
// days are counted as calendar days with a weekend between.
type Clocks struct {
	Hold          time.Duration `yaml:"hold"`           // how long the gateway keeps a hold: 28 days
	HoldWarning   time.Duration `yaml:"hold_warning"`   // alarm so long before its end: 2 days
	Unstarted     time.Duration `yaml:"unstarted"`      // an Everifin payment that the customer does not begin: 30 minutes
	Confirmed     time.Duration `yaml:"confirmed"`      // confirmed and not booked: 4 days
	Outcome       time.Duration `yaml:"outcome"`        // outcome unknown: 5 days
	Refund        time.Duration `yaml:"refund"`         // refund without an outcome: 10 days
	DisputeNotice time.Duration `yaml:"dispute_notice"` // so long before an answer is due: 3 days
	DisputeStale  time.Duration `yaml:"dispute_stale"`  // dispute without a step: 120 days
}

// Check refuses clocks that run backwards.
func (c Clocks) Check() error {
	for _, d := range []time.Duration{c.Hold, c.HoldWarning, c.Unstarted, c.Confirmed, c.Outcome, c.Refund, c.DisputeNotice, c.DisputeStale} {
		if d < 0 {
			return fmt.Errorf("clock of %s: a clock needs a positive duration", d)
		}
	}
	return nil
}

const day = 24 * time.Hour

// importPatience is how long nothing must have been recorded about an order that nobody can be asked about
// until an alarm is raised: what is imported tells of the past, and the rest of it may be on its way.
const importPatience = 30 * time.Minute

func (c Clocks) withDefaults() Clocks {
	for _, f := range []struct {
		to       *time.Duration
		fallback time.Duration
	}{
		{&c.Hold, 28 * day}, {&c.HoldWarning, 2 * day}, {&c.Unstarted, 30 * time.Minute}, {&c.Confirmed, 4 * day},
		{&c.Outcome, 5 * day}, {&c.Refund, 10 * day}, {&c.DisputeNotice, 3 * day}, {&c.DisputeStale, 120 * day},
	} {
		if *f.to == 0 {
			*f.to = f.fallback
		}
	}
	return c
}

// alarms are what would have to be raised about an order as it is, each at its time. One that was
// raised already is not among them.
func (c Clocks) alarms(s *order.State) []order.RaiseAlarm {
	var out []order.RaiseAlarm
	add := func(at time.Time, code order.Flag, id, detail string) {
		a := order.RaiseAlarm{Key: string(code) + ":" + id, Code: code, Detail: detail, At: at.UTC()}
		raised := order.EventID(s.ID, "alarm:"+a.Key, order.AnomalyFlagged{}.EventType())
		if !s.Seen(raised) {
			out = append(out, a)
		}
	}
	if s.DueAt != nil && s.Kind == order.KindPayment && s.Lifecycle == order.LifecycleOpen && s.PaymentState() != order.Paid {
		add(*s.DueAt, order.FlagDuePassed, s.DueAt.UTC().Format(time.RFC3339),
			"the due date passed, and the gateway reports neither payment nor expiry")
	}
	for i := range s.GatewayActions {
		if a := &s.GatewayActions[i]; a.Outcome == "" {
			add(a.InitiatedAt.Add(order.AnswerPatience), order.FlagGatewayOutcomeUnknown, a.CommandID,
				"the gateway may have been asked to "+string(a.Action)+", and what it answered is not recorded: look there")
		}
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		since := p.LastOccurredAt
		switch p.Status {
		case order.PaymentAuthorizedStatus:
			if !p.HoldEnded {
				add(since.Add(c.Hold-c.HoldWarning), order.FlagHoldExpiring, p.ID, "the hold of payment "+p.ID+" ends soon: capture or void it")
			}
		case order.PaymentInitiatedStatus, order.PaymentViewedStatus:
			if s.Source == "everifin" {
				add(since.Add(c.Unstarted), order.FlagPaymentStale, p.ID, "payment "+p.ID+" should have expired, and the gateway does not say so")
			}
		case order.PaymentConfirmedStatus:
			add(since.Add(c.Confirmed), order.FlagConfirmedStale, p.ID, "payment "+p.ID+" is confirmed and was not booked")
		case order.PaymentUnknownStatus:
			add(since.Add(c.Outcome), order.FlagOutcomeStale, p.ID, "the outcome of payment "+p.ID+" is still unknown: look at the bank account")
		default: // no clock runs
		}
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.Open && !r.InitiatedAt.IsZero() {
			add(r.InitiatedAt.Add(c.Refund), order.FlagRefundStuck, r.ID, "refund "+r.ID+" has no outcome")
		}
	}
	for i := range s.Disputes {
		d := &s.Disputes[i]
		if d.Resolved || len(d.Steps) == 0 {
			continue
		}
		if d.RespondBy != nil {
			add(d.RespondBy.Add(-c.DisputeNotice), order.FlagDisputeDeadline, d.ID+":"+d.RespondBy.UTC().Format(time.RFC3339),
				fmt.Sprintf("dispute %s wants an answer by %s", d.ID, d.RespondBy.UTC().Format(time.DateOnly)))
		}
		last := d.Steps[len(d.Steps)-1]
		add(last.OccurredAt.Add(c.DisputeStale), order.FlagDisputeStale, fmt.Sprintf("%s:%d", d.ID, last.Seq),
			"dispute "+d.ID+" has moved no further")
	}
	return out
}
