package node

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// The first byte of a key tells what it is of.
const (
	keyEvents    = 'e'
	keyStream    = 's'
	keyEventID   = 'i'
	keyDirectory = 'd'
	keyMeta      = 'm'
)

const formatVersionKey = "mformat"

// formatVersion is the version of the layout described in the package comment, formatScavenged that of one with scavenged
// frames. A node refuses to open any other.
const (
	formatVersion   = "1"
	formatScavenged = "2"
)

func isFormat(version []byte) bool {
	return string(version) == formatVersion || string(version) == formatScavenged
}

// scavengedKey is the key of the revision before which nothing is left to be scavenged in a stream.
func scavengedKey(stream uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyMeta, 's'}, stream)
}

// unforgottenKey is the key that says that tables and write-ahead logs may still hold what a scavenge removed from a span of
// positions.
func unforgottenKey(span uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyMeta, 'u'}, span)
}

// lastScavengeKey is the key of the time of the last scavenge of the whole log.
const lastScavengeKey = "mlast-scavenge"

// eventKey is the key of the frame whose first event stands at position.
func eventKey(dst []byte, position uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst[:0], keyEvents), position)
}

func streamKey(dst []byte, stream, revision uint64) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst[:0], keyStream), stream)
	return binary.BigEndian.AppendUint64(dst, revision)
}

// streamEnd is the first key after all keys of a stream in the stream index.
func streamEnd(dst []byte, stream uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst[:0], keyStream), stream+1)
}

func eventIDKey(dst []byte, stream uint64, id uuid.UUID) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst[:0], keyEventID), stream)
	return append(dst, id[:]...)
}

func directoryKey(dst []byte, name string) []byte {
	return append(append(dst[:0], keyDirectory), name...)
}

// prefixEnd bounds all keys that begin with the byte.
func prefixEnd(prefix byte) []byte { return []byte{prefix + 1} }

func parseEventKey(key []byte) (position uint64, err error) {
	if len(key) != 9 || key[0] != keyEvents {
		return 0, fmt.Errorf("malformed log key %x", key)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// indexEntry is one entry of the stream index: the events of one append.
type indexEntry struct {
	stream   uint64
	revision uint64 // of the first event
	position uint64 // of the first event
	count    uint32
}

func (e indexEntry) lastRevision() uint64 { return e.revision + uint64(e.count) - 1 }
func (e indexEntry) lastPosition() uint64 { return e.position + uint64(e.count) - 1 }

func (e indexEntry) appendValue(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst[:0], e.position)
	return binary.BigEndian.AppendUint32(dst, e.count)
}

func parseIndexEntry(key, value []byte) (indexEntry, error) {
	if len(key) != 17 || key[0] != keyStream || len(value) != 12 {
		return indexEntry{}, fmt.Errorf("malformed stream index entry %x=%x", key, value)
	}
	return indexEntry{
		stream:   binary.BigEndian.Uint64(key[1:]),
		revision: binary.BigEndian.Uint64(key[9:]),
		position: binary.BigEndian.Uint64(value),
		count:    binary.BigEndian.Uint32(value[8:]),
	}, nil
}

// directoryEntry is what the directory holds about a stream and its metadata stream.
type directoryEntry struct {
	stream    uint64 // 0 while only the metadata stream exists
	metadata  uint64 // id of the metadata stream; 0 is none
	tombstone uint64 // position of the tombstone; 0 is none
}

func (d directoryEntry) appendValue(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst[:0], d.stream)
	dst = binary.BigEndian.AppendUint64(dst, d.metadata)
	return binary.BigEndian.AppendUint64(dst, d.tombstone)
}

func parseDirectoryEntry(value []byte) (directoryEntry, error) {
	if len(value) != 24 {
		return directoryEntry{}, fmt.Errorf("malformed directory entry %x", value)
	}
	return directoryEntry{
		stream:    binary.BigEndian.Uint64(value),
		metadata:  binary.BigEndian.Uint64(value[8:]),
		tombstone: binary.BigEndian.Uint64(value[16:]),
	}, nil
}
