package rebuild

import (
	"time"

	"github.com/order-ledger/order-ledger/projections/parts"
)

// besides is the part of what belongs to no order.
const besidesPart = -1

// unit is what one loader writes: all of neighbouring parts of the tables, or what belongs to no order. The units of a log up to a
// position, and the numbers of their pieces, are always the same, whatever was interrupted on the way.
type unit struct {
	parts  []int // none for what belongs to no order
	pieces []piece
}

// piece is what is folded at once: neighbouring small slices of a part, or a share of a large one.
type piece struct {
	number      int // of all pieces
	part        int // of the tables, or besidesPart
	first, last int // slices, both inclusive
	// share of shares of the streams of the slice; a piece of several slices has one share.
	share, shares int
}

// units bounds the memory of a piece by cutting slices into shares of at most most bytes, as far as its streams allow; small parts of
// the tables are one unit together.
func units(raw *[sliceCount]int64, most int64) []unit {
	var all []unit
	var together int64
	for part := range parts.Count {
		first := part * slicesOfPart
		found, size := pieces(raw[first:first+slicesOfPart], part, most)
		switch {
		case size == 0:
			continue
		case len(all) == 0 || together+size > most:
			all, together = append(all, unit{}), 0
		}
		u := &all[len(all)-1]
		u.parts, u.pieces = append(u.parts, part), append(u.pieces, found...)
		together += size
	}
	if raw[quarantineSlice] > 0 {
		all = append(all, unit{pieces: []piece{{part: besidesPart, first: quarantineSlice, last: quarantineSlice, shares: 1}}})
	}
	number := 0
	for _, u := range all {
		for i := range u.pieces {
			u.pieces[i].number = number
			number++
		}
	}
	return all
}

// tables are the parts of tables that the unit fills.
func (u *unit) tables() (names []string) {
	for _, part := range u.parts {
		for _, table := range parts.Tables {
			names = append(names, parts.Name(table, part))
		}
	}
	return names
}

// pieces cuts the slices of a part, and tells how many bytes they are.
func pieces(raw []int64, part int, most int64) (all []piece, total int64) {
	var open int64 // bytes of the last piece, if it can take more
	for i, size := range raw {
		slice := part*slicesOfPart + i
		total += size
		switch {
		case size == 0:
		case size > most:
			shares := int((size + most - 1) / most)
			for share := range shares {
				all = append(all, piece{part: part, first: slice, last: slice, share: share, shares: shares})
			}
			open = 0
		case open > 0 && open+size <= most:
			all[len(all)-1].last = slice
			open += size
		default:
			all = append(all, piece{part: part, first: slice, last: slice, shares: 1})
			open = size
		}
	}
	return all, total
}

func unixTime(seconds, nanoseconds int64) time.Time { return time.Unix(seconds, nanoseconds).UTC() }
