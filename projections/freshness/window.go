package freshness

import (
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// windowTime is how far back quantiles go, by when canaries were committed.
	windowTime = 10 * time.Minute
	// windowMost bounds the memory of a window: ten minutes' worth at ten a second.
	windowMost = 6000
	// latestMost is how many of the newest measurements say how fresh the views are lately.
	latestMost = 5
)

// canary is an event that was committed to be seen.
type canary struct {
	committed time.Time
	position  eventstore.Position
	// counts: it is one of those at the regular interval; the others are there for who wants to know at once, and do not
	// outweigh them.
	counts bool
}

// sample is what a canary that counts took.
type sample struct {
	committed time.Time
	took      time.Duration
}

// window is what canaries took lately. Its lists are in order of commit.
type window struct {
	underWay []canary
	samples  []sample
	newest   []time.Duration
}

// oldest is the canary that is under way for the longest time.
func (w *window) oldest() (canary, bool) {
	if len(w.underWay) == 0 {
		return canary{}, false
	}
	return w.underWay[0], true
}

// released takes in a canary, and gives up those that were under way all the window long: they count with what they
// took so far, which is returned.
func (w *window) released(c canary) (took []time.Duration) {
	n := 0
	for ; n < len(w.underWay); n++ {
		lost := w.underWay[n]
		age := c.committed.Sub(lost.committed)
		if age < windowTime && len(w.underWay)-n < windowMost {
			break
		}
		if lost.counts {
			took = append(took, age)
		}
	}
	w.underWay = append(slices.Delete(w.underWay, 0, n), c)
	w.forget(c.committed)
	return took
}

// seen moves the canaries that the views have, by where they stand, and returns them and what those that count took.
func (w *window) seen(now time.Time, reached func(eventstore.Position) bool) (seen []canary, took []time.Duration) {
	for _, c := range w.underWay {
		if !reached(c.position) {
			break
		}
		seen = append(seen, c)
		t := now.Sub(c.committed)
		if w.newest = append(w.newest, t); len(w.newest) > latestMost {
			w.newest = slices.Delete(w.newest, 0, 1)
		}
		if c.counts {
			took = append(took, t)
			w.samples = append(w.samples, sample{committed: c.committed, took: t})
		}
	}
	w.underWay = slices.Delete(w.underWay, 0, len(seen))
	w.forget(now)
	return seen, took
}

// forget drops samples that are too old, or too many.
func (w *window) forget(now time.Time) {
	n := max(0, len(w.samples)-windowMost)
	for n < len(w.samples) && now.Sub(w.samples[n].committed) > windowTime {
		n++
	}
	w.samples = slices.Delete(w.samples, 0, n)
}

// sorted is what the canaries of the window that count took, the slowest last; those that are under way for longer than
// late count with what they took so far.
func (w *window) sorted(now time.Time, late time.Duration) []time.Duration {
	w.forget(now)
	all := make([]time.Duration, 0, len(w.samples)+len(w.underWay))
	for _, s := range w.samples {
		all = append(all, s.took)
	}
	for _, c := range w.underWay {
		if age := now.Sub(c.committed); c.counts && age > late {
			all = append(all, age)
		}
	}
	slices.Sort(all)
	return all
}

// latest is the slowest of the newest measurements, or the age of the oldest under way when that is more; false before
// there are any measurements.
func (w *window) latest(now time.Time) (time.Duration, bool) {
	if len(w.newest) == 0 {
		return 0, false
	}
	latest := slices.Max(w.newest)
	if c, ok := w.oldest(); ok {
		latest = max(latest, now.Sub(c.committed))
	}
	return latest, true
}

// usualPercent is which quantile of the measurements is what is usual, usualLeast how many it takes.
const usualPercent, usualLeast = 90, 10

// usual is how long it usually takes; false when there are too few measurements. A stall is one of them, however long
// it was: of the canaries that wait for the same only the first is taken.
func (w *window) usual() (time.Duration, bool) {
	var taken []time.Duration
	var until time.Time
	for _, s := range w.samples {
		if s.committed.Before(until) {
			continue
		}
		taken, until = append(taken, s.took), s.committed.Add(s.took)
	}
	if len(taken) < usualLeast {
		return 0, false
	}
	slices.Sort(taken)
	return quantile(taken, usualPercent), true
}

// quantile is the smallest sample that percent of all are not above.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
