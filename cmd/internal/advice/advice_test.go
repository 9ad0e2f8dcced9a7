package advice_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

func eur(t *testing.T, amount string) money.Money {
	t.Helper()
	c, err := money.ParseCurrency("EUR")
	if err != nil {
		t.Fatal(err)
	}
	m, err := money.Parse(amount, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// everifin is an order of 10 EUR with one payment in a status.
func everifin(t *testing.T, status order.PaymentStatus) *order.State {
	t.Helper()
	zero := eur(t, "0.00")
	p := order.Payment{
		ID: "p", Status: status, Amount: eur(t, "10.00"), AmountKnown: true, Held: zero, Released: zero, Captured: zero, Settled: zero, Reversed: zero,
	}
	if status == order.PaymentSettledStatus {
		p.Captured, p.Settled = eur(t, "10.00"), eur(t, "10.00")
	}
	return &order.State{
		ID: "o", Exists: true, Kind: order.KindPayment, Source: "everifin", Currency: zero.Currency(), AmountDue: eur(t, "10.00"), DueKnown: true,
		External: zero, Lifecycle: order.LifecycleOpen, Payments: []order.Payment{p},
	}
}

// TestOf_RecommendedReactions is Everifin's table "Recommended reactions to payment statuses", row by row, with
// each choice that it leaves to the merchant. Columns: the page that the customer comes back to, the order
// when the webhook comes.
func TestOf_RecommendedReactions(t *testing.T) {
	t.Parallel()
	paid, wait, failed := advice.TakeAsPaid, advice.WaitForMoney, advice.TakeAsFailed
	for _, row := range []struct {
		status       string // Everifin's
		state        order.PaymentStatus
		choices      advice.Choices
		page, do     string
		final        bool
		withdrawable bool
	}{
		// "For some businesses it might be OK to take the risk and consider this status as successful" / "Depends on the merchant's decision."
		{"CONFIRMED", order.PaymentConfirmedStatus, advice.Choices{}, "show_success", "merchant_decides", false, false},
		{"CONFIRMED", order.PaymentConfirmedStatus, advice.Choices{Confirmed: paid}, "show_success", "fulfil", false, false},
		{"CONFIRMED", order.PaymentConfirmedStatus, advice.Choices{Confirmed: wait}, "show_pending", "wait", false, false},
		// "Information about the successful payment is displayed" / "updated to reflect the payment success".
		{"BOOKED", order.PaymentSettledStatus, advice.Choices{}, "show_success", "fulfil", true, false},
		// "Customer should be able to restart only the checkout process with existing shopping cart" / "updated to reflect the unsuccessful payment".
		{"FAILED", order.PaymentFailedStatus, advice.Choices{}, "show_failure_offer_retry", "mark_unsuccessful", false, false},
		{"EXPIRED", order.PaymentExpiredStatus, advice.Choices{}, "show_failure_offer_retry", "mark_unsuccessful", false, false},
		// "The explanation why the payment has been withdrawn" / "probably nothing has to be done anymore by webhook".
		{"WITHDRAWN", order.PaymentWithdrawnStatus, advice.Choices{}, "show_withdrawn", "nothing", true, false},
		// "Here the merchant has multiple options" / "Similar to thank you page behavior".
		{"PROCESSING_EXPIRED", order.PaymentUnknownStatus, advice.Choices{}, "show_unclear", "merchant_decides", false, false},
		{"PROCESSING_EXPIRED", order.PaymentUnknownStatus, advice.Choices{ProcessingExpired: failed}, "show_failure_offer_retry", "mark_unsuccessful", false, false},
		{"PROCESSING_EXPIRED", order.PaymentUnknownStatus, advice.Choices{ProcessingExpired: wait}, "show_pending", "wait", false, false},
		// "Inform the customer the payment is being still checked", or "treat this as unsuccessful".
		{"PROCESSING", order.PaymentProcessingStatus, advice.Choices{}, "show_pending", "wait", false, false},
		{"PROCESSING", order.PaymentProcessingStatus, advice.Choices{Processing: wait}, "show_pending", "wait", false, false},
		{"PROCESSING", order.PaymentProcessingStatus, advice.Choices{Processing: failed}, "show_failure_offer_retry", "mark_unsuccessful", false, false},
		// "merchant could withdraw the payment … and then let the customer restart the checkout process" / "No action".
		{"CREATED", order.PaymentInitiatedStatus, advice.Choices{}, "offer_restart", "nothing", false, true},
		{"SEEN", order.PaymentViewedStatus, advice.Choices{}, "offer_restart", "nothing", false, true},
	} {
		got := advice.Of(everifin(t, row.state), row.choices)
		if got.ThankYouPage != row.page || got.Order != row.do || got.Final != row.final || got.Withdrawable != row.withdrawable || got.Reason == "" {
			t.Errorf("%s with %+v: %+v; want %s, %s, final %t, withdrawable %t", row.status, row.choices, got, row.page, row.do, row.final, row.withdrawable)
		}
	}
}

// TestOf_MoneyThatWent: what was paid and is gone again is not to be delivered for.
func TestOf_MoneyThatWent(t *testing.T) {
	t.Parallel()
	settled := func() *order.State { return everifin(t, order.PaymentSettledStatus) }
	refund := func(s *order.State, amount string, status order.RefundStatus) {
		s.Refunds = append(s.Refunds, order.Refund{ID: "r", PaymentID: "p", Amount: eur(t, amount), AmountKnown: true, Status: status, Completed: eur(t, amount), Reversed: eur(t, "0.00")})
	}
	for name, c := range map[string]struct {
		change   func(*order.State)
		page, do string
		final    bool
	}{
		"RefundedInFull": {func(s *order.State) { refund(s, "10.00", order.RefundCompletedStatus) }, "show_refunded", "mark_refunded", true},
		"RefundedInPart": {func(s *order.State) { refund(s, "4.00", order.RefundCompletedStatus) }, "show_success", "fulfil", true},
		"ChargedBack": {func(s *order.State) {
			s.Disputes = []order.Dispute{{ID: "d", Track: order.TrackChargeback, Stage: order.StageChargeback, Withdrawn: eur(t, "10.00"), Returned: eur(t, "0.00"), Lost: eur(t, "0.00")}}
		}, "show_disputed", "hold", false},
		"DisputeLost": {func(s *order.State) {
			s.Disputes = []order.Dispute{{
				ID: "d", Track: order.TrackChargeback, Stage: order.StageChargeback, Withdrawn: eur(t, "10.00"), Returned: eur(t, "0.00"),
				Lost: eur(t, "10.00"), Outcome: order.OutcomeLost, Resolved: true,
			}}
		}, "show_disputed", "mark_lost", true},
		"PaidAfterCancel": {func(s *order.State) { s.Lifecycle = order.LifecycleCancelled }, "show_unclear", "merchant_decides", false},
		"PaidLate":        {func(s *order.State) { s.Lifecycle = order.LifecycleOverdue }, "show_success", "fulfil", true},
	} {
		s := settled()
		c.change(s)
		if got := advice.Of(s, advice.Choices{}); got.ThankYouPage != c.page || got.Order != c.do || got.Final != c.final {
			t.Errorf("%s: %+v; want %s, %s, final %t", name, got, c.page, c.do, c.final)
		}
	}
}

// TestOf_Closed: nobody is told to wait for an order that was closed, whatever its attempt is in.
func TestOf_Closed(t *testing.T) {
	t.Parallel()
	for _, lifecycle := range []order.Lifecycle{order.LifecycleCancelled, order.LifecycleRejected, order.LifecycleExpired} {
		for status, final := range map[order.PaymentStatus]bool{order.PaymentProcessingStatus: false, order.PaymentFailedStatus: true} {
			s := everifin(t, status)
			s.Lifecycle = lifecycle
			if got := advice.Of(s, advice.Choices{}); got.ThankYouPage != "show_failure_offer_retry" || got.Order != "mark_unsuccessful" || got.Final != final {
				t.Errorf("%s with an attempt in %s: %+v", lifecycle, status, got)
			}
		}
	}
	s := everifin(t, order.PaymentProcessingStatus)
	s.Payments = append(s.Payments, everifin(t, order.PaymentFailedStatus).Payments...)
	if got := advice.Of(s, advice.Choices{}); got.Order != "wait" {
		t.Errorf("an attempt is under way beside one that failed: %+v", got)
	}
}

// TestOf_Payout: a payout is not waited for by a customer.
func TestOf_Payout(t *testing.T) {
	t.Parallel()
	for status, want := range map[order.PayoutStatus]string{
		order.PayoutStateRequested: "wait", order.PayoutStateProcessing: "wait", order.PayoutStatePaid: "fulfil",
		order.PayoutStateFailed: "mark_unsuccessful", order.PayoutStateCancelled: "mark_unsuccessful", order.PayoutStateReversed: "mark_unsuccessful",
	} {
		s := &order.State{ID: "o", Exists: true, Kind: order.KindPayout, Payout: order.Payout{Status: status}}
		if got := advice.Of(s, advice.Choices{}); got.ThankYouPage != "none" || got.Order != want || got.Final != (want != "wait") {
			t.Errorf("%s: %+v, want %s", status, got, want)
		}
	}
}
