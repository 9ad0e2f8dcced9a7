package order

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
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
	var general Metadata // apart from *m, so that *m may be on a stack
	err := fastjson.Unmarshal(data, &general)
	*m = general
	return err
}

// decodeEvidence is decodeMetadata for what encodeEvidence writes, which every notification has. The body is a part of
// data. Both read the same (FuzzDecodeEvidence).
func decodeEvidence(data []byte) (Event, error) {
	if e, ok := readEvidence(data); ok {
		return e, nil
	}
	return decodeAs[NotificationRecorded](data)
}

// members reads the members of one JSON object of plain texts in a known order, as far as they are there.
type members struct {
	rest  string
	begin byte // what stands before the next member
	odd   bool // something is not as it is read by hand
}

// member goes to the value of the next member if it has this name, given with quotes and colon.
func (r *members) member(name string) bool {
	if r.odd || len(r.rest) <= len(name)+1 || r.rest[0] != r.begin || r.rest[1:1+len(name)] != name {
		return false
	}
	r.rest, r.begin = r.rest[1+len(name):], ','
	return true
}

// quoted takes a string without its quotes.
func (r *members) quoted() string {
	if r.rest != "" && r.rest[0] == '"' {
		if n := strings.IndexByte(r.rest[1:], '"'); n >= 0 {
			value := r.rest[1 : 1+n]
			r.rest = r.rest[2+n:]
			return value
		}
	}
	r.odd = true
	return ""
}

func (r *members) textOf(name string) string {
	if !r.member(name) {
		return ""
	}
	return r.quoted()
}

func (r *members) timeOf(name string, into *time.Time) {
	if !r.member(name) {
		return
	}
	at, err := iso8601.Parse(r.quoted())
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

func (r *members) flagsOf(name string) (flags []Flag) {
	if !r.member(name) {
		return nil
	}
	for before := byte('['); ; before = ',' {
		if r.odd || r.rest == "" || r.rest[0] != before {
			r.odd = true
			return nil
		}
		r.rest = r.rest[1:]
		flags = append(flags, Flag(r.quoted()))
		if r.rest != "" && r.rest[0] == ']' {
			r.rest = r.rest[1:]
			return flags
		}
	}
}

// readMetadata tells whether it could read the envelope; if not, m is spoilt.
func readMetadata(data []byte, m *Metadata) bool {
	if !isPlain(data) {
		return false
	}
	r := members{rest: string(data), begin: '{'} // all texts are parts of one piece of memory
	m.CorrelationID = r.textOf(`"$correlationId":`)
	m.CausationID = r.textOf(`"$causationId":`)
	m.LedgerID = r.textOf(`"ledger_id":`)
	m.Schema = r.smallNumber(`"schema":`)
	r.timeOf(`"occurred_at":`, &m.OccurredAt)
	m.OccurredAtBasis = Basis(r.textOf(`"occurred_at_basis":`))
	r.timeOf(`"told_at":`, &m.ToldAt)
	r.timeOf(`"received_at":`, &m.ReceivedAt)
	r.timeOf(`"recorded_at":`, &m.RecordedAt)
	m.Source = r.textOf(`"source":`)
	m.SourceAccount = r.textOf(`"source_account":`)
	m.SourceEventID = r.textOf(`"source_event_id":`)
	m.SourceStatus = r.textOf(`"source_status":`)
	m.Actor = r.textOf(`"actor":`)
	m.Translator = r.textOf(`"translator":`)
	m.Flags = r.flagsOf(`"flags":`)
	return !r.odd && r.rest == "}" && r.begin == ','
}

// readEvidence tells whether it could read the evidence.
func readEvidence(data []byte) (n NotificationRecorded, ok bool) {
	const before = `,"body":`
	texts := bytes.Index(data, []byte(before))
	if texts < 0 || !isPlain(data[:texts]) {
		return n, false
	}
	r := members{rest: string(data[:texts]), begin: '{'}
	n.NotificationID = r.textOf(`"notification_id":`)
	n.Gateway = r.textOf(`"gateway":`)
	n.Account = r.textOf(`"account":`)
	n.Via = r.textOf(`"via":`)
	n.Verified = r.textOf(`"verified":`)
	n.BodySHA256 = r.textOf(`"body_sha256":`)
	if r.odd || r.rest != "" || r.begin != ',' {
		return n, false
	}
	rest, err := fastjson.Parse(data[texts+len(before):], &n.Body, fastjson.DontCopyRawMessage)
	const version = `,"version":`
	if err == nil && bytes.HasPrefix(rest, []byte(version)) {
		rest, err = fastjson.Parse(rest[len(version):], &n.Version, 0)
	}
	n.Body = slices.Clip(n.Body)
	return n, err == nil && string(rest) == "}"
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
