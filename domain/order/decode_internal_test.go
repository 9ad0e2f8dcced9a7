package order

import (
	"reflect"
	"testing"
	"time"

	fastjson "github.com/segmentio/encoding/json"
)

// FuzzDecodeMetadata: what is read by hand is what the JSON package reads, and what is written is read by hand.
func FuzzDecodeMetadata(f *testing.F) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456700, time.UTC)
	for _, m := range []Metadata{
		{},
		{LedgerID: "01J9", Schema: 1, OccurredAt: at, OccurredAtBasis: BasisReceived, RecordedAt: at, Source: "decta", Actor: "system"},
		{
			CorrelationID: "c", CausationID: "d", LedgerID: "01J9", Schema: 12, OccurredAt: at, OccurredAtBasis: BasisSourceDay, ToldAt: at,
			ReceivedAt: at, RecordedAt: at, Source: "decta", SourceAccount: "shop", SourceEventID: "e-1", SourceStatus: "paid",
			Actor: "operator:x", Translator: "decta/1", Flags: []Flag{"a", "b"},
		},
	} {
		written, err := encodeMetadata(&m)
		if err != nil {
			f.Fatal(err)
		}
		var read Metadata
		if !readMetadata(written, &read) || !reflect.DeepEqual(read, m) {
			f.Errorf("%s is not read by hand: %+v", written, read)
		}
		f.Add(written)
	}
	for _, odd := range []string{
		``, `{`, `{}`, `{"schema":01}`, `{"schema":-1}`, `{"schema":99999}`, `{"schema":}`, `{"ledger_id":"a\"b"}`, `{"ledger_id":"é"}`, "{\"ledger_id\":\"\x01\"}",
		`{"LEDGER_ID":"a"}`, `{"ledger_id":"a","ledger_id":"b"}`, `{"ledger_id":null}`, `{"flags":[]}`, `{"flags":["a",]}`, `{"flags":["a"],"x":1}`,
		`{"occurred_at":"2026-02-30T00:00:00Z"}`, `{"occurred_at":"2026-02-28T00:00:00.5+01:00"}`, `{"occurred_at":""}`, `,"ledger_id":"a"}`, `{"ledger_id":"a"}}`,
		`{"flags":["1","2","3","4","5","6","7","8","9"]}`,
	} {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var read Metadata
		if !readMetadata(data, &read) {
			return
		}
		var want Metadata
		if err := fastjson.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(read, want) {
			t.Errorf("%q is read as\n%+v, not\n%+v, %v", data, read, want, err)
		}
	})
}

// FuzzDecodeEvidence is FuzzDecodeMetadata for NotificationRecorded.
func FuzzDecodeEvidence(f *testing.F) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456700, time.UTC)
	for _, n := range []NotificationRecorded{
		{Body: []byte("{}")},
		{
			NotificationID: "01J9", Gateway: "decta", Account: "shop", Via: "webhook", Verified: "none", BodySHA256: "0a1b",
			Body: []byte(`{"a":["é\u0000",1.5e3,null],"body":{"version":1}}`), Version: &Version{IssuedAt: at, Progress: 7},
		},
	} {
		written, err := encodeEvidence(&n)
		if err != nil {
			f.Fatal(err)
		}
		if read, ok := readEvidence(written); !ok || !reflect.DeepEqual(read, n) {
			f.Errorf("%s is not read by hand: %+v", written, read)
		}
		f.Add(written)
	}
	const texts = `{"notification_id":"a","gateway":"b","account":"c","via":"d","verified":"e","body_sha256":"f","body":`
	for _, odd := range []string{
		``, `{`, `{}`, `1`, `null`, ` 1`, `1 `, `1}`, ` 1}`, `1 }`, `}`, `01}`, `"\x"}`, `{"a":1,}}`, `1,"version":null}`, `1,"version":{}}`, `1,"version":{"progress":2} }`,
		`1,"version":{},"version":{}}`, `1,"body":2}`, `1,"repeats":[]}`, `1,"unconfirmed":true}`, `1}}`, `[[[1]]}`,
	} {
		f.Add([]byte(texts + odd))
		f.Add([]byte(odd))
	}
	f.Add([]byte(`{"notification_id":"a\",\"body\":","body":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, ok := readEvidence(data)
		if !ok {
			return
		}
		var want NotificationRecorded
		if err := fastjson.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(read, want) {
			t.Errorf("%q is read as\n%+v, not\n%+v, %v", data, read, want, err)
		}
	})
}
