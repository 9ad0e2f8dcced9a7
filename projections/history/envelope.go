package history

import (
	"bytes"
	"unicode/utf8"
)

// Letters of envelopes that are kept without names; see ledger_data.envelope, which shows them.
const (
	noneOfFour    = ':'
	hasCausation  = 1
	hasEventID    = 2
	hasStatus     = 4
	hasTranslator = 8
)

// member is what stands before a value of an envelope, as it is encoded.
type member struct {
	before string
	has    byte // set when it is there; 0 is one that always is
	column *string
}

// appendEnvelope appends an envelope, valid JSON, as the table keeps it, and reports whether it is kept without names: only what the
// encoder writes is, where all values are plain, the members are those that most have, and source and actor those of the columns.
// Times stay the texts that they are, for a column holds microseconds.
func appendEnvelope(to, encoded []byte, source, actor string) ([]byte, bool) {
	if bytes.IndexByte(encoded, '\\') >= 0 || bytes.IndexByte(encoded, '|') >= 0 || !utf8.Valid(encoded) {
		return to, false
	}
	began, rest := len(to), encoded
	to = append(to, noneOfFour)
	for _, m := range [...]member{
		{before: `{"$correlationId":"`}, {before: `","$causationId":"`, has: hasCausation}, {before: `","ledger_id":"`},
		{before: `","schema":1,"occurred_at":"`}, {before: `","occurred_at_basis":"`}, {before: `","received_at":"`}, {before: `","recorded_at":"`},
		{before: `","source":"`, column: &source}, {before: `","source_account":"`}, {before: `","source_event_id":"`, has: hasEventID},
		{before: `","source_status":"`, has: hasStatus}, {before: `","actor":"`, column: &actor}, {before: `","translator":"`, has: hasTranslator},
	} {
		if len(rest) < len(m.before) || string(rest[:len(m.before)]) != m.before {
			if m.has == 0 {
				return to[:began], false
			}
			continue
		}
		rest = rest[len(m.before):]
		n := bytes.IndexByte(rest, '"')
		if n < 0 {
			return to[:began], false
		}
		if m.column == nil {
			to = append(append(to, '|'), rest[:n]...)
		} else if string(rest[:n]) != *m.column {
			return to[:began], false
		}
		to[began] += m.has
		rest = rest[n:]
	}
	if string(rest) != `"}` {
		return to[:began], false
	}
	return to, true
}
