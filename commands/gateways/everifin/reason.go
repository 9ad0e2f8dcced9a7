package everifin

import "github.com/order-ledger/order-ledger/commands/gateways/wire"

// Groups of reasons for which payments fail.
const (
	groupPayerCancelled    = "payer_cancelled"
	groupManualTransfer    = "manual_transfer" // the money may come by a transfer that names no payment
	groupInsufficientFunds = "insufficient_funds"
	groupBlockedAML        = "blocked_aml" // frozen at the payer's bank; nothing of ours
	groupBankRejected      = "bank_rejected"
	groupOther             = "other"
	groupUnrecognised      = "unrecognised"
)

// reason reads a reason code, verbatim, and the group that it belongs to. Both are "" when none is
// told. A text that is no code is not kept, for it may say anything about the payer.
func (r *reading) reason(v wire.Value) (code, group string) {
	text, err := v.Label()
	if err != nil || text == "" {
		return "", ""
	}
	if code = r.found.Text(text); !isCode(code) {
		code = ""
	}
	return code, groupOf(word(text))
}

func groupOf(code string) string {
	switch code {
	case "CANCELED_BY_PAYER_AT_EVERIFIN", "BANK_NOT_FOUND", "CANCELED_BY_PAYER_AT_BANK":
		return groupPayerCancelled
	case "MANUAL_TRANSFER_REQUESTED":
		return groupManualTransfer
	case "INSUFFICIENT_AMOUNT":
		return groupInsufficientFunds
	case "AML_BLOCKED":
		return groupBlockedAML
	case "REJECTED_BY_BANK":
		return groupBankRejected
	case "OTHER":
		return groupOther
	}
	return groupUnrecognised
}
