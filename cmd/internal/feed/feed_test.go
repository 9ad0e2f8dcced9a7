package feed_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// bufferBytes is what the system is to hold of a connection for either side, so that it takes little until a
// client that reads slowly is noticed.
const bufferBytes = 64 << 10

// site is a log behind a feed on loopback.
type site struct {
	log  *node.Node
	feed *feed.Feed
	url  string
	fs   vfs.FS
}

// open makes a site that ends with the test. change may adapt the feed's configuration.
func open(tb testing.TB, change func(*feed.Config)) *site {
	tb.Helper()
	return openOn(tb, vfs.NewMem(), change)
}

func openOn(tb testing.TB, fs vfs.FS, change func(*feed.Config)) *site {
	tb.Helper()
	n, err := node.Open(node.Options{Dir: "log", FS: fs, CacheBytes: 8 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Close(); err != nil && !errors.Is(err, eventstore.ErrClosed) {
			tb.Error(err)
		}
	})
	c := feed.Config{Log: n, Logger: slog.New(slog.DiscardHandler), Problem: problem}
	if change != nil {
		change(&c)
	}
	s := &site{log: n, feed: feed.New(c), fs: fs}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", s.feed.Events)
	mux.HandleFunc("GET /events/stream", s.feed.Stream)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			_ = conn.(*net.TCPConn).SetWriteBuffer(bufferBytes)
		}
	}
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	return s
}

// problem answers errors as the ledger does, as far as tests look at them.
func problem(w http.ResponseWriter, _ *http.Request, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": detail})
}

// append writes one event, with the time of the test's clock.
func (s *site) append(tb testing.TB, stream, source string, e order.Event) eventstore.Position {
	tb.Helper()
	at := time.Date(2026, 10, 1, 12, 30, 0, 0, time.UTC)
	eventType, data, metadata, err := order.Encode(e, order.Metadata{
		LedgerID: ulid.Make().String(), OccurredAt: at, OccurredAtBasis: order.BasisSourceField, ReceivedAt: at, RecordedAt: at.Add(time.Second),
		Source: source, SourceAccount: "shop", Actor: "system", CorrelationID: "note-1", Translator: source + "/1",
	})
	if err != nil {
		tb.Fatal(err)
	}
	done, err := s.log.Append(tb.Context(), stream, eventstore.Any,
		eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: data, Metadata: metadata})
	if err != nil {
		tb.Fatal(err)
	}
	return done.Position
}

// some appends n events of several kinds of streams and returns what the feed shows of them without
// filters, as "stream@revision".
func (s *site) some(tb testing.TB, n int) []string {
	tb.Helper()
	var shown []string
	amount := money.MustParse("12.50", "EUR")
	// Every order has one stream.
	orders, payouts, tests := []string{newID(), newID(), newID()}, []string{newID(), newID()}, []string{newID(), newID()}
	revisions := map[string]int{}
	put := func(stream, source string, e order.Event) {
		s.append(tb, stream, source, e)
		if !strings.HasPrefix(stream, "ref-") && !strings.HasPrefix(stream, "ordertest-") {
			shown = append(shown, fmt.Sprintf("%s@%d", stream, revisions[stream]))
		}
		revisions[stream]++
	}
	for i := range n {
		id := orders[i%len(orders)]
		switch i % 5 {
		case 0:
			put("order-"+id, "decta", order.PaymentCaptured{PaymentID: newID(), Amount: amount})
		case 1:
			put("ordertest-"+tests[i%len(tests)], "everifin", order.OrderIssued{})
		case 2:
			put("ref-decta-order-"+newID(), "decta", order.ReferenceLinked{OrderID: id, Category: order.CategoryOrder})
		case 3:
			put("payout-"+payouts[i%len(payouts)], "everifin", order.PayoutRequested{Amount: &amount})
		case 4:
			put("quarantine-connectpay", "connectpay", order.NotificationQuarantined{NotificationID: newID(), Gateway: "connectpay"})
		}
	}
	return shown
}

func newID() string { return ulid.Make().String() }

// event is what tests look at of a CloudEvent.
type event struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Subject  string `json:"subject"`
	Stream   string `json:"stream"`
	Revision int    `json:"revision"`
	Cursor   string `json:"cursor"`
	Gateway  string `json:"gateway"`
}

func (e event) String() string { return fmt.Sprintf("%s@%d", e.Stream, e.Revision) }

type page struct {
	Events []event `json:"events"`
	Cursor string  `json:"cursor"`
	Next   string  `json:"next"`
	More   bool    `json:"more"`
}

// answer is a response whose body is closed at the end of the test.
type answer struct{ *http.Response }

// get asks for a path; header are pairs.
func (s *site) get(tb testing.TB, path string, header ...string) answer {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute) // only against hanging for ever
	tb.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = response.Body.Close() })
	return answer{response}
}

func (s *site) body(tb testing.TB, path string, header ...string) (answer, []byte) {
	tb.Helper()
	answer := s.get(tb, path, header...)
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer, body
}

func (s *site) page(tb testing.TB, path string) page {
	tb.Helper()
	answer, body := s.body(tb, path)
	if answer.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s: %s", path, answer.Status, body)
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		tb.Fatalf("GET %s: %v: %s", path, err, body)
	}
	return p
}

// lines asks for NDJSON.
func (s *site) lines(tb testing.TB, path string) []event {
	tb.Helper()
	answer, body := s.body(tb, path, "Accept", "application/x-ndjson")
	if answer.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s: %s", path, answer.Status, body)
	}
	return parseLines(tb, body)
}

func parseLines(tb testing.TB, body []byte) []event {
	tb.Helper()
	var out []event
	for line := range bytes.Lines(body) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			tb.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

// mustRefuse expects an answer with a status and code, and returns its detail.
func (s *site) mustRefuse(tb testing.TB, status int, code, path string, header ...string) string {
	tb.Helper()
	answer, body := s.body(tb, path, header...)
	var p struct{ Code, Detail string }
	if err := json.Unmarshal(body, &p); err != nil || answer.StatusCode != status || p.Code != code {
		tb.Errorf("GET %s: %s: %s; want %d %s", path, answer.Status, body, status, code)
	}
	return p.Detail
}

func names(events []event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.String()
	}
	return out
}

// frame is one server-sent event.
type frame struct {
	id, name, data, comment string
	hasID                   bool
}

// frames reads server-sent events.
type frames struct{ r *bufio.Reader }

func (s *site) stream(tb testing.TB, path string, header ...string) *frames {
	tb.Helper()
	answer := s.get(tb, path, header...)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(answer.Body)
		tb.Fatalf("GET %s: %s: %s", path, answer.Status, body)
	}
	return newFrames(answer.Body)
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReader(r)} }

// next returns the next frame, whatever it is.
func (f *frames) next() (frame, error) {
	var out frame
	for {
		line, err := f.r.ReadString('\n')
		if err != nil {
			return out, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return out, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			out.id, out.hasID = value, true
		case "event":
			out.name = value
		case "data":
			out.data += value
		case "":
			out.comment = value
		}
	}
}

// event returns the next event of the log, past heartbeats.
func (f *frames) event(tb testing.TB) (event, frame) {
	tb.Helper()
	for {
		got, err := f.next()
		if err != nil {
			tb.Fatalf("the stream ended: %v", err)
		}
		if got.data == "" {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(got.data), &e); err != nil {
			tb.Fatalf("%v: %s", err, got.data)
		}
		return e, got
	}
}
