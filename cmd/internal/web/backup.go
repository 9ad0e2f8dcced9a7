package web

import (
	"net/http"
	"path/filepath"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// BackupRequest asks for a copy of the event log.
type BackupRequest struct {
	// Dir is an absolute path on the ledger's machine that does not exist.
	Dir string `json:"dir"`
}

// backup copies the event log to a folder.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	if s.ledger.Store.Node == nil {
		s.problem(w, r, http.StatusConflict, "engine_external", "The event store is not the embedded node: back it up by its own means.")
		return
	}
	var request BackupRequest
	if err := decode(w, r, &request); err != nil || !filepath.IsAbs(request.Dir) {
		s.problem(w, r, http.StatusBadRequest, "dir_invalid", "The body is {\"dir\": …} with an absolute path that does not exist.")
		return
	}
	request.Dir = filepath.Clean(request.Dir) // "link/.." is what it says, not where the link leads
	below := ""
	if !byOwner(r) {
		if below = s.backups; below == "" {
			s.problem(w, r, http.StatusForbidden, "owner_only", "Backups are made for the owner of the data directory only: the configuration names no folder of backups.")
			return
		}
	}
	if dataDir := s.ledger.Settings.DataDir; dataDir != "" { // a node that runs alone serves its owner only
		if err := app.CheckBackupDir(request.Dir, dataDir, below); err != nil {
			s.problem(w, r, http.StatusBadRequest, "dir_invalid", err.Error()+".")
			return
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as long as the copy takes
	if err := s.ledger.Store.Node.Backup(r.Context(), request.Dir); err != nil {
		s.logger.ErrorContext(r.Context(), "backup failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "backup_failed", err.Error())
		return
	}
	s.json(w, r, http.StatusOK, request)
}
