// Package everifin translates what Everifin Paygate (API v2) tells about orders, payments and
// refunds into the ledger's facts: the bodies of its webhooks, and the bodies of its answers to
// GET and create calls.
//
// # What a body is about
//
// A webhook names its subject by paymentId, refundId or orderId and is an envelope around "data".
// An answer is `{"meta":…,"data":{…}}`, or the object inside "data" alone, and does not name its
// type. It is told by its shape; the first rule that fits decides:
//
//  1. refundId names a refund. So does "id" beside "paymentId": a payment names itself by one of
//     the two only.
//  2. paymentId names a payment.
//  3. orderId or externalId without "id" names an order. A webhook whose type begins with "order."
//     is about an order too, whatever else it names.
//  4. "id" with one of the three order statuses names an order. So does "id" without orderId beside
//     a member that only orders have: payments, refunds, processablePaymentId, sumOfPaid,
//     sumOfRefunded, canBeUpdated, canBeWithdrawn, refundLimitPercentage. The answer to the creation
//     of an order, {id, processablePaymentId, link, status}, is therefore an order.
//  5. "id" with "link", and with orderId or the status of a payment, is the answer to the creation of
//     a refund: of all things, only orders and refunds have a link.
//  6. "id" with orderId or the status of a payment names a payment. A refund that is read by itself
//     may have the very same members; whoever fetches one passes it on with its id as refundId, or
//     fetches the order, which lists its refunds apart.
//
// Anything else belongs to no order and is rejected. A refund that names no order, payment or
// merchant reference is rejected too: it alone cannot tell which order it is about.
//
// # What it means
//
// Statuses of payments and refunds are visited once, so the key of such a fact is
// "everifin:{id}:{STATUS}", whichever body tells it. Hooks carry no amounts: the amount is the one
// that an order or payment body told or will tell. The gateway's status of the order and its sums
// are never counted, only compared.
//
// The evidence that is kept of a body holds ids, statuses, amounts and times. Account numbers,
// names, mail addresses, messages, payment symbols, links and the merchant's hookData are dropped.
package everifin
