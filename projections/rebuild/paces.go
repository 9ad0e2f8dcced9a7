package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// took is how long a stage took for a number of events.
type took struct {
	events int64
	time   time.Duration
}

func (t took) perEvent() float64 { return t.time.Seconds() / float64(t.events) }

// pacedLeast: what a stage of fewer events takes says little about many.
const pacedLeast = 10_000

// estimated are the stages that a plan estimates, in their order; the others take moments.
func estimated() []Stage { return []Stage{Spilling, Loading, Indexing, Verifying} }

// storePaces remembers how long stages took, for the next plan.
func storePaces(ctx context.Context, conn *pgx.Conn, paces map[Stage]took) error {
	for stage, t := range paces {
		if t.events < pacedLeast || t.time <= 0 {
			continue
		}
		_, err := conn.Exec(ctx, `INSERT INTO ledger_control.rebuild_paces (stage, events, seconds) VALUES ($1, $2, $3)
			ON CONFLICT (stage) DO UPDATE SET events = excluded.events, seconds = excluded.seconds`, string(stage), t.events, t.time.Seconds())
		if err != nil {
			return fmt.Errorf("remember how long stage %s took: %w", stage, err)
		}
	}
	return nil
}

func readPaces(ctx context.Context, conn *pgx.Conn) (map[Stage]took, error) {
	rows, err := conn.Query(ctx, "SELECT stage, events, seconds FROM ledger_control.rebuild_paces")
	if err != nil {
		return nil, fmt.Errorf("read how long stages took: %w", err)
	}
	paces := make(map[Stage]took)
	var stage Stage
	var events int64
	var seconds float64
	_, err = pgx.ForEachRow(rows, []any{&stage, &events, &seconds}, func() error {
		paces[stage] = took{events: events, time: time.Duration(seconds * float64(time.Second))}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how long stages took: %w", err)
	}
	return paces, nil
}

// foldTimes is how long a stage takes where it was never measured, as a multiple of the time that all workers together
// need to fold the events.
func (s Stage) foldTimes() float64 {
	switch s {
	case Spilling:
		return 0.6
	case Loading:
		return 1.2
	case Indexing:
		return 0.5
	case Verifying:
		return 1.2
	case CatchingUp, Swapping, Built, Retired, Frozen, Trial:
	}
	return 0
}

// takes estimates the rest of a rebuild that nobody is in the way of.
func (p *Plan) takes(paces map[Stage]took, workers int) time.Duration {
	seconds := 0.0
	for _, stage := range estimated() {
		left := float64(p.Events - p.done[stage])
		if left <= 0 {
			continue
		}
		perEvent := 0.0
		if known, ok := paces[stage]; ok {
			perEvent = known.perEvent()
		} else if p.FoldRate > 0 {
			perEvent = stage.foldTimes() / p.FoldRate / float64(workers)
		}
		seconds += left * perEvent
	}
	return time.Duration(seconds * float64(time.Second))
}
