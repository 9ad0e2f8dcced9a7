package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// Stage tells how far a set of tables beside the live one is. See the package comment.
type Stage string

// Stages.
const (
	Spilling Stage = "SPILLING"
	Loading  Stage = "LOADING"
	Indexing Stage = "INDEXING"
	Built    Stage = "BUILT"
	Retired  Stage = "RETIRED"
	Frozen   Stage = "FROZEN"
	// Trial is left of a rebuild that was killed while it looked for rows that the database refuses.
	Trial Stage = "TRIAL"
)

// Set is a set of tables beside the live one.
type Set struct {
	// Tables is the schema of the tables, Views that of a frozen copy's views.
	Tables string `json:"tables"`
	Views  string `json:"views,omitempty"`
	Stage  Stage  `json:"stage"`
	// Target is where the log was read up to, before it was followed on.
	Target eventstore.Position `json:"target"`
	// RecordedBy is the time, in whole microseconds, by which an event of a frozen copy was recorded; nil when all count up to Target.
	RecordedBy  *time.Time              `json:"recorded_by,omitempty"`
	Fingerprint fingerprint.Fingerprint `json:"-"`
	// Events that are spilled; known once all are.
	Events int64 `json:"events,omitempty"`
	// Loaded counts the events in the tables while they are loaded.
	Loaded int64 `json:"loaded,omitempty"`
	// Proof is the last comparison with the live tables, nil before any.
	Proof *Proof `json:"proof,omitempty"`
	// Digest is what a frozen copy was when it was made; nil of one that an earlier version made.
	Digest    *CopyDigest `json:"digest,omitempty"`
	StartedAt time.Time   `json:"started_at"`
	UpdatedAt time.Time   `json:"updated_at"`

	keys []string
	// division is how the log was divided into the units that are loaded; empty when an earlier version began.
	division string
}

// Unfinished tells whether there is something left to do until the tables are complete.
func (s *Set) Unfinished() bool {
	switch s.Stage {
	case Spilling, Loading, Indexing:
		return true
	case Built:
		return s.Views != ""
	case Retired, Frozen, Trial, CatchingUp, Verifying, Swapping:
	}
	return false
}

// AsOf is the moment that the tables are of: a time or a position.
func (s *Set) AsOf() string {
	if s.RecordedBy != nil {
		return s.RecordedBy.Format(time.RFC3339Nano)
	}
	return "position " + s.Target.String()
}

// ErrNone says that there is no such set of tables.
var ErrNone = errors.New("nothing stands beside the live tables: `ledger rebuild run` builds it")

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const selectSets = `SELECT r.tables, coalesce(r.views, ''), r.stage, r.target_commit, r.target_prepare, r.fingerprint,
	r.key_statements, coalesce(r.division, ''), coalesce(r.events, 0),
	(SELECT coalesce(sum(u.events), 0)::bigint FROM ledger_control.rebuild_units u WHERE u.tables = r.tables),
	r.proof, r.started_at, r.updated_at, r.recorded_by
	FROM ledger_control.rebuilds r`

func setOf(ctx context.Context, db querier, tables string) (Set, error) {
	found, err := querySets(ctx, db, selectSets+" WHERE r.tables = $1", tables)
	if err != nil {
		return Set{}, err
	}
	if len(found) == 0 {
		return Set{}, ErrNone
	}
	return found[0], nil
}

func querySets(ctx context.Context, db querier, sql string, args ...any) ([]Set, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the state of rebuilds: %w", err)
	}
	sets, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Set, error) {
		var s Set
		var commit, prepare int64
		var parts, proof []byte
		err := row.Scan(&s.Tables, &s.Views, &s.Stage, &commit, &prepare, &parts, &s.keys, &s.division, &s.Events, &s.Loaded, &proof, &s.StartedAt, &s.UpdatedAt, &s.RecordedBy)
		if err != nil {
			return s, err
		}
		s.Target = eventstore.Position{Commit: uint64(commit), Prepare: uint64(prepare)}
		s.StartedAt, s.UpdatedAt = s.StartedAt.UTC(), s.UpdatedAt.UTC()
		if s.RecordedBy != nil {
			*s.RecordedBy = s.RecordedBy.UTC()
		}
		if proof != nil {
			var into any = &s.Proof
			if s.Stage == Frozen {
				into = &s.Digest
			}
			if err := json.Unmarshal(proof, into); err != nil {
				return s, err
			}
		}
		return s, json.Unmarshal(parts, &s.Fingerprint)
	})
	if err != nil {
		return nil, fmt.Errorf("read the state of rebuilds: %w", err)
	}
	return sets, nil
}

func insertSet(ctx context.Context, tx pgx.Tx, s *Set) error {
	parts, err := json.Marshal(s.Fingerprint)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO ledger_control.rebuilds (tables, views, stage, target_commit, target_prepare, fingerprint, key_statements, division, recorded_by)
		VALUES ($1, nullif($2, ''), $3, $4, $5, $6, $7, $8, $9)`,
		s.Tables, s.Views, string(s.Stage), int64(s.Target.Commit), int64(s.Target.Prepare), parts, s.keys, s.division, s.RecordedBy)
	if err != nil {
		return fmt.Errorf("begin a rebuild: %w", err)
	}
	return nil
}

// moveStage changes the stage, which is to be another.
func moveStage(ctx context.Context, tx pgx.Tx, tables string, from, to Stage) error {
	tag, err := tx.Exec(ctx, `UPDATE ledger_control.rebuilds SET stage = $3, updated_at = clock_timestamp()
		WHERE tables = $1 AND stage = $2`, tables, string(from), string(to))
	if err != nil {
		return fmt.Errorf("record stage %s: %w", to, err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("record stage %s: the rebuild is not in stage %s", to, from)
	}
	return nil
}

func storeProof(ctx context.Context, conn *pgx.Conn, tables string, p *Proof) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `UPDATE ledger_control.rebuilds SET proof = $2, updated_at = clock_timestamp() WHERE tables = $1`, tables, raw); err != nil {
		return fmt.Errorf("store the proof: %w", err)
	}
	return nil
}
