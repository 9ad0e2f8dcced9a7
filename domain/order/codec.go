package order

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	fastjson "github.com/segmentio/encoding/json"
)

// UnknownEventTypeError says that the log holds an event type that this code
// does not know: it was written by a newer version, or by somebody else.
type UnknownEventTypeError struct{ Type string }

func (e *UnknownEventTypeError) Error() string { return fmt.Sprintf("unknown event type %q", e.Type) }

// Encode renders an event and its envelope as the JSON that is stored. It sets
// the envelope's schema version.
func Encode(e Event, m Metadata) (eventType string, data, metadata []byte, err error) {
	eventType = e.EventType()
	m.Schema = CurrentVersion(eventType)
	if evidence, ok := e.(NotificationRecorded); ok {
		data, err = encodeEvidence(&evidence)
	} else {
		data, err = json.Marshal(e)
	}
	if err != nil {
		return "", nil, nil, fmt.Errorf("encode %s: %w", eventType, err)
	}
	if metadata, err = encodeMetadata(&m); err != nil {
		return "", nil, nil, fmt.Errorf("encode envelope of %s: %w", eventType, err)
	}
	return eventType, data, metadata, nil
}

// Decode reads what Encode wrote, in this or any earlier version. The envelope's Schema stays what was
// stored. Bodies within the event are parts of data, which must not change any more.
func Decode(eventType string, data, metadata []byte) (Event, Metadata, error) {
	var m Metadata
	e, err := DecodeInto(&m, eventType, data, metadata)
	return e, m, err
}

// DecodeInto is Decode with a place for the envelope, which is the zero value, and is that again after an error.
func DecodeInto(m *Metadata, eventType string, data, metadata []byte) (e Event, err error) {
	defer func() {
		if err != nil {
			*m = Metadata{}
		}
	}()
	if err := decodeMetadata(metadata, m); err != nil {
		return nil, fmt.Errorf("decode envelope of %s: %w", eventType, err)
	}
	older := upcasters[eventType]
	if current := len(older) + 1; m.Schema > current {
		return nil, fmt.Errorf("decode %s: schema version %d is newer than %d", eventType, m.Schema, current)
	}
	decode, ok := decoders[eventType]
	if !ok {
		return nil, &UnknownEventTypeError{Type: eventType}
	}
	if m.Schema >= 1 && m.Schema <= len(older) {
		decode = older[m.Schema-1]
	}
	if e, err = decode(data); err != nil {
		return nil, fmt.Errorf("decode %s: %w", eventType, err)
	}
	return e, nil
}

func decodeAs[E Event](data []byte) (Event, error) {
	var e E
	if err := fastjson.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	return e, nil
}

// decoders is the table of all stored types; it is read only.
var decoders = map[string]func([]byte) (Event, error){
	"OrderRegistered":            decodeAs[OrderRegistered],
	"OrderAmountChanged":         decodeAs[OrderAmountChanged],
	"OrderDetailsLearned":        decodeAs[OrderDetailsLearned],
	"OrderIssued":                decodeAs[OrderIssued],
	"OrderViewed":                decodeAs[OrderViewed],
	"OrderOverdue":               decodeAs[OrderOverdue],
	"OrderExpired":               decodeAs[OrderExpired],
	"OrderCancelled":             decodeAs[OrderCancelled],
	"OrderRejectedByCustomer":    decodeAs[OrderRejectedByCustomer],
	"OrderPaidExternally":        decodeAs[OrderPaidExternally],
	"FeeCharged":                 decodeAs[FeeCharged],
	"GatewayStatusObserved":      decodeAs[GatewayStatusObserved],
	"GatewayOrderStatusObserved": decodeAs[GatewayOrderStatusObserved],
	"AnomalyFlagged":             decodeAs[AnomalyFlagged],
	"AnomalyResolved":            decodeAs[AnomalyResolved],
	"LedgerCorrectionRecorded":   decodeAs[LedgerCorrectionRecorded],
	"CorrectionProposed":         decodeAs[CorrectionProposed],
	"CorrectionDeclined":         decodeAs[CorrectionDeclined],
	"SettlementMatched":          decodeAs[SettlementMatched],
	"SettlementMismatchFlagged":  decodeAs[SettlementMismatchFlagged],
	"PersonalDataErased":         decodeAs[PersonalDataErased],
	"CommandRecorded":            decodeAs[CommandRecorded],
	"GatewayActionInitiated":     decodeAs[GatewayActionInitiated],
	"GatewayActionAnswered":      decodeAs[GatewayActionAnswered],
	"NotificationRecorded":       decodeEvidence,
	"NotificationQuarantined":    decodeAs[NotificationQuarantined],
	"ReferenceLinked":            decodeAs[ReferenceLinked],
	"PaymentInitiated":           decodeAs[PaymentInitiated],
	"PaymentAmountLearned":       decodeAs[PaymentAmountLearned],
	"PaymentProcessingStarted":   decodeAs[PaymentProcessingStarted],
	"PaymentPendingAtProvider":   decodeAs[PaymentPendingAtProvider],
	"PaymentAttemptFailed":       decodeAs[PaymentAttemptFailed],
	"PaymentAbandoned":           decodeAs[PaymentAbandoned],
	"PaymentExpired":             decodeAs[PaymentExpired],
	"PaymentWithdrawn":           decodeAs[PaymentWithdrawn],
	"PaymentOutcomeUnknown":      decodeAs[PaymentOutcomeUnknown],
	"PaymentAuthorized":          decodeAs[PaymentAuthorized],
	"AuthorizationReleased":      decodeAs[AuthorizationReleased],
	"PaymentConfirmed":           decodeAs[PaymentConfirmed],
	"PaymentCaptured":            decodeAs[PaymentCaptured],
	"PaymentSettled":             decodeAs[PaymentSettled],
	"ReversalInitiated":          decodeAs[ReversalInitiated],
	"ReversalFailed":             decodeAs[ReversalFailed],
	"PaymentReversed":            decodeAs[PaymentReversed],
	"EnrichmentPending":          decodeAs[EnrichmentPending],
	"RefundInitiated":            decodeAs[RefundInitiated],
	"RefundCompleted":            decodeAs[RefundCompleted],
	"RefundFailed":               decodeAs[RefundFailed],
	"RefundObserved":             decodeAs[RefundObserved],
	"RefundReversed":             decodeAs[RefundReversed],
	"RetrievalRequested":         decodeAs[DisputeStageEntered],
	"ChargebackReceived":         decodeAs[DisputeStageEntered],
	"RepresentmentFiled":         decodeAs[DisputeStageEntered],
	"PreArbitrationOpened":       decodeAs[DisputeStageEntered],
	"ArbitrationOpened":          decodeAs[DisputeStageEntered],
	"PreComplianceOpened":        decodeAs[DisputeStageEntered],
	"ComplianceOpened":           decodeAs[DisputeStageEntered],
	"FraudAdviceReceived":        decodeAs[DisputeStageEntered],
	"GoodFaithRequested":         decodeAs[DisputeStageEntered],
	"DisputeFundsWithdrawn":      decodeAs[DisputeFundsWithdrawn],
	"DisputeFundsReinstated":     decodeAs[DisputeFundsReinstated],
	"DisputeProvisioned":         decodeAs[DisputeProvisioned],
	"DisputeResolved":            decodeAs[DisputeResolved],
	"PayoutRequested":            decodeAs[PayoutRequested],
	"PayoutProcessing":           decodeAs[PayoutProcessing],
	"PayoutCompleted":            decodeAs[PayoutCompleted],
	"PayoutFailed":               decodeAs[PayoutFailed],
	"PayoutCancelled":            decodeAs[PayoutCancelled],
	"PayoutReversed":             decodeAs[PayoutReversed],
}

// Zero returns the zero event of a stored type, for those who describe types; ok is false for others.
func Zero(eventType string) (e Event, ok bool) {
	decode, ok := decoders[eventType]
	if !ok {
		return nil, false
	}
	e, err := decode([]byte("{}"))
	return e, err == nil
}

// EventTypes lists all stored type names, sorted.
func EventTypes() []string { return slices.Sorted(maps.Keys(decoders)) }
