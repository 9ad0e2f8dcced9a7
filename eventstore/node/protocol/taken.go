package protocol

import "github.com/order-ledger/order-ledger/eventstore"

const (
	// chunkHeldBytes is what a read takes out of the log before it is sent.
	chunkHeldBytes = 256 << 10
	// takenEvery is after how many events a client is seen to take them.
	takenEvery = 64
)

// taken counts what a call keeps for a client that has not taken it yet.
type taken struct {
	connection *connection
	held       int64
	sent       int
}

// next is called before an event is sent, which waits for the client.
func (t *taken) next(e *eventstore.RecordedEvent) {
	if t.sent++; t.sent%takenEvery == 0 {
		t.all()
	}
	// The event itself, one message of it on its way, and one that waits behind it.
	if need := chunkHeldBytes + 3*int64(len(e.Data)+len(e.Metadata)); need > t.held {
		t.connection.hold(need - t.held)
		t.held = need
	}
}

// all says that the client has taken everything.
func (t *taken) all() {
	t.connection.hold(-t.held)
	t.held = 0
}
