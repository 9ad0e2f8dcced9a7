package commands_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

// bookOf adds the whole journal up from the log alone: what each account has, those without a balance left out.
func bookOf(t *testing.T, log eventstore.Reader) map[string]string {
	t.Helper()
	type orderBooks struct {
		state order.State
		books accounting.Books
	}
	orders, sums := map[string]*orderBooks{}, map[string]money.Money{}
	for ev, err := range log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		var lines []accounting.Line
		switch {
		case strings.HasPrefix(ev.Stream, settlement.BookingStreamPrefix):
			var b settlement.LineBooked
			if err := errors.Join(json.Unmarshal(ev.Data, &b), b.Check()); err != nil {
				t.Fatal(err)
			}
			if lines, err = accounting.StatementEntry(&b, ev.Type == settlement.LineReleasedType); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(ev.Stream, "order-"):
			if orders[ev.Stream] == nil {
				orders[ev.Stream] = &orderBooks{}
			}
			o := orders[ev.Stream]
			e, m, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
			if err != nil {
				t.Fatal(err)
			}
			o.state = order.Evolve(o.state, order.Recorded{Event: e, Metadata: m, ID: ev.ID, Revision: ev.Revision})
			if lines, o.books, err = accounting.EntriesFor(o.books, e, &o.state); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range lines {
			sum, err := sums[l.Account.Code()].Add(l.Amount)
			if err != nil {
				t.Fatal(err)
			}
			sums[l.Account.Code()] = sum
		}
	}
	left := map[string]string{}
	for account, sum := range sums {
		if !sum.IsZero() {
			left[account] = sum.String()
		}
	}
	return left
}

type side struct{ at settlement.Side }

// statement makes one of lines, which it numbers and dates.
func (s side) statement(lines ...settlement.Line) *settlement.Statement {
	day := time.Now().UTC().Format(time.DateOnly)
	for i := range lines {
		lines[i].Number, lines[i].FileLine, lines[i].ValueDate = i+1, i+2, day
	}
	return &settlement.Statement{Lines: lines, Header: settlement.Header{
		Format: settlement.CSV, Gateway: "plain", Account: "default", Side: s.at, FileSHA256: "00ff", Days: 14,
	}}
}

func lineOf(kind settlement.Kind, gross, fee, payout string, references ...string) settlement.Line {
	l := settlement.Line{Kind: kind, Gross: money.MustParse(gross, "EUR"), SettlementRef: payout, References: references}
	if fee != "" {
		m := money.MustParse(fee, "EUR")
		l.Fee = &m
	}
	return l
}

// TestSettlements_TheBankHasWhatItsStatementShows follows a payout from the gateway's report to the bank's statement: what
// the books have at the bank, in transit and in suspense is what an accountant adds up by hand.
func TestSettlements_TheBankHasWhatItsStatementShows(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 2)
	settlements := commands.NewSettlements(in)
	run := func(name string, s *settlement.Statement, want map[string]string) commands.SettlementReceipt {
		t.Helper()
		receipt, err := settlements.Import(t.Context(), s, "kim")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, bookOf(t, log)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
		return receipt
	}
	// 10.00 - 0.19 of an order, 5.00 - 0.10 of nobody's, a fee of 1.00 a month: 13.71 are paid out.
	gateway := side{settlement.AtGateway}.statement(
		lineOf(settlement.Payment, "10.00", "0.19", "PO-1", "p0"), lineOf(settlement.Payment, "5.00", "0.10", "PO-1", "nobody's"),
		lineOf(settlement.Fee, "1.00", "", "PO-1"), lineOf(settlement.Payout, "13.71", "", "PO-1"))
	receipt := run("gateway", gateway, map[string]string{"1100": "10.00", "1105": "13.71", "2200": "-20.00", "5200": "1.19", "9900": "-4.90"})
	if receipt.Matched != 2 || receipt.Unmatched != 1 || receipt.Payouts != 1 {
		t.Errorf("%+v", receipt)
	}
	// Another report repeats the fee, the payout and the unknown payment.
	repeated := side{settlement.AtGateway}.statement(
		lineOf(settlement.Payout, "13.71", "", "PO-1"), lineOf(settlement.Fee, "1.00", "", "PO-1"), lineOf(settlement.Payment, "5.00", "0.10", "PO-1", "nobody's"))
	receipt = run("repeated", repeated, map[string]string{"1100": "10.00", "1105": "13.71", "2200": "-20.00", "5200": "1.19", "9900": "-4.90"})
	if receipt.Mismatched != 1 || receipt.Unmatched != 1 {
		t.Errorf("%+v", receipt)
	}
	// The bank shows the payout, and a charge of its own.
	bank := side{settlement.AtBank}.statement(lineOf(settlement.Payout, "13.71", "", "PO-1"), lineOf(settlement.Fee, "0.50", "", ""))
	run("bank", bank, map[string]string{"1010": "13.21", "1100": "10.00", "2200": "-20.00", "5200": "1.69", "9900": "-4.90"})
	// The unknown order comes: nothing is left in suspense once the report is matched again.
	accept(t, in, "default", `{"order":"nobody's","paid":"5.00"}`)
	if again, err := settlements.Match(t.Context(), gateway.ID(), "kim"); err != nil || again.Matched != 3 || again.Unmatched != 0 {
		t.Fatalf("%+v, %v", again, err)
	}
	want := map[string]string{"1010": "13.21", "1100": "10.00", "2200": "-25.00", "5200": "1.79"}
	if diff := cmp.Diff(want, bookOf(t, log)); diff != "" {
		t.Fatalf("once it is known (-want +got):\n%s", diff)
	}
	for _, s := range []*settlement.Statement{gateway, repeated, bank} { // nothing moves any more
		if _, err := settlements.Match(t.Context(), s.ID(), "kim"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, bookOf(t, log)); diff != "" {
		t.Errorf("matched again (-want +got):\n%s", diff)
	}
}

// TestSettlements_AFeeIsBookedOnce: a fee that was booked when nobody knew its order is not charged to the order as well.
func TestSettlements_AFeeIsBookedOnce(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	settlements := commands.NewSettlements(in)
	fees := side{settlement.AtGateway}.statement(lineOf(settlement.Fee, "0.30", "", "PO-1", "later"), lineOf(settlement.FeeReversal, "0.10", "", "PO-1"))
	receipt, err := settlements.Import(t.Context(), fees, "kim")
	if err != nil || receipt.Matched != 2 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	accept(t, in, "default", `{"order":"later","paid":"5.00"}`)
	for _, s := range []*settlement.Statement{fees, side{settlement.AtGateway}.statement(lineOf(settlement.Fee, "0.30", "", "PO-1", "later"))} {
		if _, err := settlements.Import(t.Context(), s, "kim"); err != nil {
			t.Fatal(err)
		}
		if _, err := settlements.Match(t.Context(), s.ID(), "kim"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"1010": "-0.20", "1100": "5.00", "2200": "-5.00", "5200": "0.20"}, bookOf(t, log)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSettlements_AFeeGivenBackIsBooked: a fee that comes back of an order that no line of a fee charged moved money too.
func TestSettlements_AFeeGivenBackIsBooked(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 1)
	settlements := commands.NewSettlements(in)
	back := side{settlement.AtGateway}.statement(lineOf(settlement.Payment, "10.00", "0.19", "PO-1", "p0"),
		lineOf(settlement.FeeReversal, "0.20", "", "PO-1", "p0"), lineOf(settlement.Payout, "10.01", "", "PO-1"))
	if receipt, err := settlements.Import(t.Context(), back, "kim"); err != nil || receipt.Matched != 1 || receipt.Unmatched != 1 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	suspense := map[string]string{"1105": "10.01", "2200": "-10.00", "5200": "0.19", "9900": "-0.20"}
	if _, err := settlements.Match(t.Context(), back.ID(), "kim"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(suspense, bookOf(t, log)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	// The fee that it takes back comes with another report.
	charged := side{settlement.AtGateway}.statement(lineOf(settlement.Fee, "0.20", "", "PO-0", "p0"))
	if _, err := settlements.Import(t.Context(), charged, "kim"); err != nil {
		t.Fatal(err)
	}
	if receipt, err := settlements.Match(t.Context(), back.ID(), "kim"); err != nil || receipt.Matched != 2 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if diff := cmp.Diff(map[string]string{"1010": "-0.20", "1105": "10.01", "2200": "-10.00", "5200": "0.19"}, bookOf(t, log)); diff != "" {
		t.Errorf("once the fee is known (-want +got):\n%s", diff)
	}
}

// TestSettlements_IDsOfOneStatement: banks that number the entries of each statement from 1 have no fee of the next month for
// one of this month.
func TestSettlements_IDsOfOneStatement(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	settlements := commands.NewSettlements(newIntake(log))
	month := func(back int, amounts ...string) *settlement.Statement {
		var lines []settlement.Line
		for _, kind := range []settlement.Kind{settlement.Fee, settlement.Payment} {
			l := lineOf(kind, amounts[len(lines)], "", "")
			l.ID = string(kind) + "/0"
			lines = append(lines, l)
		}
		s := side{settlement.AtBank}.statement(lines...)
		for i := range s.Lines {
			s.Lines[i].ValueDate = time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly)
		}
		return s
	}
	again := month(0, "0.50", "7.00")
	again.StatementRef = "the same lines in a camt.054"
	for _, s := range []*settlement.Statement{month(31, "0.50", "5.00"), month(0, "0.50", "7.00"), again} {
		if _, err := settlements.Import(t.Context(), s, "kim"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"1010": "11.00", "5200": "1.00", "9900": "-12.00"}, bookOf(t, log)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSettlements_SuspenseOfAnInterruptedImport: what an import put in suspense before it was killed does not stay there
// when the line matches at the next one.
func TestSettlements_SuspenseOfAnInterruptedImport(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	s := side{settlement.AtGateway}.statement(lineOf(settlement.Payment, "5.00", "0.10", "PO-1", "nobody's"))
	killed := &cutting{Log: log, at: 3} // lines and statement, the booking, that all were looked at
	if _, err := commands.NewSettlements(newIntake(killed)).Import(t.Context(), s, "kim"); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"1010": "4.90", "9900": "-4.90"}, bookOf(t, log)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	in := newIntake(log)
	accept(t, in, "default", `{"order":"nobody's","paid":"5.00"}`)
	if finished, err := commands.NewSettlements(in).Finish(t.Context(), s.ID()); err != nil || !finished {
		t.Fatal(finished, err)
	}
	if diff := cmp.Diff(map[string]string{"1010": "4.90", "2200": "-5.00", "5200": "0.10"}, bookOf(t, log)); diff != "" {
		t.Errorf("finished (-want +got):\n%s", diff)
	}
}

// TestSettlements_ARepeatedLineIsReleased: a line that is in suspense leaves it when another statement has it and matches.
func TestSettlements_ARepeatedLineIsReleased(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	settlements := commands.NewSettlements(in)
	line := lineOf(settlement.Payment, "5.00", "0.10", "PO-1", "nobody's")
	if _, err := settlements.Import(t.Context(), side{settlement.AtGateway}.statement(line), "kim"); err != nil {
		t.Fatal(err)
	}
	accept(t, in, "default", `{"order":"nobody's","paid":"5.00"}`)
	repeated := side{settlement.AtGateway}.statement(line, lineOf(settlement.Fee, "1.00", "", "PO-1"))
	if _, err := settlements.Import(t.Context(), repeated, "kim"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"1010": "3.90", "2200": "-5.00", "5200": "1.10"}, bookOf(t, log)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSettlements_EntityOfTheAccount: what names no order is in the books of whoever keeps those of the account.
func TestSettlements_EntityOfTheAccount(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	data, err := json.Marshal(accounting.EntityDefined{Entity: "baltics", Accounts: []string{"plain/default"}})
	if err != nil {
		t.Fatal(err)
	}
	e := eventstore.EventData{ID: settlement.BookingEventID("test", "entity", "", 0), Type: accounting.EntityDefinedType, JSON: true, Data: data, Metadata: []byte("{}")}
	if _, err := log.Append(t.Context(), accounting.EntityStream, eventstore.NoStream, e); err != nil {
		t.Fatal(err)
	}
	s := side{settlement.AtGateway}.statement(lineOf(settlement.Fee, "1.00", "", "PO-1"))
	if _, err := commands.NewSettlements(newIntake(log)).Import(t.Context(), s, "kim"); err != nil {
		t.Fatal(err)
	}
	for ev, err := range log.ReadStream(t.Context(), settlement.BookingStreams(&s.Header, s.Lines)[1], eventstore.StreamRead{}) {
		var b settlement.LineBooked
		if err := errors.Join(err, json.Unmarshal(ev.Data, &b)); err != nil || b.Entity != "baltics" || b.As != settlement.BookedFee {
			t.Errorf("booked %+v, %v", b, err)
		}
	}
}

// TestSettlements_Finish ends an import that was interrupted, and only that.
func TestSettlements_Finish(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	paidOrders(t, newIntake(log), 4)
	_, err := commands.NewSettlements(newIntake(&cutting{Log: log, at: 3})).Import(t.Context(), statementOf(4), "kim")
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	settlements, id := commands.NewSettlements(newIntake(log)), statementOf(4).ID()
	for _, want := range []bool{true, false} {
		if finished, err := settlements.Finish(t.Context(), id); err != nil || finished != want {
			t.Errorf("finished %t, %v; want %t", finished, err, want)
		}
	}
	receipt, err := settlements.Import(t.Context(), statementOf(4), "lee")
	if err != nil || !receipt.Known || receipt.Matched != 3 {
		t.Errorf("%+v, %v", receipt, err)
	}
	if finished, err := settlements.Finish(t.Context(), strings.Repeat("0", 32)); err != nil || finished {
		t.Errorf("a statement that there is not: %t, %v", finished, err)
	}
}
