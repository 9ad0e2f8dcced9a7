package order

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/segmentio/encoding/iso8601"
	fastjson "github.com/segmentio/encoding/json"
)

// decodeMetadata reads an envelope. What encodeMetadata writes, plain texts in its order, is read by hand, because every
// event has one; everything else that is an envelope is left to the JSON package. Both read the same
// (FuzzDecodeMetadata).
func decodeMetadata(data []byte, m *Metadata) error {
	if readMetadata(data, m) {
		return nil
	}
	*m = Metadata{}
	return fastjson.Unmarshal(data, m)
}

// members reads the members of one JSON object in a known order, as far as they are there.
type members struct {
	rest  []byte
	begin byte // what stands before the next member
	odd   bool // something is not as it is read by hand
	// texts are all texts together, so that they are one piece of memory.
	texts []byte
}

// text is a place in members.texts.
type text struct{ from, to int }

// member goes to the value of the next member if it has this name, given with quotes and colon.
func (r *members) member(name string) bool {
	if r.odd || len(r.rest) <= len(name)+1 || r.rest[0] != r.begin || string(r.rest[1:1+len(name)]) != name {
		return false
	}
	r.rest, r.begin = r.rest[1+len(name):], ','
	return true
}

// quoted takes a string without its quotes.
func (r *members) quoted() []byte {
	if len(r.rest) > 0 && r.rest[0] == '"' {
		if n := bytes.IndexByte(r.rest[1:], '"'); n >= 0 {
			value := r.rest[1 : 1+n]
			r.rest = r.rest[2+n:]
			return value
		}
	}
	r.odd = true
	return nil
}

func (r *members) take() text {
	from := len(r.texts)
	r.texts = append(r.texts, r.quoted()...)
	return text{from: from, to: len(r.texts)}
}

func (r *members) textOf(name string) text {
	if !r.member(name) {
		return text{}
	}
	return r.take()
}

func (r *members) timeOf(name string, into *time.Time) {
	if !r.member(name) {
		return
	}
	at, err := iso8601.Parse(string(r.quoted()))
	if err != nil {
		r.odd = true
	}
	*into = at
}

// smallNumber reads a number of up to four digits.
func (r *members) smallNumber(name string) (n int) {
	if !r.member(name) {
		return 0
	}
	digits := 0
	for digits < len(r.rest) && '0' <= r.rest[digits] && r.rest[digits] <= '9' {
		n = 10*n + int(r.rest[digits]-'0')
		if digits++; digits > 4 {
			break
		}
	}
	r.odd = r.odd || digits == 0 || digits > 4 || (r.rest[0] == '0' && digits > 1)
	r.rest = r.rest[digits:]
	return n
}

// flagsMost are read by hand.
const flagsMost = 8

func (r *members) flagsOf(name string, places *[flagsMost]text) (n int) {
	if !r.member(name) {
		return 0
	}
	for before := byte('['); ; before = ',' {
		if n == flagsMost || len(r.rest) == 0 || r.rest[0] != before {
			r.odd = true
			return n
		}
		r.rest = r.rest[1:]
		places[n] = r.take()
		n++
		if len(r.rest) > 0 && r.rest[0] == ']' {
			r.rest = r.rest[1:]
			return n
		}
	}
}

// readMetadata tells whether it could read the envelope; if not, m is spoilt.
func readMetadata(data []byte, m *Metadata) bool {
	if !isPlain(data) {
		return false
	}
	var room [256]byte
	r := members{rest: data, begin: '{', texts: room[:0]}
	correlation := r.textOf(`"$correlationId":`)
	causation := r.textOf(`"$causationId":`)
	ledgerID := r.textOf(`"ledger_id":`)
	m.Schema = r.smallNumber(`"schema":`)
	r.timeOf(`"occurred_at":`, &m.OccurredAt)
	basis := r.textOf(`"occurred_at_basis":`)
	r.timeOf(`"told_at":`, &m.ToldAt)
	r.timeOf(`"received_at":`, &m.ReceivedAt)
	r.timeOf(`"recorded_at":`, &m.RecordedAt)
	source := r.textOf(`"source":`)
	account := r.textOf(`"source_account":`)
	sourceEvent := r.textOf(`"source_event_id":`)
	status := r.textOf(`"source_status":`)
	actor := r.textOf(`"actor":`)
	translator := r.textOf(`"translator":`)
	var places [flagsMost]text
	flags := r.flagsOf(`"flags":`, &places)
	if r.odd || len(r.rest) != 1 || r.rest[0] != '}' || r.begin == '{' {
		return false
	}
	all := string(r.texts)
	of := func(t text) string { return all[t.from:t.to] }
	m.CorrelationID, m.CausationID, m.LedgerID = of(correlation), of(causation), of(ledgerID)
	m.OccurredAtBasis, m.Source, m.SourceAccount = Basis(of(basis)), of(source), of(account)
	m.SourceEventID, m.SourceStatus, m.Actor, m.Translator = of(sourceEvent), of(status), of(actor), of(translator)
	if flags > 0 {
		m.Flags = make([]Flag, flags)
		for i := range m.Flags {
			m.Flags[i] = Flag(of(places[i]))
		}
	}
	return true
}

// isPlain tells whether bytes are ASCII without control characters and escapes, so that a quote ends a string.
func isPlain(data []byte) bool {
	const (
		each  = 0x0101010101010101
		high  = 0x80 * each
		space = ' ' * each
	)
	if bytes.IndexByte(data, '\\') >= 0 {
		return false
	}
	odd := uint64(0)
	for ; len(data) >= 8; data = data[8:] {
		w := binary.LittleEndian.Uint64(data)
		odd |= w | (w - space) // a byte below the space borrows from its high bit
	}
	for _, c := range data {
		odd |= uint64(c) | uint64(c-' ')
	}
	return odd&high == 0
}
