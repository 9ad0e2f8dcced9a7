package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
)

const (
	// BodyBytesMax bounds a webhook's body.
	BodyBytesMax = 1 << 20
	// bodyTimeout bounds receiving and answering an ordinary request.
	bodyTimeout = 30 * time.Second
	// headerTimeout and idleTimeout bound the rest of a connection's life.
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	headerBytesMax = 64 << 10
	// shutdownTimeout is how long requests under way may take to end.
	shutdownTimeout = 10 * time.Second
)

// Server serves one ledger over HTTP.
type Server struct {
	ledger   *app.Ledger
	logger   *slog.Logger
	token    string
	http     *http.Server
	listener net.Listener
	metrics  *metrics
	feed     *feed.Feed
	schemas  *schemas.Handler
	registry *prometheus.Registry
	// stopping is closed when Serve is to return, before requests under way end.
	stopping chan struct{}
	api      *api.API
}

// Listen takes the address of the settings. token opens the bulk endpoint;
// empty closes it.
func Listen(ctx context.Context, l *app.Ledger, token string) (*Server, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", l.Settings.HTTP)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	s := &Server{
		ledger: l, logger: l.Logger, token: token, metrics: newMetrics(), registry: prometheus.NewRegistry(),
		stopping: make(chan struct{}),
	}
	s.listener = newBounded(listener, connectionsMax, s.metrics.connections.Inc)
	if s.api, err = orderAPI(l, listener.Addr()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.feed = feed.New(feed.Config{
		Log: l.Store, Logger: l.Logger, Problem: s.problem, Stopping: s.stopping, Client: feedClient, Allowed: s.mayStillFollow,
	})
	if s.schemas, err = schemas.NewHandler(s.problem); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	l.WebhookSent = s.metrics.sent
	s.registry.MustRegister(s.metrics, s.feed.Collector(), l.Store.Collector(), l.Runner.Collector(), l.Auditor.Collector(), l.Freshness, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.http = newHTTPServer(s.withRequestID(s.readYourWrites(s.routes())), l.Logger)
	return s, nil
}

func newHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// Addr is the address listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is how this machine reaches the server.
func (s *Server) URL() string {
	at, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return "http://" + s.Addr()
	}
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port)) // all interfaces, this one included
}

// Serve answers requests until ctx ends, and then lets those under way end.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	close(s.stopping)
	shutdownCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), shutdownTimeout, errors.New("shutdown timeout"))
	defer cancel()
	err := s.http.Shutdown(shutdownCtx)
	if err != nil {
		err = errors.Join(fmt.Errorf("end HTTP requests: %w", err), s.http.Close())
	}
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/{gateway}", s.webhook)
	mux.HandleFunc("POST /webhooks/{gateway}/{account}", s.webhook)
	mux.HandleFunc("POST /ingest/{gateway}/{account}", s.ingest)
	mux.HandleFunc("POST /backup", s.backup)
	for _, pattern := range []string{"GET /orders/{id}", "GET /orders/{id}/{$}"} {
		mux.Handle(pattern, s.mayRead(auth.OrdersRead, s.order))
	}
	mux.Handle("GET /orders/{id}/history", s.mayRead(auth.OrdersRead, s.history))
	mux.Handle("GET /orders/{id}/explain", s.mayRead(auth.OrdersRead, s.explain))
	mux.Handle("GET /schemas/", s.schemas)
	mux.Handle("GET /events", s.mayRead(auth.FeedRead, s.feed.Events))
	mux.Handle("GET /events/stream", s.mayRead(auth.FeedRead, s.feed.Stream))
	mux.Handle("GET /orders/{id}/audit-pack", s.mayRead(auth.AccountingRead, s.auditPack))
	mux.Handle("GET /reports", s.mayRead(auth.AccountingRead, s.reports))
	mux.Handle("GET /reports/overview", s.mayRead(auth.AccountingRead, s.overview))
	mux.Handle("GET /reports/{name}", s.mayRead(auth.AccountingRead, s.report))
	mux.Handle("GET /periods", s.mayRead(auth.AccountingRead, s.periods))
	mux.HandleFunc("POST /periods", s.changePeriod)
	mux.HandleFunc("POST /audit", s.audit)
	mux.HandleFunc("POST /rebuild", s.rebuild)
	mux.HandleFunc("POST /erase", s.erase)
	mux.HandleFunc("POST /exports", s.recordExport)
	mux.HandleFunc("POST /parked/{id}/retry", s.retryParked)
	if s.api != nil {
		s.api.Register(mux)
	} else {
		mux.HandleFunc("POST /orders/", s.noAPI)
	}
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("/", s.unknown(mux))
	return mux
}

// unknown answers what no route takes, with the reason.
func (s *Server) unknown(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if allowed := otherMethods(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.problem(w, r, http.StatusMethodNotAllowed, "method_not_allowed",
				r.URL.Path+" takes "+strings.Join(allowed, " and ")+" requests, not "+r.Method+".")
			return
		}
		s.problem(w, r, http.StatusNotFound, "not_found",
			"There is nothing at "+r.URL.Path+". Webhooks go to /webhooks/{decta|everifin|connectpay}, orders are read at /orders/{id}.")
	}
}

// otherMethods are those that a route takes at the request's path.
func otherMethods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	probe := *r
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe.Method = method
		if _, pattern := mux.Handler(&probe); method != r.Method && strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

type contextKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}

// withRequestID names each request, bounds it, and keeps a panic of one
// request from being felt by others.
func (s *Server) withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		control := http.NewResponseController(w)
		deadline := time.Now().Add(bodyTimeout)
		_ = control.SetReadDeadline(deadline) // both are supported by net/http's connections
		_ = control.SetWriteDeadline(deadline)
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, id))
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
					panic(p)
				}
				s.logger.ErrorContext(r.Context(), "request panicked", slog.String("request_id", id),
					slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
				s.problem(w, r, http.StatusInternalServerError, "internal", "The request could not be answered. The log says more under this request id.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func errAttr(err error) slog.Attr { return slog.Any("error", err) }
