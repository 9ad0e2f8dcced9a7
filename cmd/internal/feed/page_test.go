package feed_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"github.com/order-ledger/order-ledger/cmd/internal/copylog"
	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestEvents_PagesAreTheLog follows the next links from zero: every event once, in the log's order.
func TestEvents_PagesAreTheLog(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 103)
	for _, limit := range []string{"1", "7", "10000"} {
		var got []string
		path := "/events?limit=" + limit
		for {
			p := s.page(t, path)
			got = append(got, names(p.Events)...)
			if path = p.Next; !p.More {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %s (-want +got):\n%s", limit, diff)
		}
		if p := s.page(t, path); len(p.Events) != 0 || p.More {
			t.Errorf("after the end: %+v", p)
		}
		more := s.some(t, 1)
		if diff := cmp.Diff(more, names(s.page(t, path).Events)); diff != "" {
			t.Errorf("appended later (-want +got):\n%s", diff)
		}
		want = append(want, more...)
	}
	if diff := cmp.Diff(want, names(s.lines(t, "/events"))); diff != "" {
		t.Errorf("NDJSON (-want +got):\n%s", diff)
	}
}

// TestEvents_ResumesAfterAnyEvent proves that the cursor in each event is exactly the place after it.
func TestEvents_ResumesAfterAnyEvent(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.some(t, 40)
	all := s.lines(t, "/events?test=true")
	for i, e := range all {
		if diff := cmp.Diff(names(all[i+1:]), names(s.lines(t, "/events?test=true&after="+e.Cursor))); diff != "" {
			t.Fatalf("after event %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestEvents_Filters(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.some(t, 60)
	all := s.lines(t, "/events?test=true")
	if len(all) != 48 { // all but the references
		t.Fatalf("%d events, want 48", len(all))
	}
	id := all[0].Subject
	for path, want := range map[string]func(event) bool{
		"":                   func(e event) bool { return !strings.HasPrefix(e.Stream, "ordertest-") },
		"test=false":         func(e event) bool { return !strings.HasPrefix(e.Stream, "ordertest-") },
		"category=ordertest": func(e event) bool { return strings.HasPrefix(e.Stream, "ordertest-") },
		"category=order,payout": func(e event) bool {
			return strings.HasPrefix(e.Stream, "order-") || strings.HasPrefix(e.Stream, "payout-")
		},
		"type=PayoutRequested":                            func(e event) bool { return e.Type == "PayoutRequested" },
		"type=PaymentCaptured&type=OrderIssued&test=true": func(e event) bool { return e.Type == "PaymentCaptured" || e.Type == "OrderIssued" },
		"gateway=connectpay":                              func(e event) bool { return e.Gateway == "connectpay" },
		"order=" + id:                                     func(e event) bool { return e.Stream == "order-"+id },
		"category=order&order=" + id:                      func(e event) bool { return e.Stream == "order-"+id },
		"order=" + id + "&type=OrderIssued":               func(event) bool { return false },
	} {
		var matching []string
		for _, e := range all {
			if want(e) {
				matching = append(matching, e.String())
			}
		}
		if got := names(s.lines(t, "/events?"+path)); !slices.Equal(got, matching) {
			t.Errorf("%s: got %v, want %v", path, got, matching)
		}
		var paged []string
		for p := s.page(t, "/events?limit=2&"+path); ; p = s.page(t, p.Next) {
			paged = append(paged, names(p.Events)...)
			if !p.More {
				break
			}
		}
		if !slices.Equal(paged, matching) {
			t.Errorf("%s in pages: got %v, want %v", path, paged, matching)
		}
	}
}

// TestEvents_AreCloudEvents reads events with CloudEvents' own library.
func TestEvents_AreCloudEvents(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	id := newID()
	stored := order.PaymentCaptured{PaymentID: newID(), Amount: money.MustParse("12.50", "EUR"), Method: `card "é"`}
	position := s.append(t, "order-"+id, "decta", stored)
	_, body := s.body(t, "/events", "Accept", "application/cloudevents-batch+json")
	var events []cloudevents.Event
	if err := json.Unmarshal(body, &events); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	e := events[0]
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	got := map[string]any{
		"type": e.Type(), "source": e.Source(), "subject": e.Subject(), "time": e.Time().Format(time.RFC3339Nano),
		"contenttype": e.DataContentType(), "schema": e.DataSchema(),
	}
	for name, value := range e.Extensions() {
		if name != "cursor" && name != "ledgerid" {
			got[name] = value
		}
	}
	want := map[string]any{
		"type": "PaymentCaptured", "source": "/sources/decta/shop", "subject": id, "time": "2026-10-01T12:30:00Z",
		"contenttype": "application/json", "schema": "urn:order-ledger:schema:PaymentCaptured:1",
		"category": "order", "stream": "order-" + id, "revision": int32(0), "position": position.String(), "occurredatbasis": "source_field",
		"receivedat": "2026-10-01T12:30:00Z", "recordedat": "2026-10-01T12:30:01Z", "gateway": "decta", "account": "shop",
		"actor": "system", "translator": "decta/1", "correlationid": "note-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	var data order.PaymentCaptured
	if err := json.Unmarshal(e.Data(), &data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// TestEvents_ForeignBytes shows events that the ledger did not write: they never end the feed.
func TestEvents_ForeignBytes(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for _, data := range []string{"", "\xff\xfe", "{\n\t\"a\":\r\n 1}", `"text"`} {
		if _, err := s.log.Append(t.Context(), "order-"+newID(), eventstore.Any, eventstore.EventData{
			ID: uuid.New(), Type: "Say \"what\"\n", Data: []byte(data), Metadata: []byte(data),
		}); err != nil {
			t.Fatal(err)
		}
	}
	_, body := s.body(t, "/events?format=ndjson")
	count := 0
	for line := range strings.Lines(string(body)) {
		var e cloudevents.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%v: %s", err, line)
		} else if err := e.Validate(); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		count++
	}
	if count != 4 {
		t.Errorf("%d lines, want 4", count)
	}
}

// TestEvents_EarlierVersions delivers what an earlier version of the program wrote as it was stored, and says
// which version that is.
func TestEvents_EarlierVersions(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	golden, err := os.ReadFile(filepath.Join("..", "..", "..", "domain", "order", "testdata", "golden", "v1", "RefundObserved.json"))
	if err != nil {
		t.Fatal(err)
	}
	data, metadata, _ := bytes.Cut(golden, []byte("\n"))
	first := eventstore.EventData{ID: uuid.New(), Type: "RefundObserved", JSON: true, Data: data, Metadata: bytes.TrimSpace(metadata)}
	id := newID()
	if _, err := s.log.Append(t.Context(), "order-"+id, eventstore.NoStream, first); err != nil {
		t.Fatal(err)
	}
	s.append(t, "order-"+id, "decta", order.RefundObserved{RefundID: "r", Extent: order.ExtentFull})
	var got []struct {
		DataSchema string          `json:"dataschema"`
		Data       json.RawMessage `json:"data"`
	}
	_, body := s.body(t, "/events?format=ndjson")
	if err := json.Unmarshal([]byte("["+strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", ",")+"]"), &got); err != nil {
		t.Fatal(err)
	}
	if string(got[0].Data) != string(data) || got[0].DataSchema != "urn:order-ledger:schema:RefundObserved:1" {
		t.Errorf("the first version came as %s of %s", got[0].Data, got[0].DataSchema)
	}
	if !strings.Contains(string(got[1].Data), `"extent":"full"`) || got[1].DataSchema != "urn:order-ledger:schema:RefundObserved:2" {
		t.Errorf("the second version came as %s of %s", got[1].Data, got[1].DataSchema)
	}
}

func TestEvents_ETag(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.some(t, 10)
	answer, first := s.body(t, "/events?limit=3")
	tag := answer.Header.Get("ETag")
	again, body := s.body(t, "/events?limit=3", "If-None-Match", tag)
	if again.StatusCode != http.StatusNotModified || len(body) != 0 {
		t.Errorf("unchanged page: %s: %s", again.Status, body)
	}
	s.some(t, 10) // a page that was full does not change
	if again, _ := s.body(t, "/events?limit=3", "If-None-Match", tag); again.StatusCode != http.StatusNotModified {
		t.Errorf("full page after an append: %s", again.Status)
	}
	if _, body := s.body(t, "/events?limit=3"); string(body) != string(first) {
		t.Errorf("a full page changed:\n%s\n%s", first, body)
	}
	last, _ := s.body(t, "/events")
	s.some(t, 1)
	if again, _ := s.body(t, "/events", "If-None-Match", last.Header.Get("ETag")); again.StatusCode != http.StatusOK {
		t.Errorf("a page that grew: %s", again.Status)
	}
}

func TestEvents_Compressed(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 50)
	for _, path := range []string{"/events", "/events?format=ndjson"} {
		_, plain := s.body(t, path, "Accept-Encoding", "identity")
		for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		} {
			answer := s.get(t, path, "Accept-Encoding", encoding)
			if got := answer.Header.Get("Content-Encoding"); got != encoding {
				t.Errorf("%s: Content-Encoding %q, want %q", path, got, encoding)
			}
			r, err := open(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if string(body) != string(plain) {
				t.Errorf("%s in %s differs from what is not compressed", path, encoding)
			}
		}
		if path == "/events?format=ndjson" && len(parseLines(t, plain)) != len(want) {
			t.Errorf("%d lines, want %d", len(parseLines(t, plain)), len(want))
		}
	}
}

// TestEvents_NextOfLines reads the link that follows the last line.
func TestEvents_NextOfLines(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 30)
	answer, body := s.body(t, "/events?format=ndjson&limit=5")
	next := strings.TrimSuffix(strings.TrimPrefix(answer.Trailer.Get("Link"), "<"), `>; rel="next"`)
	got := names(append(parseLines(t, body), s.lines(t, strings.ReplaceAll(next, "limit=5", "limit=1000"))...))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nnext: %s", diff, next)
	}
}

// TestEvents_SlowDownloads: clients that take little hold up no page, and give their places up; what they got is
// whole, and they go on after it.
func TestEvents_SlowDownloads(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *feed.Config) {
		c.Readers, c.ReadersPerClient = 2, 2
		c.WriteTimeout, c.DownloadRate = 6*time.Second, 100<<20
	})
	id := newID()
	const events = 600
	for range events { // more than the buffers of a connection hold
		s.append(t, "order-"+id, "decta", order.AnomalyFlagged{Code: order.FlagAmountAssumed, Detail: strings.Repeat("x", 8_000)})
	}
	type ended struct {
		got  []event
		next string
		more string
	}
	var downloads []chan ended
	for range 2 {
		answer := s.getSlowly(t, "/events?format=ndjson") //nolint:bodyclose // the test's cleanup closes it
		slow := make(chan ended, 1)
		downloads = append(downloads, slow)
		go func() {
			defer close(slow)
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Errorf("the answer broke off: %v", err)
				return
			}
			next := strings.TrimSuffix(strings.TrimPrefix(answer.Trailer.Get("Link"), "<"), `>; rel="next"`)
			slow <- ended{parseLines(t, body), next, answer.Trailer.Get("Ledger-More")}
		}()
	}
	s.mustRefuse(t, http.StatusTooManyRequests, "too_many_streams", "/events?format=ndjson")
	if got := s.page(t, "/events?limit=10").Events; len(got) != 10 {
		t.Errorf("a page beside slow downloads has %d events", len(got))
	}
	for _, slow := range downloads {
		e := <-slow
		if len(e.got) == 0 || len(e.got) == events || e.more != "true" {
			t.Fatalf("%d events, more: %q", len(e.got), e.more)
		}
		answer, body := s.body(t, e.next)
		if rest := parseLines(t, body); len(e.got)+len(rest) != events || rest[0].Revision != len(e.got) || answer.Trailer.Get("Ledger-More") != "false" {
			t.Errorf("%d events, then %d from revision %d, more: %q", len(e.got), len(rest), rest[0].Revision, answer.Trailer.Get("Ledger-More"))
		}
	}
	if got := counted(t, s, "ledger_feed_ended_total", "slow"); got != 2 {
		t.Errorf("%v answers were counted as slow", got)
	}
}

// getSlowly asks with a client that takes 4 KiB every 5 ms: less than a MB a second.
func (s *site) getSlowly(t *testing.T, path string) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return slowConn{conn, time.NewTicker(5 * time.Millisecond)}, conn.(*net.TCPConn).SetReadBuffer(bufferBytes)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// slowConn is read once a tick.
type slowConn struct {
	net.Conn

	tick *time.Ticker
}

func (c slowConn) Read(p []byte) (int, error) {
	<-c.tick.C
	return c.Conn.Read(p[:min(len(p), 4<<10)])
}

// TestEvents_CursorsOutliveRestarts continues on the reopened log with a cursor from before.
func TestEvents_CursorsOutliveRestarts(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := openOn(t, fs, nil)
	want := s.some(t, 30)
	first := s.page(t, "/events?limit=9")
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	reopened := openOn(t, fs, nil)
	rest := reopened.lines(t, first.Next+"000")
	if diff := cmp.Diff(want, append(names(first.Events), names(rest)...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEvents_CursorsOutliveCopies continues in a copy of the log, after any event, with no gap and no overlap;
// not where the event was not copied.
func TestEvents_CursorsOutliveCopies(t *testing.T) {
	t.Parallel()
	s, copied := open(t, nil), open(t, nil)
	for range 7 { // no event stands where it stood
		copied.append(t, "ref-decta-order-"+newID(), "decta", order.ReferenceLinked{OrderID: newID(), Category: order.CategoryOrder})
	}
	s.some(t, 60)
	save := func(copylog.Progress) error { return nil }
	if _, err := copylog.Copy(t.Context(), s.log, copied.log, nil, save); err != nil {
		t.Fatal(err)
	}
	want := s.lines(t, "/events?test=true")
	for i, e := range want {
		rest := copied.lines(t, "/events?test=true&after="+e.Cursor)
		if diff := cmp.Diff(names(want[i+1:]), names(rest)); diff != "" {
			t.Fatalf("after %d events (-want +got):\n%s", i+1, diff)
		}
	}
	for i, e := range []event{want[5], want[len(want)-2]} { // the next one has a cursor of the copy, which is none of the log's
		next := copied.stream(t, "/events/stream?test=true", "Last-Event-ID", e.Cursor).take(t, 1)[0]
		if e.Cursor == next.Cursor || next.ID != []event{want[6], want[len(want)-1]}[i].ID {
			t.Errorf("the stream goes on with %+v", next)
		}
	}
	later := s.some(t, 20)
	if len(later) == 0 {
		t.Fatal("nothing was added")
	}
	added := s.lines(t, "/events?after="+want[len(want)-1].Cursor)
	for _, e := range added {
		copied.mustRefuse(t, http.StatusBadRequest, "cursor_of_another_ledger", "/events?after="+e.Cursor)
	}
}

// TestEvents_CursorsOfTheFirstForm are read for ever.
func TestEvents_CursorsOfTheFirstForm(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 30)
	for i, e := range s.lines(t, "/events") {
		b, err := base64.RawURLEncoding.DecodeString(e.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		b[0] = 1
		at := 1
		for range 4 {
			_, n := binary.Uvarint(b[at:])
			at += n
		}
		b = b[:at+8]
		first := base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
		if diff := cmp.Diff(want[i+1:], names(s.lines(t, "/events?after="+first)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestEvents_BadCursors(t *testing.T) {
	t.Parallel()
	s, other := open(t, nil), open(t, nil)
	s.some(t, 20)
	other.some(t, 50)
	foreign := other.lines(t, "/events?test=true")
	own := s.page(t, "/events").Cursor
	for _, path := range []string{"/events", "/events/stream"} {
		for _, e := range []event{foreign[0], foreign[10], foreign[len(foreign)-1]} { // the last one stands behind this log's end
			detail := s.mustRefuse(t, http.StatusBadRequest, "cursor_of_another_ledger", path+"?after="+e.Cursor)
			if !strings.Contains(detail, "leaving after out") {
				t.Errorf("it does not say how to start: %s", detail)
			}
		}
		for _, text := range []string{"0", "C:1/P:1", own[:len(own)-1], own + "A", "B" + own[1:], strings.Repeat("A", 10_000)} {
			detail := s.mustRefuse(t, http.StatusBadRequest, "cursor_malformed", path+"?after="+url.QueryEscape(text))
			if !strings.Contains(detail, "leaving after out") {
				t.Errorf("it does not say how to start: %s", detail)
			}
		}
	}
	s.mustRefuse(t, http.StatusBadRequest, "cursor_malformed", "/events/stream", "Last-Event-ID", "7")
	s.mustRefuse(t, http.StatusBadRequest, "cursor_of_another_ledger", "/events/stream", "Last-Event-ID", foreign[3].Cursor)
}

func TestEvents_BadParameters(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for path, code := range map[string]string{
		"/events?cursor=x":                   "parameter_unknown",
		"/events?limit=0":                    "limit_invalid",
		"/events?limit=-1":                   "limit_invalid",
		"/events?limit=10001":                "limit_invalid",
		"/events?limit=99999999999999999999": "limit_invalid",
		"/events?wait=2h":                    "wait_invalid",
		"/events?wait=-1s":                   "wait_invalid",
		"/events?wait=soon":                  "wait_invalid",
		"/events?type=Nothing":               "type_unknown",
		"/events?type=":                      "type_unknown",
		"/events?type=ReferenceLinked":       "type_unknown",
		"/events?category=ref":               "category_unknown",
		"/events?order=SO-1":                 "order_invalid",
		"/events?gateway=":                   "gateway_invalid",
		"/events?test=yes":                   "parameter_invalid",
		"/events?test=true&category=order":   "parameter_invalid",
		"/events?format=xml":                 "format_unknown",
		"/events?after=&after=":              "parameter_invalid",
		"/events?after=%zz":                  "parameter_invalid",
		"/events/stream?limit=1":             "parameter_invalid",
		"/events/stream?wait=1s":             "parameter_invalid",
		"/events?category=quarantine&order=01JQZZZZZZZZZZZZZZZZZZZZZZ": "parameter_invalid",
	} {
		s.mustRefuse(t, http.StatusBadRequest, code, path)
	}
	s.mustRefuse(t, http.StatusNotAcceptable, "not_acceptable", "/events", "Accept", "image/png")
}

// TestEvents_Wait holds an answer back until there is something to say.
func TestEvents_Wait(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.some(t, 10)
	id := newID()
	end := s.page(t, "/events")
	for name, filter := range map[string]string{"all": "", "order": "&order=" + id, "type": "&type=OrderViewed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answered := make(chan page, 1)
			go func() { defer close(answered); answered <- s.page(t, "/events?wait=60s&after="+end.Cursor+filter) }()
			s.append(t, "order-"+id, "decta", order.OrderViewed{})
			got := <-answered
			if len(got.Events) == 0 || got.Events[0].Subject != id {
				t.Errorf("got %+v", got)
			}
		})
	}
	quiet := open(t, nil)
	quiet.some(t, 3)
	last := quiet.page(t, "/events")
	if p := quiet.page(t, "/events?wait=50ms&after="+last.Cursor); len(p.Events) != 0 || p.More || p.Cursor != last.Cursor {
		t.Errorf("nothing came: %+v", p)
	}
	// The wait is over before anybody could look at the log.
	if p := quiet.page(t, "/events?wait=1ns&after="+last.Cursor); len(p.Events) != 0 || p.Cursor != last.Cursor {
		t.Errorf("a short wait: %+v", p)
	}
}
