package eventstoretest

import (
	"slices"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// model is EventStoreDB's table of expected revisions, deletes and metadata, written as plainly as
// possible over slices. It shares no code with any engine.
type model struct {
	streams map[string]*modelStream
	log     []modelEvent
}

type modelStream struct {
	ids        []uuid.UUID
	positions  []int // index in the log of each event
	metadata   int   // number of metadata records
	truncate   int   // first revision shown; -1 is "deleted"
	maxCount   int   // 0 is no limit
	tombstoned bool
}

// modelEvent is an event in the log; id is nil for system events, whose ids the engine chooses.
type modelEvent struct {
	stream   string
	revision uint64
	id       uuid.UUID
}

type modelAnswer struct {
	err      string // "", "wrong" or "deleted"
	revision int
	index    int // in the log; -1 when the answer has no position
	known    bool
}

func (m *model) stream(name string) *modelStream {
	if m.streams[name] == nil {
		m.streams[name] = &modelStream{}
	}
	return m.streams[name]
}

func (m *model) append(name string, expected eventstore.ExpectedRevision, ids []uuid.UUID) modelAnswer {
	s := m.stream(name)
	last := len(s.ids) - 1
	deleted := s.truncate == -1
	write := func() modelAnswer {
		if len(ids) == 0 {
			if last < 0 {
				return modelAnswer{index: -1}
			}
			return modelAnswer{revision: last, index: s.positions[last]}
		}
		for _, id := range ids {
			m.record(name, uint64(len(s.ids)), id)
			s.ids = append(s.ids, id)
			s.positions = append(s.positions, len(m.log)-1)
		}
		answer := modelAnswer{revision: len(s.ids) - 1, index: len(m.log) - 1}
		if deleted {
			m.record("$$"+name, uint64(s.metadata), uuid.Nil)
			s.metadata++
			s.truncate = last + 1
		}
		return answer
	}
	if s.tombstoned {
		return modelAnswer{err: "deleted"}
	}
	if expected == eventstore.StreamExists {
		if deleted {
			return modelAnswer{err: "deleted"}
		}
		if last < 0 && s.metadata == 0 {
			return modelAnswer{err: "wrong"}
		}
	}
	if expected == eventstore.Any || expected == eventstore.StreamExists {
		if len(ids) == 0 || !slices.Contains(s.ids, ids[0]) {
			return write()
		}
		for _, id := range ids {
			if !slices.Contains(s.ids, id) {
				return modelAnswer{err: "wrong"}
			}
		}
		for r := last; ; r-- {
			if s.ids[r] == ids[len(ids)-1] {
				return modelAnswer{revision: r, index: s.positions[r], known: true}
			}
		}
	}
	number := int(expected.Number())
	if number == last {
		return write()
	}
	if number > last || len(ids) == 0 {
		return modelAnswer{err: "wrong"}
	}
	recorded := s.ids[number+1:]
	if recorded[0] != ids[0] && number == -1 && deleted {
		return write()
	}
	if len(recorded) < len(ids) || !slices.Equal(recorded[:len(ids)], ids) {
		return modelAnswer{err: "wrong"}
	}
	return modelAnswer{revision: number + len(ids), index: s.positions[number+len(ids)], known: true}
}

func (m *model) record(stream string, revision uint64, id uuid.UUID) {
	m.log = append(m.log, modelEvent{stream, revision, id})
}

// softDelete and tombstone return "", "wrong" or "deleted".
func (m *model) softDelete(name string, expected eventstore.ExpectedRevision) string {
	s := m.stream(name)
	switch {
	case s.tombstoned, expected == eventstore.StreamExists && s.truncate == -1:
		return "deleted"
	case len(s.ids) == 0 && s.metadata == 0, expected.Number() >= -1 && int(expected.Number()) != len(s.ids)-1:
		return "wrong"
	}
	m.setMetadata(name, -1, 0)
	return ""
}

func (m *model) tombstone(name string, expected eventstore.ExpectedRevision) string {
	s := m.stream(name)
	switch {
	case s.tombstoned, expected == eventstore.StreamExists && s.truncate == -1:
		return "deleted"
	case expected == eventstore.StreamExists && len(s.ids) == 0 && s.metadata == 0:
		return "wrong"
	case expected == eventstore.NoStream && s.truncate == -1: // as an append after a soft delete
	case expected.Number() >= -1 && int(expected.Number()) != len(s.ids)-1:
		return "wrong"
	}
	s.tombstoned = true
	m.record(name, 1<<63-1, uuid.Nil)
	return ""
}

func (m *model) setMetadata(name string, truncate, maxCount int) {
	s := m.stream(name)
	s.truncate, s.maxCount = truncate, maxCount
	m.record("$$"+name, uint64(s.metadata), uuid.Nil)
	s.metadata++
}

// read returns the revisions that a read of a stream shows, forwards.
func (m *model) read(name string) (revisions []uint64, err string) {
	s := m.stream(name)
	switch {
	case s.tombstoned:
		return nil, "deleted"
	case len(s.ids) == 0, s.truncate == -1:
		return nil, "not found"
	}
	first := s.truncate
	if s.maxCount > 0 {
		first = max(first, len(s.ids)-s.maxCount)
	}
	for r := first; r < len(s.ids); r++ {
		revisions = append(revisions, uint64(r))
	}
	return revisions, ""
}
