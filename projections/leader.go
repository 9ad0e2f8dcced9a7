package projections

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
)

//go:embed lock.sql
var lockSQL string

// becomeLeader returns when this connection holds the database's one lock for projecting. It asks again
// and again instead of waiting inside PostgreSQL, where a waiting statement would keep vacuum from its
// work for as long as the leader lives.
func (r *Runner) becomeLeader(ctx context.Context, conn *pgx.Conn) error {
	for waiting := false; ; waiting = true {
		var locked bool
		if err := conn.QueryRow(ctx, lockSQL).Scan(&locked); err != nil {
			return fmt.Errorf("ask for the projection lock: %w", err)
		}
		if locked {
			return nil
		}
		if !waiting {
			r.status.change(func(st *Status) { st.Role, st.Live = Standby, false })
			r.log.InfoContext(ctx, "standing by: another ledger projects into this database",
				slog.Duration("poll", r.cfg.StandbyPoll))
		}
		if !wait(ctx, r.cfg.StandbyPoll) {
			return ctx.Err()
		}
	}
}
