package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// erase destroys personal data.
func (s *Server) erase(w http.ResponseWriter, r *http.Request) {
	var request app.EraseRequest
	err := decode(w, r, &request)
	request.Actor = actor(r, request.Actor)
	if err == nil {
		err = request.Validate()
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "erase_invalid", err.Error()+".")
		return
	}
	if len(request.Exports) > 0 && !byOwner(r) { // the answer tells what stands in files of this machine
		s.problem(w, r, http.StatusForbidden, "owner_only", "Folders of this machine are searched for the owner of the data directory only.")
		return
	}
	pool, err := s.ledger.Database.Pool()
	if pool == nil { // a search that leaves the views out would prove less than it says
		s.noViews(w, r, err)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // everything is searched
	var rows privacy.Rows = app.RowSearch{DB: pool}
	answer, err := request.Run(r.Context(), s.ledger.Settings, s.ledger.Store, s.ledger.Intake, s.ledger.Accounts, rows)
	switch {
	case errors.Is(err, refold.ErrNotFound):
		s.problem(w, r, http.StatusNotFound, "order_not_found", err.Error()+".")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "erasure failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "erase_failed", err.Error())
	default:
		s.showErased(r)
		s.wrote(w, r)
		s.json(w, r, http.StatusOK, answer)
	}
}

// showErased waits until the views show what was erased as erased: the events say so, and the projector
// follows them. Without it the answer is no less true.
func (s *Server) showErased(r *http.Request) {
	head, written, err := s.ledger.Store.Head(r.Context())
	if err != nil || !written {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), freshWaitMax)
	defer cancel()
	if err := s.ledger.WaitForViews(ctx, head); err != nil {
		s.logger.WarnContext(r.Context(), "the views do not show an erasure yet", errAttr(err))
	}
}
