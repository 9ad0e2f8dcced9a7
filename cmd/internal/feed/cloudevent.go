package feed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	fastjson "github.com/segmentio/encoding/json"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// envelope is what an event's metadata says (order.Metadata), as text: the feed passes it on and
// computes nothing with it.
type envelope struct {
	CorrelationID   string       `json:"$correlationId"`
	CausationID     string       `json:"$causationId"`
	LedgerID        string       `json:"ledger_id"`
	Schema          int          `json:"schema"`
	OccurredAt      string       `json:"occurred_at"`
	OccurredAtBasis string       `json:"occurred_at_basis"`
	ReceivedAt      string       `json:"received_at"`
	RecordedAt      string       `json:"recorded_at"`
	Source          string       `json:"source"`
	SourceAccount   string       `json:"source_account"`
	SourceEventID   string       `json:"source_event_id"`
	SourceStatus    string       `json:"source_status"`
	Actor           string       `json:"actor"`
	Translator      string       `json:"translator"`
	Flags           []order.Flag `json:"flags"`
}

// openEnvelope reads an event's metadata. What is no envelope of the ledger was written by somebody
// else and is shown with what the event store knows: it never stops the feed.
func openEnvelope(e *eventstore.RecordedEvent) envelope {
	var v envelope
	if err := fastjson.Unmarshal(e.Metadata, &v); err != nil || v.OccurredAt == "" {
		return envelope{Source: "unknown", OccurredAt: e.Created.Format(time.RFC3339Nano), RecordedAt: e.Created.Format(time.RFC3339Nano)}
	}
	return v
}

// attributes appends the members of one JSON object.
type attributes struct{ out []byte }

func (a *attributes) name(name string) {
	a.out = append(a.out, ',', '"')
	a.out = append(a.out, name...)
	a.out = append(a.out, '"', ':')
}

// text appends a string unless it is empty: CloudEvents has no empty attributes.
func (a *attributes) text(name, value string) {
	if value == "" {
		return
	}
	a.name(name)
	a.out = appendQuoted(a.out, value)
}

func appendQuoted(out []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(value)
			if err != nil { // a string can be encoded
				return append(out, `""`...)
			}
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, value...)
	return append(out, '"')
}

// appendEvent appends an event as one CloudEvent on one line, without a line's end. at is the cursor
// after it.
func appendEvent(out []byte, e *eventstore.RecordedEvent, v *envelope, at cursor) []byte {
	a := attributes{out: append(out, `{"specversion":"1.0","id":"`...)}
	a.out = append(a.out, e.ID.String()...)
	a.out = append(a.out, '"')
	a.text("source", sourceURI(v))
	a.text("type", e.Type)
	category, subject, _ := strings.Cut(e.Stream, "-")
	if category != string(order.CategoryQuarantine) {
		a.text("subject", subject)
	}
	a.text("time", v.OccurredAt)
	if v.Schema > 0 {
		a.text("dataschema", schemas.URN(e.Type, v.Schema))
	}
	a.text("category", category)
	a.text("stream", e.Stream)
	a.name("revision")
	a.out = strconv.AppendUint(a.out, e.Revision, 10)
	a.text("position", e.Position.String())
	a.name("cursor")
	a.out = append(a.out, '"')
	a.out = at.appendText(a.out)
	a.out = append(a.out, '"')
	if category == string(order.CategoryTestOrder) {
		a.name("testorder")
		a.out = append(a.out, "true"...)
	}
	a.envelope(v)
	a.data(e)
	return append(a.out, '}')
}

func (a *attributes) envelope(v *envelope) {
	a.text("ledgerid", v.LedgerID)
	a.text("occurredatbasis", v.OccurredAtBasis)
	a.text("receivedat", v.ReceivedAt)
	a.text("recordedat", v.RecordedAt)
	a.text("gateway", v.Source)
	a.text("account", v.SourceAccount)
	a.text("sourceeventid", v.SourceEventID)
	a.text("sourcestatus", v.SourceStatus)
	a.text("actor", v.Actor)
	a.text("translator", v.Translator)
	a.text("correlationid", v.CorrelationID)
	a.text("causationid", v.CausationID)
	if len(v.Flags) > 0 {
		flags := make([]string, len(v.Flags))
		for i, f := range v.Flags {
			flags[i] = string(f)
		}
		a.text("flags", strings.Join(flags, ","))
	}
}

// data appends the event's data: as it was stored, on one line; in base64 what is no JSON.
func (a *attributes) data(e *eventstore.RecordedEvent) {
	data := e.Data
	if !fastjson.Valid(data) {
		a.text("datacontenttype", "application/octet-stream")
		a.name("data_base64")
		a.out = append(a.out, '"')
		a.out = base64.StdEncoding.AppendEncode(a.out, data)
		a.out = append(a.out, '"')
		return
	}
	if bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0 {
		var compact bytes.Buffer
		if json.Compact(&compact, data) == nil {
			data = compact.Bytes()
		}
	}
	a.text("datacontenttype", "application/json")
	a.name("data")
	a.out = append(a.out, data...)
}

// sourceURI says in which context an event's fact arose: the gateway's account.
func sourceURI(v *envelope) string {
	uri := "/sources/" + url.PathEscape(v.Source)
	if v.SourceAccount != "" {
		uri += "/" + url.PathEscape(v.SourceAccount)
	}
	return uri
}
