package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/vbauerster/mpb/v8/cwriter"
)

// newTable makes a table for people, on standard output.
func (c *cli) newTable(header ...any) table.Writer {
	t := &fitted{Writer: table.NewWriter(), out: c.io.out, width: terminalWidth(c.io.out)}
	t.SetStyle(table.StyleLight)
	t.Style().Format = table.FormatOptions{Header: text.FormatDefault, Footer: text.FormatDefault, Row: text.FormatDefault}
	if len(header) > 0 {
		t.AppendHeader(table.Row(header))
	}
	return t
}

// terminalWidth is the width of a terminal in columns; 0 where out is none: who reads a file wants whole lines.
func terminalWidth(out io.Writer) int {
	f := terminal(out)
	if f == nil {
		return 0
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// unbroken is what a sentence is not broken within: words; a command in backticks stays whole, to be copied.
var unbroken = regexp.MustCompile("\\S*`[^`\\n]*`\\S*|\\S+")

// broken breaks the lines of a text that are longer than width between words; 0 is any width. Lines that are
// indented are lists and commands to be copied, and stay.
func broken(lines string, width int) string {
	if width == 0 {
		return lines
	}
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if strings.HasPrefix(line, " ") {
			b.WriteString(line)
			continue
		}
		column, end := 0, 0
		for _, at := range unbroken.FindAllStringIndex(line, -1) {
			gap, word := line[end:at[0]], line[at[0]:at[1]]
			if column > 0 && column+text.StringWidth(gap+word) > width {
				b.WriteString("\n")
				gap, column = "", 0
			}
			b.WriteString(gap + word)
			column += text.StringWidth(gap + word)
			end = at[1]
		}
		b.WriteString(line[end:])
	}
	return b.String()
}

// fitted is a table that fits the terminal: its widest columns are wrapped between words, and where that is not
// enough each row is a record, a line for each column.
type fitted struct {
	table.Writer
	out     io.Writer
	width   int // in columns; 0 is any
	configs []table.ColumnConfig
}

// AppendHeader implements table.Writer.
func (f *fitted) AppendHeader(row table.Row, configs ...table.RowConfig) {
	f.Writer.AppendHeader(visibleRow(row), configs...)
}

// AppendRow implements table.Writer.
func (f *fitted) AppendRow(row table.Row, configs ...table.RowConfig) {
	f.Writer.AppendRow(visibleRow(row), configs...)
}

// AppendRows implements table.Writer.
func (f *fitted) AppendRows(rows []table.Row, configs ...table.RowConfig) {
	for _, row := range rows {
		f.AppendRow(row, configs...)
	}
}

// AppendFooter implements table.Writer.
func (f *fitted) AppendFooter(row table.Row, configs ...table.RowConfig) {
	f.Writer.AppendFooter(visibleRow(row), configs...)
}

// SetColumnConfigs implements table.Writer.
func (f *fitted) SetColumnConfigs(configs []table.ColumnConfig) {
	f.configs = configs
	f.Writer.SetColumnConfigs(configs)
}

// Render implements table.Writer, and prints the table.
func (f *fitted) Render() string {
	out := f.Writer.Render()
	if f.width > 0 && widest(out) > f.width {
		switch {
		case f.narrow(out):
			out = f.Writer.Render()
		case strings.Contains(out, "┼"): // it has a header
			out = records(out)
		}
	}
	if out != "" {
		_, _ = fmt.Fprintln(f.out, out)
	}
	return out
}

func widest(rendered string) (width int) {
	for line := range strings.SplitSeq(rendered, "\n") {
		width = max(width, text.StringWidthWithoutEscSequences(line))
	}
	return width
}

// records shows each row of a rendered table as lines of name and value, without the empty ones.
func records(rendered string) string {
	var out strings.Builder
	var names []string
	longest := 0
	for line := range strings.SplitSeq(rendered, "\n") {
		cells := strings.Split(strings.Trim(line, "│"), "│")
		switch {
		case !strings.HasPrefix(line, "│"):
			continue
		case len(cells) == 1: // the title
			fmt.Fprintf(&out, "%s\n", strings.TrimSpace(line[len("│"):len(line)-len("│")]))
			continue
		case names == nil:
			for _, cell := range cells {
				names = append(names, strings.TrimSpace(cell))
				longest = max(longest, text.StringWidthWithoutEscSequences(strings.TrimSpace(cell)))
			}
			continue
		}
		out.WriteString(strings.Repeat("─", longest+1) + "\n")
		for i, cell := range cells {
			if value := strings.TrimSpace(cell); value != "" && i < len(names) {
				fmt.Fprintf(&out, "%-*s %s\n", longest+1, names[i], value)
			}
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// groupedNumber is what grouped makes: one word for all its spaces.
var groupedNumber = regexp.MustCompile(`\b\d{1,3}( \d{3})+\b`)

func joinNumber(number string) string { return strings.ReplaceAll(number, " ", "_") }

// narrow lets the widest columns of the table wrap, none narrower than its longest word; false when that is
// not enough.
func (f *fitted) narrow(rendered string) bool {
	const padding = 2
	var widths, words []int
	for line := range strings.SplitSeq(rendered, "\n") {
		if widths == nil && strings.ContainsAny(line, "┬┼") {
			for column := range strings.FieldsFuncSeq(line, func(r rune) bool { return r != '─' }) {
				widths = append(widths, len([]rune(column))-padding)
			}
			words = make([]int, len(widths))
		}
		cells := strings.Split(strings.Trim(line, "│"), "│")
		if !strings.HasPrefix(line, "│") || len(cells) != len(widths) {
			continue
		}
		for i, cell := range cells {
			for _, word := range strings.Fields(groupedNumber.ReplaceAllStringFunc(cell, joinNumber)) {
				words[i] = max(words[i], text.StringWidthWithoutEscSequences(word))
			}
		}
	}
	over := widest(rendered) - f.width
	for ; over > 0; over-- {
		choice := -1
		for i, width := range widths {
			if width > words[i] && (choice < 0 || width > widths[choice]) {
				choice = i
			}
		}
		if choice < 0 {
			break
		}
		widths[choice]--
	}
	if over > 0 {
		return false
	}
	configs := make([]table.ColumnConfig, len(widths))
	for i, width := range widths {
		for _, given := range f.configs {
			if given.Number == i+1 {
				configs[i] = given
			}
		}
		configs[i].Number, configs[i].WidthMax, configs[i].WidthMaxEnforcer = i+1, width, text.WrapSoft
	}
	f.SetColumnConfigs(configs)
	return true
}
