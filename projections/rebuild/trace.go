package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Done is something that a rebuild did to tables that people read. It is kept for good.
type Done struct {
	At time.Time `json:"at"` // by the database's clock, UTC
	// Doing is swap, rollback, drop or freeze, Tables the schema that it was about, as it was called before.
	Doing  string `json:"doing"`
	Tables string `json:"tables"`
	// By is who asked for it, on Host.
	By   string `json:"by"`
	Host string `json:"host"`
	// Proof is the digest that a swap went by, or that of a frozen copy, Differences what was approved by naming it; none when all rows were equal.
	Proof       string       `json:"proof,omitempty"`
	Differences []ModelProof `json:"differences,omitempty"`
}

// AskedBy names who asks for what the engine does from now on: it stands in the trace and in the log.
func (e *Engine) AskedBy(who string) { e.by = storable.Text(who) }

// differing are the tables that differ, counted, without their rows.
func (p *Proof) differing() []ModelProof {
	var counted []ModelProof
	for _, m := range p.Models {
		if len(m.Slices) > 0 {
			m.Differences, m.Slices = nil, nil
			counted = append(counted, m)
		}
	}
	return counted
}

// Summary says in one line what differs: "orders: 101 rows of 101 orders (captured 100, flags 1)"; it is empty when nothing does.
func (p *Proof) Summary() string { return summary(p.differing()) }

// Summary is that of the differences that were approved.
func (d *Done) Summary() string { return summary(d.Differences) }

func summary(differing []ModelProof) string {
	tables := make([]string, 0, len(differing))
	for i := range differing {
		m := &differing[i]
		text := fmt.Sprintf("%s: %d rows", m.Table, m.Different)
		if m.Orders > 0 {
			text += fmt.Sprintf(" of %d orders", m.Orders)
		}
		var parts []string
		for _, c := range m.Columns {
			parts = append(parts, fmt.Sprintf("%s %d", c.Column, c.Rows))
		}
		if len(parts) > 0 && m.Looked < m.Different {
			parts = append(parts, fmt.Sprintf("of the first %d rows", m.Looked))
		}
		if m.OnlyLive > 0 {
			parts = append(parts, fmt.Sprintf("%d were in the live table alone", m.OnlyLive))
		}
		if m.OnlyNext > 0 {
			parts = append(parts, fmt.Sprintf("%d were in the new table alone", m.OnlyNext))
		}
		if parts = append(parts, m.Shape...); len(parts) > 0 {
			text += " (" + strings.Join(parts, ", ") + ")"
		}
		tables = append(tables, text)
	}
	return strings.Join(tables, "; ")
}

// trace keeps what the transaction does, and by what proof, which may be nil.
func (e *Engine) trace(ctx context.Context, tx pgx.Tx, doing, tables string, proof *Proof) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	var digest, differences any
	if proof != nil {
		digest = proof.Digest
		if differing := proof.differing(); len(differing) > 0 {
			if differences, err = json.Marshal(differing); err != nil {
				return err
			}
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO ledger_control.rebuild_log (doing, tables, asked_by, host, proof, differences) VALUES ($1, $2, $3, $4, $5, $6)",
		doing, tables, e.by, host, digest, differences)
	if err != nil {
		return fmt.Errorf("keep a trace of the %s: %w", doing, err)
	}
	return nil
}

// byAttr is who asked, for the log.
func (e *Engine) byAttr() slog.Attr { return slog.String("asked_by", e.by) }

// Trace returns the newest of what was done, at most so many, the newest first.
func Trace(ctx context.Context, db querier, most int) ([]Done, error) {
	rows, err := db.Query(ctx, `SELECT at, doing, tables, asked_by, host, coalesce(proof, ''), differences FROM ledger_control.rebuild_log ORDER BY id DESC LIMIT $1`, most)
	if err != nil {
		return nil, fmt.Errorf("read what rebuilds did: %w", err)
	}
	done, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Done, error) {
		var d Done
		var differences []byte
		if err := row.Scan(&d.At, &d.Doing, &d.Tables, &d.By, &d.Host, &d.Proof, &differences); err != nil || differences == nil {
			d.At = d.At.UTC()
			return d, err
		}
		d.At = d.At.UTC()
		return d, json.Unmarshal(differences, &d.Differences)
	})
	if err != nil {
		return nil, fmt.Errorf("read what rebuilds did: %w", err)
	}
	return done, nil
}

// KeepTrace remembers what was done, for whoever makes the schema anew. keep writes it there again.
func KeepTrace(ctx context.Context, conn *pgx.Conn) (keep func(context.Context) error, err error) {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('ledger_control.rebuild_log') IS NOT NULL").Scan(&there); err != nil {
		return nil, fmt.Errorf("read what rebuilds did: %w", err)
	}
	done := []byte("[]")
	if there {
		err := conn.QueryRow(ctx, "SELECT coalesce(json_agg(l ORDER BY id), '[]')::text FROM ledger_control.rebuild_log l").Scan(&done)
		if err != nil {
			return nil, fmt.Errorf("read what rebuilds did: %w", err)
		}
	}
	return func(ctx context.Context) error {
		_, err := conn.Exec(ctx, `INSERT INTO ledger_control.rebuild_log (at, doing, tables, asked_by, host, proof, differences)
			SELECT at, doing, tables, asked_by, host, proof, differences
			  FROM json_populate_recordset(NULL::ledger_control.rebuild_log, $1::text::json) ORDER BY id`, string(done))
		if err != nil {
			return fmt.Errorf("keep what rebuilds did: %w", err)
		}
		return nil
	}, nil
}

// Trace is the function of that name for the database of the engine.
func (e *Engine) Trace(ctx context.Context, most int) ([]Done, error) {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	return Trace(ctx, conn, most)
}
