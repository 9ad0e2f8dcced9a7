package order

import (
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// eventIDs is a set of ids of events. Most orders have a few, and a list of them costs less than a map. The zero value is
// empty.
type eventIDs struct {
	few  []uuid.UUID
	many map[uuid.UUID]struct{}
}

// fewMost is up to how many ids a list is faster than a map.
const fewMost = 32

func (s *eventIDs) has(id uuid.UUID) bool {
	if s.many == nil {
		return slices.Contains(s.few, id)
	}
	_, ok := s.many[id]
	return ok
}

func (s *eventIDs) len() int { return len(s.few) + len(s.many) }

func (s *eventIDs) add(id uuid.UUID) {
	switch {
	case s.has(id):
	case s.many != nil:
		s.many[id] = struct{}{}
	case len(s.few) < fewMost:
		s.few = append(s.few, id)
	default:
		s.many = make(map[uuid.UUID]struct{}, 2*fewMost)
		for _, id := range s.few {
			s.many[id] = struct{}{}
		}
		s.few = nil
		s.many[id] = struct{}{}
	}
}

func (s *eventIDs) all() iter.Seq[uuid.UUID] {
	if s.many == nil {
		return slices.Values(s.few)
	}
	return maps.Keys(s.many)
}

func (s *eventIDs) clone() eventIDs {
	return eventIDs{few: slices.Clone(s.few), many: maps.Clone(s.many)}
}
