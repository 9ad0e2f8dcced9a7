package order

import (
	"encoding/json"
	"strconv"
	"time"
)

// The envelope and the evidence are written with every notification, so they
// are encoded by hand; the bytes are those that encoding/json would write
// (TestCodec_Golden).

// encoder appends the members of one JSON object.
type encoder struct {
	out []byte
	err error
}

func (e *encoder) name(name string) {
	if len(e.out) == 0 {
		e.out = append(e.out, '{')
	} else {
		e.out = append(e.out, ',')
	}
	e.out = append(e.out, '"')
	e.out = append(e.out, name...)
	e.out = append(e.out, '"', ':')
}

// text appends a string.
func (e *encoder) text(name, value string) {
	e.name(name)
	e.value(value)
}

// textIfAny appends a string unless it is empty.
func (e *encoder) textIfAny(name, value string) {
	if value != "" {
		e.text(name, value)
	}
}

func (e *encoder) value(value string) {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(value)
			e.out, e.err = append(e.out, quoted...), err
			return
		}
	}
	e.out = append(e.out, '"')
	e.out = append(e.out, value...)
	e.out = append(e.out, '"')
}

func (e *encoder) time(name string, t time.Time) {
	e.name(name)
	e.out = append(e.out, '"')
	e.out = t.AppendFormat(e.out, time.RFC3339Nano)
	e.out = append(e.out, '"')
}

func (e *encoder) end() ([]byte, error) { return append(e.out, '}'), e.err }

func encodeMetadata(m *Metadata) ([]byte, error) {
	e := encoder{out: make([]byte, 0, 640)}
	e.textIfAny("$correlationId", m.CorrelationID)
	e.textIfAny("$causationId", m.CausationID)
	e.text("ledger_id", m.LedgerID)
	e.name("schema")
	e.out = strconv.AppendInt(e.out, int64(m.Schema), 10)
	e.time("occurred_at", m.OccurredAt)
	e.text("occurred_at_basis", string(m.OccurredAtBasis))
	if !m.ToldAt.IsZero() {
		e.time("told_at", m.ToldAt)
	}
	if !m.ReceivedAt.IsZero() {
		e.time("received_at", m.ReceivedAt)
	}
	e.time("recorded_at", m.RecordedAt)
	e.text("source", m.Source)
	e.textIfAny("source_account", m.SourceAccount)
	e.textIfAny("source_event_id", m.SourceEventID)
	e.textIfAny("source_status", m.SourceStatus)
	e.text("actor", m.Actor)
	e.textIfAny("translator", m.Translator)
	if len(m.Flags) > 0 {
		e.name("flags")
		for i, f := range m.Flags {
			e.out = append(e.out, "[,"[min(i, 1)])
			e.value(string(f))
		}
		e.out = append(e.out, ']')
	}
	return e.end()
}

// any writes a member by reflection.
func (e *encoder) any(name string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	e.name(name)
	e.out = append(e.out, encoded...)
	return nil
}

// encodeEvidence trusts that the body is compact JSON, as the translators
// make it.
func encodeEvidence(n *NotificationRecorded) ([]byte, error) {
	e := encoder{out: make([]byte, 0, 320+len(n.Body))}
	e.text("notification_id", n.NotificationID)
	e.text("gateway", n.Gateway)
	e.text("account", n.Account)
	e.text("via", n.Via)
	e.text("verified", n.Verified)
	e.text("body_sha256", n.BodySHA256)
	if len(n.Body) > 0 {
		e.name("body")
		e.out = append(e.out, n.Body...)
	}
	if n.Version != nil {
		if err := e.any("version", n.Version); err != nil {
			return nil, err
		}
	}
	if len(n.Repeats) > 0 {
		if err := e.any("repeats", n.Repeats); err != nil {
			return nil, err
		}
	}
	if n.Unconfirmed {
		e.name("unconfirmed")
		e.out = append(e.out, "true"...)
	}
	return e.end()
}
