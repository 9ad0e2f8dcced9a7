package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/schema"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// statementTables hold statements, each with the id of its statement.
var statementTables = []string{"statements", "statement_lines", "statement_results", "statement_passes", "statement_bookings"}

// auditedTables are these, and what lines of statements post that belong to no order: where is which rows of a table are
// compared, id what a row is told by.
func auditedTables() []auditedTable {
	tables := make([]auditedTable, 0, len(statementTables)+1)
	for _, name := range statementTables {
		tables = append(tables, auditedTable{name: name, id: "statement_id", where: "true"})
	}
	return append(tables, auditedTable{name: "journal_lines", id: "order_id", where: "order_id LIKE '" + settlement.BookingStreamPrefix + "%'"})
}

type auditedTable struct{ name, id, where string }

// statementBatch is how many events of statements are written at once.
const statementBatch = 100

// Statements compares the rows of all statements with their streams, at the position that the views stand at,
// by writing them again into temporary tables. With heal, rows that differ are replaced.
func Statements(ctx context.Context, db Beginner, log eventstore.Reader, heal bool) ([]Finding, error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead}
	if heal {
		options.IsoLevel = pgx.ReadCommitted // it waits for whoever writes, and then sees it
	}
	var findings []Finding
	err := pgx.BeginTxFunc(ctx, db, options, func(tx pgx.Tx) error {
		read := checkpoint.Read
		if heal {
			read = func(ctx context.Context, _ checkpoint.Querier) (checkpoint.Checkpoint, error) {
				return checkpoint.Lock(ctx, tx)
			}
		}
		at, err := read(ctx, tx)
		if err != nil || !at.Known {
			return err
		}
		for _, table := range auditedTables() { // they are found before the live ones
			if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TEMPORARY TABLE %s (LIKE %s.%s INCLUDING INDEXES) ON COMMIT DROP", table.name, schema.Live, table.name)); err != nil {
				return err
			}
		}
		if err := writeStatements(ctx, tx, log, at); err != nil {
			return err
		}
		if findings, err = compareStatements(ctx, tx, at); err != nil || !heal || len(findings) == 0 {
			return err
		}
		for _, table := range auditedTables() {
			if _, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s.%[2]s WHERE %[3]s", schema.Live, table.name, table.where)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %[1]s.%[2]s SELECT * FROM pg_temp.%[2]s", schema.Live, table.name)); err != nil {
				return err
			}
		}
		for i := range findings {
			findings[i].Healed = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("audit the statements: %w", err)
	}
	return findings, nil
}

// writeStatements writes the rows of all statements that the log has up to a checkpoint.
func writeStatements(ctx context.Context, tx pgx.Tx, log eventstore.Reader, at checkpoint.Checkpoint) error {
	var rows settlements.Rows
	var posted journal.Rows
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return err
	}
	pending := 0
	flush := func() error {
		var b pgx.Batch
		rows.Queue(&b)
		rows, pending = settlements.Rows{}, 0
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		err := posted.Copy(ctx, tx.Conn().PgConn())
		posted.Reset()
		return err
	}
	for ev, err := range log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if !at.Reached(ev.Position) {
			break
		}
		if !strings.HasPrefix(ev.Stream, settlement.StreamPrefix) || rows.Add(&ev) != nil { // what nobody can read has no rows
			continue
		}
		if booked, metadata, err := settlements.ReadBooking(&ev); err == nil {
			if err := posted.AddStatement(&ev, metadata, booked, calendar); err != nil {
				return err
			}
		}
		if pending++; pending == statementBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func compareStatements(ctx context.Context, tx pgx.Tx, at checkpoint.Checkpoint) ([]Finding, error) {
	drift := map[string]*Finding{}
	var order []string
	for _, table := range auditedTables() {
		live := fmt.Sprintf("SELECT * FROM %s.%s WHERE %s", schema.Live, table.name, table.where)
		sql := fmt.Sprintf(`SELECT %[1]s, true, t::text FROM (SELECT * FROM pg_temp.%[2]s EXCEPT %[3]s) AS t
			UNION ALL SELECT %[1]s, false, t::text FROM (%[3]s EXCEPT SELECT * FROM pg_temp.%[2]s) AS t ORDER BY 1, 3, 2`, table.id, table.name, live)
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return nil, err
		}
		var id, text string
		var inLog bool
		if _, err := pgx.ForEachRow(rows, []any{&id, &inLog, &text}, func() error {
			stream := id
			if table.id == "statement_id" {
				stream = settlement.Stream(id)
			}
			if drift[stream] == nil {
				drift[stream] = &Finding{OrderID: stream, Position: at.String()}
				order = append(order, stream)
			}
			if inLog {
				drift[stream].differ(table.name, text, "")
			} else {
				drift[stream].differ(table.name, "", text)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	findings := make([]Finding, len(order))
	for i, stream := range order {
		findings[i] = *drift[stream]
	}
	return findings, nil
}
