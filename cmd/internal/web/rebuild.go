package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// rebuild works on the read models, and tells how far it is: lines of
// app.RebuildLine. It stops when the caller goes away, and goes on when asked again.
func (s *Server) rebuild(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.pool(w, r); !ok {
		return
	}
	var request app.RebuildRequest
	err := decode(w, r, &request)
	if err == nil {
		err = request.Validate()
	}
	if err == nil && request.OtherVersion && s.ledger.Settings.RebuildIfNeeded {
		err = errors.New("this ledger runs with --rebuild-if-needed (LEDGER_REBUILD_IF_NEEDED) and would at once build the views of its own version again: " +
			"roll back once it is stopped, or runs without")
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "rebuild_invalid", err.Error()+".")
		return
	}
	request.By = actor(r, request.By)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // as long as it takes
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := lineWriter{to: json.NewEncoder(w), flush: control.Flush}
	engine, err := s.ledger.Rebuilder(func(p rebuild.Progress) { lines.write(app.RebuildLine{Progress: &p}) })
	if err != nil {
		s.problem(w, r, http.StatusInternalServerError, "rebuild_failed", err.Error())
		return
	}
	ctx, end := s.untilStopped(r.Context())
	defer end()
	var answer *app.RebuildAnswer
	err = s.ledger.Database.WhileItAnswers(ctx, func(ctx context.Context) (err error) {
		answer, err = request.Run(ctx, engine, func(p *rebuild.Plan) { lines.write(app.RebuildLine{Plan: p}) })
		return err
	})
	switch {
	case errors.Is(context.Cause(ctx), errStopping):
		lines.write(app.RebuildLine{Error: "the ledger is being stopped; run the rebuild again later, it goes on where it was"})
	case err != nil:
		lines.write(app.RebuildLine{Error: err.Error(), NotFound: app.RebuildNotFound(err)})
	default:
		lines.write(app.RebuildLine{Answer: answer})
	}
}

// lineWriter writes one line at a time.
type lineWriter struct {
	mu    sync.Mutex
	to    *json.Encoder
	flush func() error
}

func (l *lineWriter) write(line any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to.Encode(line) == nil {
		_ = l.flush() // a caller that went away ends the request's context
	}
}
