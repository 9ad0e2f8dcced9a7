package simulate

import "math/rand/v2"

// scenario is a kind of story that orders have.
type scenario struct {
	name, gateway string
	// weight is how often the story happens, in shares of the sum of all.
	weight int
	play   func(*script)
}

// scenarios lists all stories, a gateway's after the other's. The sequence is
// part of what a seed means.
func scenarios() []scenario {
	return append(append(dectaScenarios(), everifinScenarios()...), connectPayScenarios()...)
}

// choose draws a story by weight.
func choose(r *rand.Rand, all []scenario) scenario {
	sum := 0
	for i := range all {
		sum += all[i].weight
	}
	at := r.IntN(sum)
	for i := range all {
		if at -= all[i].weight; at < 0 {
			return all[i]
		}
	}
	return all[0]
}
