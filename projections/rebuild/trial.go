package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// trialPrefix and the number of a piece are the name of tables on which rows are tried that were refused. As only one
// rebuild works at a time, and they do not outlive a piece, all that are there otherwise were left by one that was
// killed.
const trialPrefix = "ledger_data_trial_"

// judge tries parts of what was refused on tables that have keys.
func (l *loader) judge(ctx context.Context, piece int) (found bool, err error) {
	trial := fmt.Sprintf("%s%d", trialPrefix, piece)
	conn, err := l.engine.cfg.Connect(ctx, trial)
	if err != nil {
		return false, err
	}
	defer closeConn(ctx, conn)
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return l.engine.cfg.Tables.Create(ctx, tx, trial) }); err != nil {
		return false, err
	}
	if err := l.engine.cfg.Reached(ctx, PointOnTrial); err != nil {
		return false, err
	}
	defer func() {
		_, dropErr := conn.Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+trial+" CASCADE")
		err = errors.Join(err, dropErr)
	}()
	return l.bulk.Judge(ctx, conn)
}

// trials lists the schemas of tables on trial.
func trials(ctx context.Context, db querier) ([]string, error) {
	rows, err := db.Query(ctx, "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname::text, $1) ORDER BY 1", trialPrefix)
	if err != nil {
		return nil, fmt.Errorf("look for tables on trial: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for tables on trial: %w", err)
	}
	return names, nil
}

// dropTrials removes what a rebuild left that was killed, for whoever holds the lock of rebuilds.
func (e *Engine) dropTrials(ctx context.Context, conn *pgx.Conn) (int, error) {
	left, err := trials(ctx, conn)
	if err != nil {
		return 0, err
	}
	for _, name := range left {
		if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{name}.Sanitize()+" CASCADE"); err != nil {
			return 0, fmt.Errorf("drop schema %s: %w", name, err)
		}
	}
	return len(left), nil
}
