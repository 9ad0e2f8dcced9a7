package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/statements"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// StatementRequest asks for a statement of a gateway or a bank to be taken in.
type StatementRequest struct {
	// Name is what the file is called.
	Name string `json:"name,omitempty"`
	// Content is the file, in base64.
	Content []byte `json:"content"`
	// Mapping is the YAML that says how it is read.
	Mapping string `json:"mapping,omitempty"`
	// Gateway is whose payments it is about; empty is what the mapping says.
	Gateway string `json:"gateway,omitempty"`
	Account string `json:"account"`
	Actor   string `json:"actor,omitempty"`
}

// StatementAnswer is what came of it.
type StatementAnswer struct {
	commands.SettlementReceipt

	// Views tells whether the views show it; they follow otherwise.
	Views bool `json:"views"`
}

// ErrStatement says that a statement cannot be read as asked.
var ErrStatement = errors.New("statement")

// ImportStatement reads a statement, records it and matches its lines with orders. Errors:
// *statements.RefusedError, ErrStatement.
func (l *Ledger) ImportStatement(ctx context.Context, r StatementRequest) (StatementAnswer, error) {
	mapping, err := statements.ParseMapping([]byte(r.Mapping))
	if err != nil {
		return StatementAnswer{}, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if r.Gateway != "" && mapping.Gateway != "" && r.Gateway != mapping.Gateway {
		return StatementAnswer{}, fmt.Errorf("%w: the mapping is for %s, and the statement said to be of %s", ErrStatement, mapping.Gateway, r.Gateway)
	}
	if r.Gateway != "" {
		mapping.Gateway = r.Gateway
	}
	if r.Actor == "" {
		return StatementAnswer{}, fmt.Errorf("%w: say who imports it", ErrStatement)
	}
	if _, ok := l.Accounts.Find(mapping.Gateway, r.Account); !ok {
		return StatementAnswer{}, fmt.Errorf("%w: there is no account %q of gateway %q in the configuration", ErrStatement, r.Account, mapping.Gateway)
	}
	statement, err := statements.Read(r.Name, r.Content, mapping, r.Account)
	if err != nil {
		return StatementAnswer{}, err
	}
	receipt, err := l.Settlements.Import(ctx, &statement, r.Actor)
	if err != nil {
		return StatementAnswer{}, fmt.Errorf("import the statement; doing it again goes on where it stopped: %w", err)
	}
	return l.shown(ctx, receipt)
}

// MatchStatement looks at the lines of a statement again that do not match yet.
func (l *Ledger) MatchStatement(ctx context.Context, statementID, actor string) (StatementAnswer, error) {
	if actor == "" {
		return StatementAnswer{}, fmt.Errorf("%w: say who asks for it", ErrStatement)
	}
	receipt, err := l.Settlements.Match(ctx, statementID, actor)
	if err != nil {
		return StatementAnswer{}, err
	}
	return l.shown(ctx, receipt)
}

// ReleaseRequest takes a line of a statement out of suspense by hand.
type ReleaseRequest struct {
	To     string `json:"to" doc:"The account that it goes to, by its code in the chart without configuration: 1105, 1110, 5200, 5210 or 5900."`
	Reason string `json:"reason" doc:"Why: what the money was."`
	// The tokens of two people, which are not kept.
	Tokens *TwoTokens `json:"tokens,omitempty"`
}

// ReleaseAnswer says what was released.
type ReleaseAnswer struct {
	StatementID string `json:"statement_id"`
	Line        int    `json:"line"`
	To          string `json:"to"`
	Actor       string `json:"actor"`
	Approver    string `json:"approver"`
	Views       bool   `json:"views" doc:"Whether the views show it."`
}

// ReleaseLine takes a line of a statement out of suspense, and waits for the views. Errors: commands.ErrRelease,
// commands.ErrStatementUnknown.
func (l *Ledger) ReleaseLine(ctx context.Context, r commands.ReleaseLine) (ReleaseAnswer, error) {
	at, err := l.Settlements.Release(ctx, r)
	if err != nil {
		return ReleaseAnswer{}, err
	}
	shown, err := l.shown(ctx, commands.SettlementReceipt{StatementID: r.StatementID, Position: at})
	return ReleaseAnswer{StatementID: r.StatementID, Line: r.Line, To: r.To, Actor: r.Actor, Approver: r.Approver, Views: shown.Views}, err
}

// finishStatements matches the lines of statements whose import was interrupted before this ledger began. The views tell
// which those are.
func (l *Ledger) finishStatements(ctx context.Context) error {
	at, found, err := l.LastProjected(ctx)
	if err != nil || !found {
		return err
	}
	if err := l.WaitForViews(ctx, at); err != nil {
		return err
	}
	pool, err := l.Database.Pool()
	if err != nil {
		return err
	}
	rows, err := pool.Query(ctx, "SELECT statement_id FROM ledger.settlement_statements WHERE NOT complete AND position <= $1 ORDER BY position", int64(at.Commit))
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, id := range ids {
		finished, err := l.Settlements.Finish(ctx, id)
		if err != nil {
			return err
		}
		if finished {
			l.Logger.Info("a statement whose import was interrupted is finished", slog.String("statement_id", id))
		}
	}
	return nil
}

// statementViewsWait bounds waiting for the views; what was imported is durable before.
const statementViewsWait = time.Minute

func (l *Ledger) shown(ctx context.Context, receipt commands.SettlementReceipt) (StatementAnswer, error) {
	answer := StatementAnswer{SettlementReceipt: receipt}
	at := receipt.Position
	if receipt.Known {
		last, found, err := l.LastProjected(ctx)
		if err != nil {
			return answer, err
		}
		if !found {
			return answer, nil
		}
		at = last
	}
	wait, cancel := context.WithTimeoutCause(ctx, statementViewsWait, errors.New("the views did not get there in time"))
	defer cancel()
	answer.Views = l.WaitForViews(wait, at) == nil
	return answer, ctx.Err()
}

// Reconciliation runs the reports that compare statements with our books. db should be a snapshot.
func Reconciliation(ctx context.Context, db reports.Querier, p reports.Params) ([]reports.Table, error) {
	var tables []reports.Table
	for _, name := range reports.Reconciliation() {
		report, err := reports.Find(name)
		if err != nil {
			return nil, err
		}
		table, err := report.Run(ctx, db, p)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}
