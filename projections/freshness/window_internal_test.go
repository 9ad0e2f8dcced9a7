package freshness

import (
	"testing"
	"time"
)

// TestQuantile takes a measurement that was made, never one in between, and errs to the slower side.
func TestQuantile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted  []time.Duration
		percent int
		want    time.Duration
	}{
		{nil, 99, 0}, {hundred[:1], 50, 1}, {hundred[:1], 99, 1}, {hundred[:2], 50, 1}, {hundred[:3], 50, 2},
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred[:10], 99, 10},
	} {
		if got := quantile(c.sorted, c.percent); got != c.want {
			t.Errorf("p%d of %d: %d, want %d", c.percent, len(c.sorted), got, c.want)
		}
	}
}
