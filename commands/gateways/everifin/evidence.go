package everifin

import "github.com/order-ledger/order-ledger/commands/gateways/wire"

// newEvidence lists what is kept of a body: names of things, statuses, amounts and times. None of
// them tells who paid, from which account, or what for.
func newEvidence() *wire.AllowList {
	subject := []string{
		"id", "orderId", "paymentId", "refundId", "processablePaymentId", "instructionId", "externalId",
		"status", "reasonCode", "amount", "currency", "createdAt", "confirmedAt", "finalizedAt",
	}
	whole := append([]string{
		"refundLimitPercentage", "canBeWithdrawn", "canBeUpdated", "sumOfPaid", "sumOfRefunded",
		"disableHooks", "isExternalPayment",
	}, subject...)
	for _, name := range subject {
		whole = append(whole, "payments.#."+name, "refunds.#."+name)
	}
	paths := []string{"eventId", "eventType", "eventTimestamp", "meta.status", "errors.#.code"}
	for _, name := range whole {
		paths = append(paths, name, "data."+name)
	}
	return wire.MustAllowList(paths...)
}
