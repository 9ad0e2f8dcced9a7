package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/statements"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// ReconciliationAnswer is what statements say against our books: one table per question.
type ReconciliationAnswer struct {
	Reports []reports.Table `json:"reports"`
}

// MatchRequest says who has a statement looked at again; with a token of the API it is the token's owner.
type MatchRequest struct {
	Actor string `json:"actor,omitempty"`
}

// statementBodyMax is a file in base64, and the mapping.
const statementBodyMax = statements.FileBytesMax/3*4 + BodyBytesMax

// reconciliation answers the reports of reconciliation, at one moment.
func (s *Server) reconciliation(w http.ResponseWriter, r *http.Request) {
	params, err := reports.ParseParams(r.URL.Query().Get, time.Now())
	if unknown := unknownParam(r.URL.Query()); unknown != "" {
		err = fmt.Errorf("there is no parameter %q; there are %s", unknown, strings.Join(reports.ParamNames(), ", "))
	}
	for _, name := range reports.Reconciliation() {
		report, missing := reports.Find(name)
		err = cmp.Or(err, missing, reports.Refuse(r.URL.Query().Get, report))
	}
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, "report_invalid", err.Error()+".")
		return
	}
	s.read(w, r, func(ctx context.Context, tx pgx.Tx) (any, error) {
		tables, err := app.Reconciliation(ctx, tx, params)
		return ReconciliationAnswer{Reports: tables}, err
	})
}

// importStatement takes a statement in.
func (s *Server) importStatement(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(statementTime))
	_ = control.SetWriteDeadline(time.Time{}) // a long statement takes its time
	var request app.StatementRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, statementBodyMax))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		s.statementProblem(w, r, fmt.Errorf("%w: %w", app.ErrStatement, err))
		return
	}
	request.Actor = actor(r, request.Actor)
	ctx, end := s.untilStopped(r.Context())
	defer end()
	answer, err := s.ledger.ImportStatement(ctx, request)
	if err != nil {
		s.statementProblem(w, r, err)
		return
	}
	s.wrote(w, r)
	s.json(w, r, http.StatusOK, answer)
}

// statementTime bounds the sending of a statement.
const statementTime = 5 * time.Minute

// matchStatement looks at the lines of a statement again.
func (s *Server) matchStatement(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	var request MatchRequest
	if err := decode(w, r, &request); err != nil {
		s.problem(w, r, http.StatusBadRequest, "statement_invalid", err.Error()+".")
		return
	}
	ctx, end := s.untilStopped(r.Context())
	defer end()
	answer, err := s.ledger.MatchStatement(ctx, r.PathValue("id"), actor(r, request.Actor))
	if err != nil {
		s.statementProblem(w, r, err)
		return
	}
	s.wrote(w, r)
	s.json(w, r, http.StatusOK, answer)
}

// releaseLine takes a line out of suspense by hand.
func (s *Server) releaseLine(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the views may have much to catch up with
	var request app.ReleaseRequest
	err := decode(w, r, &request)
	line, numberErr := strconv.Atoi(r.PathValue("line"))
	if err := errors.Join(err, numberErr); err != nil {
		s.problem(w, r, http.StatusBadRequest, "statement_invalid", err.Error()+".")
		return
	}
	actor, approver, err := s.twoPeople(r.Context(), "releasing a line from suspense", request.Tokens)
	if err != nil {
		s.problem(w, r, http.StatusConflict, "release_refused", err.Error()+".")
		return
	}
	answer, err := s.ledger.ReleaseLine(r.Context(), commands.ReleaseLine{
		StatementID: r.PathValue("id"), Line: line, To: request.To, Reason: request.Reason, Actor: actor, Approver: approver,
	})
	switch {
	case errors.Is(err, commands.ErrRelease):
		s.problem(w, r, http.StatusConflict, "release_refused", err.Error()+".")
	case err != nil:
		s.statementProblem(w, r, err)
	default:
		s.wrote(w, r)
		s.json(w, r, http.StatusOK, answer)
	}
}

func (s *Server) statementProblem(w http.ResponseWriter, r *http.Request, err error) {
	var refused *statements.RefusedError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		s.problem(w, r, http.StatusUnprocessableEntity, "statement_refused", err.Error()+".")
	case errors.As(err, &large):
		s.problem(w, r, http.StatusRequestEntityTooLarge, "statement_too_large", err.Error()+".")
	case errors.Is(err, app.ErrStatement):
		s.problem(w, r, http.StatusBadRequest, "statement_invalid", err.Error()+".")
	case errors.Is(err, commands.ErrStatementUnknown):
		s.problem(w, r, http.StatusNotFound, "statement_not_found", err.Error()+".")
	default:
		s.logger.ErrorContext(r.Context(), "a statement could not be imported", errAttr(err))
		s.problem(w, r, http.StatusInternalServerError, "statement_failed", err.Error()+".")
	}
}
