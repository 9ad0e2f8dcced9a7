package decta_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

// kept are the only members of which the content may be kept.
var kept = func() map[string]bool {
	all := map[string]bool{}
	for _, path := range strings.Fields(`type id number merchant status currency event event_type subtotal total_tax total_discount total
		amount is_test is_payable issued modified viewed captured paid due deny_overdue_payment skip_capture max_payment_attempts
		amount_refunded amount_refund_initial amount_refund_reversal refund_amount amount_reversed sdwo_merchant_id
		terminal_processing_id permitted_actions.# status_changes.#.new_status status_changes.#.new_status.status
		status_changes.#.new_status.name status_changes.#.new_status.code status_changes.#.on status.status status.name status.code`) {
		all[path] = true
	}
	for _, name := range strings.Fields(`method payment_system processing_payment_id processing_merchant_id arn mcc cleared settled
		amount_refunded amount_reversed chargebacks chargebacks.# chargebacks.#.amount chargebacks_reversed chargebacks_reversed.#
		chargebacks_reversed.#.amount chargebacks_reason_code processing_status.code processing_status.on errors.#.on errors.#.code`) {
		all["transaction_details."+name] = true
	}
	return all
}()

// names are those of the gateway's members, at any level, and one that it does
// not have.
var names = strings.Fields(`type id number merchant status currency event event_type total amount captured paid modified issued due
	amount_refunded status_changes new_status on name code description transaction_details errors method payment_system arn
	card_masked_pan cardholder_name processing_payment_id processing_status chargebacks chargebacks_reversed chargebacks_reason_code
	paid_from_ip created_from_ip descriptor client email phone first_name last_name birth_date personal_code city brand website
	products title notes client_display_name referrer author created_by issuer account permitted_actions is_test x`)

// TestTranslate_KeepsNothingElse: nothing of a body is kept that is not known
// to be harmless.
func TestTranslate_KeepsNothingElse(t *testing.T) {
	t.Parallel()
	gatewaytest.KeepsNothingElse(t, decta.New(), names, "id", func(path string) bool { return kept[path] })
}

// TestTranslate_KeepsNothingOfTheCustomer takes a body as complete as the gate
// sends them, marks every text in it, at any depth, that may not be kept, and
// finds no mark again.
func TestTranslate_KeepsNothingOfTheCustomer(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/bodies/full_order.json")
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	marked := 0
	var mark func(v any, path string) any
	mark = func(v any, path string) any {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				v[name] = mark(member, strings.TrimPrefix(path+"."+name, "."))
			}
		case []any:
			for i := range v {
				v[i] = mark(v[i], path+".#")
			}
		case string:
			if !kept[path] {
				marked++
				return "MARK " + path
			}
		}
		return v
	}
	mark(members, "")
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	got := translate(string(body))
	if all := gatewaytest.Dump(t, got); got.Rejection != nil || marked < 30 || strings.Contains(all, "MARK") {
		t.Errorf("%d texts marked, kept %s", marked, all)
	}
}

const visa = "4111111111111111"

func TestTranslate_CardNumbers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"ID":       `{"id":"` + visa + `","status":"paid"}`,
		"NumberID": `{"id":` + visa + `,"status":"paid"}`,
		"Number":   `{"id":"o","number":"SO 4111 1111 1111 1111","status":"paid"}`,
		"Merchant": `{"id":"o","merchant":"` + visa + `","status":"paid"}`,
	} {
		t.Run("Identity/"+name, func(t *testing.T) {
			t.Parallel()
			got := translate(body)
			if got.Rejection == nil || got.Rejection.Code != order.FlagPANDetected || got.Evidence != nil || len(got.Facts) > 0 {
				t.Errorf("got %+v, want pan_detected without the body", got)
			}
			if all := gatewaytest.Dump(t, got); strings.Contains(all, "41111") {
				t.Errorf("the card number is kept: %s", all)
			}
		})
	}
	paid := func(members string) string {
		return `{"id":"o","status":"paid","currency":"EUR","total":5,"paid":1795140012,` + members + `}`
	}
	for name, body := range map[string]string{
		"Dropped":       paid(`"client":{"notes":"card ` + visa + `"}`),
		"Cardholder":    paid(`"transaction_details":{"card_masked_pan":"` + visa + `"}`),
		"ProcessingID":  paid(`"transaction_details":{"processing_payment_id":"` + visa + `"}`),
		"BareNumber":    paid(`"transaction_details":{"processing_payment_id":` + visa + `}`),
		"ReferenceCode": paid(`"transaction_details":{"chargebacks_reason_code":` + visa + `,"arn":"` + visa + `"},"status_changes":[{"new_status":"paid","on":1},{"new_status":"chargeback","on":2}]`),
		"Method":        paid(`"transaction_details":{"method":"` + visa + `","payment_system":"x ` + visa + `"}`),
		"MemberName":    paid(`"` + visa + `":1`),
		"Grouped":       paid(`"notes":"4111-1111-1111-1111"`),
		"Escaped":       paid(`"transaction_details":{"method":"\u0034111111111111111"}`),
		"InHistory":     paid(`"status_changes":[{"new_status":"paid ` + visa + `","on":1},{"new_status":"paid","on":2}]`),
		"CutInTwo":      paid(`"status_changes":[{"new_status":"` + strings.Repeat("x", 54) + ` ` + visa + `","on":1},{"new_status":"paid","on":2}]`),
	} {
		t.Run("Elsewhere/"+name, func(t *testing.T) {
			t.Parallel()
			got := translate(body)
			totals := gatewaytest.OfKind[order.Totals](got.Facts)
			if got.Rejection != nil || got.Uncountable != nil || len(totals) != 1 || !totals[0].Captured {
				t.Fatalf("got %+v, want the money to be counted", got)
			}
			if flagged := gatewaytest.OfKind[order.Anomaly](got.Facts); len(flagged) != 1+strings.Count(name, "ReferenceCode")+strings.Count(name, "Method") ||
				flagged[0].Code != order.FlagPANDetected {
				t.Errorf("flagged %+v, want pan_detected", flagged)
			}
			if all := gatewaytest.Dump(t, got); strings.Contains(all, "41111") || strings.Contains(all, "4111-1111") {
				t.Errorf("the card number is kept: %s", all)
			}
		})
	}
	t.Run("MaskedByTheGate", func(t *testing.T) {
		t.Parallel()
		got := facts(t, paid(`"transaction_details":{"card_masked_pan":"411111******1111","arn":"74537606324000000012345"}`))
		if flagged := gatewaytest.OfKind[order.Anomaly](got); len(flagged) > 0 {
			t.Errorf("flagged %+v", flagged)
		}
	})
	t.Run("EachKindOfOrder", func(t *testing.T) {
		t.Parallel()
		got := facts(t, fmt.Sprintf(`{"type":"payout","id":"p","status":"paid","amount":5,"currency":"EUR","notes":%q}`, visa))
		if flagged := gatewaytest.OfKind[order.Anomaly](got); len(flagged) != 1 {
			t.Errorf("flagged %+v, want pan_detected", flagged)
		}
	})
}
