package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
)

// recordExport records an export that the owner of the data directory made.
func (s *Server) recordExport(w http.ResponseWriter, r *http.Request) {
	var e app.ExportProduced
	err := decode(w, r, &e)
	if err == nil && len(e.Manifest) == 0 {
		err = errors.New("an export has a manifest")
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "export_invalid", err.Error()+".")
		return
	}
	e.Actor = actor(r, e.Actor)
	if !byOwner(r) { // erasures read what stands there
		e.Path = ""
	}
	key, err := app.ExportKey(s.ledger.Settings)
	if err == nil {
		err = app.RecordExport(r.Context(), s.ledger.Store, app.PublicKey(key), e, time.Now())
	}
	if errors.Is(err, app.ErrExport) {
		s.problem(w, r, http.StatusBadRequest, "export_invalid", err.Error()+".")
		return
	}
	if err != nil {
		s.logger.ErrorContext(r.Context(), "an export could not be recorded", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The export could not be recorded.")
		return
	}
	s.wrote(w, r)
	s.json(w, r, http.StatusOK, RecordedAnswer{Recorded: "yes"})
}

// recordedLake answers which manifest of a lake was recorded last.
func (s *Server) recordedLake(w http.ResponseWriter, r *http.Request) {
	var mark export.LakeMark
	key, err := app.ExportKey(s.ledger.Settings)
	if err == nil {
		mark, err = app.RecordedLake(r.Context(), s.ledger.Store, app.PublicKey(key), r.PathValue("id"))
	}
	if err != nil {
		s.logger.ErrorContext(r.Context(), "the log could not be read", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The event log could not be read.")
		return
	}
	s.json(w, r, http.StatusOK, mark)
}
