// Package connectpay translates what the ConnectPay payment gateway tells about payments into the
// ledger's facts. One body serves all ways: the answer to "Get payment details" is also what the
// gateway posts to a payment's notificationUrl.
//
// # Which payment, which order
//
// The gateway has no orders. A body belongs to the order of its payment, or else to the one that
// merchant.generic1 or identifiers.merchantReference names; the order's amount due is made of the
// amounts of its payments.
//
// A payment is known by payment.paymentId. A body may lack it, because whoever asked for the
// details has it in the address. Then the payment is named by what the body has:
//
//	e2e/{account}/{identifiers.endToEndId}
//	reference/{account}/{merchant reference}
//
// No id of the gateway has a slash, so such a name meets no payment id, and accounts keep apart. A
// payment that some bodies name by its id and others do not would be two payments to the ledger:
// a client that asks for details puts the id that it asked for into the body before it passes it on.
//
// # What it means
//
// Statuses that a payment visits once have the key "connectpay:{payment}:{Status}". Of refunds the
// gateway tells only words, and a payment may go through them again and again: which refund a word
// is about is decided from what is known of the payment. Approved or Settled may be such a word,
// too: after PendingRefund it says that the refund failed. That word goes before the capture, so that
// a body which names a capture only implied until then is not taken for a failed refund.
//
// status.isTerminal is kept as evidence and decides nothing, for statuses change after it: Settled
// follows Approved, and, with instant transfers, Approved follows Settled.
//
// Platform webhooks (OutgoingPayment.Created and the like) come from another system of the gateway
// and tell about accounts, not about payments of customers; they are rejected.
//
// The evidence that is kept of a body holds ids, statuses, amounts and the method. Accounts, names,
// messages and everything about the consumer are dropped, status.description included: it is free
// text.
package connectpay
