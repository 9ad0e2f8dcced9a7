package accounting_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// on is when everything in these tests happens.
var on = time.Date(2026, 10, 15, 0, 0, 0, 0, time.UTC)

func eur(text string) money.Money {
	m, err := money.Parse(text, money.MustCurrency("EUR"))
	if err != nil {
		panic(err)
	}
	return m
}

func usd(text string) money.Money { return money.MustParse(text, "USD") }

func of[T any](v T) *T { return &v }

// TestEntriesFor_DecidesEveryEventType decodes an empty event of every stored type: one that nobody
// decided postings for panics.
func TestEntriesFor_DecidesEveryEventType(t *testing.T) {
	t.Parallel()
	for _, name := range order.EventTypes() {
		metadata, err := json.Marshal(order.Metadata{Schema: order.CurrentVersion(name)})
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := order.Decode(name, []byte("{}"), metadata)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var s order.State
		if lines, _, err := accounting.EntriesFor(accounting.Books{}, e, &s); err != nil || len(lines) != 0 {
			t.Errorf("%s without amounts: %v, %v", name, lines, err)
		}
	}
}

// drawEvent draws any event with any amount, whether or not it could follow the others.
func drawEvent(t *rapid.T) order.Event {
	amount := eur(fmt.Sprintf("%d.%02d", rapid.IntRange(0, 300).Draw(t, "major"), rapid.IntRange(0, 99).Draw(t, "minor")))
	p := rapid.SampledFrom([]string{"p1", "p2"}).Draw(t, "payment")
	r := rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "refund")
	d := rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "dispute")
	direction := rapid.SampledFrom([]order.Direction{order.Increase, order.Decrease}).Draw(t, "direction")
	return rapid.SampledFrom([]order.Event{
		order.OrderAmountChanged{NewAmountDue: amount}, order.OrderOverdue{}, order.OrderExpired{},
		order.OrderCancelled{Cause: order.CauseUnknown}, order.OrderRejectedByCustomer{},
		order.OrderPaidExternally{Amount: amount}, order.FeeCharged{FeeKind: "processing", Amount: amount},
		order.FeeCharged{FeeKind: accounting.FeeKindDispute, Amount: amount},
		order.FeeCharged{FeeKind: "processing", Amount: amount, FromSettlement: true},
		order.SettlementMatched{Kind: rapid.SampledFrom(settlement.Kinds()).Draw(t, "kind"), Movement: "payment:" + p, Amount: amount, External: rapid.Bool().Draw(t, "external")},
		order.SettlementMatched{Kind: rapid.SampledFrom(settlement.Kinds()).Draw(t, "exchanged kind"), Amount: amount, Exchange: &settlement.Exchange{
			Amount: usd(fmt.Sprintf("%d.%02d", rapid.IntRange(0, 300).Draw(t, "came"), rapid.IntRange(1, 99).Draw(t, "cents"))),
			Rate:   rapid.SampledFrom([]string{"", "1.0842", "0.333333"}).Draw(t, "rate"), Inverse: rapid.Bool().Draw(t, "inverse")}},
		order.DisputeProvisioned{DisputeID: d, Amount: amount},
		order.LedgerCorrectionRecorded{Adjustments: []order.Adjustment{{Balance: order.BalanceCaptured, Direction: direction, Amount: amount, PaymentID: p}}},
		order.PaymentInitiated{PaymentID: p, Amount: &amount}, order.PaymentAmountLearned{PaymentID: p, Amount: amount},
		order.PaymentAttemptFailed{PaymentID: p}, order.PaymentAbandoned{PaymentID: p}, order.PaymentExpired{PaymentID: p},
		order.PaymentWithdrawn{PaymentID: p}, order.PaymentOutcomeUnknown{PaymentID: p},
		order.PaymentAuthorized{PaymentID: p, Amount: amount}, order.AuthorizationReleased{PaymentID: p, Amount: amount},
		order.PaymentConfirmed{PaymentID: p, Amount: amount}, order.PaymentCaptured{PaymentID: p, Amount: amount},
		order.PaymentSettled{PaymentID: p, Amount: amount}, order.PaymentSettled{PaymentID: p, Amount: amount, Fee: of(eur("0.35"))},
		order.PaymentSettled{PaymentID: p, Amount: amount, Net: of(eur("1.00"))},
		order.PaymentReversed{PaymentID: p, Amount: amount},
		order.RefundInitiated{RefundID: r, PaymentID: p, Amount: &amount}, order.RefundCompleted{RefundID: r, PaymentID: p, Amount: amount},
		order.RefundCompleted{RefundID: r, PaymentID: p, Amount: amount, ByHand: true}, order.RefundInitiated{RefundID: r, Amount: &amount, External: true},
		order.RefundFailed{RefundID: r, PaymentID: p}, order.RefundReversed{RefundID: r, PaymentID: p, Amount: amount},
		order.RefundObserved{RefundID: r, PaymentID: p, Extent: order.ExtentUnknown},
		order.DisputeStageEntered{DisputeID: d, PaymentID: p, Stage: order.StageChargeback, DisputedAmount: &amount},
		order.DisputeFundsWithdrawn{DisputeID: d, PaymentID: p, Amount: amount},
		order.DisputeFundsReinstated{DisputeID: d, PaymentID: p, Amount: amount},
		order.DisputeResolved{DisputeID: d, Outcome: order.OutcomeSplit, AmountLost: &amount},
		order.NotificationRecorded{}, order.AnomalyFlagged{Code: order.FlagClockSkew},
	}).Draw(t, "event")
}

// TestEntriesFor_AnyHistory checks, for every prefix of histories that no gateway would send, that entries
// balance, and that the accounts agree with the order's public amounts.
func TestEntriesFor_AnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			state order.State
			books accounting.Books
			held  = make(map[accounting.Account]money.Money)
		)
		events := []order.Event{order.OrderRegistered{OrderID: "o", Kind: order.KindPayment, AmountDue: of(eur("120.00"))}}
		events = append(events, rapid.SliceOfN(rapid.Custom(drawEvent), 0, 25).Draw(t, "events")...)
		for i, e := range events {
			state = order.Evolve(state, order.Recorded{Event: e, ID: [16]byte{byte(i + 1)}, Revision: uint64(i), Metadata: order.Metadata{RecordedAt: on}})
			entry, after, err := accounting.EntriesFor(books, e, &state)
			if err != nil {
				t.Fatalf("%s: %v", e.EventType(), err)
			}
			again, _, err := accounting.EntriesFor(books, e, &state)
			if err != nil || fmt.Sprint(again) != fmt.Sprint(entry) {
				t.Fatalf("%s: twice from the same books: %v and %v, %v", e.EventType(), entry, again, err)
			}
			books = after
			sums, foreign := map[string]money.Money{}, money.Zero(money.MustCurrency("USD"))
			for _, line := range entry {
				if line.Amount.IsZero() {
					t.Fatalf("%s: a line of zero: %v", e.EventType(), entry)
				}
				code := line.Amount.Currency().Code()
				if sums[code] = add(sums[code], line.Amount); code == "EUR" {
					held[line.Account] = add(held[line.Account], line.Amount)
				} else if line.Account.IsCash() {
					foreign = add(foreign, line.Amount)
				}
			}
			for code, sum := range sums {
				if !sum.IsZero() {
					t.Fatalf("%s: entry is out by %s %s: %v", e.EventType(), sum, code, entry)
				}
			}
			if !foreign.IsZero() {
				t.Fatalf("%s: %s appears in another currency: %v", e.EventType(), foreign, entry)
			}
			checkAgree(t, &state, held)
		}
	})
}

func checkAgree(t *rapid.T, s *order.State, held map[accounting.Account]money.Money) {
	b := s.Balances()
	net := money.Zero(money.MustCurrency("EUR"))
	for account, amount := range held {
		if account.IsCash() {
			net = add(net, amount)
		}
	}
	for _, c := range []struct {
		name      string
		want, got money.Money
	}{
		{"net and cash accounts", b.Net, net},
		{"refunds pending", b.RefundPending.Neg(), held[accounting.RefundsPayable]},
		{"holds", b.Authorised, held[accounting.Holds]},
		{"expected", b.Expected, held[accounting.Expected]},
		{"provisions", b.Provisions.Neg(), held[accounting.DisputeProvision]},
		{"exchanged", b.Exchanged, held[accounting.CurrencyExchange]},
		{"external", add(add(b.External, b.RefundedExternal.Neg()), b.ExternalPaid), held[accounting.ExternalClearing]},
	} {
		if !add(c.want, c.got.Neg()).IsZero() {
			t.Fatalf("%s: the order says %s, its accounts %s", c.name, c.want, c.got)
		}
	}
	if held[accounting.Receivable].IsNegative() || held[accounting.CustomerFunds].IsPositive() || held[accounting.ExcessRecoverable].IsNegative() {
		t.Fatalf("accounts on the wrong side: %v", held)
	}
}

func add(a, b money.Money) money.Money {
	sum, err := a.Add(b)
	if err != nil {
		panic(err)
	}
	return sum
}

// TestEntriesFor_Cases are the rules of which accounts take what, one by one: what the last event posts.
func TestEntriesFor_Cases(t *testing.T) {
	t.Parallel()
	registered := order.OrderRegistered{OrderID: "o", Kind: order.KindPayment, AmountDue: of(eur("100.00"))}
	initiated := order.PaymentInitiated{PaymentID: "p", Amount: of(eur("100.00"))}
	captured := func(amount string) order.Event { return order.PaymentCaptured{PaymentID: "p", Amount: eur(amount)} }
	refunded := func(amount string) order.Event {
		return order.RefundCompleted{RefundID: "r", PaymentID: "p", Amount: eur(amount)}
	}
	payout := order.OrderRegistered{OrderID: "o", Kind: order.KindPayout, AmountDue: of(eur("30.00"))}
	requested := order.PayoutRequested{PayoutID: "o", Amount: of(eur("30.00"))}
	for name, c := range map[string]struct {
		events []order.Event
		want   string
	}{
		"Overpaid":          {[]order.Event{registered, initiated, captured("120.00")}, "1100 120.00 1200 -100.00 2200 -20.00"},
		"PartlyPaid":        {[]order.Event{registered, initiated, captured("40.00")}, "1100 40.00 1200 -40.00"},
		"RefundOfOverpaid":  {[]order.Event{registered, initiated, captured("120.00"), refunded("20.00")}, "1100 -20.00 2200 20.00"},
		"RefundUnannounced": {[]order.Event{registered, initiated, captured("100.00"), refunded("30.00")}, "1100 -30.00 4090 30.00"},
		"RefundExceeds":     {[]order.Event{registered, initiated, captured("100.00"), refunded("130.00")}, "1100 -130.00 1160 30.00 4090 100.00"},
		"RefundByHand": {[]order.Event{registered, initiated, captured("100.00"),
			order.RefundInitiated{RefundID: "r", PaymentID: "p", Amount: of(eur("30.00")), ByHand: true},
			order.RefundCompleted{RefundID: "r", PaymentID: "p", Amount: eur("30.00"), ByHand: true}}, "1010 -30.00 2100 30.00"},
		"RefundOfPaidOutside": {[]order.Event{registered, order.OrderPaidExternally{Amount: eur("100.00")},
			order.RefundInitiated{RefundID: "r", Amount: of(eur("30.00")), ByHand: true, External: true},
			order.RefundCompleted{RefundID: "r", Amount: eur("30.00"), ByHand: true}}, "1110 -30.00 2100 30.00"},
		"CancelledPartly":    {[]order.Event{registered, initiated, captured("40.00"), order.OrderCancelled{}}, "1200 -60.00 4000 60.00"},
		"PaidAfterCancelled": {[]order.Event{registered, initiated, order.OrderCancelled{}, captured("100.00")}, "1100 100.00 2200 -100.00"},
		"ReversedReopens":    {[]order.Event{registered, initiated, captured("100.00"), order.PaymentReversed{PaymentID: "p", Amount: eur("100.00")}}, "1100 -100.00 1200 100.00"},
		"SettledWithFee":     {[]order.Event{registered, initiated, captured("100.00"), order.PaymentSettled{PaymentID: "p", Amount: eur("100.00"), Fee: of(eur("1.90"))}}, "1010 98.10 1100 -100.00 5200 1.90"},
		"FeeOfSettledGross": {[]order.Event{registered, initiated, captured("100.00"), order.PaymentSettled{PaymentID: "p", Amount: eur("100.00")},
			order.FeeCharged{FeeKind: "processing", Amount: eur("1.90"), FromSettlement: true}}, "1010 -1.90 5200 1.90"},
		"RefundKeptBack": {[]order.Event{registered, initiated, captured("100.00"), refunded("30.00"),
			order.SettlementMatched{Kind: settlement.Refund, Amount: eur("30.00")}}, "1010 -30.00 1100 30.00"},
		"RefundByHandAtTheBank": {[]order.Event{registered, initiated, captured("100.00"),
			order.RefundCompleted{RefundID: "r", PaymentID: "p", Amount: eur("30.00"), ByHand: true},
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("30.00")}}, ""},
		"ChargebackGivenBack": {[]order.Event{registered, initiated, captured("100.00"),
			order.SettlementMatched{Kind: settlement.ChargebackReversal, Amount: eur("30.00")}}, "1010 30.00 1100 -30.00"},
		"PaymentConfirmedByStatement": {[]order.Event{registered, initiated, captured("100.00"),
			order.SettlementMatched{Kind: settlement.Payment, Amount: eur("100.00")}}, ""},
		"PaidOutside":  {[]order.Event{registered, order.OrderPaidExternally{Amount: eur("100.00")}}, "1110 100.00 1200 -100.00"},
		"Hold":         {[]order.Event{registered, initiated, order.PaymentAuthorized{PaymentID: "p", Amount: eur("100.00")}}, "9100 100.00 9101 -100.00"},
		"AmountRaised": {[]order.Event{registered, order.OrderAmountChanged{NewAmountDue: eur("130.00")}}, "1200 30.00 4000 -30.00"},
		"HoldReleased": {[]order.Event{registered, initiated, order.PaymentAuthorized{PaymentID: "p", Amount: eur("100.00")},
			order.AuthorizationReleased{PaymentID: "p", Amount: eur("100.00")}}, "9100 -100.00 9101 100.00"},
		"Confirmed":       {[]order.Event{registered, initiated, order.PaymentConfirmed{PaymentID: "p", Amount: eur("100.00")}}, "9110 100.00 9111 -100.00"},
		"ConfirmedFailed": {[]order.Event{registered, initiated, order.PaymentConfirmed{PaymentID: "p", Amount: eur("100.00")}, order.PaymentWithdrawn{PaymentID: "p"}}, "9110 -100.00 9111 100.00"},
		"RefundInitiated": {[]order.Event{registered, initiated, captured("100.00"), order.RefundInitiated{RefundID: "r", PaymentID: "p", Amount: of(eur("30.00"))}}, "2100 -30.00 4090 30.00"},
		"RefundFailed": {[]order.Event{registered, initiated, captured("100.00"), order.RefundInitiated{RefundID: "r", PaymentID: "p", Amount: of(eur("30.00"))},
			order.RefundFailed{RefundID: "r", PaymentID: "p"}}, "2100 30.00 4090 -30.00"},
		"RefundReversed": {[]order.Event{registered, initiated, captured("100.00"), refunded("30.00"),
			order.RefundReversed{RefundID: "r", PaymentID: "p", Amount: eur("30.00")}}, "1100 30.00 4090 -30.00"},
		"DisputeWithdrawn": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")}}, "1100 -60.00 1150 60.00"},
		"DisputeReinstated": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")},
			order.DisputeFundsReinstated{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")}}, "1100 60.00 1150 -60.00"},
		"DisputeLost": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")},
			order.DisputeResolved{DisputeID: "d", Outcome: order.OutcomeLost, AmountLost: of(eur("60.00"))}}, "1150 -60.00 5100 60.00"},
		"DisputeFee": {[]order.Event{registered, initiated, captured("100.00"), order.FeeCharged{FeeKind: accounting.FeeKindDispute, Amount: eur("15.00")}}, "1100 -15.00 5210 15.00"},
		"Correction": {[]order.Event{registered, initiated, captured("100.00"), order.LedgerCorrectionRecorded{Adjustments: []order.Adjustment{
			{Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("10.00"), PaymentID: "p"}}}}, "1100 -10.00 1200 10.00"},
		"SettledInDollars": {[]order.Event{registered, initiated, captured("100.00"), order.PaymentSettled{PaymentID: "p", Amount: eur("100.00"), Fee: of(usd("2.00"))},
			order.SettlementMatched{Kind: settlement.Payment, Movement: "payment:p", Amount: eur("100.00"), Exchange: &settlement.Exchange{Amount: usd("108.40"), Rate: "1.0842"}}},
			"1010 -100.00 1010 108.40 1190 100.00 1190 -108.42 5900 0.02"},
		"RefundInDollars": {[]order.Event{registered, initiated, captured("100.00"), refunded("10.00"),
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("10.00"), Exchange: &settlement.Exchange{Amount: usd("10.80"), Rate: "0.9225", Inverse: true}}},
			"1010 -10.80 1100 10.00 1190 -10.00 1190 10.84 5900 -0.04"},
		"RefundOfPaidOutsideAtTheBank": {[]order.Event{registered, order.OrderPaidExternally{Amount: eur("100.00")},
			order.RefundInitiated{RefundID: "r", Amount: of(eur("30.00")), ByHand: true, External: true},
			order.RefundCompleted{RefundID: "r", Amount: eur("30.00"), ByHand: true},
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("30.00"), External: true}}, "1010 -30.00 1110 30.00"},
		"RefundOfPaidOutsideInDollars": {[]order.Event{registered, order.OrderPaidExternally{Amount: eur("100.00")},
			order.RefundInitiated{RefundID: "r", Amount: of(eur("10.00")), ByHand: true, External: true},
			order.RefundCompleted{RefundID: "r", Amount: eur("10.00"), ByHand: true},
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("10.00"), External: true,
				Exchange: &settlement.Exchange{Amount: usd("10.80"), Rate: "0.9225", Inverse: true}}},
			"1010 -10.80 1110 10.00 1190 -10.00 1190 10.84 5900 -0.04"},
		"RefundByHandInDollars": {[]order.Event{registered, initiated, captured("100.00"),
			order.RefundCompleted{RefundID: "r", PaymentID: "p", Amount: eur("10.00"), ByHand: true},
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("10.00"), Exchange: &settlement.Exchange{Amount: usd("10.80"), Rate: "0.9225", Inverse: true}}},
			"1010 10.00 1010 -10.80 1190 -10.00 1190 10.84 5900 -0.04"},
		"DisputeFeeGivenBack": {[]order.Event{registered, order.SettlementMatched{Kind: settlement.FeeReversal, Amount: eur("15.00"), FeeKind: accounting.FeeKindDispute}},
			"1010 15.00 5210 -15.00"},
		"FeeInDollars": {[]order.Event{registered, initiated, captured("100.00"), order.FeeCharged{FeeKind: "processing", Amount: usd("2.00"), FromSettlement: true}},
			"1010 -2.00 5200 2.00"},
		"SettlementTakenBack": {[]order.Event{registered, initiated, captured("100.00"), order.PaymentSettled{PaymentID: "p", Amount: eur("100.00")},
			order.SettlementMatched{Kind: settlement.Payment, Movement: "payment:p", Amount: eur("100.00")},
			order.SettlementMatched{Kind: settlement.PaymentReversal, Movement: "payment:p", Amount: eur("100.00")}}, "1010 -100.00 1100 100.00"},
		"SettledAgain": {[]order.Event{registered, initiated, captured("100.00"), order.PaymentSettled{PaymentID: "p", Amount: eur("100.00")},
			order.SettlementMatched{Kind: settlement.Payment, Movement: "payment:p", Amount: eur("100.00")},
			order.SettlementMatched{Kind: settlement.PaymentReversal, Movement: "payment:p", Amount: eur("100.00")},
			order.SettlementMatched{Kind: settlement.Payment, Movement: "payment:p", Amount: eur("100.00")}}, "1010 100.00 1100 -100.00"},
		"RefundNotKeptBackAfterAll": {[]order.Event{registered, initiated, captured("100.00"), refunded("30.00"),
			order.SettlementMatched{Kind: settlement.Refund, Movement: "refund:r", Amount: eur("30.00")},
			order.SettlementMatched{Kind: settlement.RefundReversal, Movement: "refund:r", Amount: eur("30.00")}}, "1010 30.00 1100 -30.00"},
		"FeeGivenBack": {[]order.Event{registered, order.SettlementMatched{Kind: settlement.FeeReversal, Amount: eur("2.00")}}, "1010 2.00 5200 -2.00"},
		"Provision": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")},
			order.DisputeProvisioned{DisputeID: "d", Amount: eur("24.00")}}, "2350 -24.00 5100 24.00"},
		"ProvisionLowered": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")},
			order.DisputeProvisioned{DisputeID: "d", Amount: eur("24.00")}, order.DisputeProvisioned{DisputeID: "d", Amount: eur("10.00")}}, "2350 14.00 5100 -14.00"},
		"ProvisionUsed": {[]order.Event{registered, initiated, captured("100.00"), order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", Amount: eur("60.00")},
			order.DisputeProvisioned{DisputeID: "d", Amount: eur("24.00")},
			order.DisputeResolved{DisputeID: "d", Outcome: order.OutcomeLost, AmountLost: of(eur("60.00"))}}, "1150 -60.00 2350 24.00 5100 36.00"},
		"PayoutOrderAtTheBank": {[]order.Event{payout, requested, order.PayoutCompleted{PayoutID: "o", Amount: eur("30.00")},
			order.SettlementMatched{Kind: settlement.Disbursement, Movement: "payout:o", Amount: eur("30.00")}}, "1010 -30.00 1100 30.00"},
		"PayoutCancelled": {[]order.Event{payout, requested, order.PayoutCancelled{PayoutID: "o"}}, "2300 30.00 2900 -30.00"},
		"PayoutReversed": {[]order.Event{payout, requested, order.PayoutCompleted{PayoutID: "o", Amount: eur("30.00")},
			order.PayoutReversed{PayoutID: "o", Amount: eur("30.00")}}, "1100 30.00 2900 -30.00"},
		"PayoutRequested": {[]order.Event{payout, requested}, "2300 -30.00 2900 30.00"},
		"PayoutCompleted": {[]order.Event{payout, requested, order.PayoutCompleted{PayoutID: "o", Amount: eur("30.00")}}, "1100 -30.00 2300 30.00"},
		"PayoutFailed":    {[]order.Event{payout, requested, order.PayoutFailed{PayoutID: "o"}}, "2300 30.00 2900 -30.00"},
		"TestOrder":       {[]order.Event{order.OrderRegistered{OrderID: "o", IsTest: true, Kind: order.KindPayment, AmountDue: of(eur("100.00"))}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var (
				state order.State
				books accounting.Books
				entry []accounting.Line
				err   error
			)
			for i, e := range c.events {
				state = order.Evolve(state, order.Recorded{Event: e, ID: [16]byte{byte(i + 1)}, Revision: uint64(i), Metadata: order.Metadata{RecordedAt: on}})
				if entry, books, err = accounting.EntriesFor(books, e, &state); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			for i, line := range entry {
				if i > 0 {
					got += " "
				}
				got += line.Account.Code() + " " + line.Amount.String()
			}
			if got != c.want {
				t.Errorf("posted %q, want %q", got, c.want)
			}
		})
	}
}

func TestLocks_PostingDate(t *testing.T) {
	t.Parallel()
	october, err := accounting.ParsePeriod("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	// October is closed at position 100 and opened again at 200.
	locks := accounting.Locks{{Position: 100, Through: october.Last()}, {Position: 200, Through: october.Previous().Last()}}
	for _, c := range []struct {
		position uint64
		value    time.Time
		want     string
		late     bool
	}{
		{99, on, "2026-10-15", false}, {101, on, "2026-11-01", true}, {201, on, "2026-10-15", false},
		{101, october.Next().First(), "2026-11-01", false}, {101, on.AddDate(-1, 0, 0), "2026-11-01", true},
		{201, on.AddDate(-1, 0, 0), "2026-10-01", true},
	} {
		day, late := locks.PostingDate(c.value, c.position)
		if got := day.Format(time.DateOnly); got != c.want || late != c.late {
			t.Errorf("value date %s at %d: %s late=%t, want %s late=%t", c.value.Format(time.DateOnly), c.position, got, late, c.want, c.late)
		}
	}
}
