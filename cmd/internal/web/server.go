package web

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
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
	http     *http.Server
	secured  bool // it speaks TLS
	listener net.Listener
	metrics  *metrics
	feed     *feed.Feed
	schemas  *schemas.Handler
	registry *prometheus.Registry
	// stopping is closed when Serve is to return, before requests under way end.
	stopping chan struct{}
	api      *api.API
	// backups is the folder that operators may have backups made in; empty is none.
	backups string
	bodies  bodies
}

// Listen takes the address of the settings. token is the owner's; empty lets no owner in.
func Listen(ctx context.Context, l *app.Ledger, token string) (*Server, error) {
	certificate, err := l.Settings.HTTPCertificate()
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", l.Settings.HTTP)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	s := &Server{
		ledger: l, logger: l.Logger, metrics: newMetrics(), registry: prometheus.NewRegistry(),
		stopping: make(chan struct{}), bodies: bodies{most: bodiesBytesMax},
	}
	s.listener = newBounded(listener, connectionsMax, s.metrics.connections.Inc)
	if s.api, err = orderAPI(l, listener.Addr(), token); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if s.backups, err = config.LoadBackups(l.Settings); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.feed = feed.New(feed.Config{
		Log: l.Store, Logger: l.Logger, Problem: s.problem, Stopping: s.stopping, Client: feedClient, Allowed: s.mayStillFollow,
	})
	if s.schemas, err = schemas.NewHandler(s.problem); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	l.WebhookSent = s.metrics.sent
	s.registry.MustRegister(s.metrics, s.feed.Collector(), l.Store.Collector(), l.Runner.Collector(), l.Auditor.Collector(), l.Freshness, l.Pusher.Collector(), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.api.Add(s.describedRoutes()...)
	s.http = newHTTPServer(s.withRequestID(s.sameDatabase(s.readYourWrites(s.routes()))), l.Logger)
	if err := s.secure(certificate); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

func newHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// secure has the server speak TLS, and leaves the certificate where commands on this machine find it; nil
// is plain text.
func (s *Server) secure(certificate *tls.Certificate) error {
	file := s.ledger.Settings.HTTPCertFile()
	if certificate == nil {
		return os.RemoveAll(file) // of a ledger that was killed
	}
	s.secured = true
	s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("write the certificate of HTTP: %w", err)
	}
	return nil
}

// Addr is the address listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is how this machine reaches the server.
func (s *Server) URL() string {
	at, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return s.scheme() + s.Addr()
	}
	return s.scheme() + net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port)) // all interfaces, this one included
}

func (s *Server) scheme() string {
	if s.secured {
		return "https://"
	}
	return "http://"
}

// Serve answers requests until ctx ends, and then lets those under way end.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if s.secured {
			served <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		served <- s.http.Serve(s.listener)
	}()
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
	s.api.Register(mux)
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
