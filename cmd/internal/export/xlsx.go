package export

import (
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"
)

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
