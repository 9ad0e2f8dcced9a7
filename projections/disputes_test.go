package projections_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// TestFold_ChargebackCorrected: an assumed chargeback whose amount is learnt later, and one that an operator
// corrects, park no order: the timeline tells of the correction, and every view and report of what is left.
func TestFold_ChargebackCorrected(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(35)
	s := w.addOrder()
	s.kind, s.test, s.due = order.KindPayment, false, money.MustParse("100.00", "EUR")
	s.stream = order.StreamName(order.CategoryOrder, s.id)
	p := order.PaymentRef{SourceID: "p"}
	at := func(key string, hours int) order.At {
		return order.At{Key: key, OccurredAt: day.Add(time.Duration(hours) * time.Hour), Basis: order.BasisSourceField}
	}
	tell := func(facts ...order.Fact) {
		a, ok := w.notifyOf(t, s, facts...)
		if !ok {
			t.Fatal("nothing is recorded")
		}
		appendAll(t, log, []appended{a})
	}
	charged, learnt := at("charged", 2), money.MustParse("70.00", "EUR")
	tell(order.Captured{At: at("paid", 1), Payment: p, Amount: &s.due})
	tell(order.DisputeStage{At: charged, Payment: p, Stage: order.StageChargeback},
		order.DisputeTotals{At: charged, Payment: p, Chargebacks: []order.At{charged}, ModifiedAt: charged.OccurredAt})
	tell(order.DisputeTotals{At: at("told", 3), Payment: p, Chargebacks: []order.At{charged}, Withdrawn: &learnt, ModifiedAt: day.Add(3 * time.Hour)})
	start(t, config(log, url))
	holds := func(held, moved string) {
		t.Helper()
		reach(t, log, pool)
		shown := viewsSay(t, pool, s.id)
		if len(shown.Disputes) != 1 || shown.Disputes[0].Held.String() != held {
			t.Fatalf("disputes %+v, want %s held", shown.Disputes, held)
		}
		if steps := shown.Disputes[0].Timeline; steps[len(steps)-1].Stage != "corrected" || steps[len(steps)-1].Moved.String() != moved {
			t.Errorf("the newest step is %+v", steps[len(steps)-1])
		}
		if f := auditOrder(t, pool, log, s.id); len(f.Drift) > 0 || f.Parked {
			t.Errorf("the audit finds %+v", f)
		}
		report := answer(t, pool, "disputes-open", reports.Params{})
		if len(report.Rows) != 1 || *report.Rows[0][slices.Index(report.Columns, "exposure")] != held {
			t.Errorf("open disputes %v, want an exposure of %s", report.Rows, held)
		}
		booksHold(t, pool)
	}
	holds("70.00", "30.00")

	dispute := s.state.Disputes[0].ID
	appendAll(t, log, []appended{{s.stream, []eventstore.EventData{encode(t, uuid.New(), order.LedgerCorrectionRecorded{
		Reason: "counted twice", Approver: "eve", Adjustments: []order.Adjustment{{
			Balance: order.BalanceDisputeHeld, Direction: order.Decrease, Amount: money.MustParse("20.00", "EUR"), DisputeID: dispute,
		}},
	}, order.Metadata{OccurredAt: day.Add(4 * time.Hour), RecordedAt: day.Add(5 * time.Hour), Source: "decta", Actor: "kim"})}}})
	holds("50.00", "20.00")

	live := dump(t, pool)
	if _, err := newEngine(t, rebuildConfig(t, log, url, t.TempDir())).All(context.WithoutCancel(t.Context()), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", live, dump(t, pool))
}
