package web

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/reportpage"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// reports lists what accounting can ask.
func (s *Server) reports(w http.ResponseWriter, r *http.Request) {
	s.json(w, r, http.StatusOK, ReportList{Reports: reports.All()})
}

// report answers one report as JSON, or as CSV with format=csv.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	report, err := reports.Find(r.PathValue("name"))
	if err != nil {
		s.problem(w, r, http.StatusNotFound, "report_not_found", err.Error()+"; GET /reports lists them.")
		return
	}
	params, err := reports.ParseParams(query.Get, time.Now())
	format := query.Get("format")
	switch unknown := unknownParam(query, "format"); {
	case unknown != "":
		err = fmt.Errorf("there is no parameter %q; there are %s and format", unknown, strings.Join(reports.ParamNames(), ", "))
	case err == nil && format != "" && format != "json" && format != "csv":
		err = errors.New("format is neither json nor csv")
	case err == nil && report.NeedsKnownFrom() && params.KnownFrom == nil:
		err = errors.New("a restatement needs known_from, the earlier moment of knowledge")
	}
	if err == nil {
		err = reports.Refuse(query.Get, report)
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "report_invalid", err.Error()+".")
		return
	}
	if format != "csv" {
		s.read(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) { return report.Run(ctx, tx, params) })
		return
	}
	answer, ok := s.snapshot(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) { return report.Run(ctx, tx, params) })
	table, is := answer.(reports.Table)
	if !ok || !is {
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+report.Name+`.csv"`)
	w.WriteHeader(http.StatusOK)
	if err := WriteCSV(csv.NewWriter(w), table); err != nil {
		s.logger.DebugContext(r.Context(), "report not sent", errAttr(err))
	}
}

// unknownParam returns a parameter that no report takes: a misspelt one would answer something else than
// what was asked.
func unknownParam(query url.Values, more ...string) string {
	known := append(reports.ParamNames(), append(more, "at_least", "wait")...)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return name
		}
	}
	return ""
}

// overview draws the page with pictures of the reports.
func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	params, err := reports.ParseParams(r.URL.Query().Get, time.Now())
	if unknown := unknownParam(r.URL.Query()); unknown != "" {
		err = fmt.Errorf("there is no parameter %q; there are %s", unknown, strings.Join(reports.ParamNames(), ", "))
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "report_invalid", err.Error()+".")
		return
	}
	answer, ok := s.snapshot(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) {
		return reportpage.Gather(ctx, tx, params, w.Header().Get(PositionHeader))
	})
	page, is := answer.(reportpage.Page)
	if !ok || !is {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	if err := reportpage.Write(w, page); err != nil {
		s.logger.DebugContext(r.Context(), "report not sent", errAttr(err))
	}
}

// WriteCSV writes a report. Spreadsheets do not take any of its texts for a formula.
func WriteCSV(w *csv.Writer, t reports.Table) error {
	if err := w.Write(t.Columns); err != nil {
		return err
	}
	for _, row := range t.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			if v != nil {
				texts[i] = reports.Inert(*v)
			}
		}
		if err := w.Write(texts); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// periods lists what was done to the periods of the books.
func (s *Server) periods(w http.ResponseWriter, r *http.Request) {
	shown, err := app.Periods(r.Context(), s.ledger.Store)
	if err != nil {
		s.logger.ErrorContext(r.Context(), "periods cannot be read", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The event log cannot be read now.")
		return
	}
	s.json(w, r, http.StatusOK, PeriodList{Periods: shown})
}

// entities lists the legal entities whose books are kept.
func (s *Server) entities(w http.ResponseWriter, r *http.Request) {
	all, err := app.Entities(r.Context(), s.ledger.Store)
	if err != nil {
		s.logger.ErrorContext(r.Context(), "entities cannot be read", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The event log cannot be read now.")
		return
	}
	s.json(w, r, http.StatusOK, EntityList{Entities: all})
}

// defineEntity records which merchant accounts an entity keeps books of.
func (s *Server) defineEntity(w http.ResponseWriter, r *http.Request) {
	var request app.EntityRequest
	if err := decode(w, r, &request); err != nil {
		s.problem(w, r, http.StatusBadRequest, "entity_invalid", err.Error()+".")
		return
	}
	request.Actor = actor(r, request.Actor)
	switch err := app.DefineEntity(r.Context(), s.ledger.Store, request, time.Now()); {
	case errors.Is(err, app.ErrEntity):
		s.problem(w, r, http.StatusConflict, "entity_refused", err.Error()+".")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "an entity could not be defined", errAttr(err))
		s.problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The entity could not be recorded.")
	default:
		s.wrote(w, r)
		s.entities(w, r)
	}
}

// changePeriod closes a period or opens it again.
func (s *Server) changePeriod(w http.ResponseWriter, r *http.Request) {
	var request app.PeriodRequest
	if err := decode(w, r, &request); err != nil {
		s.problem(w, r, http.StatusBadRequest, "period_invalid", err.Error()+".")
		return
	}
	request.Actor = actor(r, request.Actor)
	if request.Reopen {
		var err error
		if request.Actor, request.Approver, err = s.twoPeople(r.Context(), "opening a period again", request.Tokens); err != nil {
			s.problem(w, r, http.StatusConflict, "period_refused", err.Error()+".")
			return
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the views may have much to catch up with
	answer, err := s.ledger.ChangePeriod(r.Context(), request, time.Now())
	switch {
	case errors.Is(err, app.ErrPeriod):
		s.problem(w, r, http.StatusConflict, "period_refused", err.Error()+".")
	case err != nil:
		s.logger.ErrorContext(r.Context(), "a period could not be changed", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "period_failed", err.Error())
	default:
		w.Header().Set(PositionHeader, answer.Change.At().String())
		s.json(w, r, http.StatusOK, answer)
	}
}

// twoPeople names the two who do something together, by their tokens. A person with two tokens is one.
func (s *Server) twoPeople(ctx context.Context, what string, tokens *app.TwoTokens) (actor, approver string, err error) {
	if tokens == nil {
		return "", "", fmt.Errorf("%s takes the API tokens of two people", what)
	}
	one, err := s.api.Identify(ctx, tokens.Actor, auth.Operations)
	if err != nil {
		return "", "", fmt.Errorf("the token of the one who does it: %w", err)
	}
	other, err := s.api.Identify(ctx, tokens.Approver, auth.Operations)
	if err != nil {
		return "", "", fmt.Errorf("the token of the one who approves: %w", err)
	}
	if api.IsDevelopment(one) || api.IsDevelopment(other) {
		return "", "", fmt.Errorf("%s takes two people, and the token for development is nobody's", what)
	}
	if order.SamePerson(one.Person, other.Person) {
		return "", "", fmt.Errorf("%s takes another person's approval, and both tokens are those of %s", what, one.Person)
	}
	return one.Name, other.Name, nil
}
