package everifin

import "github.com/order-ledger/order-ledger/commands/gateways/evidence"

// identities are the members that name an order, payment, refund or notification.
func identities() []string {
	return []string{
		"id", "orderId", "paymentId", "refundId", "processablePaymentId", "instructionId", "externalId",
	}
}

// inOrder lists where members of an order, payment or refund may stand, in the paths of
// [wire.NewAllowList].
func inOrder(names ...string) []string {
	var paths []string
	for _, name := range names {
		for _, at := range [...]string{"", "payments.#.", "refunds.#."} {
			paths = append(paths, at+name, "data."+at+name)
		}
	}
	return paths
}

// newPolicy lists what is kept of a body: names of things, statuses, amounts and times. None of them
// tells who paid, from which account, or what for.
func newPolicy() evidence.Policy {
	identity := append(inOrder(identities()...), "eventId")
	allowed := append(inOrder(
		"status", "reasonCode", "amount", "currency", "createdAt", "confirmedAt", "finalizedAt",
	), identity...)
	for _, name := range [...]string{
		"refundLimitPercentage", "canBeWithdrawn", "canBeUpdated", "sumOfPaid", "sumOfRefunded",
		"disableHooks", "isExternalPayment",
	} {
		allowed = append(allowed, name, "data."+name)
	}
	return evidence.NewPolicy(append(allowed, "eventType", "eventTimestamp", "meta.status", "errors.#.code"), identity)
}
