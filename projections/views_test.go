package projections_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/disputes"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/payouts"
	"github.com/order-ledger/order-ledger/projections/refunds"
)

// TestViews_HaveTheirColumns reads every documented column of every public view.
func TestViews_HaveTheirColumns(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	const orderColumns = `order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due,
		authorised, expected, captured, settled, received_externally, reversed, refund_pending, refunded, dispute_held,
		dispute_lost, gross_paid, net, overpaid, payment_state, refund_state, dispute_state, lifecycle, gateway_status,
		flags, first_recorded_at, last_recorded_at, revision, position`
	for view, columns := range map[string]string{
		"orders":           orderColumns,
		"test_orders":      orderColumns,
		"payments":         "order_id, payment_id, source_payment_id, method, status, amount, captured, settled, reason_code, last_occurred_at",
		"refunds":          "order_id, payment_id, refund_id, amount, status, initiated_at, resolved_at, last_recorded_at",
		"refund_balances":  "order_id, captured, reversed, refund_pending, refunded, dispute_held, dispute_lost, refundable",
		"disputes":         "order_id, dispute_id, track, stage, outcome, reason_code, arn, disputed_amount, held, lost, respond_by",
		"dispute_timeline": "dispute_id, seq, stage, amount, moved, occurred_at, recorded_at",
		"order_history":    "order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata",
		"payouts": `order_id, source, source_account, source_order_id, merchant_reference, currency, amount, paid_out,
			payout_state, flags, first_recorded_at, last_recorded_at, revision, position`,
		"journal_lines": `entry_id, event_id, order_id, revision, posting_date, value_date, recorded_at, account, currency, debit, credit,
			source, source_account, late_posting`,
		"trial_balance": "period, source, account, currency, opening, debit, credit, closing", "account_balances": "account, currency, balance",
		"quarantine":    "notification_id, source, source_account, code, detail, received_at, body_sha256, position",
		"checkpoint":    "position, commit_position, prepare_position",
		"parked_orders": "order_id, stream, revision, position, event_id, event_type, reason, since, held_back",
	} {
		if _, err := pool.Exec(t.Context(), "SELECT "+columns+" FROM ledger."+view); err != nil {
			t.Errorf("ledger.%s: %v", view, err)
		}
	}
}

// TestViews_TellWhatTheStreamsTell folds every stream by itself, one after the other, and compares
// with what the readers read from the views.
func TestViews_TellWhatTheStreamsTell(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	w := newWorld(31)
	appendMany(t, log, w.history(t, 60, 900))
	start(t, config(log, at))
	reach(t, log, pool)
	for _, s := range w.orders {
		events, err := history.NewReader(pool).OfOrder(t.Context(), s.id, 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if s.state.Exists && len(events) != int(s.state.Revision)+1 || !s.state.Exists && len(events) != 0 {
			t.Errorf("%s: %d events in the history, revision %d", s.stream, len(events), s.state.Revision)
		}
		for i, e := range events {
			if e.Revision != uint64(i) {
				t.Errorf("%s: event %d has revision %d", s.stream, i, e.Revision)
			}
		}
		switch {
		case !s.state.Exists:
		case s.kind == order.KindPayout:
			checkPayout(t, pool, s)
		default:
			checkOrder(t, pool, s)
		}
	}
}

func checkOrder(t *testing.T, pool orders.Querier, s *simulated) {
	t.Helper()
	got, err := orders.NewReader(pool).Get(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	b, due := s.state.Balances(), s.state.AmountDue
	want := orders.Order{
		ID: s.id, Test: s.test, Source: "decta", SourceAccount: "default", SourceOrderID: s.state.SourceOrderID,
		MerchantReference: s.state.MerchantReference, Currency: s.state.Currency.Code(), AmountDue: &due,
		Authorised: b.Authorised, Expected: b.Expected, Captured: b.Captured, Settled: b.Settled,
		ReceivedExternally: b.External, Reversed: b.Reversed, RefundPending: b.RefundPending, Refunded: b.Refunded,
		DisputeHeld: b.DisputeHeld, DisputeLost: b.DisputeLost, GrossPaid: b.Gross, Net: b.Net, Overpaid: b.Overpaid,
		PaymentState: s.state.PaymentState(), RefundState: s.state.RefundState(), DisputeState: s.state.DisputeState(),
		Lifecycle: s.state.Lifecycle, GatewayStatus: s.state.GatewayStatus, Flags: s.state.Flags(),
		FirstRecordedAt: s.state.FirstRecordedAt, LastRecordedAt: s.state.LastRecordedAt, Revision: s.state.Revision,
		Position: got.Position, EventID: got.EventID, // see TestViews_EachRowNamesItsEvent
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(money.Money.Equal), equateEmpty); diff != "" {
		t.Errorf("%s (-stream +view):\n%s", s.stream, diff)
	}
	paid, err := payments.OfOrder(t.Context(), pool, s.id)
	if err != nil {
		t.Fatal(err)
	}
	refunded, err := refunds.OfOrder(t.Context(), pool, s.id)
	if err != nil {
		t.Fatal(err)
	}
	disputed, err := disputes.OfOrder(t.Context(), pool, s.id)
	if err != nil {
		t.Fatal(err)
	}
	if s.test { // test orders appear in no other view of money
		if len(paid)+len(refunded)+len(disputed) != 0 {
			t.Errorf("%s: parts of a test order are shown", s.stream)
		}
		return
	}
	checkParts(t, s, paid, refunded, disputed)
}

func checkParts(t *testing.T, s *simulated, paid []payments.Payment, refunded []refunds.Refund, disputed []disputes.Dispute) {
	t.Helper()
	var got, want []string
	for _, p := range paid {
		got = append(got, fmt.Sprintln("payment", p.ID, p.SourcePaymentID, p.Method, p.Status, p.Captured, p.Settled, p.ReasonCode, p.LastOccurredAt))
	}
	for _, p := range s.state.Payments {
		want = append(want, fmt.Sprintln("payment", p.ID, p.SourceID, p.Method, p.Status, full(p.Captured, s), full(p.Settled, s), p.ReasonCode, p.LastOccurredAt))
	}
	for _, f := range refunded {
		got = append(got, fmt.Sprintln("refund", f.ID, f.PaymentID, f.SourceRefundID, f.Status, f.Amount))
	}
	for _, f := range s.state.Refunds {
		amount := &f.Amount
		if !f.AmountKnown {
			amount = nil
		}
		want = append(want, fmt.Sprintln("refund", f.ID, f.PaymentID, f.SourceID, f.Status, amount))
	}
	for _, d := range disputed {
		got = append(got, fmt.Sprintln("dispute", d.ID, d.Track, d.Stage, d.Outcome, d.ReasonCode, d.ARN, d.Held, d.Lost))
		for _, step := range d.Timeline {
			got = append(got, fmt.Sprintln("step", d.ID, step.Seq, step.Stage, step.Moved, step.OccurredAt, step.RecordedAt))
		}
	}
	for _, d := range s.state.Disputes {
		want = append(want, fmt.Sprintln("dispute", d.ID, d.Track, d.Stage, d.Outcome, d.ReasonCode, d.ARN, full(d.Held(), s), full(d.Lost, s)))
		for _, step := range d.Steps {
			want = append(want, fmt.Sprintln("step", d.ID, step.Seq, step.Stage, full(step.Moved, s), step.OccurredAt, step.RecordedAt))
		}
	}
	if diff := cmp.Diff(want, got, sortLines); diff != "" {
		t.Errorf("%s (-stream +views):\n%s", s.stream, diff)
	}
}

// full is an amount as the views show it: with the order's currency even when nothing happened yet.
func full(m money.Money, s *simulated) money.Money {
	sum, err := money.Zero(s.state.Currency).Add(m)
	if err != nil {
		panic(err)
	}
	return sum
}

func checkPayout(t *testing.T, pool payouts.Querier, s *simulated) {
	t.Helper()
	got, err := payouts.Get(t.Context(), pool, s.id)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != s.state.Payout.Status || !got.PaidOut.Equal(full(s.state.Payout.PaidOut, s)) || got.Revision != s.state.Revision {
		t.Errorf("%s: %+v, want %+v", s.stream, got, s.state.Payout)
	}
}

// TestReaders_Find asks for orders by every reference.
func TestReaders_Find(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	w := newWorld(32)
	appendMany(t, log, w.history(t, 40, 500))
	start(t, config(log, at))
	reach(t, log, pool)
	reader := orders.NewReader(pool)

	for _, s := range w.orders {
		if !s.state.Exists || s.test || s.kind == order.KindPayout {
			continue
		}
		bySource, err := reader.FindBySource(t.Context(), "decta", s.state.SourceOrderID)
		if err != nil || len(bySource) != 1 || bySource[0].ID != s.id {
			t.Errorf("by source: %v, %v", bySource, err)
		}
		byReference, err := reader.FindByReference(t.Context(), s.state.MerchantReference)
		if err != nil || len(byReference) != 1 || byReference[0].ID != s.id {
			t.Errorf("by reference: %v, %v", byReference, err)
		}
	}
	if _, err := reader.Get(t.Context(), "nobody"); !errors.Is(err, orders.ErrNotFound) {
		t.Errorf("an order that does not exist: %v", err)
	}
	if _, err := payouts.Get(t.Context(), pool, "nobody"); !errors.Is(err, payouts.ErrNotFound) {
		t.Errorf("a payout that does not exist: %v", err)
	}
}

// TestViews_DisputeTimeline is a dispute told in full: what was taken is negative, what came back
// positive, stages and the outcome move nothing.
func TestViews_DisputeTimeline(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	id := newWorld(33).id()
	eur := func(text string) money.Money {
		m, err := money.Parse(text, money.MustCurrency("EUR"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	due, lost := eur("100.00"), eur("40.00")
	var events []eventstore.EventData
	for i, e := range []order.Event{
		order.OrderRegistered{OrderID: id, Kind: order.KindPayment, Source: "decta", SourceAccount: "default", AmountDue: &due},
		order.PaymentCaptured{PaymentID: "p", Amount: due},
		order.DisputeStageEntered{Stage: order.StageChargeback, DisputeID: "d", Track: order.TrackChargeback, PaymentID: "p", DisputedAmount: &due},
		order.DisputeFundsWithdrawn{DisputeID: "d", Track: order.TrackChargeback, PaymentID: "p", MovementNo: 1, Amount: due},
		order.DisputeStageEntered{Stage: order.StageRepresentment, DisputeID: "d", Track: order.TrackChargeback, PaymentID: "p"},
		order.DisputeFundsReinstated{DisputeID: "d", Track: order.TrackChargeback, PaymentID: "p", MovementNo: 2, Amount: eur("60.00")},
		order.DisputeResolved{DisputeID: "d", Outcome: order.OutcomeSplit, AmountLost: &lost},
	} {
		events = append(events, encode(t, uuid.New(), e, order.Metadata{
			OccurredAt: day.Add(time.Duration(i) * time.Hour), RecordedAt: day.AddDate(0, 0, 1), Source: "decta", Actor: "system",
		}))
	}
	appendAll(t, log, []appended{{"order-" + id, events}})
	start(t, config(log, at))
	reach(t, log, pool)

	rows, err := pool.Query(t.Context(), `SELECT concat_ws(' ', seq, stage, amount, moved, occurred_at AT TIME ZONE 'UTC')
		FROM ledger.dispute_timeline WHERE order_id = $1 ORDER BY seq`, id)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 chargeback 100.00 0.00 2026-10-01 02:00:00",
		"2 funds_withdrawn 100.00 -100.00 2026-10-01 03:00:00",
		"3 representment 0.00 2026-10-01 04:00:00",
		"4 funds_reinstated 60.00 60.00 2026-10-01 05:00:00",
		"5 resolved_split 40.00 0.00 2026-10-01 06:00:00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	var balances string
	err = pool.QueryRow(t.Context(), `SELECT concat_ws(' ', captured, reversed, refund_pending, refunded, dispute_held,
		dispute_lost, refundable) FROM ledger.refund_balances WHERE order_id = $1`, id).Scan(&balances)
	if want := "100.00 0.00 0.00 0.00 0.00 40.00 60.00"; err != nil || balances != want {
		t.Errorf("refund balances %q, want %q: %v", balances, want, err)
	}
	if text := dump(t, pool); strings.Contains(text, "NaN") {
		t.Error("NaN in the tables")
	}
}

// TestViews_StrangeFlags: a flag is shown as it is, whatever a foreign or newer writer put into it.
func TestViews_StrangeFlags(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	id := newWorld(34).id()
	m := order.Metadata{OccurredAt: day, RecordedAt: day, Source: "decta", Actor: "system"}
	events := []eventstore.EventData{encode(t, uuid.New(), order.OrderRegistered{OrderID: id, Kind: order.KindPayment}, m)}
	want := []order.Flag{"", " x ", "NULL", `"quoted"`, `a,b`, `back\slash`, "late", "{}"}
	for _, f := range want {
		events = append(events, encode(t, uuid.New(), order.AnomalyFlagged{Code: f}, m))
	}
	appendAll(t, log, []appended{{"order-" + id, events}})
	start(t, config(log, at))
	reach(t, log, pool)
	o, err := orders.NewReader(pool).Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, o.Flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}
