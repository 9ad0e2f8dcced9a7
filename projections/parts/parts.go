// Package parts tells where the rows of an order are in the tables that have parts, the audit trail and the journal. Who
// reads or writes rows names the table; a rebuild fills whole parts, one after the other.
package parts

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
)

// Count is the number of parts of each table.
const Count = 8

// Tables have parts.
var Tables = []string{"order_history", "journal_lines"}

// Name is that of a part of a table.
func Name(table string, part int) string { return table + "_" + strconv.Itoa(part) }

// TableOf is the table that a part is of; a table that is no part is its own.
func TableOf(name string) string {
	for _, table := range Tables {
		if part, ok := strings.CutPrefix(name, table+"_"); ok {
			if _, err := strconv.Atoi(part); err == nil {
				return table
			}
		}
	}
	return name
}

// Filling makes a COPY into a table one into a part that its own transaction emptied: the rows are written as committed long since.
func Filling(copySQL, table string, part int) string {
	into := strings.Replace(copySQL, "COPY "+table, "COPY "+Name(table, part), 1)
	return strings.Replace(into, "FORMAT binary", "FORMAT binary, FREEZE", 1)
}

// Of is the part of an order's rows, by its id as the tables hold it: the hash of PostgreSQL's partitions, which refuses rows of
// another part.
func Of(orderID string) int {
	// hash_combine64 of nothing and the hash of the only column.
	const combined = 0x49a0f4dd15e5a8e3
	return int((hash(orderID) + combined) % Count)
}

// hash is PostgreSQL's hashtextextended with the seed of partitions: Bob Jenkins's lookup3 (2006, public domain) of two words of 32 bits.
func hash(text string) uint64 {
	const golden, seedHigh, seedLow = 0x9e3779b9 + 3923095, 0x7A5B2236, 0x7996DCFD
	a := uint32(golden) + uint32(len(text))
	b, c := a, a
	a, b, c = mix(a+seedHigh, b+seedLow, c)
	for ; len(text) >= 12; text = text[12:] {
		a, b, c = mix(a+word(text), b+word(text[4:]), c+word(text[8:]))
	}
	// The lowest byte of the third word is left to the length.
	var rest [12]byte
	n := copy(rest[:], text)
	if n > 8 {
		copy(rest[9:], text[8:])
		rest[8] = 0
	}
	a += binary.LittleEndian.Uint32(rest[:])
	b += binary.LittleEndian.Uint32(rest[4:])
	c += binary.LittleEndian.Uint32(rest[8:])
	b, c = final(a, b, c)
	return uint64(b)<<32 | uint64(c)
}

func word(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func mix(a, b, c uint32) (x, y, z uint32) {
	a = (a - c) ^ bits.RotateLeft32(c, 4)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 6)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 8)
	b += a
	a = (a - c) ^ bits.RotateLeft32(c, 16)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 19)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

func final(a, b, c uint32) (y, z uint32) {
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return b, c
}
