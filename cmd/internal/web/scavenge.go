package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func (s *Server) scavengeRoute() *api.Route {
	return &api.Route{
		ID: "scavenge", Method: http.MethodPost, Path: "/scavenge", Tag: tagOperations, Access: api.Operating, Scope: auth.Operations,
		Summary: "Remove what is hidden for good from the files of the embedded node", Handler: s.scavenge,
		Answers: api.OK(nil, api.JSON[node.ScavengeReport]()), Refusals: []int{http.StatusConflict},
	}
}

// scavenge removes what is hidden for good from the files of the log.
func (s *Server) scavenge(w http.ResponseWriter, r *http.Request) {
	if s.ledger.Store.Node == nil {
		s.problem(w, r, http.StatusConflict, "engine_external", "The event store is not the embedded node: scavenge it by its own means.")
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as long as it takes
	ctx, end := s.untilStopped(r.Context())
	defer end()
	report, err := s.ledger.Store.Node.Scavenge(ctx, "")
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errStopping):
		s.problem(w, r, http.StatusServiceUnavailable, "stopping", "The ledger is being stopped; scavenge again later.")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "scavenge failed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "scavenge_failed", err.Error())
	default:
		s.json(w, r, http.StatusOK, report)
	}
}
