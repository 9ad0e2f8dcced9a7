package projections_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

// shownColumns are what the oracle answers for, in its order, by the public views.
func shownColumns() map[string][2]string {
	const order = `order_id, source, source_account, source_order_id, merchant_reference, currency, amount_due, authorised, expected, captured,
		settled, received_externally, reversed, refund_pending, refunded, dispute_held, dispute_lost, gross_paid, net, overpaid, payment_state,
		refund_state, dispute_state, lifecycle, gateway_status, flags, first_recorded_at, last_recorded_at, revision, position, event_id`
	return map[string][2]string{
		"order":      {"ledger.orders", order},
		"test_order": {"ledger.test_orders", order},
		"payout": {"ledger.payouts", `order_id, source, source_account, source_order_id, merchant_reference, currency, amount, paid_out,
			payout_state, flags, first_recorded_at, last_recorded_at, revision, position, event_id`},
		"payment": {"ledger.payments", `order_id, payment_id, source_payment_id, method, status, amount, captured, settled, reason_code,
			last_occurred_at, currency, revision, position, event_id`},
		"refund": {"ledger.refunds", `order_id, refund_id, payment_id, source_refund_id, status, amount, reason_code, initiated_at, resolved_at,
			last_recorded_at, currency, revision, position, event_id`},
		"refund_balances": {"ledger.refund_balances", "order_id, captured, reversed, refund_pending, refunded, dispute_held, dispute_lost, refundable"},
		"dispute": {"ledger.disputes", `order_id, dispute_id, payment_id, track, stage, outcome, reason_code, arn, disputed_amount, held, lost,
			respond_by, currency, revision, position, event_id`},
		"step":       {"ledger.dispute_timeline", "order_id, dispute_id, seq, stage, amount, moved, occurred_at, recorded_at, revision, position, event_id"},
		"history":    {"ledger.order_history", "order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data"},
		"parked":     {"ledger.parked_orders", "order_id, stream, revision, position, event_id, event_type, held_back"},
		"quarantine": {"ledger.quarantine", "notification_id, source, source_account, code, detail, body_sha256, position"},
	}
}

// shownSQL selects all rows of the views as lines.
func shownSQL() string {
	var selects []string
	for name, of := range shownColumns() {
		values := []string{"''", "'" + name + "'"}
		for column := range strings.SplitSeq(of[1], ",") {
			column = strings.TrimSpace(column)
			switch {
			case strings.HasSuffix(column, "_at") || column == "respond_by":
				column = "to_char(" + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
			case column == "flags":
				column = "array_to_string(flags, ',')"
			case column == "overpaid", column == "refundable": // greatest(0, …) may be the 0
				column = "round(" + column + ", scale(captured))::text"
			default:
				column += "::text"
			}
			values = append(values, "coalesce("+column+", '')")
		}
		selects = append(selects, "SELECT "+strings.Join(values, " || '|' || ")+" FROM "+of[0])
	}
	return strings.Join(selects, " UNION ALL ")
}

// shown are all rows of the public views, one line each, sorted, and where the views stand: of one moment.
func shown(ctx context.Context, db interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}) (lines []string, at checkpoint.Checkpoint, err error) {
	err = pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if at, err = checkpoint.Read(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, shownSQL())
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for i, l := range lines {
		lines[i], err = sortedJSON(l)
		if err != nil {
			break
		}
	}
	slices.Sort(lines)
	return lines, at, err
}

// sortedJSON puts the members of the object that ends a line of the history in the oracle's order.
func sortedJSON(line string) (string, error) {
	if !strings.HasPrefix(line, "|history|") {
		return line, nil
	}
	before, object, _ := strings.Cut(line, "|{")
	var data map[string]any
	if !readObject([]byte("{"+object), &data) {
		return "", fmt.Errorf("no JSON: %s", line)
	}
	raw, err := json.Marshal(data)
	return before + "|" + string(raw), err
}

// agree compares the views, of one moment, with what the oracle says of where they stand then, which it returns.
func agree(tb testing.TB, db interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}, o oracle) checkpoint.Checkpoint {
	tb.Helper()
	got, at, err := shown(tb.Context(), db)
	if err != nil {
		tb.Fatal(err)
	}
	var want []string
	if at.Known {
		want = o.lines(at.Position.Commit)
	}
	if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
		tb.Fatalf("at %s the views are not what the log says (-log +views):\n%.6000s", at, diff)
	}
	return at
}

// unusual are events that worlds do not make up.
var unusual = []string{"FeeCharged", "AnomalyResolved"}

// TestViews_TellWhatTheOracleTells compares every column of the views with what is worked out from the log by other
// means: with orders of all kinds and every sort of fact about them, in batches and as a rebuild makes them.
func TestViews_TellWhatTheOracleTells(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(81)
	w.rich = true
	appendMany(t, log, w.history(t, 25, 900))
	appendAll(t, log, []appended{{w.orders[0].stream, []eventData{foreign("OrderTeleported", `{}`, plainMetadata), foreign("OrderIssued", `{}`, plainMetadata)}}})
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	o := oracle{events: readTold(t, log)}
	kinds := make(map[string]int)
	for i := range o.events {
		kinds[o.events[i].kind]++
	}
	for _, kind := range projectable {
		if kinds[kind] == 0 && !slices.Contains(unusual, kind) {
			t.Errorf("no %s was made up: it is not compared", kind)
		}
	}
	for name := range shownColumns() {
		if !slices.ContainsFunc(o.lines(math.MaxUint64), func(l string) bool { return strings.HasPrefix(l, "|"+name+"|") }) {
			t.Errorf("no row of %s", name)
		}
	}
	agree(t, pool, o)
	booksHold(t, pool)
}
