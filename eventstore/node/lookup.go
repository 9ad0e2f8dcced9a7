package node

import "github.com/cockroachdb/pebble/v2"

// lookups finds names of streams and ids of events for the decider. Most that it is asked for do not exist:
// they are the first events of new streams, and new events. So it asks the Bloom filters of all levels, which
// Get does not, and all look-ups of a group share one iterator.
type lookups struct {
	db *pebble.DB
	// it is open while a group is being decided, and shows what was applied before.
	it *pebble.Iterator
}

// get returns what is stored for a key of the directory or of the event-id index. The value is valid until
// the next call.
func (l *lookups) get(key []byte) (value []byte, ok bool, err error) {
	if l.it == nil {
		l.it, err = l.db.NewIter(&pebble.IterOptions{
			LowerBound: []byte{keyDirectory}, UpperBound: prefixEnd(keyEventID), UseL6Filters: true,
		})
		if err != nil {
			return nil, false, err
		}
	}
	if !l.it.SeekPrefixGE(key) {
		return nil, false, l.it.Error()
	}
	value, err = l.it.ValueAndErr()
	return value, err == nil, err
}

// endGroup lets go of the files that the iterator holds on to.
func (l *lookups) endGroup() error {
	if l.it == nil {
		return nil
	}
	err := l.it.Close()
	l.it = nil
	return err
}
