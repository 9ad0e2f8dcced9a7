// Package statements reads what gateways and banks send about the money that they hold or moved:
// settlement reports and bank statements as CSV, by a mapping that says what stands where, and ISO 20022
// camt.053 and camt.054.
//
// A file is read as a whole or refused as a whole, with the lines that are wrong: a *RefusedError. Nothing
// of it is personal: names, account numbers and free texts are left where they are.
package statements

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

const (
	// FileBytesMax bounds a file.
	FileBytesMax = 64 << 20
	// LinesMax bounds the lines of a statement.
	LinesMax = 500_000
	// problemsShown bounds what a refusal lists.
	problemsShown = 20
	// referenceBytesMax bounds a reference.
	referenceBytesMax = 255
)

// Problem is what is wrong with a line of a file.
type Problem struct {
	// Line is counted from 1; 0 is the file as a whole.
	Line int    `json:"line"`
	What string `json:"what"`
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.What
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.What)
}

// RefusedError says why a file is not taken in. Nothing of it was.
type RefusedError struct {
	// Problems are the first ones, More counts the others.
	Problems []Problem
	More     int
}

func (e *RefusedError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	text := "the statement is refused: " + strings.Join(texts, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

// problems collects what is wrong.
type problems struct{ refused RefusedError }

func (p *problems) add(line int, format string, args ...any) {
	if len(p.refused.Problems) == problemsShown {
		p.refused.More++
		return
	}
	p.refused.Problems = append(p.refused.Problems, Problem{Line: line, What: fmt.Sprintf(format, args...)})
}

func (p *problems) err() error {
	if len(p.refused.Problems) == 0 {
		return nil
	}
	return &p.refused
}

// refuse is a refusal for one reason.
func refuse(line int, format string, args ...any) error {
	var p problems
	p.add(line, format, args...)
	return p.err()
}

// Read reads a statement of an account. The format is the mapping's; without one it is what the content
// looks like.
func Read(name string, content []byte, m Mapping, account string) (settlement.Statement, error) {
	s := settlement.Statement{Header: settlement.Header{
		Gateway: m.Gateway, Account: account, Side: m.Side, FileName: filepath.Base(name), Days: m.days(),
	}}
	if len(content) > FileBytesMax {
		return s, refuse(0, "it has %d bytes, more than %d", len(content), FileBytesMax)
	}
	if m.Gateway == "" || account == "" {
		return s, refuse(0, "it is not said whose it is: gateway and account")
	}
	sum := sha256.Sum256(content)
	s.FileSHA256 = hex.EncodeToString(sum[:])
	if err := m.validate(isXML(content)); err != nil {
		return s, err
	}
	var err error
	if isXML(content) {
		err = readCamt(&s, content, &m)
	} else {
		err = readCSV(&s, content, &m)
	}
	if err != nil {
		return s, err
	}
	return s, check(&s)
}

// isXML tells camt from CSV by its first character.
func isXML(content []byte) bool {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	return bytes.HasPrefix(bytes.TrimLeftFunc(content, unicode.IsSpace), []byte("<"))
}

// check finds what is wrong with the lines of a file, by themselves and together.
func check(s *settlement.Statement) error {
	var p problems
	if len(s.Lines) == 0 && s.Closing == nil {
		p.add(0, "it has no lines")
	}
	if len(s.Lines) > LinesMax {
		return refuse(0, "it has more than %d lines", LinesMax)
	}
	first := make(map[string]int, len(s.Lines))
	for i := range s.Lines {
		l := &s.Lines[i]
		l.Number = i + 1
		if err := l.Check(); err != nil {
			p.add(l.FileLine, "%s", err)
			continue
		}
		for _, reference := range append([]string{l.ID, l.SettlementRef}, l.References...) {
			if err := checkReference(reference); err != nil {
				p.add(l.FileLine, "%s", err)
			}
		}
		key := contentOf(l)
		if before, ok := first[key]; ok {
			p.add(l.FileLine, "the same as line %d", before)
			continue
		}
		first[key] = l.FileLine
	}
	return p.err()
}

// contentOf is what tells a line from others of its file: its own id, or else all that it says.
func contentOf(l *settlement.Line) string {
	if l.ID != "" {
		return "id:" + l.ID
	}
	part := func(m *money.Money) string {
		if m == nil {
			return ""
		}
		return m.String()
	}
	settled := ""
	if l.Exchange != nil {
		settled = l.Exchange.Amount.Format()
	}
	return strings.Join(append([]string{string(l.Kind), l.ValueDate, l.Gross.Format(), settled, part(l.Fee), part(l.Net), l.SettlementRef}, l.References...), "|")
}

func checkReference(text string) error {
	switch {
	case len(text) > referenceBytesMax:
		return fmt.Errorf("a reference of %d bytes is longer than %d", len(text), referenceBytesMax)
	case !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0:
		return fmt.Errorf("the reference %q has characters that nobody can read", text)
	case len(cardguard.Find([]byte(text))) > 0:
		return fmt.Errorf("a reference is a payment card's number, which must not be kept")
	}
	return nil
}
