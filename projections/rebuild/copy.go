package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrNoDigest says that a frozen copy has nothing to be compared with.
	ErrNoDigest = errors.New("an earlier version of the ledger made the frozen copy and kept no digest of it: nobody can tell whether it is what it was")
	// ErrOtherDigest says that what it has was taken in another way.
	ErrOtherDigest = errors.New("another version of the ledger took the digest of the frozen copy in another way: that version can compare it")
)

// CopyDigest is what the tables of a frozen copy held at a time.
type CopyDigest struct {
	// Method tells how rows are hashed; digests of two methods say nothing of each other.
	Method int       `json:"method"`
	At     time.Time `json:"at"` // UTC
	// Models are the tables, by name.
	Models []ModelDigest `json:"models"`
	// Digest names all of it, without the time.
	Digest string `json:"digest"`
}

// ModelDigest is what one table held.
type ModelDigest struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	// Digest is of the hashes of all rows.
	Digest string `json:"digest"`
}

// CopyProof is a comparison of a frozen copy with what it was when it was made.
type CopyProof struct {
	Views string     `json:"views"`
	Was   CopyDigest `json:"was"`
	Is    CopyDigest `json:"is"`
	// Changed are the tables that hold other rows, or are gone, or were not there, by name.
	Changed []string `json:"changed"`
}

// VerifyCopy compares a frozen copy with what it was when it was made: every row of every table.
func (e *Engine) VerifyCopy(ctx context.Context, views string) (*CopyProof, error) {
	tables, err := frozenTables(views)
	if err != nil {
		return nil, err
	}
	e.progress.plan(Verifying)
	var proof *CopyProof
	err = e.exclusively(ctx, "verify", func(ctx context.Context, conn *pgx.Conn) error {
		set, err := setOf(ctx, conn, tables)
		switch {
		case errors.Is(err, ErrNone):
			return fmt.Errorf("%w %s", ErrNoCopy, views)
		case err != nil:
			return err
		case set.Stage != Frozen:
			return fmt.Errorf("the frozen copy %s is not finished: it is in stage %s", views, set.Stage)
		case set.Digest == nil:
			return fmt.Errorf("%s: %w", views, ErrNoDigest)
		case set.Digest.Method != proofMethod:
			return fmt.Errorf("%s: %w", views, ErrOtherDigest)
		}
		is, err := e.digestOf(ctx, &set)
		if err != nil {
			return err
		}
		proof = &CopyProof{Views: views, Was: *set.Digest, Is: *is, Changed: changed(set.Digest, is)}
		return nil
	})
	return proof, err
}

// digestOf reads all rows of a frozen copy.
func (e *Engine) digestOf(ctx context.Context, set *Set) (*CopyDigest, error) {
	conn, err := e.snapshot(ctx, set.Tables)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	tables, err := comparedTables(ctx, conn, set.Tables)
	if err != nil {
		return nil, err
	}
	e.progress.begin(Verifying, uint64(len(tables)), 0, set.Events)
	sums, err := e.wholeSums(ctx, conn, tables)
	if err != nil {
		return nil, err
	}
	d := &CopyDigest{Method: proofMethod, At: e.cfg.Clock().UTC()}
	digest := sha256.New()
	fmt.Fprintf(digest, "%d\n", d.Method)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		m := ModelDigest{Table: name, Rows: sums[name].Rows, Digest: sums[name].digest()}
		fmt.Fprintf(digest, "%s %d %s\n", m.Table, m.Rows, m.Digest)
		d.Models = append(d.Models, m)
	}
	d.Digest = hex.EncodeToString(digest.Sum(nil)[:16])
	return d, nil
}

// changed are the names of the tables that are not the same in both.
func changed(was, is *CopyDigest) []string {
	differing := make(map[ModelDigest]bool)
	for _, m := range was.Models {
		differing[m] = true
	}
	for _, m := range is.Models {
		if differing[m] {
			delete(differing, m)
		} else {
			differing[m] = true
		}
	}
	names := make([]string, 0, len(differing))
	for m := range differing {
		names = append(names, m.Table)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// storeDigest keeps what a frozen copy is, in the transaction that makes it one: in the place of a proof, which copies have none of.
func storeDigest(ctx context.Context, tx pgx.Tx, tables string, d *CopyDigest) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE ledger_control.rebuilds SET proof = $2 WHERE tables = $1", tables, raw); err != nil {
		return fmt.Errorf("store the digest of the frozen copy: %w", err)
	}
	return nil
}
