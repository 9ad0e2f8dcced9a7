package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
)

// NodeHealth is the answer of /readyz of a node that runs alone.
type NodeHealth struct {
	Status string `json:"status"` // ready or not_ready
	// Log is where the log ends.
	Log   string `json:"log_position"`
	Error string `json:"error,omitempty"`
}

// ListenNode takes a loopback address for what an operator asks of a node that runs alone: health,
// metrics and, with the token, backups.
func ListenNode(ctx context.Context, store *app.Store, address, token string, logger *slog.Logger) (*Server, error) {
	if loopback, err := config.IsLoopback(address); err != nil {
		return nil, fmt.Errorf("node's admin address: %w", err)
	} else if !loopback {
		return nil, fmt.Errorf("node's admin address %s is open to the network; it is for this machine only", address)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the node's administration: %w", err)
	}
	s := &Server{
		ledger: &app.Ledger{Store: store, Logger: logger}, logger: logger,
		metrics: newMetrics(), registry: prometheus.NewRegistry(), stopping: make(chan struct{}),
	}
	s.listener = newBounded(listener, connectionsMax, s.metrics.connections.Inc)
	s.registry.MustRegister(store.Collector(), s.metrics.connections, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.api = api.NewBare(api.Config{Owner: token, Logger: logger})
	s.api.Add(s.nodeRoutes()...)
	mux := http.NewServeMux()
	s.api.Register(mux)
	s.http = newHTTPServer(s.withRequestID(mux), logger)
	return s, nil
}

func (s *Server) nodeRoutes() []*api.Route {
	ready := &api.Route{
		ID: "readyz", Method: http.MethodGet, Path: "/readyz", Tag: tagAbout, Access: api.Public, Summary: "The log can be written", Handler: s.nodeReadyz,
		Answers: append(api.OK(nil, api.JSON[NodeHealth]()), api.Answer{
			Status: http.StatusServiceUnavailable, About: "Not any more; the answer says why", Content: []api.Content{api.JSON[NodeHealth]()},
		}),
	}
	backup := s.backupRoute()
	backup.Access = api.OwnerOnly // a node knows no other tokens
	scavenge := s.scavengeRoute()
	scavenge.Access = api.OwnerOnly
	return []*api.Route{s.healthRoute(), ready, s.metricsRoute(), backup, scavenge}
}

func (s *Server) nodeReadyz(w http.ResponseWriter, r *http.Request) {
	head, _, _ := s.ledger.Store.Head(r.Context()) // zero when it fails, as storeFailure says
	if err := s.storeFailure(r.Context()); err != nil {
		s.json(w, r, http.StatusServiceUnavailable, NodeHealth{Status: "not_ready", Log: head.String(), Error: err.Error()})
		return
	}
	s.json(w, r, http.StatusOK, NodeHealth{Status: "ready", Log: head.String()})
}
