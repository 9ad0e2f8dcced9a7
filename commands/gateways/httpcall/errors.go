package httpcall

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	// ErrOutcomeUnknown says that the gateway may or may not have executed the call.
	ErrOutcomeUnknown = errors.New("outcome of the call is unknown")
	// ErrUnavailable says that the gateway did not execute the call, and that trying later may help.
	ErrUnavailable = errors.New("gateway unavailable")
)

// StatusError is an answer of the gateway that is no success.
type StatusError struct {
	Call   string // for people: "GET order"
	Status int    // HTTP status
	// Code and Message are the gateway's own words, empty when it gave none. They never hold
	// personal data that the request did not hold.
	Code, Message string
	RetryAfter    time.Duration // zero when the gateway did not say
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: answered %d %s", e.Call, e.Status, http.StatusText(e.Status))
	if e.Code != "" || e.Message != "" {
		text += ": " + e.Code + " " + e.Message
	}
	return text
}

// Refused tells whether the gateway understood the call and said no: repeating it will not help.
func Refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Status >= 400 && status.Status < 500 &&
		status.Status != http.StatusTooManyRequests && status.Status != http.StatusRequestTimeout
}
