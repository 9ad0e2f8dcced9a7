package everifin

import "github.com/order-ledger/order-ledger/commands/gateways/wire"

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

// newEvidence lists what is kept of a body: names of things, statuses, amounts and times. None of
// them tells who paid, from which account, or what for.
func newEvidence() *wire.AllowList {
	paths := append(inOrder(identities()...), inOrder(
		"status", "reasonCode", "amount", "currency", "createdAt", "confirmedAt", "finalizedAt",
	)...)
	for _, name := range [...]string{
		"refundLimitPercentage", "canBeWithdrawn", "canBeUpdated", "sumOfPaid", "sumOfRefunded",
		"disableHooks", "isExternalPayment",
	} {
		paths = append(paths, name, "data."+name)
	}
	return wire.MustAllowList(append(paths, "eventId", "eventType", "eventTimestamp", "meta.status", "errors.#.code")...)
}

// newIdentity lists the places of a body that name something.
func newIdentity() map[string]bool {
	places := map[string]bool{"eventId": true}
	for _, path := range inOrder(identities()...) {
		places[path] = true
	}
	return places
}
