package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/order-ledger/order-ledger/projections/reports"
)

// Format is a file format.
type Format string

// Formats. Hledger and Beancount are for the journal.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
	Parquet   Format = "parquet"
	XLSX      Format = "xlsx"
	Hledger   Format = "hledger"
	Beancount Format = "beancount"
)

// Formats lists all of them.
func Formats() []Format { return []Format{CSV, JSONLines, Parquet, XLSX, Hledger, Beancount} }

// encoder writes rows in one format.
type encoder interface {
	row(Row) error
	// close writes what the format ends with, and all that is buffered.
	close() error
	// flush writes all that is buffered, as far as the format can be gone on with.
	flush() error
}

func encoderOf(f Format, w io.Writer, set *dataset, resumed bool) (encoder, error) {
	switch f {
	case CSV:
		return newCSV(w, set.columns, resumed)
	case JSONLines:
		return &jsonLines{to: bufio.NewWriterSize(w, bufferBytes), columns: set.columns}, nil
	case Parquet:
		return newParquet(w, set.columns, set.whole), nil
	case XLSX:
		return newXLSX(w, set.columns, xlsxRowsMax)
	case Hledger, Beancount:
	}
	return nil, fmt.Errorf("there is no format %q for rows", f)
}

const bufferBytes = 256 << 10

// csvRows is RFC 4180 with \n line ends. Texts that a spreadsheet would take for a formula are made inert.
type csvRows struct {
	to      *bufio.Writer
	columns []Column
	line    []byte
}

func newCSV(w io.Writer, columns []Column, resumed bool) (*csvRows, error) {
	c := &csvRows{to: bufio.NewWriterSize(w, bufferBytes), columns: columns}
	if resumed {
		return c, nil
	}
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Name
	}
	_, err := c.to.WriteString(strings.Join(names, ",") + "\n")
	return c, err
}

func (c *csvRows) row(r Row) error {
	c.line = c.line[:0]
	for i, v := range r {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		switch c.columns[i].Kind {
		case Text, Word:
			if len(v) > 0 && !isWord(v[0]) {
				v = []byte(reports.Inert(string(v)))
			}
			c.line = appendField(c.line, v)
		case JSON:
			c.line = appendField(c.line, v)
		case Amount, Integer, Bool, Date, Stamp:
			c.line = append(c.line, v...)
		}
	}
	_, err := c.to.Write(append(c.line, '\n'))
	return err
}

// isWord tells letters and digits, with which no formula begins.
func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// appendField quotes a text when a reader would not take it for what it is.
func appendField(to, text []byte) []byte {
	if !bytes.ContainsAny(text, "\"\r\n,") && (len(text) == 0 || (text[0] != ' ' && text[0] != '\t')) {
		return append(to, text...)
	}
	to = append(to, '"')
	for _, b := range text {
		if b == '"' {
			to = append(to, '"')
		}
		to = append(to, b)
	}
	return append(to, '"')
}

func (c *csvRows) flush() error { return c.to.Flush() }
func (c *csvRows) close() error { return c.to.Flush() }

// jsonLines is one object a line, members in the order of the columns. Amounts are texts.
type jsonLines struct {
	to      *bufio.Writer
	columns []Column
	line    []byte
}

func (j *jsonLines) row(r Row) error {
	j.line = append(j.line[:0], '{')
	for i, v := range r {
		if i > 0 {
			j.line = append(j.line, ',')
		}
		j.line = append(append(append(j.line, '"'), j.columns[i].Name...), '"', ':')
		switch {
		case v == nil:
			j.line = append(j.line, "null"...)
		case j.columns[i].Kind == Integer, j.columns[i].Kind == Bool, j.columns[i].Kind == JSON:
			j.line = append(j.line, v...)
		case j.columns[i].Kind == Text, j.columns[i].Kind == Word:
			if plain(v) {
				j.line = append(append(append(j.line, '"'), v...), '"')
				continue
			}
			text, err := json.Marshal(string(v))
			if err != nil {
				return err
			}
			j.line = append(j.line, text...)
		default: // digits and signs
			j.line = append(append(append(j.line, '"'), v...), '"')
		}
	}
	j.line = append(j.line, '}', '\n')
	_, err := j.to.Write(j.line)
	return err
}

// plain tells texts that JSON writes as they are.
func plain(text []byte) bool {
	for _, b := range text {
		if b < ' ' || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

func (j *jsonLines) flush() error { return j.to.Flush() }
func (j *jsonLines) close() error { return j.to.Flush() }

// ParseFormat reads the name of a format.
func ParseFormat(text string) (Format, error) {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		if string(f) == text {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("format %q is none of %s", text, strings.Join(names, ", "))
}
