package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

const (
	alreadyThere = "LG001"
	takenOver    = "LG002"
	mismatch     = "LG003"
)

// held is the checkpoint; nil positions are the start of the log.
type held struct {
	Epoch           int64
	Commit, Prepare *int64
}

func readCheckpoint(t *testing.T, conn *pgx.Conn) held {
	t.Helper()
	var h held
	err := conn.QueryRow(t.Context(), "SELECT epoch, commit_position, prepare_position FROM ledger.checkpoint").
		Scan(&h.Epoch, &h.Commit, &h.Prepare)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// move returns the SQLSTATE of a move, "" when it moved.
func move(t *testing.T, conn *pgx.Conn, epoch int64, from, to *int64) string {
	t.Helper()
	_, err := conn.Exec(t.Context(), "SELECT ledger_data.move_checkpoint($1, $2, $2, $3, $3)", epoch, from, to)
	return sqlState(t, err)
}

func TestCheckpoint_MovesOnlyFromWhereItWasLeft(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	first := held{}
	err := conn.QueryRow(t.Context(), "SELECT * FROM ledger_data.take_checkpoint()").
		Scan(&first.Epoch, &first.Commit, &first.Prepare)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(held{Epoch: 1}, first); diff != "" {
		t.Fatalf("taken over: %s", diff)
	}
	at := func(n int64) *int64 { return &n }
	for _, step := range []struct {
		name     string
		epoch    int64
		from, to *int64
		want     string
	}{
		{"FirstMove", 1, nil, at(10), ""},
		{"Next", 1, at(10), at(20), ""},
		{"SameAgain", 1, at(10), at(20), alreadyThere},
		{"FromTheStart", 1, nil, at(30), mismatch},
		{"FromElsewhere", 1, at(15), at(30), mismatch},
		{"Backwards", 1, at(20), at(10), mismatch},
		{"NotAtAll", 1, at(20), at(20), mismatch},
		{"ToNowhere", 1, at(20), nil, mismatch},
		{"EpochOfTheFuture", 2, at(20), at(30), mismatch},
		{"EpochOfThePast", 0, at(20), at(30), takenOver},
		{"EpochOfThePastAlreadyThere", 0, at(10), at(20), takenOver},
		{"NextAgain", 1, at(20), at(30), ""},
	} {
		before := readCheckpoint(t, conn)
		if got := move(t, conn, step.epoch, step.from, step.to); got != step.want {
			t.Errorf("%s: SQLSTATE %q, want %q", step.name, got, step.want)
		}
		want := before
		if step.want == "" {
			want.Commit, want.Prepare = step.to, step.to
		}
		if diff := cmp.Diff(want, readCheckpoint(t, conn)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

func TestCheckpoint_OldRunnerCannotCommitRows(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	take := func() (epoch int64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT epoch FROM ledger_data.take_checkpoint()").Scan(&epoch); err != nil {
			t.Fatal(err)
		}
		return epoch
	}
	old := take()
	now := take()
	// The rows, the checkpoint and the commit are sent in one go, as a runner does.
	project := func(epoch int64, order string) string {
		t.Helper()
		row := samples()["orders"]
		row["order_id"] = "'" + order + "'"
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		batch.Queue(insert("orders", row))
		batch.Queue("SELECT ledger_data.move_checkpoint($1, NULL, NULL, 10, 10)", epoch)
		batch.Queue("COMMIT")
		err := conn.SendBatch(t.Context(), batch).Close()
		if _, rollbackErr := conn.Exec(t.Context(), "ROLLBACK"); rollbackErr != nil {
			t.Fatal(rollbackErr)
		}
		return sqlState(t, err)
	}
	if got := project(old, "of-the-old"); got != takenOver {
		t.Errorf("old runner: SQLSTATE %q, want %s", got, takenOver)
	}
	if got := project(now, "of-the-new"); got != "" {
		t.Errorf("new runner: SQLSTATE %q", got)
	}
	rows, err := conn.Query(t.Context(), "SELECT order_id FROM ledger.orders ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	orders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"of-the-new"}, orders); diff != "" {
		t.Error(diff)
	}
}
