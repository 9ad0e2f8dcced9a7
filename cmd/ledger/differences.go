package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// verdictText says whether a table differs, and how much of it.
func verdictText(m *rebuild.ModelProof) string {
	switch {
	case len(m.Slices) == 0:
		return "equal"
	case m.Orders > 0:
		return fmt.Sprintf("DIFFERENT: %s of %s", counted(m.Different, "row"), counted(m.Orders, "order"))
	}
	return "DIFFERENT: " + counted(m.Different, "row")
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(int64(n)) + " " + thing
}

// showDifferences shows how many rows differ in which column, and some rows.
func (c *cli) showDifferences(p *rebuild.Proof) {
	t := c.newTable("table", "what differs", "rows")
	for i := range p.Models {
		m := &p.Models[i]
		for _, sentence := range m.Shape {
			t.AppendRow(table.Row{m.Table, sentence, grouped(int64(m.Different))})
		}
		if m.OnlyNext > 0 {
			t.AppendRow(table.Row{m.Table, "the live table lacks the row", grouped(int64(m.OnlyNext))})
		}
		if m.OnlyLive > 0 {
			t.AppendRow(table.Row{m.Table, "the new table lacks the row", grouped(int64(m.OnlyLive))})
		}
		for _, column := range m.Columns {
			rows := grouped(int64(column.Rows))
			if m.Looked < m.Different {
				rows += " of the first " + grouped(int64(m.Looked))
			}
			t.AppendRow(table.Row{m.Table, column.Column, rows})
		}
	}
	t.Render()
	t = c.newTable("table", "row", "column", "live", "new")
	rows, left := 0, false
	for i := range p.Models {
		m := &p.Models[i]
		some := varied(m.Differences)
		rows, left = rows+len(some), left || len(some) < len(m.Differences)
		for _, d := range some {
			switch d.Missing {
			case rebuild.MissingLive:
				t.AppendRow(table.Row{m.Table, d.Key, "", "row missing", "is there"})
				continue
			case rebuild.MissingNext:
				t.AppendRow(table.Row{m.Table, d.Key, "", "is there", "row missing"})
				continue
			}
			for _, column := range d.Columns {
				live, next := shortenBoth(column.Live, column.Next)
				t.AppendRow(table.Row{m.Table, d.Key, column.Column, live, next})
			}
		}
	}
	if rows > 0 {
		t.Render()
	}
	if left {
		c.say("these are %s of them; --json shows up to 1 000 of each table", counted(rows, "row"))
	}
}

// Rows of a table that people see: so many of each sort of difference, and of all together.
const (
	rowsOfSort = 3
	rowsShown  = 20
)

// varied chooses rows of all sorts of difference, in their order.
func varied(all []rebuild.Difference) []rebuild.Difference {
	var some []rebuild.Difference
	sorts := make(map[string]int)
	for _, d := range all {
		sort := d.Missing
		for _, column := range d.Columns {
			if d.Missing == "" {
				sort += " " + column.Column
			}
		}
		if sorts[sort]++; sorts[sort] <= rowsOfSort && len(some) < rowsShown {
			some = append(some, d)
		}
	}
	return some
}

// Values that people see: so many characters, and some of them before the first that differs. --json shows all.
const (
	valueMost    = 60
	valueBefore  = 20
	valueOmitted = "…"
)

// shorten cuts a value at its end.
func shorten(s string) string { return cut([]rune(s), 0) }

// shortenBoth cuts two values around the first character that is not the same in both.
func shortenBoth(a, b string) (cutA, cutB string) {
	if utf8.RuneCountInString(a) <= valueMost && utf8.RuneCountInString(b) <= valueMost {
		return a, b
	}
	one, other := []rune(a), []rune(b)
	same := 0
	for same < min(len(one), len(other)) && one[same] == other[same] {
		same++
	}
	from := max(0, same-valueBefore)
	return cut(one, from), cut(other, from)
}

// cut shows the part of a value that begins at a character, or the end of a shorter one.
func cut(value []rune, from int) string {
	var b strings.Builder
	if from > 0 {
		b.WriteString(valueOmitted)
		value = value[from:]
	}
	if len(value) <= valueMost {
		b.WriteString(string(value))
		return b.String()
	}
	b.WriteString(string(slices.Concat(value[:valueMost-1], []rune(valueOmitted))))
	return b.String()
}
