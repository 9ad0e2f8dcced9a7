package order

// Flag is a machine code that marks an order, an event or a quarantined
// notification. The codes are those of the public view ledger.orders.flags.
type Flag string

// The codes. The first group marks events and orders, the second marks what
// could not be counted; quarantined notifications carry codes of the second.
const (
	FlagAmountAssumed           Flag = "amount_assumed"
	FlagRefundAmountAssumed     Flag = "refund_amount_assumed"
	FlagCauseInferred           Flag = "cause_inferred"
	FlagPaidAfterClose          Flag = "paid_after_close"
	FlagLate                    Flag = "late"
	FlagDueUnknown              Flag = "due_unknown"
	FlagCaptureImplied          Flag = "capture_implied"
	FlagAmountPending           Flag = "amount_pending"
	FlagRefundAmountUnknown     Flag = "refund_amount_unknown"
	FlagRefundOutcomeUnknown    Flag = "refund_outcome_unknown"
	FlagPaymentOutcomeUnknown   Flag = "payment_outcome_unknown"
	FlagExposureExceedsCaptured Flag = "exposure_exceeds_captured"
	FlagDisputeOutcomeSuggested Flag = "dispute_outcome_suggested"
	FlagFraudAdvice             Flag = "fraud_advice"
	FlagGatewayStateMismatch    Flag = "gateway_state_mismatch"
	FlagUnexpectedTransition    Flag = "unexpected_transition"
	FlagParked                  Flag = "parked"

	// Alarms of clocks: somebody should look. They say nothing about money.
	FlagHoldExpiring    Flag = "hold_expiring"
	FlagDuePassed       Flag = "due_passed"
	FlagPaymentStale    Flag = "payment_stale"
	FlagConfirmedStale  Flag = "confirmed_stale"
	FlagOutcomeStale    Flag = "outcome_stale"
	FlagRefundStuck     Flag = "refund_stuck"
	FlagDisputeDeadline Flag = "dispute_deadline"
	FlagDisputeStale    Flag = "dispute_stale"

	// FlagSettlementMismatch: a line of a statement about the order does not agree with it.
	FlagSettlementMismatch Flag = "settlement_mismatch"

	// FlagGatewayOutcomeUnknown: a call of ours to the gateway has no known outcome.
	FlagGatewayOutcomeUnknown Flag = "gateway_outcome_unknown"

	FlagCurrencyMismatch   Flag = "currency_mismatch"
	FlagScaleViolation     Flag = "scale_violation"
	FlagNegativeAmount     Flag = "negative_amount"
	FlagAmountMalformed    Flag = "amount_malformed"
	FlagUnknownOrder       Flag = "unknown_order"
	FlagSignatureFailed    Flag = "signature_failed"
	FlagPANDetected        Flag = "pan_detected"
	FlagCounterRegressed   Flag = "counter_regressed"
	FlagStatusUnrecognised Flag = "status_unrecognised"
	FlagTestLiveMix        Flag = "test_live_mix"
	FlagClockSkew          Flag = "clock_skew"
	FlagMalformedBody      Flag = "malformed_body"
	FlagAccountMismatch    Flag = "account_mismatch"

	// FlagOrderUnreadable: the notification's order holds an event that this program cannot decode, or that cannot be true
	// of the order.
	FlagOrderUnreadable Flag = "order_unreadable"
)
