package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/orders"
)

// historyPage bounds one answer of an order's history.
const historyPage = 1000

// order answers with an order, its payments, refunds and disputes, all as of
// one log position, which as_of may choose.
func (s *Server) order(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("as_of") || r.URL.Query().Has("by") {
		s.past(w, r)
		return
	}
	answer, ok := s.snapshot(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) {
		return app.FindOrder(ctx, tx, r.PathValue("id"))
	})
	found, is := answer.(app.OrderDetail)
	if !ok || !is {
		return
	}
	if api.Conditional(w, r, &found, time.Now()) {
		return
	}
	s.json(w, r, http.StatusOK, found)
}

// history answers with an order's events, oldest first, a page at a time.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 63)
	if err != nil && r.URL.Query().Get("from") != "" {
		s.problem(w, r, http.StatusBadRequest, "from_invalid", "from is the first revision to show, a number from 0.")
		return
	}
	s.read(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) {
		detail, err := app.FindOrder(ctx, tx, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		events, err := history.NewReader(tx).OfOrder(ctx, detail.ID(), from, historyPage)
		return HistoryAnswer{OrderID: detail.ID(), Events: events}, err
	})
}

const (
	// orderTimeout bounds reading one order: with the longest wait for the views (freshWaitMax) less than bodyTimeout, so
	// that a database that hangs is answered with a sentence.
	orderTimeout = 4 * time.Second
	// viewsTimeout bounds lists and reports, which take longer.
	viewsTimeout = 28 * time.Second
)

// errNotRecognised: nobody has looked yet what the rows mean.
var errNotRecognised = errors.New("it was not looked at yet whether the views are of this log and version")

// read answers a query in one snapshot of the views.
func (s *Server) read(w http.ResponseWriter, r *http.Request, query func(context.Context, pgx.Tx) (any, error)) {
	if answer, ok := s.snapshot(w, r, query); ok {
		s.json(w, r, http.StatusOK, answer)
	}
}

// snapshot runs a query in one snapshot of the views; it answers itself, and false, when it cannot.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request, query func(context.Context, pgx.Tx) (any, error)) (any, bool) {
	pool, err := s.ledger.Database.Pool()
	if pool == nil {
		s.noViews(w, r, err)
		return nil, false
	}
	if !s.ledger.Runner.Recognised() {
		s.noViews(w, r, errNotRecognised)
		return nil, false
	}
	if changed := s.ledger.Runner.Stale(); len(changed) > 0 {
		w.Header().Set("Retry-After", "60")
		stale := &api.StaleViewsError{Changed: fingerprint.Describe(changed)}
		s.problem(w, r, http.StatusServiceUnavailable, "rebuild_needed", stale.Error()+".")
		return nil, false
	}
	most := viewsTimeout
	if r.PathValue("id") != "" { // one order
		most = orderTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), most)
	defer cancel()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	var answer any
	err = pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) error {
		at, err := checkpoint.Read(ctx, tx)
		if err != nil {
			return err
		}
		if at.Known {
			w.Header().Set(PositionHeader, at.Position.String())
		}
		answer, err = query(ctx, tx)
		return err
	})
	var ambiguous *app.AmbiguousReferenceError
	switch {
	case err == nil:
		return answer, true
	case errors.Is(err, orders.ErrNotFound):
		s.problem(w, r, http.StatusNotFound, "order_not_found",
			"No order has the id, gateway id or merchant reference "+strconv.Quote(r.PathValue("id"))+", as far as the views have come.")
	case errors.As(err, &ambiguous):
		s.problem(w, r, http.StatusConflict, "reference_ambiguous", ambiguous.Error()+".")
	default:
		s.noViews(w, r, err)
	}
	return nil, false
}

// noViews answers while the database is away; intake goes on meanwhile.
func (s *Server) noViews(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.logger.WarnContext(r.Context(), "views cannot be read", errAttr(err))
	}
	w.Header().Set("Retry-After", "2")
	s.problem(w, r, http.StatusServiceUnavailable, "views_unavailable",
		"The database of the views cannot be reached now. Notifications are still taken in and nothing is lost; ask again.")
}
