package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// audit compares orders of the views with the log.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	pool, ok := s.pool(w, r)
	if !ok {
		return
	}
	var request app.AuditRequest
	if err := decode(w, r, &request); err != nil || request.Validate() != nil {
		s.problem(w, r, http.StatusBadRequest, "audit_invalid", `The body is {"orders": […]}, {"sample": N} or {"all": true}, with "heal" if wanted.`)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as long as it takes
	ctx, end := s.untilStopped(r.Context())
	defer end()
	var report audit.Report
	var tell func(app.AuditProgress)
	lines := lineWriter{to: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
	inLines := request.All && strings.Contains(r.Header.Get("Accept"), typeNDJSON)
	if inLines {
		w.Header().Set("Content-Type", typeNDJSON)
		tell = func(p app.AuditProgress) { lines.write(app.AuditLine{Progress: &p}) }
	}
	err := s.ledger.Database.WhileItAnswers(ctx, func(ctx context.Context) (err error) {
		report, err = request.Run(ctx, pool, s.ledger.Store, s.ledger.Accounts, tell)
		return err
	})
	if inLines {
		line := app.AuditLine{Report: &report}
		if errors.Is(context.Cause(ctx), errStopping) {
			line = app.AuditLine{Error: "the ledger is being stopped; audit again later"}
		} else if err != nil {
			s.logger.WarnContext(r.Context(), "audit failed", errAttr(err))
			line = app.AuditLine{Error: err.Error()}
		}
		lines.write(line)
		return
	}
	var stale *projections.StaleError
	var silent *app.SilentError
	switch {
	case errors.As(err, &silent):
		s.silent(w, r, silent)
	case errors.Is(context.Cause(ctx), errStopping):
		s.problem(w, r, http.StatusServiceUnavailable, "stopping", "The ledger is being stopped; audit again later.")
	case errors.As(err, &stale):
		s.problem(w, r, http.StatusConflict, "rebuild_needed", stale.Error()+".")
	case err == nil:
		s.json(w, r, http.StatusOK, report)
	case errors.Is(err, refold.ErrNotFound):
		s.problem(w, r, http.StatusNotFound, "order_not_found", err.Error()+".")
	default:
		s.logger.ErrorContext(r.Context(), "audit failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "audit_failed", err.Error())
	}
}

// untilStopped ends long work when the ledger is to stop. The caller must call end.
func (s *Server) untilStopped(parent context.Context) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(parent)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}

// ParkedAnswer is the answer to a retry of a parked order.
type ParkedAnswer struct {
	OrderID string `json:"order_id"`
	// Parked is set when the order is still parked.
	Parked *parked.Order `json:"parked,omitempty"`
}

// retryParked folds a parked order again.
func (s *Server) retryParked(w http.ResponseWriter, r *http.Request) {
	pool, ok := s.pool(w, r)
	if !ok {
		return
	}
	answer := ParkedAnswer{OrderID: r.PathValue("id")}
	err := s.ledger.Database.WhileItAnswers(r.Context(), func(ctx context.Context) error {
		err := app.CheckRows(ctx, pool)
		if err == nil {
			answer.OrderID, err = app.OrderNamed(ctx, s.ledger.Store, s.ledger.Accounts, answer.OrderID)
		}
		if err == nil {
			err = projections.Retry(ctx, pool, s.ledger.Store, answer.OrderID)
		}
		return err
	})
	var still *projections.StillParkedError
	var stale *projections.StaleError
	var silent *app.SilentError
	switch {
	case errors.As(err, &silent):
		s.silent(w, r, silent)
	case errors.As(err, &stale):
		s.problem(w, r, http.StatusConflict, "rebuild_needed", stale.Error()+"; `ledger rebuild` makes them anew, and takes the order in again.")
	case errors.As(err, &still):
		answer.Parked = &still.Parked
		s.json(w, r, http.StatusOK, answer)
	case errors.Is(err, projections.ErrNotParked):
		s.problem(w, r, http.StatusNotFound, "order_not_parked", "No parked order has the id "+strconv.Quote(answer.OrderID)+".")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "retry failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "retry_failed", err.Error())
	default:
		s.json(w, r, http.StatusOK, answer)
	}
}

// silent answers when the database hangs.
func (s *Server) silent(w http.ResponseWriter, r *http.Request, err *app.SilentError) {
	s.logger.WarnContext(r.Context(), "the database hangs", errAttr(err))
	w.Header().Set("Retry-After", "5")
	s.problem(w, r, http.StatusServiceUnavailable, "views_unavailable", err.Error()+". Notifications are taken in all the same.")
}

// pool answers itself, and false, when the caller is not the owner or the database is away.
func (s *Server) pool(w http.ResponseWriter, r *http.Request) (*pgxpool.Pool, bool) {
	pool, err := s.ledger.Database.Pool()
	if pool == nil {
		s.noViews(w, r, err)
		return nil, false
	}
	return pool, true
}
