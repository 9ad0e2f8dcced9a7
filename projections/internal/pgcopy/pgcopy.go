// Package pgcopy writes rows in the binary form of COPY, the cheapest way into a table for PostgreSQL
// and for us.
package pgcopy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Table collects rows. The zero value is empty. Each row begins with Row, and its values follow in the
// order of the columns, each by the method of its type.
type Table struct {
	tuples []byte
	n      int
	// pieces are where pieces of about pieceBytes begin, besides the first.
	pieces []piece
	err    error // the first value that cannot be written
}

// piece is a place between two rows.
type piece struct{ at, rows int }

// pieceBytes of rows are written within a millisecond or two: longer pieces are what somebody else waits for.
const pieceBytes = 24 << 10

// Rest is what is done between two pieces of what is copied.
type Rest = func(context.Context)

// The file format of COPY: a signature, flags and the length of a header extension, both zero;
// tuples; and the number of columns -1 as the end.
var (
	header  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	trailer = []byte{0xff, 0xff}
)

const (
	null = 0xffffffff
	// epoch of PostgreSQL's times is 2000-01-01, in microseconds of Unix time.
	epoch = 946_684_800_000_000
	// textOID is of the type text, as the elements of an array are.
	textOID = 25
)

// Len counts the rows.
func (t *Table) Len() int { return t.n }

// Size is the memory of the rows in bytes.
func (t *Table) Size() int { return len(t.tuples) }

// Reset empties the table and keeps its memory.
func (t *Table) Reset() { t.tuples, t.n, t.pieces, t.err = t.tuples[:0], 0, t.pieces[:0], nil }

// Row begins a row of that many columns.
func (t *Table) Row(columns uint16) {
	last := 0
	if n := len(t.pieces); n > 0 {
		last = t.pieces[n-1].at
	}
	if len(t.tuples)-last >= pieceBytes {
		t.pieces = append(t.pieces, piece{at: len(t.tuples), rows: t.n})
	}
	t.RowOn(columns)
}

// RowOn begins a row that is written by the same statement as the one before it.
func (t *Table) RowOn(columns uint16) {
	t.n++
	t.tuples = binary.BigEndian.AppendUint16(t.tuples, columns)
}

func (t *Table) length(n int) { t.tuples = binary.BigEndian.AppendUint32(t.tuples, uint32(n)) }

// Null adds a value that is not known, of any type.
func (t *Table) Null() { t.tuples = binary.BigEndian.AppendUint32(t.tuples, null) }

// Text adds a text, or anything that travels as its bytes.
func (t *Table) Text(s string) {
	t.length(len(s))
	t.tuples = append(t.tuples, s...)
}

// KnownText is Text, and NULL for the empty text.
func (t *Table) KnownText(s string) {
	if s == "" {
		t.Null()
		return
	}
	t.Text(s)
}

// Bytes is Text for bytes.
func (t *Table) Bytes(b []byte) {
	t.length(len(b))
	t.tuples = append(t.tuples, b...)
}

// Bigint adds a bigint.
func (t *Table) Bigint(n int64) {
	t.length(8)
	t.tuples = binary.BigEndian.AppendUint64(t.tuples, uint64(n))
}

// Integer adds an integer.
func (t *Table) Integer(n int32) {
	t.length(4)
	t.tuples = binary.BigEndian.AppendUint32(t.tuples, uint32(n))
}

// Boolean adds a boolean.
func (t *Table) Boolean(b bool) {
	t.length(1)
	value := byte(0)
	if b {
		value = 1
	}
	t.tuples = append(t.tuples, value)
}

// UUID adds a uuid.
func (t *Table) UUID(id [16]byte) {
	t.length(len(id))
	t.tuples = append(t.tuples, id[:]...)
}

// Time adds a timestamptz, in microseconds.
func (t *Table) Time(at time.Time) { t.Bigint(at.UnixMicro() - epoch) }

// KnownTime is Time, or NULL.
func (t *Table) KnownTime(at pgtype.Timestamptz) {
	if !at.Valid {
		t.Null()
		return
	}
	t.Time(at.Time)
}

// Date adds a date, of which the time of day and the zone do not count.
func (t *Table) Date(day time.Time) {
	year, month, date := day.Date()
	t.Integer(int32(time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix()/86400 - 10957))
}

// Texts adds a text[] of one dimension.
func (t *Table) Texts(values []string) {
	at := len(t.tuples)
	t.length(0)
	put := func(n uint32) { t.tuples = binary.BigEndian.AppendUint32(t.tuples, n) }
	if len(values) == 0 {
		put(0)
		put(0)
		put(textOID)
	} else {
		put(1)
		put(0)
		put(textOID)
		put(uint32(len(values)))
		put(1) // the first index
		for _, v := range values {
			t.Text(v)
		}
	}
	binary.BigEndian.PutUint32(t.tuples[at:], uint32(len(t.tuples)-at-4))
}

// Numeric adds a numeric, given as a decimal number: digits, with a sign and a point at most. Its scale
// is the digits after the point, as PostgreSQL reads such a text.
func (t *Table) Numeric(text string) {
	const base, negative = 4, 0x4000
	digits, sign := text, uint16(0)
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		digits, sign = rest, negative
	}
	whole, fraction, point := strings.Cut(digits, ".")
	scale := len(fraction)
	if !isDigits(whole) || (point && !isDigits(fraction)) || len(whole)+scale > 1000 {
		if t.err == nil {
			t.err = fmt.Errorf("%q is no decimal number", text)
		}
		t.Null()
		return
	}
	weight := (len(whole)+base-1)/base - 1
	groups := make([]uint16, 0, 16)
	group, place := uint16(0), (base-len(whole)%base)%base // as if zeros stood before
	for _, part := range [...]string{whole, fraction} {
		for i := range len(part) {
			if group, place = 10*group+uint16(part[i]-'0'), place+1; place == base {
				groups, group, place = append(groups, group), 0, 0
			}
		}
	}
	if place > 0 {
		for ; place < base; place++ {
			group *= 10
		}
		groups = append(groups, group)
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups, weight = groups[1:], weight-1
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	if len(groups) == 0 {
		weight, sign = 0, 0
	}
	t.length(8 + 2*len(groups))
	for _, n := range [...]uint16{uint16(len(groups)), uint16(int16(weight)), sign, uint16(scale)} {
		t.tuples = binary.BigEndian.AppendUint16(t.tuples, n)
	}
	for _, n := range groups {
		t.tuples = binary.BigEndian.AppendUint16(t.tuples, n)
	}
}

// KnownNumeric is Numeric, and NULL for the empty text.
func (t *Table) KnownNumeric(text string) {
	if text == "" {
		t.Null()
		return
	}
	t.Numeric(text)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Copy writes all rows within the connection's transaction: in one round trip, or with a rest in one for every
// pieceBytes, and the rest after each. sql is the statement COPY … FROM STDIN (FORMAT binary).
func (t *Table) Copy(ctx context.Context, conn *pgconn.PgConn, sql string, rest Rest) error {
	if rest == nil {
		return t.copy(ctx, conn, sql, t.tuples, t.n)
	}
	var from piece
	for _, to := range append(slices.Clip(t.pieces), piece{at: len(t.tuples), rows: t.n}) {
		if err := t.copy(ctx, conn, sql, t.tuples[from.at:to.at], to.rows-from.rows); err != nil {
			return err
		}
		rest(ctx)
		from = to
	}
	return nil
}

func (t *Table) copy(ctx context.Context, conn *pgconn.PgConn, sql string, tuples []byte, rows int) error {
	if t.err != nil {
		return fmt.Errorf("copy rows: %w", t.err)
	}
	if rows == 0 {
		return nil
	}
	stream := io.MultiReader(bytes.NewReader(header), bytes.NewReader(tuples), bytes.NewReader(trailer))
	tag, err := conn.CopyFrom(ctx, stream, sql)
	if err != nil {
		return fmt.Errorf("copy rows: %w", err)
	}
	if int(tag.RowsAffected()) != rows {
		return fmt.Errorf("copy rows: %d of %d were written", tag.RowsAffected(), rows)
	}
	return nil
}
