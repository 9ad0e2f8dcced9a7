// Package signature verifies that a webhook comes from the gateway.
//
// The gateways document little about it and each does it differently, so verification is a strategy
// that an account's configuration chooses: an RSA signature, an HMAC with or without a time, a
// secret token, or nothing. Each strategy accepts several keys or secrets at once, so that they can
// be changed without losing a notification.
//
// Verification always covers the raw bytes of the body, before anything parses them. It is pure: the
// clock is an argument, and nothing is read or written. The package also signs, for simulators and
// for those who test their set-up.
package signature

import (
	"net/http"
	"time"
)

// Names of the strategies, as configuration and the log's metadata write them.
const (
	StrategyRSA   = "rsa_sha256"
	StrategyHMAC  = "hmac_sha256"
	StrategyToken = "static_token"
	StrategyNone  = "none"
)

// Verifier decides whether a webhook is authentic. Implementations are safe for use by many
// goroutines.
type Verifier interface {
	// Verify returns nil, or a *Refusal. now is the time of receipt. It keeps neither header nor
	// body.
	Verify(header http.Header, body []byte, now time.Time) error
	// Strategy names what accepted the webhook, for the evidence.
	Strategy() string
}

// Code says why a webhook was refused.
type Code string

// The codes.
const (
	// CodeMissing: the header that carries the proof is not there.
	CodeMissing Code = "signature_missing"
	// CodeMalformed: the header cannot be read.
	CodeMalformed Code = "signature_malformed"
	// CodeFailed: the proof is not that of this body under any valid key.
	CodeFailed Code = "signature_failed"
	// CodeExpired: the proof is authentic, but its time is too far from now: an old webhook is
	// being replayed, or a clock is wrong.
	CodeExpired Code = "signature_expired"
)

// Refusal says why a webhook was not accepted. It holds neither secrets nor what the sender claimed
// as proof, and may be logged and shown to the sender.
type Refusal struct {
	Reason Code
	Detail string
}

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

// Code returns the reason as text.
func (r *Refusal) Code() string { return string(r.Reason) }

func refuse(reason Code, detail string) error { return &Refusal{Reason: reason, Detail: detail} }

// maxHeaderBytes is the longest header value that is read as a proof.
const maxHeaderBytes = 4096

// single returns the one value of a header. Several are refused: a proxy and we might choose
// different ones.
func single(header http.Header, name string) (string, error) {
	switch values := header.Values(name); {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", refuse(CodeMissing, "header "+name+" is missing")
	case len(values) > 1:
		return "", refuse(CodeMalformed, "header "+name+" is there more than once")
	case len(values[0]) > maxHeaderBytes:
		return "", refuse(CodeMalformed, "header "+name+" is too long")
	default:
		return values[0], nil
	}
}

type none struct{}

// None accepts every webhook. It suits development and gateways whose every report is confirmed by
// asking them back.
func None() Verifier { return none{} }

func (none) Verify(http.Header, []byte, time.Time) error { return nil }
func (none) Strategy() string                            { return StrategyNone }
