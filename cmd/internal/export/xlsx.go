package export

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// xlsxRows writes a workbook (ISO/IEC 29500) as it goes, a sheet after the other when one is full. Cells are
// texts, so that nothing is rounded and nothing is a formula.
type xlsxRows struct {
	file    *zip.Writer
	sheet   *bufio.Writer // the one that is being written
	columns []Column
	rowsMax int
	sheets  int
	line    int // of the sheet
	text    bytes.Buffer
}

const (
	// xlsxRowsMax is what one sheet takes, xlsxTextMax what one cell takes, in UTF-16 code units.
	xlsxRowsMax = 1_048_576
	xlsxTextMax = 32_767

	xlsxHead  = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	xlsxMain  = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	xlsxDocs  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	xlsxTypes = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// errCellTooLong says that a text does not fit into a cell.
var errCellTooLong = fmt.Errorf("a cell of a spreadsheet takes %d characters: choose another format", xlsxTextMax)

func newXLSX(w io.Writer, columns []Column, rowsMax int) (*xlsxRows, error) {
	x := &xlsxRows{file: zip.NewWriter(w), columns: columns, rowsMax: rowsMax}
	return x, x.begin()
}

// begin begins a sheet, with the names of the columns.
func (x *xlsxRows) begin() error {
	x.sheets, x.line = x.sheets+1, 0
	part, err := x.file.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", x.sheets))
	if err != nil {
		return err
	}
	x.sheet = bufio.NewWriterSize(part, bufferBytes)
	names := make(Row, len(x.columns))
	for i := range x.columns {
		names[i] = []byte(x.columns[i].Name)
	}
	if _, err := x.sheet.WriteString(xlsxHead + `<worksheet xmlns="` + xlsxMain + `"><sheetData>`); err != nil {
		return err
	}
	return x.write(names)
}

func (x *xlsxRows) end() error {
	_, err := x.sheet.WriteString("</sheetData></worksheet>")
	return errors.Join(err, x.sheet.Flush())
}

func (x *xlsxRows) row(r Row) error {
	if x.line == x.rowsMax {
		if err := errors.Join(x.end(), x.begin()); err != nil {
			return err
		}
	}
	return x.write(r)
}

func (x *xlsxRows) write(r Row) error {
	x.line++
	line := strconv.Itoa(x.line)
	x.text.Reset()
	x.text.WriteString(`<row r="` + line + `">`)
	for i, v := range r {
		if v == nil {
			continue
		}
		if len(v) > xlsxTextMax && utf16Units(v) > xlsxTextMax {
			return fmt.Errorf("column %s: %w", x.columns[i].Name, errCellTooLong)
		}
		x.text.WriteString(`<c r="` + columnLetters(i) + line + `" t="inlineStr"><is><t xml:space="preserve">`)
		if err := xml.EscapeText(&x.text, v); err != nil {
			return err
		}
		x.text.WriteString("</t></is></c>")
	}
	x.text.WriteString("</row>")
	_, err := x.sheet.Write(x.text.Bytes())
	return err
}

// columnLetters is the name of a column counted from 0: A to Z, AA to ZZ.
func columnLetters(i int) string {
	const letters = 26
	if i < letters {
		return string(rune('A' + i))
	}
	return columnLetters(i/letters-1) + columnLetters(i%letters)
}

func utf16Units(text []byte) (n int) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if text = text[size:]; r > 0xffff {
			n++
		}
		n++
	}
	return n
}

func (x *xlsxRows) flush() error { return nil }

// close writes what names the sheets.
func (x *xlsxRows) close() error {
	if err := x.end(); err != nil {
		return err
	}
	var sheets, relations, types bytes.Buffer
	for n := 1; n <= x.sheets; n++ {
		fmt.Fprintf(&sheets, `<sheet name="Sheet%d" sheetId="%d" r:id="rId%d"/>`, n, n, n)
		fmt.Fprintf(&relations, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, n, xlsxDocs, n)
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="%sworksheet+xml"/>`, n, xlsxTypes)
	}
	const related = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	for _, part := range []struct{ name, content string }{
		{"xl/workbook.xml", `<workbook xmlns="` + xlsxMain + `" xmlns:r="` + xlsxDocs + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", related + relations.String() + `</Relationships>`},
		{"_rels/.rels", related + `<Relationship Id="rId1" Type="` + xlsxDocs + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + xlsxTypes + `sheet.main+xml"/>` + types.String() + `</Types>`},
	} {
		w, err := x.file.Create(part.name)
		if err == nil {
			_, err = io.WriteString(w, xlsxHead+part.content)
		}
		if err != nil {
			return err
		}
	}
	return x.file.Close()
}
