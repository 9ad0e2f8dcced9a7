package commands

import (
	"hash/maphash"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/order-ledger/order-ledger/domain/order"
)

// lockStripes is the number of locks that all keys share.
const lockStripes = 4096

// stripes serialises work on equal keys within this process. Other processes
// are kept apart by expected revisions.
type stripes struct {
	seed  maphash.Seed
	locks [lockStripes]sync.Mutex
}

func newStripes() *stripes { return &stripes{seed: maphash.MakeSeed()} }

func (s *stripes) index(key string) int {
	return int(maphash.String(s.seed, key) % lockStripes)
}

// orderCache keeps the states of the orders that were written last. A state
// belongs to whoever holds the order's lock.
type orderCache struct {
	stripes *stripes
	states  *lru.Cache[string, *order.State]
}

func newOrderCache(size int) *orderCache {
	states, err := lru.New[string, *order.State](size)
	if err != nil { // only a size below one can be refused
		panic(err)
	}
	return &orderCache{stripes: newStripes(), states: states}
}

func (c *orderCache) lock(orderID string) (unlock func()) {
	m := &c.stripes.locks[c.stripes.index(orderID)]
	m.Lock()
	return m.Unlock
}

func (c *orderCache) get(orderID string) (*order.State, bool) { return c.states.Get(orderID) }

func (c *orderCache) put(orderID string, s *order.State) { c.states.Add(orderID, s) }

func (c *orderCache) drop(orderID string) { c.states.Remove(orderID) }
