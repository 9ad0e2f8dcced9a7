package order_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// paidOrder is an order of 100.00 that was captured, and 30.00 of it refunded.
func paidOrder(t interface{ Fatalf(string, ...any) }) order.State {
	at := order.At{OccurredAt: day, Basis: order.BasisStatusChange}
	key := func(k string) order.At { a := at; a.Key = k; return a }
	payment := order.PaymentRef{SourceID: "pay-1", SourceOrderID: "ord-1"}
	s, _ := feed(t, order.State{}, observe("one", order.Registration{SourceOrderID: "ord-1", AmountDue: ptr(eur("100.00"))},
		order.Captured{At: key("captured"), Payment: payment, Amount: ptr(eur("100.00"))},
		order.RefundReported{At: key("refunded"), Payment: &payment, SourceRefundID: "ref-1", Step: order.RefundStepCompleted, Amount: ptr(eur("30.00"))}))
	return s
}

func statementLine(number int, kind settlement.Kind, gross, fee, reference string) settlement.Line {
	l := settlement.Line{Number: number, Kind: kind, References: []string{reference}, ValueDate: "2026-10-03", Gross: eur(gross)}
	if fee != "" {
		l.Fee = ptr(eur(fee))
	}
	return l
}

func shown(decided []order.Decided) []string {
	var texts []string
	for _, d := range decided {
		switch e := d.Event.(type) {
		case order.SettlementMatched:
			text := fmt.Sprintf("matched %s %s", e.Kind, e.Amount)
			if e.FeeKind != "" {
				part := "payment"
				if e.RefundID != "" {
					part = "refund"
				}
				text += " of " + part + " " + e.FeeKind
			}
			texts = append(texts, text)
		case order.SettlementMismatchFlagged:
			texts = append(texts, fmt.Sprintf("%s %s %s", e.Reason, e.Kind, e.Amount))
		case order.PaymentSettled:
			texts = append(texts, fmt.Sprintf("settled %s fee %v on %s %s", e.Amount, e.Fee, d.Basis, d.OccurredAt.Format("2006-01-02")))
		case order.FeeCharged:
			texts = append(texts, fmt.Sprintf("fee %s %s from settlement %t", e.FeeKind, e.Amount, e.FromSettlement))
		default:
			texts = append(texts, d.Event.EventType())
		}
	}
	return texts
}

func match(statement string, lines ...settlement.Line) order.MatchSettlement {
	return order.MatchSettlement{StatementID: statement, Lines: lines, Window: settlement.DefaultWindow, At: day.AddDate(0, 1, 0)}
}

func TestDecide_MatchSettlement(t *testing.T) {
	t.Parallel()
	settled := order.Settled{
		At:      order.At{Key: "settled", OccurredAt: day, Basis: order.BasisStatusChange},
		Payment: order.PaymentRef{SourceID: "pay-1", SourceOrderID: "ord-1"}, Amount: ptr(eur("100.00")),
	}
	fee := func(number int, id string) settlement.Line {
		l := statementLine(number, settlement.Fee, "0.25", "", "ord-1")
		l.ID = id
		return l
	}
	at := func(key string, days int) order.At {
		return order.At{Key: key, OccurredAt: day.AddDate(0, 0, days), Basis: order.BasisStatusChange}
	}
	abroad := statementLine(1, settlement.Payment, "108.42", "1.90", "pay-1") // EUR: the account's; the customer's bank took dollars
	abroad.Gross, abroad.Exchange = money.MustParse("108.42", "USD"), &settlement.Exchange{Amount: eur("100.00"), Rate: "1.0842", Inverse: true}
	for name, c := range map[string]struct {
		before []order.Command
		now    order.MatchSettlement
		want   []string
	}{
		"SettlesWithFee": {nil, match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1")),
			[]string{"matched payment 100.00", "settled 100.00 fee 1.90 on source_day 2026-10-03"}},
		"PaidFromAbroad": {nil, match("a", abroad), []string{"matched payment 100.00", "settled 100.00 fee 1.90 on source_day 2026-10-03"}},
		"FeeOfSettled": {[]order.Command{observe("two", order.Registration{}, settled)}, match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1")),
			[]string{"matched payment 100.00", "fee processing 1.90 from settlement true"}},
		"Refund": {nil, match("a", statementLine(1, settlement.Refund, "30.00", "0.10", "pay-1")),
			[]string{"matched refund 30.00", "fee refund 0.10 from settlement true"}},
		"FeeAlone": {nil, match("a", statementLine(1, settlement.Fee, "0.50", "", "ord-1")), []string{"matched fee 0.50", "fee statement 0.50 from settlement true"}},
		"FeeTwice": {[]order.Command{match("a", statementLine(1, settlement.Fee, "0.50", "", "ord-1"))}, match("b", statementLine(1, settlement.Fee, "0.50", "", "ord-1")),
			[]string{"already_matched fee 0.50"}},
		"TwoFees": {nil, match("a", fee(1, "f1"), fee(2, "f2")),
			[]string{"matched fee 0.25", "fee statement 0.25 from settlement true", "matched fee 0.25", "fee statement 0.25 from settlement true"}},
		"TwoFeesAgain": {[]order.Command{match("a", fee(1, "f1"), fee(2, "f2"))}, match("b", fee(1, "f2"), fee(2, "f3")),
			[]string{"already_matched fee 0.25", "matched fee 0.25", "fee statement 0.25 from settlement true"}},
		"TwoFeesWithoutIDs": {[]order.Command{match("a", fee(1, ""))}, match("b", fee(1, ""), fee(2, "")),
			[]string{"already_matched fee 0.25", "matched fee 0.25", "fee statement 0.25 from settlement true"}},
		"TwoFeesWithoutIDsAgain": {[]order.Command{match("a", fee(1, ""), fee(2, ""))}, match("b", fee(4, ""), fee(5, "")),
			[]string{"already_matched fee 0.25", "already_matched fee 0.25"}},
		"FeeGivenBackAgain": {[]order.Command{match("a", fee(1, "f1"), fee(2, "f2")), match("b", statementLine(1, settlement.FeeReversal, "0.25", "", "ord-1"))},
			match("c", statementLine(7, settlement.FeeReversal, "0.25", "", "ord-1")), []string{"already_matched fee_reversal 0.25"}},
		"TwoFeesGivenBack": {[]order.Command{match("a", fee(1, "f1"), fee(2, "f2")), match("b", statementLine(1, settlement.FeeReversal, "0.25", "", "ord-1"))},
			match("c", statementLine(7, settlement.FeeReversal, "0.25", "", "ord-1"), statementLine(8, settlement.FeeReversal, "0.25", "", "ord-1")),
			[]string{"already_matched fee_reversal 0.25", "matched fee_reversal 0.25"}},
		"FeeBesidesAFee": {nil, match("a", statementLine(1, settlement.Fee, "0.50", "0.05", "ord-1")),
			[]string{"matched fee 0.50", "fee statement 0.55 from settlement true"}},
		"FeeBesidesThePaymentGivenBack": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1"))},
			match("b", statementLine(1, settlement.FeeReversal, "1.90", "", "pay-1")), []string{"matched fee_reversal 1.90 of payment processing"}},
		"FeeBesidesTheRefundGivenBackByOrder": {[]order.Command{match("a", statementLine(1, settlement.Refund, "30.00", "0.10", "pay-1"))},
			match("b", statementLine(1, settlement.FeeReversal, "0.10", "", "ord-1")), []string{"matched fee_reversal 0.10 of refund refund"}},
		"FeeBesidesGivenBackOnce": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1")), match("b", statementLine(1, settlement.FeeReversal, "1.90", "", "pay-1"))},
			match("c", statementLine(2, settlement.FeeReversal, "1.90", "", "pay-1"), statementLine(3, settlement.FeeReversal, "1.90", "", "pay-1")),
			[]string{"already_matched fee_reversal 1.90", "already_matched fee_reversal 1.90"}},
		"FeeBesidesGivenBackInPart": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1"))},
			match("b", statementLine(2, settlement.FeeReversal, "1.00", "", "pay-1")), []string{"not_booked fee_reversal 1.00"}},
		"FeeLineGivenBackBesideAFeeColumn": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1"), fee(2, "f1"))},
			match("b", statementLine(1, settlement.FeeReversal, "0.25", "", "pay-1")), []string{"matched fee_reversal 0.25"}},
		"FeeLineGivenBackBesideAFeeColumnRepeated": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1"), fee(2, "f1"), fee(3, "f2")),
			match("b", statementLine(1, settlement.FeeReversal, "0.25", "", "pay-1"))},
			match("c", statementLine(1, settlement.FeeReversal, "0.25", "", "pay-1")), []string{"already_matched fee_reversal 0.25"}},
		"FeeBesidesOfAPaymentTakenBack": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "1.90", "pay-1"), statementLine(2, settlement.PaymentReversal, "100.00", "", "pay-1"))},
			match("b", statementLine(1, settlement.FeeReversal, "1.90", "", "pay-1")), []string{"matched fee_reversal 1.90 of payment processing"}},
		"FeeWithIDThenWithout": {[]order.Command{match("a", fee(1, "f1"))}, match("b", fee(1, "")), []string{"already_matched fee 0.25"}},
		"FeeWithoutIDThenWith": {[]order.Command{match("a", fee(1, ""))}, match("b", fee(1, "f1")), []string{"already_matched fee 0.25"}},
		"WrongAmount":          {nil, match("a", statementLine(1, settlement.Payment, "99.00", "", "pay-1")), []string{"amount_differs payment 99.00"}},
		"SameLine":             {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "", "pay-1"))}, match("a", statementLine(1, settlement.Payment, "100.00", "", "pay-1")), nil},
		"OtherStatement": {[]order.Command{match("a", statementLine(1, settlement.Payment, "100.00", "", "pay-1"))}, match("b", statementLine(4, settlement.Payment, "100.00", "", "pay-1")),
			[]string{"already_matched payment 100.00"}},
		"Parts": {nil, match("a", statementLine(1, settlement.Payment, "60.00", "1.00", "ord-1"), statementLine(2, settlement.Payment, "40.00", "", "ord-1")),
			[]string{"matched payment 60.00", "settled 60.00 fee 1.00 on source_day 2026-10-03", "matched payment 40.00", "settled 40.00 fee <nil> on source_day 2026-10-03"}},
		"SumOfRefunds": {[]order.Command{observe("two", order.Registration{}, order.RefundReported{
			At: order.At{Key: "r2", OccurredAt: day.AddDate(0, 0, 1), Basis: order.BasisStatusChange}, Payment: &settled.Payment, SourceRefundID: "ref-2",
			Step: order.RefundStepCompleted, Amount: ptr(eur("20.00")),
		})}, match("a", statementLine(1, settlement.Refund, "50.00", "0.20", "ord-1")),
			[]string{"matched refund 30.00", "fee refund 0.20 from settlement true", "matched refund 20.00"}},
		"ChargebackAndBack": {[]order.Command{
			observe("two", order.Registration{}, order.DisputeTotals{
				At: order.At{Key: "d1", OccurredAt: day, Basis: order.BasisStatusChange}, Payment: settled.Payment, Withdrawn: ptr(eur("70.00")), Returned: ptr(eur("0.00")),
			}),
			observe("three", order.Registration{}, order.DisputeTotals{
				At: order.At{Key: "d2", OccurredAt: day.AddDate(0, 0, 1), Basis: order.BasisStatusChange}, Payment: settled.Payment, Withdrawn: ptr(eur("70.00")), Returned: ptr(eur("70.00")),
			}),
		}, match("a", statementLine(1, settlement.Chargeback, "70.00", "15.00", "pay-1"), statementLine(2, settlement.ChargebackReversal, "70.00", "", "pay-1")),
			[]string{"matched chargeback 70.00", "fee dispute 15.00 from settlement true", "matched chargeback_reversal 70.00"}},
		"ChargebackLearnt": {[]order.Command{
			observe("two", order.Registration{}, order.DisputeTotals{
				At: at("d1", 0), Payment: settled.Payment, Chargebacks: []order.At{at("d1", 0)}, ModifiedAt: day,
			}),
			observe("three", order.Registration{}, order.DisputeTotals{
				At: at("d2", 1), Payment: settled.Payment, Chargebacks: []order.At{at("d1", 0)}, Withdrawn: ptr(eur("40.00")), ModifiedAt: day.AddDate(0, 0, 1),
			}),
		}, match("a", statementLine(1, settlement.Chargeback, "40.00", "", "pay-1")), []string{"matched chargeback 40.00"}},
		"Chargeback": {nil, match("a", statementLine(1, settlement.Chargeback, "100.00", "", "pay-1")), []string{"not_booked chargeback 100.00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := paidOrder(t)
			for _, cmd := range c.before {
				s, _ = feed(t, s, cmd)
			}
			s, decided := feed(t, s, c.now)
			if diff := cmp.Diff(c.want, shown(decided)); diff != "" {
				t.Errorf("decided (-want +got):\n%s", diff)
			}
			if _, again := feed(t, s, c.now); len(again) != 0 {
				t.Errorf("the same again decides %v", shown(again))
			}
		})
	}
}

// TestDecide_MatchSettlementLater: a line that came before its payment matches once the payment is known,
// and takes the flag away.
func TestDecide_MatchSettlementLater(t *testing.T) {
	t.Parallel()
	s, _ := feed(t, order.State{}, observe("one", order.Registration{SourceOrderID: "ord-1", AmountDue: ptr(eur("100.00"))}))
	line := match("a", statementLine(1, settlement.Payment, "100.00", "", "ord-1"))
	s, decided := feed(t, s, line)
	if diff := cmp.Diff([]string{"not_booked payment 100.00"}, shown(decided)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]order.Flag{order.FlagSettlementMismatch}, s.Flags()); diff != "" {
		t.Fatal(diff)
	}
	s, _ = feed(t, s, observe("two", order.Registration{}, order.Captured{
		At: order.At{Key: "c", OccurredAt: day, Basis: order.BasisStatusChange}, Payment: order.PaymentRef{SourceID: "pay-1", SourceOrderID: "ord-1"}, Amount: ptr(eur("100.00")),
	}))
	s, decided = feed(t, s, line)
	if diff := cmp.Diff([]string{"matched payment 100.00", "settled 100.00 fee <nil> on source_day 2026-10-03"}, shown(decided)); diff != "" {
		t.Error(diff)
	}
	if flags := s.Flags(); len(flags) != 0 {
		t.Errorf("flags stay: %v", flags)
	}
}

// TestDecide_MatchSettlementNeverTwice: whatever statements say, in any order and however often, no movement
// is matched for more than it is, and the bank has no more than was captured.
func TestDecide_MatchSettlementNeverTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := paidOrder(t)
		for n := range rapid.IntRange(1, 6).Draw(t, "statements") {
			var lines []settlement.Line
			for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
				lines = append(lines, statementLine(i+1, rapid.SampledFrom(settlement.Kinds()).Draw(t, "kind"),
					rapid.SampledFrom([]string{"100.00", "30.00", "70.00", "50.00", "0.01"}).Draw(t, "gross"), "",
					rapid.SampledFrom([]string{"pay-1", "ord-1", "ref-1", "other"}).Draw(t, "reference")))
			}
			s, _ = feed(t, s, match(fmt.Sprint(rapid.IntRange(0, n).Draw(t, "statement")), lines...))
		}
		sums := map[string]string{}
		for _, m := range s.Movements() {
			sums[m.ID] = m.Amount.String()
		}
		matched := map[string]int64{}
		for _, m := range s.Settlements {
			cents := m.Amount.Amount().Shift(2).IntPart()
			if m.Kind.IsReversal() && m.Kind != settlement.ChargebackReversal { // it takes a line back
				cents = -cents
			}
			if matched[m.Movement] += cents; matched[m.Movement] < 0 {
				t.Fatalf("more of %s is taken back than was matched", m.Movement)
			}
		}
		for id, sum := range matched {
			if booked, ok := sums[id]; ok && sum != 0 && fmt.Sprintf("%d.%02d", sum/100, sum%100) != booked {
				t.Fatalf("%s of %s is matched with %d cents", id, booked, sum)
			}
		}
		if b := s.Balances(); b.Settled.Amount().GreaterThan(b.Captured.Amount()) || b.Captured.String() != "100.00" {
			t.Fatalf("settled %s of %s", b.Settled, b.Captured)
		}
	})
}

// TestDecide_RefundOutsideAtTheBank: a refund of money that was received outside the gateway says so when the bank shows that
// it paid it, and when the bank takes it back; one through the gateway does not.
func TestDecide_RefundOutsideAtTheBank(t *testing.T) {
	t.Parallel()
	s := after(t, registered(t, "100.00", ""), instruct("r", order.MarkReceived{}))
	s = after(t, s, instruct("a", refund("20.00")))
	id := s.Refunds[0].ID
	s = after(t, s, instruct("b", order.CompleteRefund{RefundID: id}))
	line := statementLine(1, settlement.Refund, "20.00", "", id)
	line.ValueDate = s.Refunds[0].ResolvedAt.Format("2006-01-02")
	back := line
	back.Number, back.Kind = 2, settlement.RefundReversal
	s, decided := feed(t, s, match("a", line, back))
	for i, want := range []settlement.Kind{settlement.Refund, settlement.RefundReversal} {
		if e, ok := decided[i].Event.(order.SettlementMatched); !ok || e.Kind != want || !e.External {
			t.Errorf("decided %+v, want %s of money from outside", decided[i].Event, want)
		}
	}
	if b := s.Balances(); !b.ExternalPaid.IsZero() {
		t.Errorf("the bank paid %s, and took it back", b.ExternalPaid)
	}
	through, _ := feed(t, paidOrder(t), match("a", statementLine(1, settlement.Refund, "30.00", "", "ref-1")))
	if m := through.Settlements[0]; m.External {
		t.Errorf("%+v went through the gateway", m)
	}
}
