package export

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// TestXLSX: another program reads what was written, sheet by sheet, and finds texts only.
func TestXLSX(t *testing.T) {
	t.Parallel()
	columns := make([]Column, 28)
	for i := range columns {
		columns[i] = Column{Name: "c" + columnLetters(i)}
	}
	write := func(rows ...Row) ([]byte, error) {
		var file bytes.Buffer
		x, err := newXLSX(&file, columns, 3)
		for _, r := range rows {
			if err == nil {
				err = x.row(r)
			}
		}
		if err == nil {
			err = x.close()
		}
		return file.Bytes(), err
	}
	row := func(first string) Row {
		r := make(Row, len(columns))
		r[0], r[27] = []byte(first), []byte("12.50")
		return r
	}
	firsts := []string{"=1+1", ` <&"é€𝄞 `, "c\nd\te", strings.Repeat("𝄞", xlsxTextMax/2), "", "last", "of the third sheet"}
	var rows []Row
	for _, first := range firsts {
		rows = append(rows, row(first))
	}
	text, err := write(rows...)
	if err != nil {
		t.Fatal(err)
	}
	again, err := write(rows...)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("written twice, it differs: %v", err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, sheet := range book.GetSheetList() {
		read, err := book.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for j, r := range read {
			want := "12.50"
			if j == 0 {
				want = "cAB"
			} else {
				got = append(got, r[0])
			}
			if len(r) != len(columns) || r[27] != want {
				t.Errorf("sheet %d row %d: %q", i, j, r)
			}
		}
		if formula, err := book.GetCellFormula(sheet, "A2"); formula != "" || err != nil {
			t.Errorf("a formula: %q, %v", formula, err)
		}
	}
	if diff := cmp.Diff(firsts, got); diff != "" || len(book.GetSheetList()) != 4 {
		t.Errorf("sheets %v (-want):\n%s", book.GetSheetList(), diff)
	}
	if _, err := write(row(strings.Repeat("x", xlsxTextMax+1))); !errors.Is(err, errCellTooLong) {
		t.Errorf("a text that is too long for a cell: %v", err)
	}
}
