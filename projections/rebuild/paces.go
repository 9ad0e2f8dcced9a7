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

// paced are the stages whose pace is remembered, in their order. How long a proof takes depends on when the live tables were
// written and read; the others take moments.
func paced() []Stage { return []Stage{Spilling, Loading, Indexing} }

// storePaces remembers how long stages took, for the next plan.
func storePaces(ctx context.Context, conn *pgx.Conn, paces map[Stage]took) error {
	for _, stage := range paced() {
		t := paces[stage]
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

// How long the stages take, where that is not known of the last time, by what a plan samples.
const (
	// Reading the log and writing the spill take a part of folding by one worker.
	spillingFolds = 0.27
	// Several workers are in each other's way: folding and writing take longer than what one measures, divided by their number.
	loadingMore = 1.15
	// Keys, indexes and statistics take a part of folding and writing.
	indexingLoads = 0.42
	// Both sides are read at once, and the new one is written to beside.
	provingMore = 1.3
	// besidesTakes is how long it takes to make empty tables, to catch up, and to exchange.
	besidesTakes = 600 * time.Millisecond
)

// takes estimates the rest of a rebuild that nobody is in the way of.
func (p *Plan) takes(paces map[Stage]took, workers int) time.Duration {
	s := p.sampled
	copying := s.copying
	if copying == 0 {
		copying = s.folding // mostly about the same
	}
	perEvent := map[Stage]float64{Spilling: spillingFolds * s.folding, Loading: loadingMore * (s.folding + copying) / float64(workers)}
	for stage, known := range paces {
		perEvent[stage] = known.perEvent()
	}
	if _, known := paces[Indexing]; !known {
		perEvent[Indexing] = indexingLoads * perEvent[Loading]
	}
	seconds := provingMore * s.proving
	for _, stage := range paced() {
		seconds += float64(max(0, p.Events-p.done[stage])) * perEvent[stage]
	}
	return time.Duration(seconds*float64(time.Second)) + besidesTakes
}
