package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg"
)

// Row is one row of a query by column: json.Number for numbers, with all their digits, nil for NULL.
type Row map[string]any

// Text is a column as text; numbers keep their scale.
func (r Row) Text(column string) string { return fmt.Sprint(r[column]) }

// Rows asks the database of the views.
func (s *Site) Rows(tb testing.TB, query string, args ...any) []Row {
	tb.Helper()
	rows, err := s.query(tb.Context(), query, args...)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return rows
}

// Row is Rows for a query that has one row.
func (s *Site) Row(tb testing.TB, query string, args ...any) Row {
	tb.Helper()
	rows := s.Rows(tb, query, args...)
	if len(rows) != 1 {
		tb.Fatalf("%s %v: %d rows, want one", query, args, len(rows))
	}
	return rows[0]
}

// Count is the number of rows of a view, 0 while there is no such view.
func (s *Site) Count(tb testing.TB, view string) int {
	tb.Helper()
	exists := s.Row(tb, `select to_regclass($1) is not null as yes`, view)
	if exists["yes"] != true {
		return 0
	}
	return len(s.Rows(tb, `select 1 as one from `+view))
}

// Exec changes the database of the views behind the ledger's back.
func (s *Site) Exec(tb testing.TB, statement string) {
	tb.Helper()
	err := s.connected(tb.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// Locked does something while a connection of ours holds an advisory lock of the database.
func (s *Site) Locked(tb testing.TB, class, object int32, do func()) {
	tb.Helper()
	err := s.connected(tb.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "select pg_advisory_lock($1, $2)", class, object); err != nil {
			return err
		}
		do()
		return nil
	})
	if err != nil {
		tb.Fatalf("hold a lock: %v", err)
	}
}

func (s *Site) query(ctx context.Context, query string, args ...any) (result []Row, err error) {
	err = s.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		result, err = rowsOf(ctx, conn, query, args...)
		return err
	})
	return result, err
}

func (s *Site) connected(ctx context.Context, use func(context.Context, *pgx.Conn) error) error {
	url := s.DatabaseURL
	if url == "" {
		// A second Start on the directory of a running server is given that server.
		server, err := localpg.Start(ctx, localpg.Options{Dir: s.PostgresDir()})
		if err != nil {
			return err
		}
		defer func() { _ = server.Stop(context.WithoutCancel(ctx)) }()
		url = server.URL()
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return use(ctx, conn)
}

func rowsOf(ctx context.Context, conn *pgx.Conn, query string, args ...any) (result []Row, err error) {
	rows, err := conn.Query(ctx, `select to_jsonb(q)::text from (`+query+`) q`, args...)
	if err != nil {
		return nil, err
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
		decoder.UseNumber()
		var row Row
		if err := decoder.Decode(&row); err != nil {
			return nil, err
		}
		result = append(result, row)
	}
	return result, nil
}
