package node

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
)

// TestNewIDs: what a stream holds is never said to be unknown, however often the filters took turns and however old
// the stream is; and of what streams of now do not hold, nearly all is known to be new.
func TestNewIDs(t *testing.T) {
	t.Parallel()
	const kept, streamsBefore, events = 100, 5, 2_000
	random := rand.New(rand.NewPCG(1, 2))
	newID := func() (id uuid.UUID) {
		binary.LittleEndian.PutUint64(id[:8], random.Uint64())
		binary.LittleEndian.PutUint64(id[8:], random.Uint64()%4) // ids of others may differ in few bits
		return id
	}
	type event struct {
		stream uint64
		id     uuid.UUID
	}
	var written []event
	last := uint64(streamsBefore)
	for i := range streamsBefore * 3 { // before the filters began
		written = append(written, event{uint64(i%streamsBefore + 1), newID()})
	}
	ids := newNewIDs(last, kept)
	mistaken, asked := 0, 0
	for i := range events {
		stream := 1 + random.Uint64N(last)
		if i%10 == 0 {
			last++
			stream = last
		}
		e := event{stream, newID()}
		if stream+3 > last {
			asked++
			if ids.mayHold(stream, e.id) {
				mistaken++
			}
		}
		ids.add(stream, e.id, last)
		written = append(written, e)
		for range 20 {
			if e := written[random.IntN(len(written))]; !ids.mayHold(e.stream, e.id) {
				t.Fatalf("after %d events: an event of stream %d is taken for new", i+1, e.stream)
			}
		}
	}
	if mistaken*20 > asked {
		t.Errorf("%d of %d new events were not known to be new", mistaken, asked)
	}
}
