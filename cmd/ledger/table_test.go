package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
)

// TestTable_KeepsNumbersWhole: the spaces between thousands are no place to break a line at.
func TestTable_KeepsNumbersWhole(t *testing.T) {
	t.Parallel()
	for width := 30; width < 60; width++ {
		var out bytes.Buffer
		c := &cli{io: stdio{out: &out}}
		f, ok := c.newTable("table", "live rows", "new rows", "").(*fitted)
		if !ok {
			t.Fatal("not fitted")
		}
		f.width = width
		f.AppendRow(table.Row{"order_history", grouped(1_194_779), grouped(2_745), "equal to the live ones"})
		f.Render()
		if text := out.String(); !strings.Contains(text, "1 194 779") || !strings.Contains(text, "2 745") {
			t.Errorf("a number was cut on a terminal of %d:\n%s", width, text)
		}
	}
}

// TestTable_FitsTheTerminal wraps between words, and cuts no word: ids stay to be copied.
func TestTable_FitsTheTerminal(t *testing.T) {
	t.Parallel()
	print := func(width int) string {
		var out bytes.Buffer
		c := &cli{io: stdio{out: &out}}
		f, ok := c.newTable("rev", "event", "occurred", "recorded", "what").(*fitted)
		if !ok {
			t.Fatal("not fitted")
		}
		f.width = width
		f.AppendRow(table.Row{12, "01M8KNY2GCEMQQWQMSYKJFTGN1", "2026-11-29 12:54:29", "2026-11-29 12:54:29", "connectpay verified by static_token"})
		f.Render()
		return out.String()
	}
	if lines := strings.Count(print(0), "\n"); lines != 5 {
		t.Errorf("in a file a row has %d lines, want one", lines-4)
	}
	for _, width := range []int{100, 80, 46} {
		text := print(width)
		if got := widest(text); got > width {
			t.Errorf("%d columns on a terminal of %d:\n%s", got, width, text)
		}
		for _, word := range []string{"01M8KNY2GCEMQQWQMSYKJFTGN1", "2026-11-29", "12:54:29", "static_token"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s was cut on a terminal of %d:\n%s", word, width, text)
			}
		}
	}
}

// TestSay_BreaksBetweenWords: no word and no command is cut.
func TestSay_BreaksBetweenWords(t *testing.T) {
	t.Parallel()
	const said = "the views differ from the log; `ledger audit --heal --orders 01M8KNY2GCEMQQWQMSYKJFTGN1` writes them again\n  curl -s http://127.0.0.1:8080/orders -d '{}'\n"
	if got := broken(said, 0); got != said {
		t.Errorf("in a file: %q", got)
	}
	want := "the views differ from the log;\n`ledger audit --heal --orders 01M8KNY2GCEMQQWQMSYKJFTGN1`\nwrites them again\n  curl -s http://127.0.0.1:8080/orders -d '{}'\n"
	if got := broken(said, 40); got != want {
		t.Errorf("on a terminal of 40 columns:\n%s", got)
	}
}
