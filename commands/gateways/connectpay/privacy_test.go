package connectpay_test

import (
	"fmt"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

// kept are the only members of which the content may be kept.
var kept = map[string]bool{
	"merchant.brandId": true, "merchant.generic1": true,
	"payment.paymentId": true, "payment.paymentMethod": true,
	"payment.instructedAmount.amount": true, "payment.instructedAmount.currency": true,
	"identifiers.merchantReference": true, "identifiers.endToEndId": true, "identifiers.creditorReference": true,
	"status.code": true, "status.isTerminal": true,
	"eventType": true, "event": true, "type": true, "eventName": true, "notificationType": true,
}

// names are those of the gateway's members, at any level, and some that it does not have.
var names = []string{
	"merchant", "payment", "identifiers", "consumer", "status", "instructedAmount", "debtorAccount", "creditorAccount",
	"brandId", "generic1", "generic2", "generic3", "redirectUrl", "notificationUrl", "paymentId", "paymentMethod",
	"providerId", "providerName", "iban", "bban", "bic", "amount", "currency", "creditorName", "debtorName",
	"remittanceInformationUnstructured", "merchantReference", "creditorReference", "endToEndId", "name", "email",
	"phone", "ipAddress", "code", "isTerminal", "description", "eventType", "data", "x",
}

// TestTranslate_KeepsNothingElse: nothing of a body is kept that is not known to be harmless.
func TestTranslate_KeepsNothingElse(t *testing.T) {
	t.Parallel()
	gatewaytest.KeepsNothingElse(t, connectpay.New(), names, "payment.paymentId", func(path string) bool {
		return kept[path] || path == "status" || path == "payment.paymentMethod.#"
	})
}

// TestTranslate_KeepsNothingOfThePayer is the same for a whole body as the gateway sends it.
func TestTranslate_KeepsNothingOfThePayer(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"Approved", "Failed", "Abandoned", "OnIce", ""} {
		body := fmt.Sprintf(`{"merchant":{"brandId":"b","generic1":"SO-1","generic2":"MARK","redirectUrl":"MARK"},
			"payment":{"paymentId":"p","paymentMethod":"PIS","providerName":"MARK","creditorAccount":{"iban":"MARK"},"creditorName":"MARK",
			"instructedAmount":{"amount":"49.00","currency":"EUR"},"remittanceInformationUnstructured":"MARK","debtorAccount":{"iban":"MARK","bban":"MARK","bic":"MARK"}},
			"identifiers":{"endToEndId":"e"},"consumer":{"name":"MARK","email":"MARK","ipAddress":"MARK","address":{"street":["MARK"]}},
			"status":{"code":%q,"isTerminal":true,"description":"MARK"},"MARK":"MARK"}`, status)
		gatewaytest.KeepsNoMark(t, connectpay.New(), body)
	}
}
