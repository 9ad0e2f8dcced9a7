package web

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// healthTimeout bounds looking after the parts.
const healthTimeout = 2 * time.Second

// Health is the answer of /readyz.
type Health struct {
	Status string `json:"status"` // ready, degraded, rebuild_needed, or not_ready
	// Log is where the log ends, Views where the views stand.
	Log       string `json:"log_position"`
	Views     string `json:"views_position"`
	Behind    bool   `json:"views_behind"`
	Projector string `json:"projector"`
	Database  string `json:"database"`
	Parked    int    `json:"parked_orders"`
	// Drifted counts the orders in which the standing auditor found the views to differ from the log.
	Drifted int `json:"drifted_orders"`
	// DriftedOthers counts streams of quarantine, periods and statements of which that is so.
	DriftedOthers int    `json:"drifted_others"`
	LastError     string `json:"last_error,omitempty"`
	// RebuildNeeded tells how the program that made the views differs from this one; empty when it does
	// not. The views are not served until they are rebuilt.
	RebuildNeeded []fingerprint.Change `json:"rebuild_needed,omitempty"`
	// Freshness is how long it takes until what is written is visible; nil when it is not measured.
	Freshness *Freshness `json:"freshness,omitempty"`
	// Webhooks is how outgoing webhooks stand; nil without subscribers.
	Webhooks *WebhooksHealth `json:"webhooks,omitempty"`
}

// Freshness tells how fresh the views are, all in milliseconds.
type Freshness struct {
	// Age is the time since the newest event known to be visible was committed.
	Age int64 `json:"age_ms"`
	// P50 and P99 are quantiles of commit-to-visible over the newest Samples canaries.
	P50     float64 `json:"commit_to_visible_p50_ms"`
	P99     float64 `json:"commit_to_visible_p99_ms"`
	Samples int     `json:"samples"`
	Error   string  `json:"error,omitempty"`
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.json(w, r, http.StatusOK, AliveAnswer{Status: "alive"})
}

// readyz says whether the ledger takes notifications in and shows them.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	health := s.health(ctx)
	status := http.StatusOK
	if health.Status != "ready" {
		status = http.StatusServiceUnavailable
	}
	s.json(w, r, status, health)
}

func (s *Server) health(ctx context.Context) Health {
	st := s.ledger.Runner.Status(ctx)
	h := Health{
		Status: "ready", Log: st.Head.String(), Views: st.Checkpoint.String(), Behind: st.Behind, Projector: string(st.Role),
		Database: "ready", Parked: st.Parked, LastError: st.LastError,
	}
	lost := s.storeFailure(ctx) // before a database that hangs uses the time up
	audited := s.ledger.Auditor.Status()
	h.Drifted, h.DriftedOthers = audited.DriftedNow, audited.OthersNow
	pool, err := s.ledger.Database.Pool()
	switch {
	case pool == nil && err != nil:
		h.Status, h.Database, h.LastError = "not_ready", "unreachable", err.Error()
	case pool == nil:
		h.Status, h.Database = "not_ready", "starting"
	default:
		if err := pool.Ping(ctx); err != nil {
			h.Status, h.Database, h.LastError = "not_ready", "unreachable", s.unreachable(err)
		}
	}
	switch st.Role {
	case projections.Leader, projections.Standby, projections.Stale:
	case projections.Starting, projections.Stopped:
		h.Status = "not_ready"
	}
	if lost != nil { // without a log nothing else matters
		h.Status, h.LastError = "not_ready", lost.Error()
	}
	if len(st.Changed) > 0 && h.Status == "ready" {
		h.Status, h.RebuildNeeded = "rebuild_needed", st.Changed
	}
	s.addFreshness(&h)
	h.Webhooks = webhooksHealth(s.ledger.Pusher.Standing(), time.Now())
	return h
}

// unreachable tells why a database is not reached.
func (s *Server) unreachable(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the database does not answer"
	}
	return s.ledger.Database.Explain(err).Error()
}

// storeFailure tells why the event store takes or answers nothing.
func (s *Server) storeFailure(ctx context.Context) error {
	if err := s.ledger.Store.Unwritable(); err != nil {
		return err
	}
	_, _, err := s.ledger.Store.Head(ctx)
	return err
}

// addFreshness makes a ledger whose views are too old degraded.
func (s *Server) addFreshness(h *Health) {
	if s.ledger.Settings.CanaryInterval < 0 {
		return
	}
	st := s.ledger.Freshness.Status()
	h.Freshness = &Freshness{
		Age: st.Age.Milliseconds(), P50: milliseconds(st.P50), P99: milliseconds(st.P99), Samples: st.Samples, Error: st.Error,
	}
	if st.Stale && h.Status == "ready" {
		h.Status = "degraded"
		if h.LastError == "" {
			h.LastError = st.Error
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

//go:embed index.html
var indexHTML string

var indexPage = template.Must(template.New("index").Parse(indexHTML))

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	if err := indexPage.Execute(w, s.health(ctx)); err != nil {
		s.logger.DebugContext(r.Context(), "answer not sent", errAttr(err))
	}
}
