package e2e_test

import "fmt"

// dectaPaid is the webhook of a paid DECTA order of 96.56 EUR.
func dectaPaid(id, number string) string {
	return fmt.Sprintf(`{"type":"order","id":%q,"number":%q,"status":"paid","currency":"EUR","total":96.56,"is_test":false,`+
		`"issued":1795132800,"paid":1795140012,"modified":1795140012,"status_changes":[{"new_status":"issued","on":1795132800},`+
		`{"new_status":"in_progress","on":1795139990},{"new_status":"paid","on":1795140012}],`+
		`"transaction_details":{"method":"card","payment_system":"visa","card_masked_pan":"411111******1111","amount_refunded":0.0}}`, id, number)
}

// dectaRefunded is the webhook after 10.00 EUR of it were refunded.
func dectaRefunded(id, number string) string {
	return fmt.Sprintf(`{"type":"order","id":%q,"number":%q,"status":"refunded","currency":"EUR","total":96.56,"is_test":false,`+
		`"issued":1795132800,"paid":1795140012,"modified":1795226400,"amount_refunded":10.00,"amount_refund_initial":10.00,`+
		`"status_changes":[{"new_status":"issued","on":1795132800},{"new_status":"in_progress","on":1795139990},`+
		`{"new_status":"paid","on":1795140012},{"new_status":"refund_initiated","on":1795226390},{"new_status":"refunded","on":1795226400}]}`, id, number)
}

// dectaWith is a DECTA order object with members besides its id.
func dectaWith(id, members string) string {
	return fmt.Sprintf(`{"type":"order","id":%q,%s}`, id, members)
}

// everifinOrder is the answer to GET order with one payment of 120.99 EUR.
func everifinOrder(id, reference, status string) string {
	return fmt.Sprintf(`{"meta":{"status":"SUCCESS"},"data":{"id":%q,"amount":120.99,"currency":"EUR","status":"UNPAID","externalId":%q,`+
		`"createdAt":"2026-11-20T10:00:00.000Z","payments":[{"id":%q,"status":%q,"amount":120.99,"currency":"EUR"}],"refunds":[]}}`,
		id, reference, id+"-p1", status)
}

// everifinHook is a webhook about the payment of everifinOrder.
func everifinHook(order, reference, status string) string {
	return fmt.Sprintf(`{"eventId":"%s-%s","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z",`+
		`"data":{"paymentId":%q,"orderId":%q,"externalId":%q,"status":%q}}`, order, status, order+"-p1", order, reference, status)
}

// connectpay is the webhook of a card payment of 49.00 EUR.
func connectpay(id, reference, status string) string {
	return fmt.Sprintf(`{"merchant":{"generic1":%q},"payment":{"paymentId":%q,"paymentMethod":"CARD",`+
		`"instructedAmount":{"amount":"49.00","currency":"EUR"}},"status":{"code":%q,"isTerminal":true}}`, reference, id, status)
}
