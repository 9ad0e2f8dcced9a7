package decta_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestTranslate_Statuses is the table of domain 4.4, seed 000: what each status
// of an order of 96.56 EUR means when it is told alone, and as an entry of the
// gate's history.
func TestTranslate_Statuses(t *testing.T) {
	t.Parallel()
	ref := order.PaymentRef{SourceID: orderID, SourceOrderID: orderID}
	for _, tc := range []struct {
		status string // as the documents show it
		key    string
		want   func(at order.At, total order.Totals) []order.Fact
	}{
		{"draft", "draft", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.StatusObserved{At: at, Recognised: true}}
		}},
		{"Issued", "issued", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Issued{At: at, SourceOrderID: orderID}}
		}},
		{"Viewed", "viewed", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Viewed{At: at}}
		}},
		{"In progress", "in_progress", func(at order.At, total order.Totals) []order.Fact {
			return []order.Fact{order.Processing{At: at, Payment: ref}, total}
		}},
		{"Failed", "failed", func(at order.At, total order.Totals) []order.Fact {
			return []order.Fact{order.Failed{At: at, Payment: ref, Phase: "processing"}, total}
		}},
		{"Hold", "hold", func(at order.At, total order.Totals) []order.Fact {
			total.Held, total.HeldAt = true, at.OccurredAt
			return []order.Fact{total}
		}},
		{"Paid", "paid", func(at order.At, total order.Totals) []order.Fact {
			total.Captured, total.CapturedAt = true, at.OccurredAt
			return []order.Fact{total}
		}},
		{"withdrawn", "withdrawn", func(at order.At, total order.Totals) []order.Fact {
			total.Captured, total.CapturedAt = true, at.OccurredAt
			return []order.Fact{total, order.StatusObserved{At: at, Recognised: true}}
		}},
		{"Overdue", "overdue", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Overdue{At: at}}
		}},
		{"Expired", "expired", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Expired{At: at}}
		}},
		{"Cancelled", "cancelled", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Cancelled{At: at, SourceOrderID: orderID}}
		}},
		{"Rejected", "rejected", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.Rejected{At: at}}
		}},
		{"Recieved", "received", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.PaidOutside{At: at}}
		}},
		{"Refund initiated", "refund_initiated", refundStep(ref, order.RefundStepInitiated)},
		{"Refunded", "refunded", refundStep(ref, order.RefundStepCompleted)},
		{"Refund failed", "refund_failed", refundStep(ref, order.RefundStepFailed)},
		{"Refund reversed", "refund_reversed", refundStep(ref, order.RefundStepReversed)},
		{"Reversal initiated", "reversal_initiated", func(at order.At, total order.Totals) []order.Fact {
			return []order.Fact{order.ReversalStarted{At: at, Payment: ref}, total}
		}},
		{"Reversed", "reversed", func(at order.At, total order.Totals) []order.Fact {
			total.ReversalReported, total.ReversedAt, total.ReversedStatus = true, at.OccurredAt, at.Status
			return []order.Fact{total}
		}},
		{"Reversal failed", "reversal_failed", func(at order.At, total order.Totals) []order.Fact {
			return []order.Fact{order.ReversalRefused{At: at, Payment: ref, Phase: "processing"}, total}
		}},
		{"Retrieval", "retrieval", stage(ref, order.StageRetrieval, false)},
		{"Chargeback", "chargeback", stage(ref, order.StageChargeback, true)},
		{"Representation", "representation", stage(ref, order.StageRepresentment, true)},
		{"Pre-arbitration", "pre_arbitration", stage(ref, order.StagePreArbitration, true)},
		{"Arbitration", "arbitration", stage(ref, order.StageArbitration, true)},
		{"Pre-compliance", "pre_compliance", stage(ref, order.StagePreCompliance, false)},
		{"Compliance", "compliance", stage(ref, order.StageCompliance, true)},
		{"Good faith", "good_faith", stage(ref, order.StageGoodFaith, false)},
		{"Fraud advice", "fraud_advice", stage(ref, order.StageFraudAdvice, false)},
		{"Test", "test", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.StatusObserved{At: at, Recognised: true}}
		}},
		{"Partly Sunny", "partly_sunny", func(at order.At, _ order.Totals) []order.Fact {
			return []order.Fact{order.StatusObserved{At: at}}
		}},
	} {
		t.Run(tc.key, func(t *testing.T) {
			t.Parallel()
			alone := fmt.Sprintf(`{"id":%q,"currency":"EUR","total":96.56,"status":%q,"modified":%d`, orderID, tc.status, second)
			for basis, body := range map[order.Basis]string{
				order.BasisSourceField:  alone + `}`,
				order.BasisStatusChange: alone + fmt.Sprintf(`,"status_changes":[{"new_status":%q,"on":%d}]}`, tc.status, second),
			} {
				at := order.At{Key: statusKey(tc.key, second, 0), OccurredAt: unix(second), Basis: basis, Status: tc.status}
				want := tc.want(at, order.Totals{
					At:      order.At{Key: "decta:" + orderID, OccurredAt: unix(second), Basis: order.BasisSourceField, Status: tc.status},
					Payment: ref, Total: *eur("96.56"),
				})
				if len(gatewaytest.OfKind[order.Totals](want)) > 0 {
					want = append([]order.Fact{order.PaymentSeen{
						At:      order.At{Key: "decta:" + orderID, OccurredAt: unix(second), Basis: order.BasisStatusChange},
						Payment: ref, Amount: eur("96.56"), Version: version(tc.key),
					}}, want...)
				}
				if tc.key == "in_progress" && basis == order.BasisStatusChange {
					attempt := want[1].(order.Processing)
					attempt.Attempt = 1
					want[1] = attempt
				}
				wantFacts(t, facts(t, body), want)
			}
		})
	}
}

func version(status string) order.Version {
	v := order.Version{ModifiedAt: unix(second)}
	if status == "issued" {
		v.IssuedAt = unix(second)
	}
	return v
}

// refundStep is what a refund's status means: it presupposes a capture.
func refundStep(ref order.PaymentRef, step order.RefundStep) func(order.At, order.Totals) []order.Fact {
	return func(at order.At, total order.Totals) []order.Fact {
		phase := "processing"
		total.Captured, total.CaptureImplied = true, true
		return []order.Fact{total, order.RefundTotals{
			At:      order.At{Key: "decta:" + orderID, OccurredAt: unix(second), Basis: order.BasisSourceField, Status: at.Status},
			Payment: ref, ModifiedAt: unix(second), Steps: []order.RefundStepAt{{At: at, Step: step, Phase: phase}},
		}}
	}
}

// stage is what a dispute's status means; some presuppose a capture.
func stage(ref order.PaymentRef, s order.Stage, implied bool) func(order.At, order.Totals) []order.Fact {
	return func(at order.At, total order.Totals) []order.Fact {
		entered := order.DisputeStage{At: at, Payment: ref, Stage: s}
		counters := order.DisputeTotals{
			At:      order.At{Key: "decta:" + orderID, OccurredAt: unix(second), Basis: order.BasisSourceField, Status: at.Status},
			Payment: ref, ModifiedAt: unix(second),
		}
		if s == order.StageChargeback {
			counters.Chargebacks = []order.At{at}
		}
		if implied {
			total.Captured, total.CaptureImplied = true, true
			return []order.Fact{total, entered, counters}
		}
		if s == order.StageFraudAdvice {
			return []order.Fact{entered, total}
		}
		return []order.Fact{entered, total, counters}
	}
}

// TestTranslate_Spellings shows that every spelling of a status is the same
// status.
func TestTranslate_Spellings(t *testing.T) {
	t.Parallel()
	for status, spellings := range map[string][]string{
		"in_progress":        {"in_progress", "In progress", "in-progress", " IN  PROGRESS\t", "InProgress", "in _progress"},
		"received":           {"received", "recieved", "Recieved"},
		"cancelled":          {"cancelled", "canceled", "Canceled"},
		"representation":     {"Representation", "representment"},
		"pre_arbitration":    {"Pre-arbitration", "prearbitration", "pre arbitration"},
		"pre_compliance":     {"Pre-compliance", "precompliance", "PreCompliance"},
		"refund_initiated":   {"Refund initiated", "refund_in_progress", "refund_in _progress"},
		"refund_failed":      {"Refund failed", "refund-failed"},
		"refund_reversed":    {"Refund reversed", "RefundReversed"},
		"reversal_initiated": {"Reversal initiated", "reversal_in_progress"},
		"reversal_failed":    {"Reversal failed", "REVERSAL_FAILED"},
		"good_faith":         {"Good faith", "goodfaith", "good-faith"},
		"fraud_advice":       {"Fraud advice", "fraud_advice", "Fraud Advice"},
		"paid":               {"Paid", " PAID "},
	} {
		for _, spelling := range spellings {
			t.Run(spelling, func(t *testing.T) {
				t.Parallel()
				got := facts(t, fmt.Sprintf(`{"id":"o","status":%q,"modified":%d}`, spelling, second))
				want := facts(t, fmt.Sprintf(`{"id":"o","status":%q,"modified":%d}`, status, second))
				verbatim := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Status" }, cmp.Ignore())
				if diff := cmp.Diff(want, got, verbatim); diff != "" || len(want) == 0 {
					t.Errorf("%q is not %s (-want +got):\n%s", spelling, status, diff)
				}
			})
		}
	}
}
