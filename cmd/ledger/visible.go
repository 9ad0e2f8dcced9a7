package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/mattn/go-isatty"
)

// visible shows what a terminal would obey instead of print: control characters, but line ends and tabs, and what turns
// the direction of text. Gateways and customers choose texts that operators read. The form is that of JSON, so that a
// JSON text means the same as before.
func visible(text string) string {
	if strings.IndexFunc(text, obeyed) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if obeyed(r) && r != utf8.RuneError {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r) // U+FFFD for bytes that are no UTF-8: a terminal may take them for controls
		}
	}
	return b.String()
}

// oneLine keeps a text on its line, where lines of its own would be taken for what the command says.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

// visibleRow is visible for the cells of a table, whose columns are then as wide as what is shown.
func visibleRow(row table.Row) table.Row {
	shown := make(table.Row, len(row))
	for i, cell := range row {
		shown[i] = cell
		if text := fmt.Sprint(cell); visible(text) != text {
			shown[i] = visible(text)
		}
	}
	return shown
}

// visibleWriter writes texts for people. What a program makes for a terminal itself goes past it; see unfiltered.
type visibleWriter struct{ raw io.Writer }

// Write takes whole characters.
func (w visibleWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.raw, visible(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfiltered is what a visibleWriter writes to; any other writer is itself.
func unfiltered(out io.Writer) io.Writer {
	if w, ok := out.(visibleWriter); ok {
		return w.raw
	}
	return out
}

// terminal is the terminal that is written to; nil when it is none.
func terminal(out io.Writer) *os.File {
	f, ok := unfiltered(out).(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return nil
	}
	return f
}

// fileOut is standard output for the content of files, which nothing changes on its way to another program.
func (c *cli) fileOut() io.Writer {
	if terminal(c.io.out) != nil {
		return c.io.out
	}
	return unfiltered(c.io.out)
}
