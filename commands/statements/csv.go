package statements

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// encodings are those that files may have besides UTF-8.
var encodings = map[string]encoding.Encoding{
	"utf-16": unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM), "iso-8859-1": charmap.ISO8859_1, "iso-8859-15": charmap.ISO8859_15,
	"windows-1250": charmap.Windows1250, "windows-1252": charmap.Windows1252, "windows-1257": charmap.Windows1257,
}

// decodeText turns a file into UTF-8 without a byte order mark, or says on which line it is something else.
func decodeText(content []byte, name string) ([]byte, error) {
	if name = strings.ToLower(name); name != "utf-8" {
		from, ok := encodings[name]
		if !ok {
			return nil, refuse(0, "the encoding %q is not known", name)
		}
		decoded, err := from.NewDecoder().Bytes(content)
		if err != nil {
			return nil, refuse(0, "it is not in %s: %s", name, err)
		}
		if at := bytes.IndexRune(decoded, utf8.RuneError); at >= 0 {
			return nil, refuse(lineAt(decoded, at), "it is not in %s", name)
		}
		content = decoded
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	for at := 0; at < len(content); {
		r, size := utf8.DecodeRune(content[at:])
		if r == 0 || (r == utf8.RuneError && size <= 1) {
			return nil, refuse(lineAt(content, at), "byte %#02x: it is not in %s", content[at], name)
		}
		at += size
	}
	return content, nil
}

func lineAt(content []byte, at int) int { return bytes.Count(content[:at], []byte("\n")) + 1 }

// table reads the rows of a CSV file.
type table struct {
	m      *Mapping
	p      problems
	header []string
	sums   map[string]money.Money // by currency and column
	totals int                    // line of the row of totals
}

func readCSV(s *settlement.Statement, content []byte, m *Mapping) error {
	s.Format, s.Side = settlement.CSV, m.Side
	text, err := decodeText(content, m.Encoding)
	if err != nil {
		return err
	}
	for range m.SkipLines {
		_, rest, found := bytes.Cut(text, []byte("\n"))
		if !found {
			return refuse(0, "it has no more than the %d lines that are to be skipped", m.SkipLines)
		}
		text = rest
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = rune(m.Delimiter[0])
	t := table{m: m, sums: make(map[string]money.Money)}
	if t.header, err = r.Read(); err != nil {
		return refuse(m.SkipLines+1, "it has no header: %s", err)
	}
	for i := range t.header {
		t.header[i] = strings.TrimSpace(t.header[i])
	}
	if err := t.checkHeader(m.SkipLines + 1); err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var malformed *csv.ParseError
		if errors.As(err, &malformed) {
			return refuse(malformed.Line+m.SkipLines, "%s", malformed.Err)
		}
		if err != nil {
			return refuse(0, "%s", err)
		}
		number, _ := r.FieldPos(0)
		t.row(s, row, number+m.SkipLines)
		if len(s.Lines) > LinesMax {
			return refuse(0, "it has more than %d lines", LinesMax)
		}
	}
	if m.Totals != nil && t.totals == 0 {
		t.p.add(0, "it has no row of totals (%s = %q): it is cut off, perhaps", m.Totals.Column, m.Totals.Value)
	}
	return t.p.err()
}

// checkHeader finds the columns that the mapping names and the file lacks.
func (t *table) checkHeader(line int) error {
	c := &t.m.Columns
	wanted := append([]string{c.ID, c.SettlementRef, c.Kind, c.ValueDate, c.Currency, c.Gross, c.Fee, c.Net, c.Settled, c.SettledCurrency, c.Rate}, c.References...)
	if t.m.Totals != nil {
		wanted = append(wanted, t.m.Totals.Column)
	}
	var p problems
	for _, name := range wanted {
		switch n := count(t.header, name); {
		case name == "" || n == 1:
		case n == 0:
			p.add(line, "there is no column %q; there are %s", name, strings.Join(t.header, ", "))
		default:
			p.add(line, "there are %d columns %q", n, name)
		}
	}
	return p.err()
}

func count(all []string, name string) int {
	n := 0
	for _, one := range all {
		if one == name {
			n++
		}
	}
	return n
}

func (t *table) cell(row []string, column string) string {
	if i := slices.Index(t.header, column); i >= 0 && column != "" {
		return strings.TrimSpace(row[i])
	}
	return ""
}

func (t *table) row(s *settlement.Statement, row []string, number int) {
	if total := t.m.Totals; total != nil && t.cell(row, total.Column) == total.Value {
		t.totals = number
		t.checkTotals(row, number)
		return
	}
	if t.totals != 0 {
		t.p.add(number, "it stands after the row of totals")
		return
	}
	l, err := t.line(row, number)
	switch {
	case err != nil:
		t.p.add(number, "%s", err)
	case l != nil:
		s.Lines = append(s.Lines, *l)
	}
}

// line reads a row; nil is one that the mapping leaves out.
func (t *table) line(row []string, number int) (*settlement.Line, error) {
	m, c := t.m, &t.m.Columns
	currency, err := t.currency(row)
	if err != nil {
		return nil, err
	}
	gross, err := t.amount(row, c.Gross, currency)
	if err != nil {
		return nil, err
	}
	if gross == nil {
		return nil, fmt.Errorf("column %q is empty", c.Gross)
	}
	kind, err := t.kind(row, gross.IsNegative())
	if err != nil || kind == skip {
		return nil, err
	}
	l := settlement.Line{
		FileLine: number, ID: t.cell(row, c.ID), Kind: settlement.Kind(kind), SettlementRef: t.cell(row, c.SettlementRef),
	}
	var texts []string
	for _, column := range c.References {
		texts = append(texts, t.cell(row, column))
	}
	l.References = m.references(texts...)
	if l.ValueDate, err = t.day(row); err != nil {
		return nil, err
	}
	settled, err := t.settled(row)
	if err != nil {
		return nil, err
	}
	ofAccount := currency
	if settled != nil {
		ofAccount = settled.Currency()
	}
	if l.Fee, err = t.amount(row, c.Fee, ofAccount); err != nil {
		return nil, err
	}
	if l.Net, err = t.amount(row, c.Net, ofAccount); err != nil {
		return nil, err
	}
	for column, amount := range map[string]*money.Money{c.Gross: gross, c.Fee: l.Fee, c.Net: l.Net, c.Settled: settled} {
		if err := t.count(column, amount); err != nil {
			return nil, err
		}
	}
	if settled != nil {
		came, err := t.unsigned(*settled, m.Signs == signed && m.outgoing(l.Kind), l.Kind)
		if err != nil {
			return nil, err
		}
		if l.Exchange, err = t.exchange(row, came); err != nil {
			return nil, err
		}
	}
	if l.Gross, err = t.unsigned(*gross, m.Signs == signed && m.outgoing(l.Kind), l.Kind); err != nil {
		return nil, err
	}
	if l.Fee != nil {
		fee, err := t.unsigned(*l.Fee, m.FeeSign == negative, settlement.Fee)
		if err != nil {
			return nil, err
		}
		l.Fee = &fee
	}
	if l.Net != nil {
		net, err := t.unsigned(*l.Net, m.Signs == signed && m.outgoing(l.Kind), l.Kind)
		if err != nil {
			return nil, err
		}
		l.Net = &net
	}
	return &l, nil
}

// settled is what the gross came to in another currency; nil when the row does not tell, or that is the same.
func (t *table) settled(row []string) (*money.Money, error) {
	c := &t.m.Columns
	code := t.cell(row, c.SettledCurrency)
	if code == "" || code == t.cell(row, c.Currency) || (c.Currency == "" && code == t.m.Currencies[0]) {
		return nil, nil //nolint:nilnil // left out is an answer
	}
	if !slices.Contains(t.m.Currencies, code) {
		return nil, fmt.Errorf("the currency %q is none of %s", code, strings.Join(t.m.Currencies, ", "))
	}
	currency, err := money.ParseCurrency(code)
	if err != nil {
		return nil, err
	}
	settled, err := t.amount(row, c.Settled, currency)
	if err == nil && settled == nil {
		err = fmt.Errorf("column %q is empty, and column %q is not", c.Settled, c.SettledCurrency)
	}
	return settled, err
}

func (t *table) exchange(row []string, came money.Money) (*settlement.Exchange, error) {
	x := &settlement.Exchange{Amount: came}
	text := t.cell(row, t.m.Columns.Rate)
	if text == "" {
		return x, nil
	}
	if t.m.Decimal != "." {
		text = strings.ReplaceAll(text, t.m.Decimal, ".")
	}
	if _, err := settlement.ParseRate(text); err != nil {
		return nil, fmt.Errorf("column %q: %w", t.m.Columns.Rate, err)
	}
	x.Rate = text
	return x, nil
}

// unsigned takes the sign off that an amount of its kind has.
func (t *table) unsigned(amount money.Money, minus bool, kind settlement.Kind) (money.Money, error) {
	if minus {
		amount = amount.Neg()
	}
	if amount.IsNegative() {
		return amount, fmt.Errorf("the sign of %s is not that of a %s", amount, kind)
	}
	return amount, nil
}

func (t *table) currency(row []string) (money.Currency, error) {
	code := t.cell(row, t.m.Columns.Currency)
	if t.m.Columns.Currency == "" {
		code = t.m.Currencies[0]
	}
	if !slices.Contains(t.m.Currencies, code) {
		return money.Currency{}, fmt.Errorf("the currency %q is none of %s", code, strings.Join(t.m.Currencies, ", "))
	}
	return money.ParseCurrency(code)
}

func (t *table) kind(row []string, isNegative bool) (string, error) {
	word := "+"
	if isNegative {
		word = "-"
	}
	if t.m.Columns.Kind != "" {
		word = t.cell(row, t.m.Columns.Kind)
	}
	kind, ok := t.m.Kinds[word]
	if !ok {
		if slices.Contains(settlement.Kinds(), settlement.Kind(word)) {
			return word, nil
		}
		return "", fmt.Errorf("the mapping does not say what the kind %q is", word)
	}
	return kind, nil
}

func (t *table) day(row []string) (string, error) {
	text := t.cell(row, t.m.Columns.ValueDate)
	at, err := time.Parse(t.m.layout, text)
	if err != nil {
		return "", fmt.Errorf("the date %q is not like %s", text, t.m.Date)
	}
	return at.Format(time.DateOnly), nil
}

// amount reads a column, with its sign; nil when it is empty or there is none.
func (t *table) amount(row []string, column string, currency money.Currency) (*money.Money, error) {
	text := t.cell(row, column)
	if text == "" {
		return nil, nil //nolint:nilnil // left out is an answer
	}
	number := text
	if t.m.Thousands != "" {
		number = strings.ReplaceAll(number, t.m.Thousands, "")
	}
	if t.m.Decimal != "." {
		if strings.Contains(number, ".") {
			return nil, fmt.Errorf("column %q: %q has a point and no decimal comma", column, text)
		}
		number = strings.ReplaceAll(number, t.m.Decimal, ".")
	}
	amount, err := money.Parse(strings.TrimPrefix(number, "+"), currency)
	if err != nil {
		return nil, fmt.Errorf("column %q: %q: %w", column, text, err)
	}
	return &amount, nil
}

// count adds an amount to what its column adds up to.
func (t *table) count(column string, amount *money.Money) error {
	if amount == nil {
		return nil
	}
	key := amount.Currency().Code() + "|" + column
	sum, ok := t.sums[key]
	if !ok {
		sum = money.Zero(amount.Currency())
	}
	sum, err := sum.Add(*amount)
	if err != nil {
		return err
	}
	t.sums[key] = sum
	return nil
}

// checkTotals compares the row of totals with what the lines add up to.
func (t *table) checkTotals(row []string, number int) {
	if t.m.Columns.Currency != "" && t.cell(row, t.m.Columns.Currency) == "" && len(t.m.Currencies) > 1 {
		t.p.add(number, "the row of totals has no currency, and the statement may have several")
		return
	}
	code := t.cell(row, t.m.Columns.Currency)
	if code == "" {
		code = t.m.Currencies[0]
	}
	currency, err := money.ParseCurrency(code)
	if err != nil {
		t.p.add(number, "%q is no currency", code)
		return
	}
	compared := false
	for _, column := range []string{t.m.Columns.Gross, t.m.Columns.Fee, t.m.Columns.Net, t.m.Columns.Settled} {
		total, err := t.amount(row, column, currency)
		if err != nil {
			t.p.add(number, "%s", err)
			continue
		}
		if total == nil {
			continue
		}
		compared = true
		sum, ok := t.sums[currency.Code()+"|"+column]
		if !ok {
			sum = money.Zero(currency)
		}
		if !sum.Equal(*total) {
			t.p.add(number, "the total of %q is %s, and the lines add up to %s", column, total, sum)
		}
	}
	if !compared {
		t.p.add(number, "the row of totals has no totals")
	}
}
