package statements

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// Mapping says how a file is read: what stands in which column, in which form. Of camt files only gateway,
// side, window_days, kinds and reference_pattern are used.
type Mapping struct {
	// Gateway is whose payments the statement is about: decta, everifin or connectpay.
	Gateway string `yaml:"gateway"`
	// Side is gateway for a settlement report and bank for a bank statement.
	Side settlement.Side `yaml:"side"`
	// WindowDays is how many days after a movement its line may be dated; 0 is settlement.DefaultWindow.
	WindowDays int `yaml:"window_days"`

	// Encoding is utf-8 (the default), utf-16, iso-8859-1, iso-8859-15, windows-1250, windows-1252 or
	// windows-1257.
	Encoding string `yaml:"encoding"`
	// Delimiter is one character; a comma by default.
	Delimiter string `yaml:"delimiter"`
	// SkipLines are the lines before the header.
	SkipLines int     `yaml:"skip_lines"`
	Columns   Columns `yaml:"columns"`
	// Decimal and Thousands are what amounts are written with; a point and nothing by default.
	Decimal   string `yaml:"decimal"`
	Thousands string `yaml:"thousands"`
	// Date is how days are written, with YYYY, MM, DD, hh, mm and ss; YYYY-MM-DD by default.
	Date string `yaml:"date"`
	// Currencies are those that may occur. With one, the column may be missing.
	Currencies []string `yaml:"currencies"`
	// Kinds tells kinds of lines by the words of their column; "skip" leaves lines out. Without the column,
	// "+" and "-" tell them by the sign.
	Kinds map[string]string `yaml:"kinds"`
	// Signs is absolute (the default) when no amount has one, or signed when gross and net have that of the
	// money: what comes in is above zero.
	Signs string `yaml:"signs"`
	// FeeSign is the sign of a fee: positive (the default) or negative.
	FeeSign string `yaml:"fee_sign"`
	// Totals names the row of totals, by a word in a column.
	Totals *Totals `yaml:"totals"`
	// ReferencePattern takes a part of references: its first group, or the whole match.
	ReferencePattern string `yaml:"reference_pattern"`

	pattern *regexp.Regexp
	layout  string
}

// Columns are names in the header. References may be several columns, the most exact first. Gross and
// value_date are needed; kind is unless the sign tells it.
type Columns struct {
	ID            string   `yaml:"id"`
	References    []string `yaml:"references"`
	SettlementRef string   `yaml:"settlement_ref"`
	Kind          string   `yaml:"kind"`
	ValueDate     string   `yaml:"value_date"`
	Currency      string   `yaml:"currency"`
	Gross         string   `yaml:"gross"`
	Fee           string   `yaml:"fee"`
	Net           string   `yaml:"net"`
	// Settled is what gross came to in SettledCurrency, where the account is in another currency: fee and net are in
	// that one then. Rate is the rate that was agreed, of settled for one of gross.
	Settled         string `yaml:"settled"`
	SettledCurrency string `yaml:"settled_currency"`
	Rate            string `yaml:"rate"`
}

// Totals is the row of totals: what the columns of amounts add up to.
type Totals struct {
	Column string `yaml:"column"`
	Value  string `yaml:"value"`
}

const (
	signed   = "signed"
	absolute = "absolute"
	negative = "negative"
	positive = "positive"
	skip     = "skip"
	// windowDaysMax keeps a mistake from matching anything with anything.
	windowDaysMax = 400
	// mappingBytesMax bounds a mapping's text.
	mappingBytesMax = 64 << 10
	// mappingNestingMax bounds how deep flow collections lie in each other.
	mappingNestingMax = 8
	// lineReferencesMax bounds the references of a line.
	lineReferencesMax = 16
)

// ParseMapping reads a mapping; what it does not know is an error.
func ParseMapping(content []byte) (Mapping, error) {
	var m Mapping
	if len(content) > mappingBytesMax {
		return m, fmt.Errorf("read the mapping: it has %d bytes, more than %d", len(content), mappingBytesMax)
	}
	if err := checkPlain(content); err != nil {
		return m, fmt.Errorf("read the mapping: %w", err)
	}
	err := yaml.NewDecoder(bytes.NewReader(content), yaml.Strict()).Decode(&m)
	if err != nil && !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("read the mapping: %w", err)
	}
	return m, nil
}

// checkPlain refuses what makes a small text large when it is read: anchors, aliases and merge keys.
func checkPlain(content []byte) error {
	depth := 0
	for _, t := range lexer.Tokenize(string(content)) {
		if t.Type == token.AnchorType || t.Type == token.AliasType || t.Type == token.MergeKeyType {
			return fmt.Errorf("line %d: anchors, aliases and merge keys are not taken", t.Position.Line)
		}
		if t.Type == token.MappingStartType || t.Type == token.SequenceStartType {
			depth++
		}
		if t.Type == token.MappingEndType || t.Type == token.SequenceEndType {
			depth--
		}
		if depth > mappingNestingMax {
			return fmt.Errorf("line %d: it nests deeper than %d levels", t.Position.Line, mappingNestingMax)
		}
	}
	return nil
}

func (m *Mapping) days() int {
	if m.WindowDays == 0 {
		return int(settlement.DefaultWindow)
	}
	return m.WindowDays
}

// validate checks the mapping and prepares it.
func (m *Mapping) validate(camt bool) error {
	var p problems
	if m.Side == "" && camt {
		m.Side = settlement.AtBank
	}
	one := func(name, value string, known ...string) {
		if !slices.Contains(known, value) {
			p.add(0, "the mapping's %s %q is none of %s", name, value, strings.Join(known, ", "))
		}
	}
	one("side", string(m.Side), string(settlement.AtGateway), string(settlement.AtBank))
	if m.WindowDays < 0 || m.WindowDays > windowDaysMax {
		p.add(0, "the mapping's window_days %d is not within 0 and %d", m.WindowDays, windowDaysMax)
	}
	for word, kind := range m.Kinds {
		if kind != skip && !slices.Contains(settlement.Kinds(), settlement.Kind(kind)) {
			p.add(0, "the mapping's kind %q of %q is none of %v or skip", kind, word, settlement.Kinds())
		}
	}
	if m.ReferencePattern != "" {
		var err error
		if m.pattern, err = regexp.Compile(m.ReferencePattern); err != nil {
			p.add(0, "the mapping's reference_pattern: %s", err)
		}
	}
	if !camt {
		m.validateCSV(&p, one)
	}
	return p.err()
}

func (m *Mapping) validateCSV(p *problems, one func(name, value string, known ...string)) {
	fill := func(to *string, otherwise string) {
		if *to == "" {
			*to = otherwise
		}
	}
	fill(&m.Delimiter, ",")
	fill(&m.Decimal, ".")
	fill(&m.Date, "YYYY-MM-DD")
	fill(&m.Encoding, "utf-8")
	fill(&m.Signs, absolute)
	fill(&m.FeeSign, positive)
	one("signs", m.Signs, absolute, signed)
	one("fee_sign", m.FeeSign, positive, negative)
	one("decimal", m.Decimal, ".", ",")
	if len(m.Delimiter) != 1 || strings.ContainsAny(m.Delimiter, "\"\r\n") {
		p.add(0, "the mapping's delimiter %q is not one character", m.Delimiter)
	}
	if m.Thousands == m.Decimal {
		p.add(0, "the mapping's thousands and decimal are both %q", m.Decimal)
	}
	if m.Columns.Gross == "" || m.Columns.ValueDate == "" {
		p.add(0, "the mapping names no columns for gross and value_date")
	}
	if n := len(m.Columns.References); n > lineReferencesMax {
		p.add(0, "the mapping names %d columns of references, more than %d", n, lineReferencesMax)
	}
	if m.Columns.Kind == "" && m.Kinds["+"] == "" && m.Kinds["-"] == "" {
		p.add(0, `the mapping tells kinds neither by a column nor, as "+" and "-", by the sign`)
	}
	if len(m.Currencies) == 0 {
		p.add(0, "the mapping names no currencies")
	}
	for _, code := range m.Currencies {
		if _, err := money.ParseCurrency(code); err != nil {
			p.add(0, "the mapping's currency %q is none", code)
		}
	}
	if (m.Columns.Settled == "") != (m.Columns.SettledCurrency == "") || (m.Columns.Rate != "" && m.Columns.Settled == "") {
		p.add(0, "the mapping names one of the columns settled and settled_currency without the other, or rate without them")
	}
	if m.Columns.Currency == "" && len(m.Currencies) > 1 {
		p.add(0, "the mapping has several currencies and no column that tells which")
	}
	m.layout = strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05").Replace(m.Date)
	day := time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)
	if at, err := time.Parse(m.layout, day.Format(m.layout)); err != nil || !at.Equal(day) {
		p.add(0, "the mapping's date %q does not tell a day; YYYY-MM-DD does", m.Date)
	}
}

// references are those of a line that the pattern leaves something of, each once, and the first
// lineReferencesMax of them: the most exact ones come first.
func (m *Mapping) references(texts ...string) []string {
	var all []string
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if m.pattern != nil {
			found := m.pattern.FindStringSubmatch(text)
			if len(found) == 0 {
				continue
			}
			text = found[min(1, len(found)-1)]
		}
		if text != "" && !slices.Contains(all, text) {
			if all = append(all, text); len(all) == lineReferencesMax {
				break
			}
		}
	}
	return all
}

// outgoing tells whether money of a kind goes away from the account that the statement is about.
func (m *Mapping) outgoing(k settlement.Kind) bool {
	return k.Incoming() == (k.OfPayout() && m.Side == settlement.AtBank)
}
