package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
)

// WebhooksHealth is how outgoing webhooks stand. Trouble of subscribers does not make the ledger less ready.
type WebhooksHealth struct {
	Subscribers int `json:"subscribers"`
	// Waiting and Dead count deliveries of all subscribers.
	Waiting int64 `json:"waiting"`
	Dead    int64 `json:"dead_letters"`
	// OldestWaiting is the age of the delivery that has waited longest, in seconds.
	OldestWaiting float64 `json:"oldest_waiting_seconds"`
	// Behind is the age of the oldest event that is read and not planned yet, in seconds.
	Behind float64 `json:"planning_behind_seconds"`
	// Disabled and Held name subscribers that nothing is sent to.
	Disabled []string `json:"disabled,omitempty"`
	Held     []string `json:"held,omitempty"`
	// Trouble says in a sentence what needs somebody; empty when nothing does.
	Trouble string `json:"trouble,omitempty"`
}

// webhooksHealth is nil while no subscriber is known.
func webhooksHealth(is push.Standing, now time.Time) *WebhooksHealth {
	if len(is.Subscribers) == 0 {
		return nil
	}
	h := &WebhooksHealth{Subscribers: len(is.Subscribers)}
	for i := range is.Subscribers {
		s := &is.Subscribers[i]
		h.Waiting += s.Pending
		h.Dead += s.Dead
		if s.OldestPendingAt != nil {
			h.OldestWaiting = max(h.OldestWaiting, now.Sub(*s.OldestPendingAt).Seconds())
		}
		if s.DisabledAt != nil {
			h.Disabled = append(h.Disabled, s.Name)
		}
		if s.HeldAt != nil {
			h.Held = append(h.Held, s.Name)
		}
	}
	for _, since := range is.BehindSince {
		h.Behind = max(h.Behind, now.Sub(since).Seconds())
	}
	if len(h.Disabled)+len(h.Held) > 0 || h.Dead > 0 {
		h.Trouble = "subscribers are disabled or held back, or dead letters wait: see `ledger webhooks list`"
	}
	slices.Sort(h.Disabled)
	slices.Sort(h.Held)
	return h
}

// historyMost bounds an answer.
const historyMost = 10_000

// webhookHistory reads what became of deliveries.
func (s *Server) webhookHistory(w http.ResponseWriter, r *http.Request) {
	var q push.HistoryRequest
	if err := decode(w, r, &q); err != nil || q.Most < 1 || q.Most > historyMost {
		s.problem(w, r, http.StatusBadRequest, "history_invalid", `The body is {"subscriber": …, "most": 1 to 10000}, with "event_id" if wanted.`)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), bodyTimeout)
	defer cancel()
	found, err := push.History(ctx, s.ledger.Store, q)
	switch {
	case errors.Is(err, push.ErrUnknown):
		s.problem(w, r, http.StatusNotFound, "subscriber_unknown", err.Error()+".")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "the history of webhooks cannot be read", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The log cannot be read.")
	default:
		s.json(w, r, http.StatusOK, found)
	}
}
