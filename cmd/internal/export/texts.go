package export

import (
	"archive/zip"
	"bufio"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// lineBytesMax bounds a line of a text file that is looked through.
const lineBytesMax = 16 << 20

// Texts are the texts of a file as they read, whatever form it was written in: fields, lines of JSON, cells.
// What is no form of an export is read line by line. An error says that the rest cannot be read.
func Texts(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = f.Close() }()
		each := func(text []byte) error {
			if !yield(text, nil) {
				return errEnough
			}
			return nil
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".csv":
			err = csvTexts(f, each)
		case ".parquet":
			err = parquetTexts(f, each)
		case ".xlsx":
			err = xlsxTexts(f, each)
		case ".gz", ".zst", ".zip", ".age", ".gpg":
			err = fmt.Errorf("%s is packed: unpack it to have it looked through", path)
		default:
			err = lineTexts(f, each)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// errEnough ends reading when nobody listens any more.
var errEnough = errors.New("enough")

func csvTexts(r io.Reader, each func([]byte) error) error {
	fields := csv.NewReader(r)
	fields.FieldsPerRecord, fields.ReuseRecord, fields.LazyQuotes = -1, true, true
	for {
		record, err := fields.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, field := range record {
			if err := each([]byte(field)); err != nil {
				return err
			}
		}
	}
}

func lineTexts(r io.Reader, each func([]byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func parquetTexts(f *os.File, each func([]byte) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return err
	}
	for _, group := range file.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 256)
		for {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				for _, value := range row {
					if kind := value.Kind(); kind != parquet.ByteArray && kind != parquet.FixedLenByteArray {
						continue
					}
					if err := each(value.ByteArray()); err != nil {
						return errors.Join(err, rows.Close())
					}
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return errors.Join(err, rows.Close())
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

// xlsxTexts reads the text of all parts of a workbook, where cells and shared strings stand.
func xlsxTexts(f *os.File, each func([]byte) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	parts, err := zip.NewReader(f, info.Size())
	if err != nil {
		return err
	}
	for _, part := range parts.File {
		if !strings.HasSuffix(part.Name, ".xml") {
			continue
		}
		if err := xmlTexts(part, each); err != nil {
			return err
		}
	}
	return nil
}

func xmlTexts(part *zip.File, each func([]byte) error) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	decoder := xml.NewDecoder(r)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if text, ok := token.(xml.CharData); ok {
			if err := each(text); err != nil {
				return err
			}
		}
	}
}
