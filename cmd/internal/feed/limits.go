package feed

import (
	"errors"
	"sync"
)

var (
	errTooMany         = errors.New("too many clients")
	errTooManyOfClient = errors.New("too many connections of one client")
)

// slots bound how much is open at a time, altogether and per client.
type slots struct {
	max, perClient int

	mu    sync.Mutex
	total int
	of    map[string]int
}

func newSlots(most, perClient int) *slots {
	return &slots{max: most, perClient: perClient, of: map[string]int{}}
}

// take returns what gives the slot back.
func (s *slots) take(client string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[client] >= s.perClient:
		return nil, errTooManyOfClient
	case s.total >= s.max:
		return nil, errTooMany
	}
	s.total++
	s.of[client]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if s.of[client]--; s.of[client] == 0 {
			delete(s.of, client)
		}
	}, nil
}

func (s *slots) taken() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.total)
}
