package projections

import "container/list"

// stateCache keeps the states of the orders that were touched last, within one session of leading:
// every event since then went through them, so an entry is where its stream was left.
type stateCache struct {
	maxOrders, maxBytes int

	recent *list.List // of *cached, the most recent first
	byName map[string]*list.Element
	bytes  int
}

type cached struct {
	order *orderState
	size  int
}

func newStateCache(maxOrders, maxBytes int) *stateCache {
	return &stateCache{
		maxOrders: maxOrders, maxBytes: maxBytes,
		recent: list.New(), byName: make(map[string]*list.Element),
	}
}

// take removes and returns the state of a stream. The caller folds it on and gives it back with put.
func (c *stateCache) take(stream string) (*orderState, bool) {
	element, ok := c.byName[stream]
	if !ok {
		return nil, false
	}
	return c.remove(element).order, true
}

func (c *stateCache) put(o *orderState) {
	if element, ok := c.byName[o.stream]; ok {
		c.remove(element)
	}
	entry := &cached{order: o, size: o.size()}
	c.byName[o.stream] = c.recent.PushFront(entry)
	c.bytes += entry.size
	for c.recent.Len() > c.maxOrders || (c.bytes > c.maxBytes && c.recent.Len() > 0) {
		c.remove(c.recent.Back())
	}
}

func (c *stateCache) remove(element *list.Element) *cached {
	entry := c.recent.Remove(element).(*cached)
	delete(c.byName, entry.order.stream)
	c.bytes -= entry.size
	return entry
}
