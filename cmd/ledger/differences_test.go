package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// TestShortenBoth_ShowsWhatDiffers: two long values that are cut are never shown as the same text.
func TestShortenBoth_ShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä b", 40)
	for _, pair := range [][2]string{
		{"x", "y"}, {"", long}, {long + "1" + long, long + "2" + long}, {long, long + "x"}, {long + "x", long}, {"1" + long, "2" + long},
	} {
		a, b := shortenBoth(pair[0], pair[1])
		if a == b || len([]rune(a)) > valueMost+1 || len([]rune(b)) > valueMost+1 {
			t.Errorf("%q and %q are shown as %q and %q", pair[0], pair[1], a, b)
		}
	}
}

// TestShowDifferences_OfAllSorts: rare differences are shown among many others, and a row that is missing is one line.
func TestShowDifferences_OfAllSorts(t *testing.T) {
	t.Parallel()
	m := rebuild.ModelProof{
		Table: "orders", Slices: []int{1}, Different: 1_302, Orders: 1_302, OnlyNext: 1, Looked: 1_302,
		Columns: []rebuild.ColumnCount{{Column: "captured", Rows: 1_300}, {Column: "flags", Rows: 1}},
		Shape:   []string{"the new table has no column extra"},
	}
	for i := range 1_000 {
		m.Differences = append(m.Differences, rebuild.Difference{Key: fmt.Sprintf("A%04d", i), Columns: []rebuild.ColumnDifference{{Column: "captured", Live: "1", Next: "2"}}})
	}
	m.Differences = append(m.Differences,
		rebuild.Difference{Key: "rare", Columns: []rebuild.ColumnDifference{{Column: "flags", Live: "a", Next: "b"}}},
		rebuild.Difference{Key: "missing", Missing: rebuild.MissingLive, Columns: []rebuild.ColumnDifference{{Column: "captured", Live: "null", Next: "2"}, {Column: "flags", Live: "null", Next: "b"}}})
	var out, said bytes.Buffer
	c := &cli{io: stdio{out: &out, err: &said}}
	c.showProof(&rebuild.Proof{Compared: true, Models: []rebuild.ModelProof{m}})
	for _, want := range []string{"DIFFERENT: 1 302 rows of 1 302 orders", "captured", "1 300", "rare", "row missing", "has no column extra", "lacks the row"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "missing"); n != 2 { // the key, and what is so
		t.Errorf("the missing row is shown in %d lines:\n%s", n, out.String())
	}
	if !strings.Contains(said.String(), "--json") {
		t.Errorf("there is more, and nothing says so: %s", said.String())
	}
}
