package commands_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// TestSettlements_Release: two people take a line out of suspense to an account, once. It is for good: neither the order that
// turns up later nor another statement that repeats the line counts its money again.
func TestSettlements_Release(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 1)
	settlements := commands.NewSettlements(in)
	lines := func() []settlement.Line {
		return []settlement.Line{
			lineOf(settlement.Payment, "10.00", "", "", "p0"), lineOf(settlement.Payment, "5.00", "0.10", "", "later"), lineOf(settlement.Refund, "2.00", "", "", ""),
		}
	}
	report := side{settlement.AtGateway}.statement(lines()...)
	if _, err := settlements.Import(t.Context(), report, "kim"); err != nil {
		t.Fatal(err)
	}
	good := commands.ReleaseLine{StatementID: report.ID(), Line: 2, To: "5900", Reason: "the bank's letter", Actor: "kim", Approver: "lee"}
	for name, spoil := range map[string]func(*commands.ReleaseLine){
		"OnePerson": func(r *commands.ReleaseLine) { r.Approver = " KIM" }, "Nobody": func(r *commands.ReleaseLine) { r.Approver = "" },
		"NoReason": func(r *commands.ReleaseLine) { r.Reason = "" }, "OrdersAccount": func(r *commands.ReleaseLine) { r.To = "1200" },
		"NoAccount": func(r *commands.ReleaseLine) { r.To = "" }, "Matched": func(r *commands.ReleaseLine) { r.Line = 1 }, "NoLine": func(r *commands.ReleaseLine) { r.Line = 9 },
	} {
		bad := good
		spoil(&bad)
		if _, err := settlements.Release(t.Context(), bad); !errors.Is(err, commands.ErrRelease) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unknown := good
	unknown.StatementID = "00000000000000000000000000000000"
	if _, err := settlements.Release(t.Context(), unknown); !errors.Is(err, commands.ErrStatementUnknown) {
		t.Errorf("no such statement: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"1010": "12.90", "2200": "-10.00", "9900": "-2.90"}, bookOf(t, log)); diff != "" {
		t.Fatalf("before (-want +got):\n%s", diff)
	}
	for _, r := range []commands.ReleaseLine{good, {StatementID: report.ID(), Line: 3, To: "1110", Reason: "refunded at the till", Actor: "lee", Approver: "kim"}} {
		if _, err := settlements.Release(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := settlements.Release(t.Context(), r); !errors.Is(err, commands.ErrRelease) {
			t.Errorf("released twice: %v", err)
		}
	}
	if diff := cmp.Diff(map[string]string{"1010": "12.90", "1110": "2.00", "2200": "-10.00", "5900": "-4.90"}, bookOf(t, log)); diff != "" {
		t.Fatalf("released (-want +got):\n%s", diff)
	}
	accept(t, in, "default", `{"order":"later","paid":"5.00"}`)
	repeated := side{settlement.AtGateway}.statement(lines()[1:]...)
	for _, s := range []*settlement.Statement{report, repeated} {
		if _, err := settlements.Import(t.Context(), s, "kim"); err != nil {
			t.Fatal(err)
		}
		if receipt, err := settlements.Match(t.Context(), s.ID(), "kim"); err != nil || receipt.Unmatched != 2 {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	want := map[string]string{"1010": "12.90", "1100": "5.00", "1110": "2.00", "2200": "-15.00", "5900": "-4.90"}
	if diff := cmp.Diff(want, bookOf(t, log)); diff != "" {
		t.Errorf("once the order is known (-want +got):\n%s", diff)
	}
}

// TestSettlements_ReleaseTwiceAtOnce: of two who release a line at the same moment, to different accounts, one is told that it
// did; a line that an order waits for is matched, and not released by hand, also while it is being matched.
func TestSettlements_ReleaseTwiceAtOnce(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	settlements := commands.NewSettlements(in)
	const lines = 40
	report := side{settlement.AtGateway}.statement()
	for i := range lines {
		report.Lines = append(report.Lines, lineOf(settlement.Payment, "10.00", "", "", fmt.Sprintf("p%d", i)))
	}
	report = side{settlement.AtGateway}.statement(report.Lines...)
	if _, err := settlements.Import(t.Context(), report, "kim"); err != nil {
		t.Fatal(err)
	}
	for line := 1; line <= lines/2; line++ {
		var done atomic.Int32
		var all sync.WaitGroup
		for _, to := range []string{"5900", "1110"} {
			all.Go(func() {
				_, err := settlements.Release(t.Context(), commands.ReleaseLine{StatementID: report.ID(), Line: line, To: to, Reason: "letter", Actor: "kim", Approver: "lee"})
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, commands.ErrRelease):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := done.Load(); n != 1 {
			t.Fatalf("line %d: %d of two were told that they released it", line, n)
		}
	}
	paidOrders(t, in, lines)
	known := commands.ReleaseLine{StatementID: report.ID(), Line: lines, To: "5900", Reason: "letter", Actor: "kim", Approver: "lee"}
	if _, err := settlements.Release(t.Context(), known); !errors.Is(err, commands.ErrRelease) {
		t.Errorf("what an order waits for was released by hand: %v", err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := settlements.Match(t.Context(), report.ID(), "kim"); err != nil {
			t.Error(err)
		}
	})
	for line := lines; line > lines/2; line-- {
		all.Go(func() {
			_, err := settlements.Release(t.Context(), commands.ReleaseLine{StatementID: report.ID(), Line: line, To: "5900", Reason: "letter", Actor: "kim", Approver: "lee"})
			if err != nil && !errors.Is(err, commands.ErrRelease) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if book := bookOf(t, log); book["1010"] != "400.00" {
		t.Errorf("40 lines of 10.00 brought %s to the bank: %v", book["1010"], book)
	}
}

// TestSettlements_ReleaseOfAFeeGivenBack: a fee of an order that is given back, and that nobody charged, is released by hand like
// other lines, and counted as that ever after.
func TestSettlements_ReleaseOfAFeeGivenBack(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 1)
	settlements := commands.NewSettlements(in)
	report := side{settlement.AtGateway}.statement(lineOf(settlement.FeeReversal, "0.30", "", "", "p0"))
	if _, err := settlements.Import(t.Context(), report, "kim"); err != nil {
		t.Fatal(err)
	}
	if _, err := settlements.Release(t.Context(), commands.ReleaseLine{StatementID: report.ID(), Line: 1, To: "5200", Reason: "letter", Actor: "kim", Approver: "lee"}); err != nil {
		t.Fatal(err)
	}
	repeated := side{settlement.AtGateway}.statement(lineOf(settlement.FeeReversal, "0.30", "", "", "p0"), lineOf(settlement.Payment, "7.00", "", "", "nobody"))
	if _, err := settlements.Import(t.Context(), repeated, "kim"); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[*settlement.Statement]int{report: 1, repeated: 2} {
		if receipt, err := settlements.Match(t.Context(), s.ID(), "kim"); err != nil || receipt.Unmatched != want {
			t.Errorf("%+v, %v, want %d unmatched", receipt, err, want)
		}
	}
	if diff := cmp.Diff(map[string]string{"1010": "7.30", "2200": "-10.00", "1100": "10.00", "5200": "-0.30", "9900": "-7.00"}, bookOf(t, log)); diff != "" {
		t.Errorf("books (-want +got):\n%s", diff)
	}
}
