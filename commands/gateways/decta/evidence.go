package decta

import "github.com/order-ledger/order-ledger/commands/gateways/evidence"

// newPolicy lists what is kept of a body: names of things, statuses, amounts
// and times. Nothing about the customer, the card or the device.
func newPolicy() evidence.Policy {
	allowed := []string{
		"type", "id", "number", "merchant", "status", "currency", "event", "event_type",
		"subtotal", "total_tax", "total_discount", "total", "amount", "is_test", "is_payable",
		"issued", "modified", "viewed", "captured", "paid", "due", "deny_overdue_payment", "skip_capture", "max_payment_attempts",
		"amount_refunded", "amount_refund_initial", "amount_refund_reversal", "refund_amount", "amount_reversed",
		"status.status", "status.name", "status.code",
		"sdwo_merchant_id", "terminal_processing_id", "permitted_actions.#",
		"status_changes.#.new_status", "status_changes.#.new_status.status", "status_changes.#.new_status.name",
		"status_changes.#.new_status.code", "status_changes.#.on",
	}
	for _, name := range []string{
		"method", "payment_system", "processing_payment_id", "processing_merchant_id", "arn", "mcc", "cleared", "settled",
		"amount_refunded", "amount_reversed", "chargebacks", "chargebacks.#", "chargebacks.#.amount",
		"chargebacks_reversed", "chargebacks_reversed.#", "chargebacks_reversed.#.amount", "chargebacks_reason_code",
		"processing_status.code", "processing_status.on", "errors.#.on", "errors.#.code",
	} {
		allowed = append(allowed, "transaction_details."+name)
	}
	return evidence.NewPolicy(allowed, []string{"id", "number", "merchant"})
}
