package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// past answers with an order as it was at a moment, from the log; the database does not matter.
func (s *Server) past(w http.ResponseWriter, r *http.Request) {
	moment, err := refold.ParseMoment(r.URL.Query().Get("as_of"), r.URL.Query().Get("by"))
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "as_of_invalid", err.Error()+".")
		return
	}
	s.fromLog(w, r, func(ctx context.Context, stream string) (any, error) {
		return refold.At(ctx, s.ledger.Store, stream, moment)
	})
}

// explain answers with the events of an order and what each of them changed, from the log.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	s.fromLog(w, r, func(ctx context.Context, stream string) (any, error) {
		pool, err := s.ledger.Database.Pool()
		if pool == nil {
			told, explainErr := app.Explain(ctx, s.ledger.Store, nil, stream)
			if err != nil {
				told.Error = err.Error()
			}
			return told, explainErr
		}
		return app.Explain(ctx, s.ledger.Store, pool, stream)
	})
}

// auditPack answers with everything about an order that an auditor asks for.
func (s *Server) auditPack(w http.ResponseWriter, r *http.Request) {
	s.fromLog(w, r, func(ctx context.Context, stream string) (any, error) {
		var db audit.Beginner // without it, whether the views agree is not told
		if pool, _ := s.ledger.Database.Pool(); pool != nil {
			db = pool
		}
		return app.PackOf(ctx, s.ledger.Store, db, stream)
	})
}

// fromLog answers with something about the order that the path names.
func (s *Server) fromLog(w http.ResponseWriter, r *http.Request, ask func(ctx context.Context, stream string) (any, error)) {
	name := r.PathValue("id")
	stream, err := app.ResolveStream(r.Context(), s.ledger.Store, s.ledger.Accounts, name)
	var answer any
	if err == nil {
		answer, err = ask(r.Context(), stream)
	}
	var ambiguous *app.AmbiguousReferenceError
	var unfoldable *refold.UnfoldableError
	switch {
	case err == nil:
		s.json(w, r, http.StatusOK, answer)
	case errors.Is(err, refold.ErrNotFound):
		s.problem(w, r, http.StatusNotFound, "order_not_found",
			"The log has no order with the id, gateway id or merchant reference "+strconv.Quote(name)+", or had none at that moment.")
	case errors.As(err, &ambiguous):
		s.problem(w, r, http.StatusConflict, "reference_ambiguous", ambiguous.Error()+".")
	case errors.As(err, &unfoldable):
		s.problem(w, r, http.StatusUnprocessableEntity, "order_unfoldable", "The order cannot be told: "+unfoldable.Error()+".")
	default:
		s.logger.WarnContext(r.Context(), "log not read", errAttr(err))
		w.Header().Set("Retry-After", "5")
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The event log cannot be read at the moment.")
	}
}
