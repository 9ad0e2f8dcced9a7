package connectpay

import "github.com/order-ledger/order-ledger/commands/gateways/wire"

// identities are the members that name a payment or an order.
func identities() []string {
	return []string{
		"payment.paymentId", "merchant.brandId", "merchant.generic1",
		"identifiers.merchantReference", "identifiers.endToEndId", "identifiers.creditorReference",
	}
}

// newEvidence lists what is kept of a body: names of things, the status, the amount and the method.
// None of them tells who paid, from which account, or what for.
func newEvidence() *wire.AllowList {
	return wire.MustAllowList(append(identities(),
		"eventType", "event", "type", "eventName", "notificationType",
		"payment.paymentMethod", "payment.paymentMethod.#",
		"payment.instructedAmount.amount", "payment.instructedAmount.currency",
		"status", "status.code", "status.isTerminal",
	)...)
}

// newIdentity lists the places of a body that name something.
func newIdentity() map[string]bool {
	places := map[string]bool{}
	for _, path := range identities() {
		places[path] = true
	}
	return places
}
