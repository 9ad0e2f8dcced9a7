package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

const (
	// PositionHeader tells on every answer to a write where it stands in the log, and on every answer
	// from the views where these stood.
	PositionHeader = "Ledger-Position"
	// AtLeastHeader asks for an answer from views that stand at this position or later; the parameter
	// at_least means the same.
	AtLeastHeader = "Ledger-At-Least"

	// freshWaitDefault is how long a read waits for the views when it does not say; freshWaitMax is the
	// most it may ask for, less than what ends a request.
	freshWaitDefault = 2 * time.Second
	freshWaitMax     = 25 * time.Second
	// freshRetryAfter is when a client should ask again, in seconds.
	freshRetryAfter = "1"
)

// wrote tells in the answer to a write a place in the log at or after it.
func (s *Server) wrote(w http.ResponseWriter, r *http.Request) {
	head, _, err := s.ledger.Store.Head(r.Context())
	if err != nil { // it is written: the answer does not depend on this
		s.logger.WarnContext(r.Context(), "the end of the log cannot be read", errAttr(err))
		return
	}
	w.Header().Set(PositionHeader, head.String())
}

// freshness is what a request asks of the views.
type freshness struct {
	asked   bool
	atLeast eventstore.Position
	wait    time.Duration
}

// freshnessOf reads at_least and wait, or the headers Ledger-At-Least and Prefer: wait=SECONDS
// (RFC 7240). Of several positions the last one in the log counts.
func freshnessOf(r *http.Request) (freshness, error) {
	f := freshness{wait: freshWaitDefault}
	query := r.URL.Query()
	for _, text := range slices.Concat(query["at_least"], r.Header.Values(AtLeastHeader)) {
		at, err := eventstore.ParsePosition(text)
		if err != nil {
			return f, fmt.Errorf("at_least is a position as writes answer it in the header %s, for example C:1234/P:1234; not %q", PositionHeader, text)
		}
		if !f.asked || at.Compare(f.atLeast) > 0 {
			f.asked, f.atLeast = true, at
		}
	}
	if !f.asked {
		return f, nil
	}
	if query.Has("wait") {
		text := query.Get("wait")
		var err error
		if f.wait, err = time.ParseDuration(text); err != nil || f.wait < 0 {
			return f, fmt.Errorf("wait is a duration such as 2s or 500ms, at most %s; not %q", freshWaitMax, text)
		}
	} else if seconds, ok := preferredWait(r.Header); ok {
		f.wait = seconds
	}
	f.wait = min(f.wait, freshWaitMax)
	return f, nil
}

// preferredWait reads the preference wait of RFC 7240, in seconds.
func preferredWait(h http.Header) (time.Duration, bool) {
	for _, line := range h.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16); err == nil {
				return time.Duration(n) * time.Second, true
			}
		}
	}
	return 0, false
}

// readYourWrites lets a read wait until the views have what it asks for.
func (s *Server) readYourWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		f, err := freshnessOf(r)
		if err != nil {
			s.problem(w, r, http.StatusBadRequest, "at_least_invalid", err.Error()+".")
			return
		}
		if f.asked && !s.awaitViews(w, r, f) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// errViewsBehind ends a wait for the views.
var errViewsBehind = errors.New("the views are behind")

// awaitViews answers the request itself, and false, when the views do not get there in time.
func (s *Server) awaitViews(w http.ResponseWriter, r *http.Request, f freshness) bool {
	ctx, cancel := context.WithTimeoutCause(r.Context(), f.wait, errViewsBehind)
	defer cancel()
	if err := s.ledger.WaitForViews(ctx, f.atLeast); err == nil {
		return true
	}
	at := "not known"
	if pool, _ := s.ledger.Database.Pool(); pool != nil {
		statusCtx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		if c, err := checkpoint.Read(statusCtx, pool); err == nil {
			if c.Reached(f.atLeast) { // it got there while we gave up
				return true
			}
			at = c.String()
			w.Header().Set(PositionHeader, at)
		}
	}
	w.Header().Set("Retry-After", freshRetryAfter)
	s.problem(w, r, http.StatusServiceUnavailable, "views_behind",
		fmt.Sprintf("The views have not reached position %s within %s; where they stand: %s.", f.atLeast, f.wait, at))
	return false
}
