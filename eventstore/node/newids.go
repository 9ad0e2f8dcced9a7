package node

import (
	"encoding/binary"
	"math/bits"

	"github.com/google/uuid"
)

const (
	// newIDsKept is how many event ids one of the two filters takes, in newIDBits bits each: 1 MiB.
	newIDsKept = 1 << 19
	newIDBits  = 16
	// A block is one line of the processor's cache; an id sets newIDProbes bits of one block.
	blockWords  = 8
	newIDProbes = 6
)

// newIDs knows which event ids were written lately, so that the ids of new events, which is nearly all of
// them, need not be looked for on disk. It is certain only about what it does not know, and only about streams
// that were begun lately: all that they hold was written since.
//
// Two filters take turns: when the newer one is full, the older one is emptied and goes on.
type newIDs struct {
	filters [2]idFilter // the newer one first
	kept    int
}

// idFilter is a Bloom filter of the ids of all events since some moment.
type idFilter struct {
	// after is the last stream that had events at that moment.
	after uint64
	count int
	words []uint64
}

// newNewIDs begins a log's filters with its last stream; kept is how many ids one filter takes.
func newNewIDs(lastStream uint64, kept int) *newIDs {
	n := &newIDs{kept: kept}
	n.filters[0].begin(lastStream, kept)
	n.filters[1].after = lastStream
	return n
}

// add remembers an event's id; lastStream is the last stream that has events, this one included.
func (n *newIDs) add(stream uint64, id uuid.UUID, lastStream uint64) {
	if n.filters[0].count >= n.kept {
		n.filters[0], n.filters[1] = n.filters[1], n.filters[0]
		n.filters[0].begin(lastStream, n.kept)
	}
	f := &n.filters[0]
	f.count++
	h := hashID(stream, id)
	block := f.block(h)
	for range newIDProbes {
		block[h>>6%blockWords] |= 1 << (h % 64)
		h >>= 9
	}
}

// mayHold tells whether a stream may hold an event with an id; false is certain.
func (n *newIDs) mayHold(stream uint64, id uuid.UUID) bool {
	h := hashID(stream, id)
	for i := range n.filters {
		f := &n.filters[i]
		if f.has(h) {
			return true
		}
		if stream > f.after {
			return false
		}
	}
	return true
}

// begin empties a filter.
func (f *idFilter) begin(after uint64, kept int) {
	f.after, f.count = after, 0
	if f.words == nil {
		blocks := (kept*newIDBits + blockWords*64 - 1) / (blockWords * 64)
		f.words = make([]uint64, blocks*blockWords)
		return
	}
	clear(f.words)
}

func (f *idFilter) has(h uint64) bool {
	if f.count == 0 {
		return false
	}
	block := f.block(h)
	for range newIDProbes {
		if block[h>>6%blockWords]&(1<<(h%64)) == 0 {
			return false
		}
		h >>= 9
	}
	return true
}

// block is chosen by bits of the hash that tell nothing about the bits in the block.
func (f *idFilter) block(h uint64) []uint64 {
	i, _ := bits.Mul64(h*0x9e3779b97f4a7c15, uint64(len(f.words)/blockWords))
	return f.words[i*blockWords : (i+1)*blockWords]
}

// hashID mixes all bits of a stream's and an event's id.
func hashID(stream uint64, id uuid.UUID) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^0xa0761d6478bd642f, binary.LittleEndian.Uint64(id[8:])^0xe7037ed1a0b428db)
	hi, lo = bits.Mul64(hi^lo^0x8ebc6af09c88c6e3, stream*0x9e3779b97f4a7c15^0x589965cc75374cc3)
	return hi ^ lo
}
