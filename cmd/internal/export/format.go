package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/xuri/excelize/v2"

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

// resumable formats can be gone on with after the last row that was written.
func (f Format) resumable() bool { return f == CSV || f == JSONLines }

// encoder writes rows in one format.
type encoder interface {
	row(Row) error
	// close writes what the format ends with, and all that is buffered.
	close() error
	// flush writes all that is buffered, as far as the format can be gone on with.
	flush() error
}

func encoderOf(f Format, w io.Writer, columns []Column, resumed bool) (encoder, error) {
	switch f {
	case CSV:
		return newCSV(w, columns, resumed)
	case JSONLines:
		return &jsonLines{to: bufio.NewWriterSize(w, bufferBytes), columns: columns}, nil
	case Parquet:
		return newParquet(w, columns), nil
	case XLSX:
		return newXLSX(w, columns)
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
		switch {
		case c.columns[i].Kind == Text && len(v) > 0 && (v[0] == '=' || v[0] == '+' || v[0] == '-' || v[0] == '@' || v[0] == '\t' || v[0] == '\r'):
			c.line = appendField(c.line, []byte(reports.Inert(string(v))))
		case c.columns[i].Kind == Text || c.columns[i].Kind == JSON:
			c.line = appendField(c.line, v)
		default:
			c.line = append(c.line, v...)
		}
	}
	_, err := c.to.Write(append(c.line, '\n'))
	return err
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
		case j.columns[i].Kind == Text:
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

// parquetRows writes texts as UTF8 byte arrays, integers as INT64 and booleans; amounts stay exact as texts.
type parquetRows struct {
	to      *parquet.GenericWriter[any]
	columns []Column
	order   []int // of the file's columns, which are sorted by name
	batch   []parquet.Row
	arena   []byte // what the values of the batch point to
}

// parquetGroup is how many rows go into one row group: it bounds the writer's memory. parquetBatch are
// handed over at once.
const (
	parquetGroup = 20_000
	parquetBatch = 256
)

func newParquet(w io.Writer, columns []Column) *parquetRows {
	group := parquet.Group{}
	for _, c := range columns {
		node := parquet.String()
		switch c.Kind {
		case Integer:
			node = parquet.Int(64)
		case Bool:
			node = parquet.Leaf(parquet.BooleanType)
		case JSON:
			node = parquet.JSON()
		case Text, Amount, Stamp:
		}
		group[c.Name] = parquet.Optional(node)
	}
	schema := parquet.NewSchema("rows", group)
	p := &parquetRows{columns: columns, to: parquet.NewGenericWriter[any](w, schema, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.MaxRowsPerRowGroup(parquetGroup), parquet.CreatedBy("order-ledger", "1", ""))}
	for _, field := range schema.Fields() {
		for i := range columns {
			if columns[i].Name == field.Name() {
				p.order = append(p.order, i)
			}
		}
	}
	return p
}

func (p *parquetRows) row(r Row) error {
	row := make(parquet.Row, 0, len(p.order))
	for at, i := range p.order {
		if r[i] == nil {
			row = append(row, parquet.NullValue().Level(0, 0, at))
			continue
		}
		var value parquet.Value
		switch p.columns[i].Kind {
		case Integer:
			n, err := strconv.ParseInt(string(r[i]), 10, 64)
			if err != nil {
				return fmt.Errorf("%s %q is no integer: %w", p.columns[i].Name, r[i], err)
			}
			value = parquet.Int64Value(n)
		case Bool:
			value = parquet.BooleanValue(string(r[i]) == "true")
		case Text, Amount, JSON, Stamp:
			from := len(p.arena) // an arena that grows leaves earlier values where they were
			p.arena = append(p.arena, r[i]...)
			value = parquet.ByteArrayValue(p.arena[from:len(p.arena):len(p.arena)])
		}
		row = append(row, value.Level(0, 1, at))
	}
	if p.batch = append(p.batch, row); len(p.batch) < parquetBatch {
		return nil
	}
	return p.hand()
}

func (p *parquetRows) hand() error {
	_, err := p.to.WriteRows(p.batch)
	p.batch, p.arena = p.batch[:0], p.arena[:0]
	return err
}

func (p *parquetRows) flush() error { return nil }

func (p *parquetRows) close() error {
	if err := p.hand(); err != nil {
		return err
	}
	return p.to.Close()
}

// xlsxRows is one sheet. Cells are texts, so that nothing is rounded and nothing is a formula.
type xlsxRows struct {
	w       io.Writer
	file    *excelize.File
	sheet   *excelize.StreamWriter
	columns []Column
	line    int
}

// xlsxRowsMax is what one sheet takes.
const xlsxRowsMax = 1_048_576

func newXLSX(w io.Writer, columns []Column) (*xlsxRows, error) {
	file := excelize.NewFile()
	// When the file was made would make two files of the same rows differ.
	if err := file.SetDocProps(&excelize.DocProperties{Created: "2000-01-01T00:00:00Z", Modified: "2000-01-01T00:00:00Z", Creator: "order-ledger"}); err != nil {
		return nil, err
	}
	sheet, err := file.NewStreamWriter("Sheet1")
	if err != nil {
		return nil, err
	}
	x := &xlsxRows{w: w, file: file, sheet: sheet, columns: columns, line: 1}
	header := make([]any, len(columns))
	for i := range columns {
		header[i] = columns[i].Name
	}
	return x, sheet.SetRow("A1", header)
}

func (x *xlsxRows) row(r Row) error {
	if x.line++; x.line > xlsxRowsMax {
		return fmt.Errorf("a sheet takes %d rows: export less, or another format", xlsxRowsMax)
	}
	cells := make([]any, len(r))
	for i, v := range r {
		if v != nil {
			cells[i] = string(v)
		}
	}
	cell, err := excelize.CoordinatesToCellName(1, x.line)
	if err != nil {
		return err
	}
	return x.sheet.SetRow(cell, cells)
}

func (x *xlsxRows) flush() error { return nil }

func (x *xlsxRows) close() error {
	if err := x.sheet.Flush(); err != nil {
		return err
	}
	if err := x.file.Write(x.w); err != nil {
		return err
	}
	return x.file.Close()
}

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
