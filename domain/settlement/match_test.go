package settlement_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

var day = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func line(number int, kind settlement.Kind, gross, date string, references ...string) settlement.Line {
	return settlement.Line{Number: number, Kind: kind, References: references, ValueDate: date, Gross: money.MustParse(gross, "EUR")}
}

func movement(id string, kind settlement.Kind, amount string, references ...string) settlement.Movement {
	return settlement.Movement{ID: id, Kind: kind, References: references, Amount: money.MustParse(amount, "EUR"), At: day}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	payment := movement("p1", settlement.Payment, "100.00", "pay-1")
	taken := payment
	taken.Taken = true
	foreign := line(1, settlement.Payment, "100.00", "2026-10-02", "pay-1")
	foreign.Gross = money.MustParse("100.00", "USD")
	for name, c := range map[string]struct {
		lines     []settlement.Line
		movements []settlement.Movement
		want      []string
	}{
		"Same":            {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-10-02", "pay-1")}, []settlement.Movement{payment}, []string{"p1 "}},
		"DayBefore":       {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-09-30", "pay-1")}, []settlement.Movement{payment}, []string{"p1 "}},
		"TwoDaysBefore":   {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-09-29", "pay-1")}, []settlement.Movement{payment}, []string{"p1 date_differs"}},
		"LastDay":         {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-10-15", "pay-1")}, []settlement.Movement{payment}, []string{"p1 "}},
		"TooLate":         {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-10-16", "pay-1")}, []settlement.Movement{payment}, []string{"p1 date_differs"}},
		"OtherAmount":     {[]settlement.Line{line(1, settlement.Payment, "99.99", "2026-10-02", "pay-1")}, []settlement.Movement{payment}, []string{"p1 amount_differs"}},
		"OtherCurrency":   {[]settlement.Line{foreign}, []settlement.Movement{payment}, []string{"p1 currency_differs"}},
		"OtherKind":       {[]settlement.Line{line(1, settlement.Refund, "100.00", "2026-10-02", "pay-1")}, []settlement.Movement{payment}, []string{" not_booked"}},
		"Twice":           {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-10-02", "pay-1"), line(2, settlement.Payment, "100.00", "2026-10-02", "pay-1")}, []settlement.Movement{payment}, []string{"p1 ", "p1 already_matched"}},
		"MatchedBefore":   {[]settlement.Line{line(1, settlement.Payment, "100.00", "2026-10-02", "pay-1")}, []settlement.Movement{taken}, []string{"p1 already_matched"}},
		"Parts":           {[]settlement.Line{line(1, settlement.Payment, "60.00", "2026-10-02", "o"), line(2, settlement.Payment, "40.00", "2026-10-03", "o")}, []settlement.Movement{payment}, []string{"p1 ", "p1 "}},
		"PartsThatDiffer": {[]settlement.Line{line(1, settlement.Payment, "60.00", "2026-10-02", "o"), line(2, settlement.Payment, "39.00", "2026-10-03", "o")}, []settlement.Movement{payment}, []string{"p1 amount_differs", "p1 already_matched"}},
		"NamedFirst": {[]settlement.Line{line(1, settlement.Refund, "10.00", "2026-10-02", "r2", "pay-1")},
			[]settlement.Movement{movement("a", settlement.Refund, "10.00", "r1", "pay-1"), movement("b", settlement.Refund, "10.00", "r2", "pay-1")}, []string{"b "}},
		"AmountDecides": {[]settlement.Line{line(1, settlement.Refund, "20.00", "2026-10-02", "o"), line(2, settlement.Refund, "10.00", "2026-10-02", "o")},
			[]settlement.Movement{movement("a", settlement.Refund, "10.00"), movement("b", settlement.Refund, "20.00")}, []string{"b ", "a "}},
		"SumOfAll": {[]settlement.Line{line(1, settlement.Refund, "30.00", "2026-10-02", "o")},
			[]settlement.Movement{movement("a", settlement.Refund, "10.00"), movement("b", settlement.Refund, "20.00")}, []string{"ab "}},
		"SumOfSome": {[]settlement.Line{line(1, settlement.Refund, "30.00", "2026-10-02", "o")},
			[]settlement.Movement{movement("a", settlement.Refund, "10.00"), movement("b", settlement.Refund, "20.00"), movement("c", settlement.Refund, "5.00")}, []string{"a amount_differs"}},
		"Fee": {[]settlement.Line{line(1, settlement.Fee, "0.50", "2026-10-02", "o")}, nil, []string{" "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, r := range settlement.Match(c.lines, c.movements, settlement.DefaultWindow) {
				id := ""
				for _, i := range r.Movements {
					id += c.movements[i].ID
				}
				got = append(got, id+" "+string(r.Reason))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMatch_Properties: lines are shuffled, duplicated and split; no movement is matched for more than it
// is, every line has one result, and what is matched depends on the content alone.
func TestMatch_Properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := []settlement.Kind{settlement.Payment, settlement.Refund, settlement.Chargeback}
		var movements []settlement.Movement
		var lines []settlement.Line
		for i := range rapid.IntRange(0, 5).Draw(t, "movements") {
			m := movement(fmt.Sprintf("m%d", i), rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.SampledFrom([]string{"10.00", "20.00", "30.00"}).Draw(t, "amount"), fmt.Sprintf("r%d", i))
			m.At = day.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "day"))
			movements = append(movements, m)
			reference := rapid.SampledFrom([]string{m.References[0], "order"}).Draw(t, "reference")
			date := m.At.AddDate(0, 0, rapid.IntRange(-1, 16).Draw(t, "later")).Format(time.DateOnly)
			whole := line(0, m.Kind, m.Amount.String(), date, reference)
			switch rapid.SampledFrom([]string{"whole", "none", "twice", "split", "wrong"}).Draw(t, "how") {
			case "whole":
				lines = append(lines, whole)
			case "twice":
				lines = append(lines, whole, whole)
			case "split":
				parts, err := money.Split(m.Amount, rapid.IntRange(2, 3).Draw(t, "parts"))
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range parts {
					whole.Gross = part
					lines = append(lines, whole)
				}
			case "wrong":
				lines = append(lines, line(0, m.Kind, "11.00", date, reference))
			}
		}
		for i := range lines {
			lines[i].Number = i + 1
		}
		first := outcome(t, lines, movements)
		shuffled := rapid.Permutation(lines).Draw(t, "lines in another order")
		others := rapid.Permutation(movements).Draw(t, "movements in another order")
		if diff := cmp.Diff(first, outcome(t, shuffled, others)); diff != "" {
			t.Fatalf("another order, another outcome:\n%s", diff)
		}
	})
}

// outcome checks one matching and returns it in a form that no order of input shows in.
func outcome(t *rapid.T, lines []settlement.Line, movements []settlement.Movement) []string {
	results := settlement.Match(lines, movements, settlement.DefaultWindow)
	if len(results) != len(lines) {
		t.Fatalf("%d results of %d lines", len(results), len(lines))
	}
	sums := make([]money.Money, len(movements))
	var texts []string
	for i, r := range results {
		if r.Line != i {
			t.Fatalf("result %d is of line %d", i, r.Line)
		}
		id := ""
		for _, at := range r.Movements {
			id += movements[at].ID
			if r.Reason != "" {
				continue
			}
			if movements[at].Kind != lines[i].Kind {
				t.Fatalf("a %s matches a %s", lines[i].Kind, movements[at].Kind)
			}
			amount := lines[i].Gross
			if len(r.Movements) > 1 {
				amount = movements[at].Amount
			}
			sum, err := sums[at].Add(amount)
			if err != nil {
				t.Fatal(err)
			}
			sums[at] = sum
		}
		texts = append(texts, fmt.Sprintf("%s %s %s %v: %s %s", lines[i].Kind, lines[i].Gross, lines[i].ValueDate, lines[i].References, id, r.Reason))
	}
	for i, sum := range sums {
		if !sum.IsZero() && !sum.Equal(movements[i].Amount) {
			t.Fatalf("%s of %s is matched with %s", movements[i].ID, movements[i].Amount, sum)
		}
	}
	slices.Sort(texts)
	return texts
}
