package web

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"time"
)

// BackupRequest asks for a copy of the event log.
type BackupRequest struct {
	// Dir is an absolute path on the ledger's machine that does not exist.
	Dir string `json:"dir"`
}

// backup copies the event log to a folder, for the owner of the data
// directory.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	if !s.isOwner(r) {
		s.problem(w, r, http.StatusUnauthorized, "token_wrong", "Backups are made with the token in the ledger's data directory.")
		return
	}
	if s.ledger.Store.Node == nil {
		s.problem(w, r, http.StatusConflict, "engine_external", "The event store is not the embedded node: back it up by its own means.")
		return
	}
	var request BackupRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, BodyBytesMax)).Decode(&request); err != nil || !filepath.IsAbs(request.Dir) {
		s.problem(w, r, http.StatusBadRequest, "dir_invalid", "The body is {\"dir\": …} with an absolute path that does not exist.")
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as long as the copy takes
	if err := s.ledger.Store.Node.Backup(r.Context(), request.Dir); err != nil {
		s.logger.ErrorContext(r.Context(), "backup failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "backup_failed", err.Error())
		return
	}
	s.json(w, r, http.StatusOK, request)
}
