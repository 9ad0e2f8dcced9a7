package rebuild

import "time"

// unit is what is folded and written in one transaction: neighbouring small slices, or a part of a large
// one. The units of a log up to a position are always the same, whatever was interrupted on the way.
type unit struct {
	first, last int // slices, both inclusive
	// part of parts of the streams of the slice; a unit of several slices has one part.
	part, parts int
	raw         int64 // bytes to read
}

// units bounds the memory of a unit by cutting slices into parts of at most unitBytes, as far as its
// streams allow.
func units(raw *[sliceCount]int64, unitBytes int64) []unit {
	var all []unit
	open := unit{first: -1, parts: 1}
	closeOpen := func() {
		if open.first >= 0 {
			all = append(all, open)
		}
		open = unit{first: -1, parts: 1}
	}
	for slice, size := range raw[:slicesOfOrders] {
		switch {
		case size == 0:
		case size > unitBytes:
			closeOpen()
			parts := int((size + unitBytes - 1) / unitBytes)
			for part := range parts {
				all = append(all, unit{first: slice, last: slice, part: part, parts: parts, raw: size / int64(parts)})
			}
		default:
			if open.first >= 0 && open.raw+size > unitBytes {
				closeOpen()
			}
			if open.first < 0 {
				open.first = slice
			}
			open.last = slice
			open.raw += size
		}
	}
	closeOpen()
	if size := raw[quarantineSlice]; size > 0 {
		all = append(all, unit{first: quarantineSlice, last: quarantineSlice, parts: 1, raw: size})
	}
	return all
}

func unixTime(seconds, nanoseconds int64) time.Time { return time.Unix(seconds, nanoseconds).UTC() }
