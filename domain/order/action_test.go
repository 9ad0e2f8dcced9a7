package order_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// after is the state after a command, of a copy: the state given can be led on otherwise.
func after(t interface{ Fatalf(string, ...any) }, s order.State, c order.Command) order.State {
	next, _ := feed(t, s.Clone(), c)
	return next
}

func instruct(key string, a order.Action) order.Instruct {
	return order.Instruct{
		OrderID: testOrderID, At: day.AddDate(0, 6, 0), Actor: "ada", Action: a,
		Evidence: order.CommandRecorded{CommandID: key, Action: a.ActionName(), KeySHA256: key},
	}
}

func registered(t interface{ Fatalf(string, ...any) }, due, limit string) order.State {
	amount := eur(due)
	s := after(t, order.State{}, instruct("register", order.Register{Order: order.OrderRegistered{
		OrderID: testOrderID, Kind: order.KindPayment, Source: "decta", SourceAccount: "default", AmountDue: &amount,
		MerchantReference: "SO-1", RefundLimitPercent: limit,
	}}))
	return s
}

var card = order.PaymentRef{SourceID: "o1", SourceOrderID: "o1"}

func reported(key string) order.At {
	return order.At{Key: key, OccurredAt: day, Basis: order.BasisStatusChange, Status: key}
}

func paid(t interface{ Fatalf(string, ...any) }, s order.State, amount string) order.State {
	m := eur(amount)
	s = after(t, s, observe("paid "+amount, order.Registration{SourceOrderID: "o1"}, order.Captured{At: reported("paid"), Payment: card, Amount: &m}))
	return s
}

func disputed(t interface{ Fatalf(string, ...any) }, s order.State, amount string) order.State {
	m := eur(amount)
	s = after(t, s, observe("chargeback", order.Registration{SourceOrderID: "o1"},
		order.DisputeStage{At: reported("chargeback"), Payment: card, Stage: order.StageChargeback, Amount: &m},
		order.DisputeTotals{At: reported("chargeback"), Payment: card, Withdrawn: &m}))
	return s
}

func refund(amount string) order.RefundPayment {
	return order.RefundPayment{Amount: ptr(eur(amount)), ByHand: true}
}

// TestInstruct_Refusals: what the order's state does not allow is refused with the code that callers
// program against, and nothing is decided.
func TestInstruct_Refusals(t *testing.T) {
	t.Parallel()
	open := registered(t, "100.00", "")
	full := paid(t, open, "100.00")
	refunding := after(t, full, instruct("r1", refund("60.00")))
	held := disputed(t, full, "70.00")
	half := paid(t, registered(t, "100.00", "50"), "100.00")
	busy := after(t, open, observe("busy", order.Registration{}, order.Processing{At: reported("in_progress"), Payment: card, Attempt: 1}))
	cancelled := after(t, open, instruct("c", order.CancelOrder{}))
	reversing := after(t, full, instruct("v", order.ReversePayment{AtGateway: true}))
	payment := full.Payments[0].ID
	lowered := order.Adjustment{Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("10.00"), PaymentID: payment}
	for name, c := range map[string]struct {
		state  order.State
		action order.Action
		want   string
	}{
		"unknown order":                    {order.State{}, order.CancelOrder{}, "order_unknown"},
		"registered twice":                 {open, order.Register{}, "order_exists"},
		"refund of nothing":                {open, refund("1.00"), "nothing_captured"},
		"refund of too much":               {full, refund("100.01"), "refund_exceeds_refundable"},
		"refund of what is being refunded": {refunding, refund("40.01"), "refund_exceeds_refundable"},
		"refund of disputed money":         {held, refund("30.01"), "disputed_money"},
		"refund above the limit":           {half, refund("50.01"), "refund_limit_exceeded"},
		"refund of zero":                   {full, refund("0.00"), "amount_not_positive"},
		"refund in another currency":       {full, order.RefundPayment{Amount: ptr(money.MustParse("1.00", "USD"))}, "currency_mismatch"},
		"refund of no payment of ours":     {full, order.RefundPayment{PaymentID: "x"}, "payment_unknown"},
		"refund while reversing":           {reversing, refund("1.00"), "reversal_under_way"},
		"refund that nobody makes":         {full, order.RefundPayment{}, "gateway_cannot"},
		"reversal that nobody makes":       {full, order.ReversePayment{}, "gateway_cannot"},
		"reversed twice":                   {reversing, order.ReversePayment{AtGateway: true}, "reversal_under_way"},
		"reversal after refund":            {refunding, order.ReversePayment{AtGateway: true}, "already_given_back"},
		"amount below what is paid":        {full, order.ChangeAmount{Amount: eur("99.99")}, "INVALID_ORDER_AMOUNT"},
		"amount during a payment":          {busy, order.ChangeAmount{Amount: eur("120.00")}, "ORDER_CANNOT_BE_UPDATED"},
		"amount of a closed order":         {cancelled, order.ChangeAmount{Amount: eur("120.00")}, "ORDER_CANNOT_BE_UPDATED"},
		"cancel of what is paid":           {full, order.CancelOrder{}, "order_paid"},
		"cancel during a payment":          {busy, order.CancelOrder{}, "payment_under_way"},
		"cancel of a gateway's order":      {unpaidAtGateway(t), order.CancelOrder{}, "known_to_gateway"},
		"received what is paid":            {full, order.MarkReceived{}, "already_paid"},
		"received too much":                {open, order.MarkReceived{Amount: ptr(eur("100.01"))}, "amount_exceeds_open"},
		"received after cancel":            {cancelled, order.MarkReceived{}, "order_closed"},
		"no such dispute":                  {held, order.AcceptDispute{DisputeID: "x"}, "dispute_unknown"},
		"amount that the gateway keeps":    {open, order.ChangeAmount{Amount: eur("120.00"), Kept: true}, "gateway_cannot"},
		"split of more than disputed":      {held, order.SettleDispute{DisputeID: held.Disputes[0].ID, Outcome: order.OutcomeSplit, Lost: ptr(eur("70.01"))}, "lost_exceeds_disputed"},
		"lost more than disputed":          {held, order.SettleDispute{DisputeID: held.Disputes[0].ID, Outcome: order.OutcomeLost, Lost: ptr(eur("70.01"))}, "lost_exceeds_disputed"},
		"split without amount":             {held, order.SettleDispute{DisputeID: held.Disputes[0].ID, Outcome: order.OutcomeSplit}, "amount_required"},
		"own approval asked for":           {full, order.ProposeCorrection{Reason: "x", Approver: "Ada ", Adjustments: []order.Adjustment{lowered}}, "approver_required"},
		"correction without reason":        {full, order.ProposeCorrection{Adjustments: []order.Adjustment{lowered}}, "reason_required"},
		"correction of nothing":            {full, order.ProposeCorrection{Reason: "x"}, "adjustments_required"},
		"correction below zero": {full, order.ProposeCorrection{Reason: "x", Adjustments: []order.Adjustment{{
			Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("100.01"), PaymentID: payment,
		}}}, "correction_impossible"},
		"correction that leaves too much given back": {refunding, order.ProposeCorrection{Reason: "x", Adjustments: []order.Adjustment{{
			Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("50.00"), PaymentID: payment,
		}}}, "correction_impossible"},
		"correction of no balance": {full, order.ProposeCorrection{Reason: "x", Adjustments: []order.Adjustment{{
			Balance: order.BalanceRefunded, Direction: order.Decrease, Amount: eur("1.00"), PaymentID: payment,
		}}}, "adjustment_target"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decided, err := order.Decide(c.state, instruct("k", c.action))
			var refused *order.Rejection
			if !errors.As(err, &refused) || refused.Code != c.want || len(decided) > 0 {
				t.Errorf("decided %d events, %v; want a refusal %s", len(decided), err, c.want)
			}
		})
	}
}

func unpaidAtGateway(t *testing.T) order.State {
	s := after(t, registered(t, "100.00", ""), observe("issued", order.Registration{SourceOrderID: "o1"},
		order.Issued{At: reported("issued"), SourceOrderID: "o1"}))
	return s
}

// TestInstruct_Balances: what is allowed moves what it names.
func TestInstruct_Balances(t *testing.T) {
	t.Parallel()
	full := paid(t, registered(t, "100.00", ""), "100.00")
	held := disputed(t, full, "70.00")
	for name, c := range map[string]struct {
		state  order.State
		action order.Action
		got    func(order.Balances) money.Money
		want   string
	}{
		"refund of a part":   {full, refund("10.00"), func(b order.Balances) money.Money { return b.RefundPending }, "10.00"},
		"refund of the rest": {held, order.RefundPayment{ByHand: true}, func(b order.Balances) money.Money { return b.RefundPending }, "30.00"},
		"received":           {registered(t, "100.00", ""), order.MarkReceived{}, func(b order.Balances) money.Money { return b.External }, "100.00"},
		"dispute accepted":   {held, order.AcceptDispute{DisputeID: held.Disputes[0].ID}, func(b order.Balances) money.Money { return b.DisputeLost }, "70.00"},
		"dispute won":        {held, order.SettleDispute{DisputeID: held.Disputes[0].ID, Outcome: order.OutcomeWon}, func(b order.Balances) money.Money { return b.Net }, "100.00"},
		"more asked for":     {full, order.ChangeAmount{Amount: eur("120.00")}, func(b order.Balances) money.Money { return b.Gross }, "100.00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, decided := feed(t, c.state.Clone(), instruct("k", c.action))
			if got := c.got(s.Balances()); !got.Equal(eur(c.want)) {
				t.Errorf("%s after %d events, want %s", got, len(decided), c.want)
			}
			again, err := order.Decide(s, instruct("k", c.action))
			if err != nil || len(again) > 0 {
				t.Errorf("the same key decided %d more events, %v", len(again), err)
			}
		})
	}
}

// TestInstruct_GivenBackNeverExceedsCaptured is invariant I4: whatever is asked for, in any order, among
// consistent answers of the gateway, what goes back never exceeds what came in.
func TestInstruct_GivenBackNeverExceedsCaptured(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := paid(t, registered(t, "100.00", rapid.SampledFrom([]string{"", "0", "80", "33.33"}).Draw(t, "limit")), "100.00")
		completed := money.Zero(eur("0.00").Currency())
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			key := fmt.Sprintf("k%d", i)
			amount := eur(fmt.Sprintf("%d.%02d", rapid.IntRange(0, 60).Draw(t, "euros"), rapid.IntRange(1, 99).Draw(t, "cents")))
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				var refused *order.Rejection
				decided, err := order.Decide(s, instruct(key, order.RefundPayment{Amount: &amount, ByHand: true}))
				if err != nil && !errors.As(err, &refused) {
					t.Fatalf("refund of %s: %v", amount, err)
				}
				if len(decided) > 0 {
					s = after(t, s, instruct(key, order.RefundPayment{Amount: &amount, ByHand: true}))
				}
			case 2: // the gateway completes the oldest open refund
				for _, r := range s.Refunds {
					if r.Open {
						completed, _ = completed.Add(r.Amount)
						total := completed
						s = after(t, s, observe(key, order.Registration{SourceOrderID: "o1"}, order.RefundTotals{
							At: reported("refunds"), Payment: card, Refunded: &total, ModifiedAt: day.Add(time.Duration(i) * time.Minute),
						}))
						break
					}
				}
			case 3:
				if b := s.Balances(); len(s.Disputes) == 0 && b.RefundPending.IsZero() {
					if left, _ := b.Captured.Sub(b.Refunded); left.IsPositive() {
						s = disputed(t, s, left.Amount().StringFixed(2))
					}
				}
			}
			b := s.Balances()
			back := b.Refunded
			for _, m := range []money.Money{b.RefundPending, b.Reversed, b.DisputeHeld, b.DisputeLost} {
				back, _ = back.Add(m)
			}
			if c, err := back.Cmp(b.Captured); err != nil || c > 0 {
				t.Fatalf("%s went or goes back of %s that came in", back, b.Captured)
			}
			if !b.Refunded.Equal(completed) {
				t.Fatalf("%s refunded, the gateway completed %s", b.Refunded, completed)
			}
		}
	})
}

// TestRefund_NamedByGateway: the refund that we asked for is the one that the gateway then reports under
// its own id; it is not counted twice.
func TestRefund_NamedByGateway(t *testing.T) {
	t.Parallel()
	for _, amount := range []*money.Money{nil, ptr(eur("10.00"))} {
		s := paid(t, registered(t, "100.00", ""), "100.00")
		s = after(t, s, instruct("r", refund("10.00")))
		s = after(t, s, observe("created", order.Registration{}, order.RefundReported{
			At: reported("CREATED"), SourceRefundID: "g1", Step: order.RefundStepInitiated, Amount: amount,
		}))
		s = after(t, s, observe("booked", order.Registration{}, order.RefundReported{
			At: reported("BOOKED"), SourceRefundID: "g1", Step: order.RefundStepCompleted, Amount: amount,
		}))
		b := s.Balances()
		if len(s.Refunds) != 1 || !b.Refunded.Equal(eur("10.00")) || !b.RefundPending.IsZero() {
			t.Errorf("%d refunds, %s refunded, %s pending; want one of 10.00", len(s.Refunds), b.Refunded, b.RefundPending)
		}
	}
}

// TestRefund_FailedByTheGatewaysClock: a refund that we asked for has failed also where the gateway's clock,
// which counts in seconds, is behind ours; a failure of long ago is not that of a refund asked for today.
func TestRefund_FailedByTheGatewaysClock(t *testing.T) {
	t.Parallel()
	asked := day.AddDate(0, 6, 0).Add(700 * time.Millisecond)
	for name, c := range map[string]struct {
		failed time.Time
		ended  bool
	}{
		"SameSecond": {asked.Truncate(time.Second), true}, "ClockBehind": {asked.Add(-time.Minute), true},
		"Later": {asked.Add(time.Hour), true}, "LongAgo": {asked.Add(-24 * time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := paid(t, registered(t, "100.00", ""), "100.00")
			command := instruct("r", order.RefundPayment{Amount: ptr(eur("10.00")), AtGateway: true})
			command.At = asked
			s = after(t, s, command)
			at := func(status string) order.At {
				return order.At{Key: status, OccurredAt: c.failed, Basis: order.BasisStatusChange, Status: status}
			}
			s = after(t, s, observe("failed", order.Registration{SourceOrderID: "o1"}, order.RefundTotals{
				At: at("refund_failed"), Payment: card, ModifiedAt: c.failed, Steps: []order.RefundStepAt{
					{At: at("refund_initiated"), Step: order.RefundStepInitiated}, {At: at("refund_failed"), Step: order.RefundStepFailed},
				},
			}))
			if pending := s.Balances().RefundPending; pending.IsZero() != c.ended {
				t.Errorf("%s is pending after a failure at %s of a refund asked for at %s", pending, c.failed, asked)
			}
			if c.ended && (len(s.Refunds) != 1 || s.GatewayStatus != "refund_failed") {
				t.Errorf("%d refunds, the gateway's status is %s", len(s.Refunds), s.GatewayStatus)
			}
		})
	}
}
