package web

import (
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// KeysBackupRequest asks for a copy of the keys of personal data.
type KeysBackupRequest struct {
	// Dir is an absolute path on the ledger's machine: the copy, which is brought up to date, or made.
	Dir string `json:"dir"`
}

// backUpKeys copies the keys of personal data to a folder.
func (s *Server) backUpKeys(w http.ResponseWriter, r *http.Request) {
	var request KeysBackupRequest
	if err := decode(w, r, &request); err != nil || !filepath.IsAbs(request.Dir) {
		s.problem(w, r, http.StatusBadRequest, "dir_invalid", "The body is {\"dir\": …} with an absolute path.")
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as long as the copy takes
	done, err := app.BackUpKeys(r.Context(), s.ledger.Settings, s.ledger.Store, filepath.Clean(request.Dir))
	switch {
	case errors.Is(err, app.ErrNoKeys):
		s.problem(w, r, http.StatusNotFound, "no_keys", "There are no keys to back up.")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "backup of keys failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "backup_failed", err.Error())
	default:
		s.json(w, r, http.StatusOK, done)
	}
}
