package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// recordExport records an export that the owner of the data directory made.
func (s *Server) recordExport(w http.ResponseWriter, r *http.Request) {
	if !s.isOwner(r) {
		s.problem(w, r, http.StatusUnauthorized, "token_wrong", "This takes the token in the ledger's data directory.")
		return
	}
	var e app.ExportProduced
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, BodyBytesMax)).Decode(&e); err != nil {
		s.problem(w, r, http.StatusBadRequest, "export_invalid", err.Error()+".")
		return
	}
	if err := app.RecordExport(r.Context(), s.ledger.Store, e, time.Now()); err != nil {
		s.logger.ErrorContext(r.Context(), "an export could not be recorded", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The export could not be recorded.")
		return
	}
	s.json(w, r, http.StatusOK, map[string]string{"recorded": "yes"})
}
