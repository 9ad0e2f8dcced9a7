package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

// paidOrders takes n orders of 10.00 in that were paid.
func paidOrders(t *testing.T, in *commands.Intake, n int) {
	t.Helper()
	for i := range n {
		body := fmt.Sprintf(`{"order":"g%d","payments":["p%d"],"merchant":["S-%d"],"paid":"10.00"}`, i, i, i)
		if _, err := in.Accept(t.Context(), commands.Notification{Gateway: "plain", Account: "default", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// statementOf has a line for each of n orders, by three of their names in turn, one with a wrong amount, one that
// nobody knows, and a payout.
func statementOf(n int) *settlement.Statement {
	s := &settlement.Statement{Header: settlement.Header{
		Format: settlement.CSV, Gateway: "plain", Account: "default", Side: settlement.AtGateway, FileSHA256: "00ff", Days: 14,
	}}
	day, fee := time.Now().UTC().Format(time.DateOnly), money.MustParse("0.19", "EUR")
	add := func(l settlement.Line) {
		l.Number, l.FileLine, l.ValueDate = len(s.Lines)+1, len(s.Lines)+2, day
		s.Lines = append(s.Lines, l)
	}
	for i := range n {
		l := settlement.Line{Kind: settlement.Payment, Gross: money.MustParse("10.00", "EUR"), Fee: &fee, SettlementRef: "PO-1"}
		l.References = []string{fmt.Sprintf([]string{"p%d", "g%d", "S-%d"}[i%3], i)}
		if i == 1 {
			l.Gross = money.MustParse("9.99", "EUR")
		}
		add(l)
	}
	add(settlement.Line{Kind: settlement.Payment, References: []string{"nobody's"}, Gross: fee})
	add(settlement.Line{Kind: settlement.Payment, Gross: fee})
	add(settlement.Line{Kind: settlement.Payout, SettlementRef: "PO-1", Gross: fee})
	return s
}

// meaning lists the ids of all events of orders and statements, stream by stream.
func meaning(t *testing.T, log eventstore.Reader) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for ev, err := range log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(ev.Stream, "order-") || strings.HasPrefix(ev.Stream, settlement.StreamPrefix) {
			all[ev.Stream] = append(all[ev.Stream], ev.Type+" "+ev.ID.String())
		}
	}
	return all
}

func TestSettlements_ImportTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 7)
	settlements := commands.NewSettlements(in)
	first, err := settlements.Import(t.Context(), statementOf(7), "kim")
	want := commands.SettlementReceipt{StatementID: statementOf(7).ID(), Lines: 10, Matched: 6, Mismatched: 1, Unmatched: 2, Payouts: 1, Position: first.Position}
	if diff := cmp.Diff(want, first); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	before := meaning(t, log)
	var together errgroup.Group
	for i := range 6 {
		renamed := statementOf(7)
		renamed.FileName, renamed.FileSHA256 = fmt.Sprintf("copy%d.csv", i), "11ff"
		importer := commands.NewSettlements(newIntake(log)) // another process
		together.Go(func() error {
			again, err := importer.Import(t.Context(), renamed, "lee")
			if err == nil && (!again.Known || again.Matched != 6) {
				err = fmt.Errorf("imported again: %+v", again)
			}
			return err
		})
	}
	if err := together.Wait(); err != nil {
		t.Error(err)
	}
	if again, err := settlements.Match(t.Context(), first.StatementID, "kim"); err != nil || !again.Known {
		t.Errorf("matched again: %+v, %v", again, err)
	}
	if diff := cmp.Diff(before, meaning(t, log)); diff != "" {
		t.Errorf("the log changed:\n%s", diff)
	}
	// The order that nobody knew comes: its line matches when it is looked at again.
	if _, err := in.Accept(t.Context(), commands.Notification{Gateway: "plain", Account: "default", Body: []byte(`{"order":"nobody's","paid":"0.19"}`)}); err != nil {
		t.Fatal(err)
	}
	if again, err := settlements.Import(t.Context(), statementOf(7), "kim"); err != nil || !again.Known || again.Matched != 6 {
		t.Errorf("imported again once more is known: %+v, %v", again, err)
	}
	if again, err := settlements.Match(t.Context(), first.StatementID, "kim"); err != nil || again.Matched != 7 || again.Unmatched != 1 {
		t.Errorf("matched once more is known: %+v, %v", again, err)
	}
	if _, err := settlements.Match(t.Context(), "no statement", "kim"); !errors.Is(err, commands.ErrStatementUnknown) {
		t.Errorf("a statement that there is not: %v", err)
	}
}

// TestSettlements_ForeignOrders: orders of another account, test orders and those that pay out are never matched.
func TestSettlements_ForeignOrders(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 1)
	if _, err := in.Accept(t.Context(), commands.Notification{Gateway: "plain", Account: "other", Body: []byte(`{"order":"theirs","paid":"10.00"}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Accept(t.Context(), commands.Notification{Gateway: "plain", Account: "default", Body: []byte(`{"order":"tried","paid":"10.00","test":true}`)}); err != nil {
		t.Fatal(err)
	}
	s := statementOf(0)
	s.Lines = s.Lines[:2]
	for i, reference := range []string{"theirs", "tried"} {
		s.Lines[i].References, s.Lines[i].Gross = []string{reference}, money.MustParse("10.00", "EUR")
	}
	receipt, err := commands.NewSettlements(in).Import(t.Context(), s, "kim")
	if err != nil || receipt.Matched != 0 || receipt.Unmatched != 2 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	var reasons []settlement.Reason
	for ev, err := range log.ReadStream(t.Context(), settlement.Stream(s.ID()), eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e, _, err := order.Decode(ev.Type, ev.Data, ev.Metadata); err == nil {
			if flagged, ok := e.(order.SettlementMismatchFlagged); ok {
				reasons = append(reasons, flagged.Reason)
			}
		}
	}
	if diff := cmp.Diff([]settlement.Reason{settlement.OtherAccount, settlement.NotCollecting}, reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// cutting is a log whose process is killed at an append: before it, or after it was written and before the answer.
type cutting struct {
	commands.Log

	at    int32
	after bool
	count atomic.Int32
}

var errKilled = errors.New("killed")

func (c *cutting) Append(ctx context.Context, stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData) (eventstore.AppendResult, error) {
	n := c.count.Add(1)
	if n == c.at && c.after {
		if _, err := c.Log.Append(ctx, stream, expected, events...); err != nil {
			return eventstore.AppendResult{}, err
		}
	}
	if n >= c.at {
		return eventstore.AppendResult{}, errKilled
	}
	return c.Log.Append(ctx, stream, expected, events...)
}

// TestSettlements_AnyCutIsFinished: an import that is killed at any of its appends, before or after it is
// durable, is no statement or is finished by the next, with the events that it would have had.
func TestSettlements_AnyCutIsFinished(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := int32(1); ; at++ {
			log := openNode(t)
			paidOrders(t, newIntake(log), 4)
			cut := &cutting{Log: log, at: at, after: after}
			_, err := commands.NewSettlements(newIntake(cut)).Import(t.Context(), statementOf(4), "kim")
			if err == nil {
				if at < 5 {
					t.Fatalf("an import has only %d appends", at-1)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			receipt, err := commands.NewSettlements(newIntake(log)).Import(t.Context(), statementOf(4), "kim")
			if err != nil || receipt.Matched != 3 || receipt.Mismatched != 1 || receipt.Unmatched != 2 {
				t.Fatalf("cut at %d (after %t) and finished: %+v, %v", at, after, receipt, err)
			}
			seen := map[string]bool{}
			for stream, ids := range meaning(t, log) {
				for _, id := range ids {
					if seen[id] {
						t.Errorf("cut at %d (after %t): %s twice on %s", at, after, id, stream)
					}
					seen[id] = true
				}
			}
			matched := 0
			for id := range seen {
				if strings.HasPrefix(id, "SettlementMatched ") {
					matched++
				}
			}
			if matched != 3 {
				t.Errorf("cut at %d (after %t): %d matches are recorded", at, after, matched)
			}
		}
	}
}

// TestSettlements_Large: a statement that no single append holds is recorded in several, and several who import it
// at once make one of it.
func TestSettlements_Large(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	paidOrders(t, in, 3)
	s := statementOf(3)
	for i := range 2000 { // about one order: more than one append holds
		l := s.Lines[0]
		l.Kind, l.Fee, l.Gross = settlement.Fee, nil, money.MustParse(fmt.Sprintf("%d.01", i+1), "EUR")
		l.Number, l.FileLine = len(s.Lines)+1, len(s.Lines)+2
		s.Lines = append(s.Lines, l)
	}
	for i := range 5000 {
		l := s.Lines[0]
		l.Number, l.FileLine, l.References = len(s.Lines)+1, len(s.Lines)+2, []string{fmt.Sprintf("nobody's-%d-%s", i, strings.Repeat("x", 60))}
		s.Lines = append(s.Lines, l)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			receipt, err := commands.NewSettlements(newIntake(log)).Import(t.Context(), s, "kim")
			if err != nil || receipt.Lines != 7006 || receipt.Matched != 2002 || receipt.Unmatched != 5002 {
				t.Errorf("%+v, %v", receipt, err)
			}
		})
	}
	wg.Wait()
	stream := meaning(t, log)[settlement.Stream(s.ID())]
	counts := map[string]int{}
	for _, id := range stream {
		eventType, _, _ := strings.Cut(id, " ")
		counts[eventType]++
	}
	if diff := cmp.Diff(map[string]int{
		settlement.LinesRecordedType: 29, settlement.StatementImportedType: 1, settlement.StatementMatchedType: 1, order.SettlementMismatchFlagged{}.EventType(): 5002,
	}, counts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
