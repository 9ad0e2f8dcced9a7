package export

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// parquetRows writes a Parquet file. Columns have the order of the dataset; texts are STRING or JSON, amounts
// DECIMAL, days DATE, times TIMESTAMP in microseconds of UTC.
type parquetRows struct {
	to      *parquet.GenericWriter[any]
	kinds   []Kind
	names   []string
	whole   bool              // columns are required
	values  [][]parquet.Value // of the batch, by column
	rows    int               // of the row group
	pending int               // rows in values
	arena   []byte            // what the values of the batch point to
}

const (
	// parquetGroup is how many rows go into one row group, parquetBatch how many are handed over at once.
	parquetGroup = 122_880
	parquetBatch = 512
	// decimalScale holds the decimals of every currency, decimalPrecision their sums: ISO 4217 has none with
	// more than four decimals, and amounts are below 10^18.
	decimalScale     = 4
	decimalPrecision = 38
	decimalBytes     = 16
)

// newParquet writes columns that are required when the rows are whole, and optional otherwise.
func newParquet(w io.Writer, columns []Column, whole bool) *parquetRows {
	p := &parquetRows{whole: whole, values: make([][]parquet.Value, len(columns))}
	group := parquet.Group{}
	options := []parquet.WriterOption{parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.CreatedBy("order-ledger", strconv.Itoa(formatVersion), "")}
	for i, c := range columns {
		p.kinds, p.names = append(p.kinds, c.Kind), append(p.names, c.Name)
		p.values[i] = make([]parquet.Value, 0, parquetBatch)
		if group[c.Name] = parquetNode(c.Kind); !whole {
			group[c.Name] = parquet.Optional(group[c.Name])
		}
		if c.Kind == Amount {
			options = append(options, parquet.SkipPageBounds(c.Name)) // see decimalType
		}
	}
	schema := parquet.NewSchema("rows", inOrder{group, p.names})
	p.to = parquet.NewGenericWriter[any](w, append(options, schema)...)
	return p
}

func parquetNode(k Kind) parquet.Node {
	switch k {
	case Word:
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	case Amount:
		return parquet.Leaf(decimalType{parquet.Decimal(decimalScale, decimalPrecision, parquet.FixedLenByteArrayType(decimalBytes)).Type()})
	case Integer:
		return parquet.Int(64)
	case Bool:
		return parquet.Leaf(parquet.BooleanType)
	case JSON:
		return parquet.JSON()
	case Date:
		return parquet.Date()
	case Stamp:
		return parquet.Timestamp(parquet.Microsecond)
	case Text:
	}
	return parquet.String()
}

// inOrder is a group whose columns stand in the order of names, where parquet.Group sorts them.
type inOrder struct {
	parquet.Group

	names []string
}

func (g inOrder) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return slices.Index(g.names, a.Name()) - slices.Index(g.names, b.Name()) })
	return fields
}

// decimalType tells no bounds of pages: the library takes them by comparing bytes without a sign, and whoever
// reads the file would skip rows that are below zero. An index must have bounds, so it has the widest.
type decimalType struct{ parquet.Type }

func (t decimalType) NewColumnIndexer(sizeLimit int) parquet.ColumnIndexer {
	return decimalIndexer{t.Type.NewColumnIndexer(sizeLimit)}
}

type decimalIndexer struct{ parquet.ColumnIndexer }

func (i decimalIndexer) IndexPage(values, nulls int64, _, _ parquet.Value) {
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(decimalPrecision), nil)
	most.Sub(most, big.NewInt(1))
	i.ColumnIndexer.IndexPage(values, nulls, parquet.FixedLenByteArrayValue(appendBig(nil, new(big.Int).Neg(most))), parquet.FixedLenByteArrayValue(appendBig(nil, most)))
}

func (p *parquetRows) row(r Row) error {
	for i, text := range r {
		switch {
		case text != nil:
			value, err := p.value(p.kinds[i], text)
			if err != nil {
				return fmt.Errorf("column %s: %w", p.names[i], err)
			}
			if !p.whole {
				value = value.Level(0, 1, i)
			}
			p.values[i] = append(p.values[i], value)
		case p.whole:
			return fmt.Errorf("column %s has no value", p.names[i])
		default:
			p.values[i] = append(p.values[i], parquet.NullValue().Level(0, 0, i))
		}
	}
	p.pending++
	if p.pending < parquetBatch && p.rows+p.pending < parquetGroup {
		return nil
	}
	return p.hand()
}

func (p *parquetRows) value(kind Kind, text []byte) (parquet.Value, error) {
	switch kind {
	case Integer:
		n, err := strconv.ParseInt(string(text), 10, 64)
		return parquet.Int64Value(n), err
	case Bool:
		return parquet.BooleanValue(text[0] == 't'), nil
	case Amount:
		from := len(p.arena)
		var err error
		p.arena, err = appendDecimal(p.arena, text)
		return parquet.FixedLenByteArrayValue(p.arena[from:len(p.arena):len(p.arena)]), err
	case Date:
		day, err := parseTime(text)
		const secondsPerDay = 24 * 60 * 60
		return parquet.Int32Value(int32(day.Unix() / secondsPerDay)), err
	case Stamp:
		at, err := parseTime(text)
		return parquet.Int64Value(at.UnixMicro()), err
	case Text, Word, JSON:
	}
	from := len(p.arena) // an arena that grows leaves earlier values where they were
	p.arena = append(p.arena, text...)
	return parquet.ByteArrayValue(p.arena[from:len(p.arena):len(p.arena)]), nil
}

// parseTime reads a Date or a Stamp; time.Parse takes three times as long.
func parseTime(text []byte) (time.Time, error) {
	const form = "0000-00-00T00:00:00.000000Z"
	var fields [7]int
	field := 0
	for i, b := range text {
		switch {
		case i >= len(form) || (form[i] == '0') != (b >= '0' && b <= '9') || form[i] != '0' && form[i] != b:
			return time.Time{}, fmt.Errorf("%q is no time", text)
		case form[i] == '0':
			fields[field] = fields[field]*10 + int(b-'0')
		default:
			field++
		}
	}
	if len(text) != len(form) && len(text) != len(time.DateOnly) {
		return time.Time{}, fmt.Errorf("%q is no time", text)
	}
	return time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5], fields[6]*int(time.Microsecond), time.UTC), nil
}

// appendDecimal appends a decimal with decimalScale decimals as a big-endian two's complement.
func appendDecimal(to, text []byte) ([]byte, error) {
	whole, fraction, _ := strings.Cut(string(text), ".")
	if len(fraction) > decimalScale {
		return nil, fmt.Errorf("%s has more than %d decimals", text, decimalScale)
	}
	digits := whole + fraction + "0000"[len(fraction):]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		exact, ok := new(big.Int).SetString(digits, 10)
		if !ok || len(digits) > decimalPrecision {
			return nil, fmt.Errorf("%s is no decimal of %d digits", text, decimalPrecision)
		}
		return appendBig(to, exact), nil
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(to, uint64(n>>63)), uint64(n)), nil //nolint:mnd // the sign, 64 times
}

func appendBig(to []byte, n *big.Int) []byte {
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), 8*decimalBytes))
	}
	return append(to, n.FillBytes(make([]byte, decimalBytes))...)
}

// hand gives the batch to the writer, and ends a row group that is full.
func (p *parquetRows) hand() error {
	for i, column := range p.to.ColumnWriters() {
		if _, err := column.WriteRowValues(p.values[i]); err != nil {
			return err
		}
		p.values[i] = p.values[i][:0]
	}
	p.rows, p.pending, p.arena = p.rows+p.pending, 0, p.arena[:0]
	if p.rows < parquetGroup {
		return nil
	}
	p.rows = 0
	return p.to.Flush()
}

func (p *parquetRows) flush() error { return nil }

func (p *parquetRows) close() error {
	if err := p.hand(); err != nil {
		return err
	}
	return p.to.Close()
}
