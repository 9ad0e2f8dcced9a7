package protocol

import (
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// defaultAppendBytes bounds what the events of all unfinished appends take.
	defaultAppendBytes = 128 << 20
	// eventOverheadBytes is what an event takes beside its content: its fields,
	// its share of growing slices, its place in a frame. Without it events of
	// nothing would be free.
	eventOverheadBytes = 256
)

// budget bounds the memory of the events that calls have received and that are
// not appended yet, whoever sent them.
type budget struct {
	most int64
	held atomic.Int64
}

func newBudget(most int64) *budget {
	if most == 0 {
		most = defaultAppendBytes
	}
	return &budget{most: most}
}

// share is the part of a budget that one append holds.
type share struct {
	budget *budget
	bytes  int64
}

// heldBytes is what an event takes in memory.
func heldBytes(e *eventstore.EventData) int64 {
	return eventOverheadBytes + int64(len(e.Type)+len(e.Data)+len(e.Metadata))
}

// take adds an event, or says as a real server does that there is no room now.
func (s *share) take(e *eventstore.EventData) error {
	n := heldBytes(e)
	if s.budget.held.Add(n) > s.budget.most {
		s.budget.held.Add(-n)
		return fail(codes.Unavailable, fmt.Sprintf("Server Is Too Busy: unfinished appends hold %d bytes", s.budget.most))
	}
	s.bytes += n
	return nil
}

// giveBack returns everything.
func (s *share) giveBack() {
	s.budget.held.Add(-s.bytes)
	s.bytes = 0
}
