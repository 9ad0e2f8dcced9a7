package accounting_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

func posted(lines []accounting.Line) string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.Account.Code() + " " + l.Amount.String()
		if l.Amount.Currency().Code() != "EUR" {
			texts[i] += " " + l.Amount.Currency().Code()
		}
	}
	return strings.Join(texts, " ")
}

// TestStatementEntry_Cases are the rules of what a line posts that belongs to no order.
func TestStatementEntry_Cases(t *testing.T) {
	t.Parallel()
	booked := func(as settlement.Booking, side settlement.Side, kind settlement.Kind, gross string) settlement.LineBooked {
		return settlement.LineBooked{As: as, Side: side, Kind: kind, Gross: eur(gross)}
	}
	withFee := booked(settlement.BookedPayout, settlement.AtGateway, settlement.Payout, "950.00")
	withFee.Fee = of(eur("1.00"))
	net := booked(settlement.BookedSuspense, settlement.AtGateway, settlement.Payment, "100.00")
	net.Fee = of(eur("2.00"))
	exchanged := booked(settlement.BookedPayout, settlement.AtBank, settlement.Payout, "950.00")
	exchanged.Exchange = &settlement.Exchange{Amount: usd("1025.00"), Rate: "1.0842"}
	for name, c := range map[string]struct {
		b    settlement.LineBooked
		want string
	}{
		"GatewayFee":          {booked(settlement.BookedFee, settlement.AtGateway, settlement.Fee, "5.00"), "1010 -5.00 5200 5.00"},
		"FeeGivenBack":        {booked(settlement.BookedFee, settlement.AtBank, settlement.FeeReversal, "5.00"), "1010 5.00 5200 -5.00"},
		"PayoutSent":          {booked(settlement.BookedPayout, settlement.AtGateway, settlement.Payout, "950.00"), "1010 -950.00 1105 950.00"},
		"PayoutSentWithFee":   {withFee, "1010 -951.00 1105 950.00 5200 1.00"},
		"PayoutArrived":       {booked(settlement.BookedPayout, settlement.AtBank, settlement.Payout, "950.00"), "1010 950.00 1105 -950.00"},
		"PayoutReturned":      {booked(settlement.BookedPayout, settlement.AtBank, settlement.PayoutReversal, "950.00"), "1010 -950.00 1105 950.00"},
		"PayoutTakenBack":     {booked(settlement.BookedPayout, settlement.AtGateway, settlement.PayoutReversal, "950.00"), "1010 950.00 1105 -950.00"},
		"PayoutInDollars":     {exchanged, "1010 1025.00 USD 1105 -950.00 1190 950.00 1190 -1029.99 USD 5900 4.99 USD"},
		"UnknownPayment":      {net, "1010 98.00 9900 -98.00"},
		"UnknownRefund":       {booked(settlement.BookedSuspense, settlement.AtBank, settlement.Refund, "30.00"), "1010 -30.00 9900 30.00"},
		"UnknownPayoutAtBank": {booked(settlement.BookedSuspense, settlement.AtBank, settlement.Payout, "30.00"), "1010 30.00 9900 -30.00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := accounting.StatementEntry(&c.b, false)
			if err != nil || posted(lines) != c.want {
				t.Errorf("posted %q, %v; want %q", posted(lines), err, c.want)
			}
		})
	}
}

// TestStatementEntry_BalancesAndIsReleasedWhole: whatever a line says, its entry balances in every currency, and what
// releases it leaves nothing.
func TestStatementEntry_BalancesAndIsReleasedWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := func(currency, label string) money.Money {
			m, err := money.Parse(rapid.StringMatching(`[1-9][0-9]{0,3}[.][0-9]{2}`).Draw(t, label), money.MustCurrency(currency))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		b := settlement.LineBooked{
			As:    rapid.SampledFrom([]settlement.Booking{settlement.BookedFee, settlement.BookedPayout, settlement.BookedSuspense}).Draw(t, "as"),
			Side:  rapid.SampledFrom([]settlement.Side{settlement.AtGateway, settlement.AtBank}).Draw(t, "side"),
			Kind:  rapid.SampledFrom(settlement.Kinds()).Draw(t, "kind"),
			Gross: amount("EUR", "gross"), Line: 1, Entity: "default", ValueDate: "2026-10-15",
		}
		currency := "EUR"
		if rapid.Bool().Draw(t, "exchanged") {
			currency = "USD"
			b.Exchange = &settlement.Exchange{Amount: amount("USD", "came"), Rate: rapid.SampledFrom([]string{"", "1.0842", "250.5"}).Draw(t, "rate"), Inverse: rapid.Bool().Draw(t, "inverse")}
		}
		if rapid.Bool().Draw(t, "with a fee") {
			b.Fee = of(amount(currency, "fee"))
		}
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		sums, left := map[string]money.Money{}, map[string]money.Money{}
		for _, released := range []bool{false, true} {
			lines, err := accounting.StatementEntry(&b, released)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lines {
				code := l.Amount.Currency().Code()
				sums[code] = add(sums[code], l.Amount)
				left[l.Account.Code()+code] = add(left[l.Account.Code()+code], l.Amount)
			}
			for code, sum := range sums {
				if !sum.IsZero() {
					t.Fatalf("out by %s %s: %v", sum, code, lines)
				}
			}
		}
		for account, m := range left {
			if !m.IsZero() {
				t.Fatalf("%s is left on %s", m, account)
			}
		}
	})
}
