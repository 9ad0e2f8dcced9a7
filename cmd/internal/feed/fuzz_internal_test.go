package feed

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// FuzzCursor reads texts that clients send as cursors: what is read names one place and is read again.
func FuzzCursor(f *testing.F) {
	e := eventstore.RecordedEvent{ID: uuid.MustParse("15e032c3-c1d6-5e18-837e-bbdb80b22400"), Stream: "order-1"}
	for _, commit := range []uint64{1, 329, 1 << 40} {
		e.Position = eventstore.Position{Commit: commit, Prepare: commit - 1}
		c := past(&e)
		f.Add(c.String())
		f.Add(c.considered(eventstore.Position{Commit: commit + 7, Prepare: 0}).String())
	}
	f.Add("")
	f.Add("AckCyQIAAM_RqTgsEbWqrkj2lh")
	f.Add("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x01\x0112345678")
	f.Fuzz(func(t *testing.T, text string) {
		mustReadAgain(t, text)
		body := []byte(text) // the checksum is no secret
		mustReadAgain(t, base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body))))
	})
}

func mustReadAgain(t *testing.T, text string) {
	t.Helper()
	c, err := parseCursor(text)
	if err != nil {
		return
	}
	if c.isStart() != (text == "") || c.after.Compare(c.anchor) < 0 {
		t.Errorf("%q is read as %+v", text, c)
	}
	if again, err := parseCursor(c.String()); err != nil || again != c {
		t.Errorf("%+v is written as %q and read as %+v, %v", c, c.String(), again, err)
	}
}

// FuzzQuery reads queries that clients send: the link to the next page asks for the same.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "limit=10&wait=30s", "type=PaymentCaptured,RefundCompleted&gateway=decta", "category=order&category=ordertest", "test=true&format=ndjson",
		"order=01m7y6r6c2fs0f70dam3ggswtt", "after=AckCyQIAAM_RqTgsEbWqrkj2lg", "at_least=1", "type=%zz", "limit=-1", "wait=1h", "test=true&category=order",
		"category=quarantine,payout,order,ordertest", "category=order,payout,quarantine&order=01M7Y6R6C2FS0F70DAM3GGSWTT", "gateway=a%26b%2Cc",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(&http.Request{URL: &url.URL{RawQuery: raw}})
		if err != nil {
			return
		}
		next, err := url.Parse(q.next(q.after))
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseQuery(&http.Request{URL: next})
		if err != nil {
			t.Fatalf("%q goes on with %q, which is refused: %v", raw, next, err)
		}
		slices.Sort(q.categories)
		slices.Sort(again.categories)
		if !reflect.DeepEqual(q, again) {
			t.Errorf("%q goes on with %q: %+v, not %+v", raw, next, again, q)
		}
	})
}
