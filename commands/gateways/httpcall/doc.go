// Package httpcall calls the HTTP API of one account of a payment gateway with manners: every attempt
// has a time-out, calls are paced, what may be repeated is repeated with growing jittered pauses, a
// gateway's Retry-After is honoured, and a circuit breaker leaves a gateway alone that is down.
//
// A call that moves money and whose answer was lost may have been executed. Such a call is never
// repeated here unless the gateway itself recognises repetitions (Request.Repeatable); it ends with
// ErrOutcomeUnknown, and the reconciler finds out with a GET.
package httpcall
