package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Problem is an RFC 9457 answer. Code is for machines, Detail for people.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// Errors has one entry for each field that is wrong.
	Errors []FieldError `json:"errors,omitempty"`
	// RequestID finds the request in the ledger's log.
	RequestID string `json:"request_id,omitempty"`

	// position is where the log stands when something was recorded all the same.
	position string
}

// FieldError says what is wrong with a field; it never repeats what was sent.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// invalid has one entry for each field: the first that is told of it.
func invalid(fields ...FieldError) *Problem {
	p := problem(http.StatusBadRequest, "invalid_request", "The request is not valid; errors says which fields are wrong.")
	for _, f := range fields {
		if !slices.ContainsFunc(p.Errors, func(told FieldError) bool { return told.Field == f.Field }) {
			p.Errors = append(p.Errors, f)
		}
	}
	return p
}

// unprocessable are the refusals that no waiting and no other order state cures: the request asks for
// something that cannot be.
var unprocessable = map[string]bool{
	"amount_not_positive": true, "currency_mismatch": true, "payment_required": true, "payment_unknown": true,
	"dispute_unknown": true, "anomaly_unknown": true, "amount_required": true, "outcome_unknown": true, "outcome_contradicts": true,
	"negative_amount": true, "reason_required": true, "approver_required": true, "adjustments_required": true, "correction_unknown": true,
	"refund_unknown": true, "stage_unknown": true, "dispute_exceeds_captured": true, "occurred_in_future": true,
	"adjustment_target": true, "direction_unknown": true, "correction_impossible": true, "not_a_payment_order": true,
	"INVALID_ORDER_AMOUNT": true, "refund_exceeds_refundable": true, "refund_limit_exceeded": true, "amount_exceeds_open": true,
}

// asProblem finds the answer to an error; nil when it is our own fault.
func asProblem(err error) *Problem {
	var p *Problem
	var rejection *order.Rejection
	var reused *commands.KeyReusedError
	var moved *commands.RevisionError
	var taken *commands.ReferenceTakenError
	var stale *StaleViewsError
	var unreadable *commands.UnreadableError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &rejection):
		status := http.StatusConflict
		if unprocessable[rejection.Code] {
			status = http.StatusUnprocessableEntity
		}
		return problem(status, rejection.Code, rejection.Reason+".")
	case errors.As(err, &reused):
		p := problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "The idempotency key was used for another request; errors says where they differ.")
		for _, f := range reused.Fields {
			p.Errors = append(p.Errors, FieldError{Field: f, Message: "differs from the first request with this key"})
		}
		return p
	case errors.As(err, &moved):
		return problem(http.StatusPreconditionFailed, "order_changed", "The order is at revision "+strconv.FormatUint(moved.Actual, 10)+", not "+strconv.FormatUint(moved.Expected, 10)+": somebody else changed it.")
	case errors.As(err, &taken):
		p := problem(http.StatusConflict, "reference_taken", "Another order of the account goes by this number: "+taken.OrderID+".")
		p.Errors = []FieldError{{Field: "number", Message: "is taken"}}
		return p
	case errors.Is(err, commands.ErrOrderNotFound):
		return problem(http.StatusNotFound, "order_not_found", "There is no order with this id.")
	case errors.Is(err, commands.ErrNoSealer):
		return problem(http.StatusUnprocessableEntity, "personal_data_refused", "This ledger has no key to seal personal data with, and keeps none in clear: leave client out.")
	case errors.Is(err, commands.ErrSealing):
		return problem(http.StatusServiceUnavailable, "personal_data_unavailable", "The personal data could not be sealed now, so nothing was recorded; send the request again with the same Idempotency-Key.")
	case errors.As(err, &unreadable):
		return problem(http.StatusServiceUnavailable, string(order.FlagOrderUnreadable),
			"The order cannot be read, so nothing was recorded: "+unreadable.Place()+".")
	case errors.As(err, &stale):
		return problem(http.StatusServiceUnavailable, "rebuild_needed", stale.Error()+".")
	case errors.Is(err, ErrViewsAway):
		return problem(http.StatusServiceUnavailable, "views_unavailable", "The database of the views cannot be read now; ask again. Nothing is lost.")
	case errors.Is(err, eventstore.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "log_unavailable", "The request could not be recorded now; send it again with the same Idempotency-Key.")
	}
	if code := money.Code(err); code != "" {
		return problem(http.StatusBadRequest, code, err.Error()+".")
	}
	return nil
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(err)
	if p == nil {
		a.Logger.ErrorContext(r.Context(), "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		p = problem(http.StatusInternalServerError, "internal", "The request could not be answered. The ledger's log says more.")
	}
	if errors.Is(err, commands.ErrSealing) { // an operator is to know why
		a.Logger.WarnContext(r.Context(), "personal data not sealed", slog.Any("error", err))
	}
	h := w.Header()
	if p.position != "" {
		h.Set(positionHeader, p.position)
	}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "2")
	}
	WriteProblem(w, p)
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	answered := *p
	answered.RequestID = h.Get("X-Request-Id")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	w.WriteHeader(p.Status)
	_ = encoder.Encode(answered) // who went away needs no answer
}
