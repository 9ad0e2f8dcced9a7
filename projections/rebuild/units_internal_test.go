package rebuild

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/projections/parts"
)

// Whatever a log's streams hash to, each is folded once, in pieces that memory has room for, and no part of the tables is emptied
// after rows of it were written by another unit.
func TestUnits_TakeEachStreamOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var raw [sliceCount]int64
		for range rapid.IntRange(0, 60).Draw(rt, "slices") {
			raw[rapid.IntRange(0, sliceCount-1).Draw(rt, "slice")] = rapid.Int64Range(1, 5000).Draw(rt, "bytes")
		}
		most := rapid.Int64Range(1, 20_000).Draw(rt, "most")
		var shares [sliceCount]int
		filled := make(map[int]bool)
		all := units(&raw, most)
		for i, u := range all {
			if len(u.parts) == 0 && i != len(all)-1 {
				rt.Errorf("what belongs to no order is unit %d of %d", i, len(all))
			}
			own := make(map[int]bool)
			for _, part := range u.parts {
				if filled[part] {
					rt.Errorf("part %d is of two units", part)
				}
				filled[part], own[part] = true, true
			}
			var together int64
			for _, p := range u.pieces {
				if p.part != besidesPart && (!own[p.part] || p.first/slicesOfPart != p.part || p.last/slicesOfPart != p.part) {
					rt.Errorf("slices %d to %d are written to part %d by the unit of %v", p.first, p.last, p.part, u.parts)
				}
				var size int64
				for slice := p.first; slice <= p.last; slice++ {
					size += raw[slice]
					if raw[slice] > 0 {
						shares[slice]++
					}
				}
				together += size / int64(p.shares)
				if p.part != besidesPart && size/int64(p.shares) > most {
					rt.Errorf("a piece of %d bytes, where %d are allowed", size, most)
				}
				if p.shares > 1 && (p.first != p.last || p.share >= p.shares) {
					rt.Errorf("share %d of %d of slices %d to %d", p.share, p.shares, p.first, p.last)
				}
			}
			if len(u.parts) > 1 && together > most {
				rt.Errorf("%d parts of %d bytes in one transaction", len(u.parts), together)
			}
		}
		for slice, size := range raw {
			want := 0
			switch {
			case size > 0 && slice != quarantineSlice:
				want = int(max(1, (size+most-1)/most))
			case size > 0:
				want = 1
			}
			if shares[slice] != want {
				rt.Errorf("slice %d of %d bytes is in %d shares, not %d", slice, size, shares[slice], want)
			}
		}
	})
	if slicesOfPart*parts.Count != slicesOfOrders {
		t.Errorf("%d parts of %d slices are not %d", parts.Count, slicesOfPart, slicesOfOrders)
	}
}
