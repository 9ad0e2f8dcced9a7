package simulate

import (
	"fmt"
	"math/rand/v2"
)

// window is how many orders are under way at a time.
const window = 2000

// flight is an order under way: what of it has not arrived yet.
type flight struct {
	gateway    string
	deliveries []delivery
	expected   Expected
}

// Run plays the orders and hands every notification to notify in the sequence
// of arrival, and every order's row to expect after the last of its
// notifications. It stops at the first error of either and returns it. Memory
// does not grow with the number of orders. A body belongs to the callee.
func Run(opts Options, notify func(Notification) error, expect func(Expected) error) error {
	if opts.Orders < 0 {
		return fmt.Errorf("simulate %d orders: the number is negative", opts.Orders)
	}
	next := rand.New(rand.NewPCG(opts.Seed, 0))
	stories := scenarios()
	var open []flight
	for n := 0; n < opts.Orders || len(open) > 0; {
		for ; n < opts.Orders && len(open) < window; n++ {
			s, name := play(opts, n, stories)
			open = append(open, flight{gateway: s.gateway, deliveries: s.deliveries, expected: s.row(s.gateway, name)})
		}
		i := next.IntN(len(open))
		f := &open[i]
		if f.deliveries[0].patience > 0 {
			f.deliveries[0].patience--
			continue
		}
		if err := notify(Notification{Gateway: f.gateway, Body: f.deliveries[0].body}); err != nil {
			return err
		}
		if f.deliveries = f.deliveries[1:]; len(f.deliveries) > 0 {
			continue
		}
		if err := expect(f.expected); err != nil {
			return err
		}
		open[i] = open[len(open)-1]
		open = open[:len(open)-1]
	}
	return nil
}
