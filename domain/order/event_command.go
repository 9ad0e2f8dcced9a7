package order

import "encoding/json"

// CommandRecorded is the evidence of a command that we accepted: who asked is the envelope's actor,
// what was asked stands here. It moves nothing; what the command means stands in the events beside it.
type CommandRecorded struct {
	CommandID string     `json:"command_id"`
	Action    ActionName `json:"action"`
	// KeySHA256 is the digest of the caller's idempotency key, hex.
	KeySHA256 string `json:"key_sha256"`
	// Request is what was asked: a JSON object without personal data.
	Request json.RawMessage `json:"request"`
	// Sealed holds the personal data of the request; see the package privacy.
	Sealed string `json:"sealed,omitempty"`
}

// ActionName names what a command asks for.
type ActionName string

// Names of actions.
const (
	ActionRegister       ActionName = "register"
	ActionChangeAmount   ActionName = "change_amount"
	ActionRefund         ActionName = "refund"
	ActionReverse        ActionName = "reverse"
	ActionReceived       ActionName = "received"
	ActionCancel         ActionName = "cancel"
	ActionAcceptDispute  ActionName = "accept_dispute"
	ActionRepresent      ActionName = "represent"
	ActionResolveDispute ActionName = "resolve_dispute"
	ActionCapture        ActionName = "capture"
	ActionVoid           ActionName = "void"
	ActionWithdraw       ActionName = "withdraw"
	ActionReject         ActionName = "reject"
	ActionResolveAnomaly ActionName = "resolve_anomaly"

	ActionRecordDispute     ActionName = "record_dispute"
	ActionCompleteRefund    ActionName = "complete_refund"
	ActionFailRefund        ActionName = "fail_refund"
	ActionProposeCorrection ActionName = "propose_correction"
	ActionApproveCorrection ActionName = "approve_correction"
	ActionDeclineCorrection ActionName = "decline_correction"
	ActionProvisionDispute  ActionName = "provision_dispute"
)

// EventType is the stored type name.
func (CommandRecorded) EventType() string { return "CommandRecorded" }

func (CommandRecorded) isEvent() {}
