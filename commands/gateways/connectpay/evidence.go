package connectpay

import "github.com/order-ledger/order-ledger/commands/gateways/evidence"

// newPolicy lists what is kept of a body: names of things, the status, the amount and the method.
// None of them tells who paid, from which account, or what for.
func newPolicy() evidence.Policy {
	identity := []string{
		"payment.paymentId", "merchant.brandId", "merchant.generic1",
		"identifiers.merchantReference", "identifiers.endToEndId", "identifiers.creditorReference",
	}
	allowed := append([]string{
		"eventType", "event", "type", "eventName", "notificationType",
		"payment.paymentMethod", "payment.paymentMethod.#",
		"payment.instructedAmount.amount", "payment.instructedAmount.currency",
		"status", "status.code", "status.isTerminal",
	}, identity...)
	return evidence.NewPolicy(allowed, identity)
}
