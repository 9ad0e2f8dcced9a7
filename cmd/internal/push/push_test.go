package push_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// receiver is a subscriber's server. It keeps what it accepted, and checks every signature.
type receiver struct {
	t       *testing.T
	secrets [][]byte
	server  *httptest.Server
	answer  func(n int, id string) int // status of the n-th request, from 1

	mu       sync.Mutex
	requests int
	ids      []string
	bodies   map[string]string
	inFlight map[string]bool // by order
}

func receive(t *testing.T, answer func(n int, id string) int, secrets ...[]byte) *receiver {
	t.Helper()
	r := &receiver{t: t, secrets: secrets, answer: answer, bodies: map[string]string{}, inFlight: map[string]bool{}}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	id := q.Header.Get("webhook-id")
	valid := 0
	for _, secret := range r.secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", id, q.Header.Get("webhook-timestamp"), body)
		if slices.Contains(strings.Fields(q.Header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
			valid++
		}
	}
	if valid == 0 {
		r.t.Errorf("a request without a good signature: %s", q.Header.Get("webhook-signature"))
	}
	r.mu.Lock()
	r.requests++
	status := r.answer(r.requests, id)
	if before, seen := r.bodies[id]; seen && before != string(body) {
		r.t.Errorf("the body of %s changed", id)
	}
	r.bodies[id] = string(body)
	if status < 300 {
		r.ids = append(r.ids, id)
	}
	r.mu.Unlock()
	w.WriteHeader(status)
}

func (r *receiver) accepted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// types are the names of what was accepted, in order.
func (r *receiver) types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, id := range r.ids {
		var m struct{ Type string }
		_ = json.Unmarshal([]byte(r.bodies[id]), &m)
		out = append(out, m.Type)
	}
	return out
}

type world struct {
	t      testing.TB
	log    *node.Node
	pool   *pgxpool.Pool
	away   atomic.Bool // the database is
	most   int64       // of the backlog; 0 is the default
	intake *commands.Intake
	n      int
}

func setup(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.log, err = node.Open(node.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close() })
	w.pool, err = pgxpool.New(t.Context(), pgtest.Prepared(t, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pool.Close)
	w.intake = commands.NewIntake(commands.IntakeConfig{Log: w.log, Translators: []commands.Translator{decta.New()}})
	return w
}

// pay makes an order that is issued and paid, and tells how many of its events are pushed.
func (w *world) pay(test bool) (pushed int) {
	w.t.Helper()
	w.n++
	for i, status := range []string{"issued", "in_progress", "paid"} {
		history := `{"new_status":"issued","on":1795132800}`
		if i > 0 {
			history += fmt.Sprintf(`,{"new_status":%q,"on":%d}`, status, 1795132800+i)
		}
		body := fmt.Sprintf(`{"type":"order","id":"o-%d","number":"SO-%d","currency":"EUR","total":12.50,"issued":1795132800,"modified":%d,"is_test":%v,
			"status":%q,"status_changes":[%s]}`, w.n, w.n, 1795132800+i, test, status, history)
		if _, err := w.intake.Accept(w.t.Context(), commands.Notification{Gateway: "decta", Account: "default", Via: commands.ViaWebhook, Body: []byte(body), Verified: "none"}); err != nil {
			w.t.Fatal(err)
		}
	}
	return 3 // issued, in_progress, payment_success
}

func (w *world) subscriber(name string, r *receiver, change func(*push.Subscriber)) push.Subscriber {
	w.t.Helper()
	at, err := url.Parse(r.server.URL + "/hook")
	if err != nil {
		w.t.Fatal(err)
	}
	s := push.Subscriber{Name: name, URL: at, Secrets: r.secrets[:1], AllowPrivate: true, FromBeginning: true, Timeout: 10 * time.Second,
		Events: []string{"order.issued", "order.in_progress", "order.payment_success"}}
	if change != nil {
		change(&s)
	}
	s = s.WithDefaults()
	if err := s.Validate(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// run pushes until the returned function is called. The clock may run ahead, so that pauses are short.
func (w *world) run(clock func() time.Time, subscribers ...push.Subscriber) (stop func()) {
	w.t.Helper()
	p, err := push.New(push.Config{
		Log: w.log, Subscribers: subscribers, Clock: clock, Logger: slog.New(slog.NewTextHandler(logged{w.t}, nil)), BacklogMax: w.most,
		Database: func() *pgxpool.Pool {
			if w.away.Load() {
				return nil
			}
			return w.pool
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	}
	w.t.Cleanup(stop)
	return stop
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !holds() {
		tick := time.NewTimer(5 * time.Millisecond)
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func change(subscriber string, clock func() time.Time) push.Change {
	return push.Change{Subscriber: subscriber, Actor: "kim", Reason: "repaired", At: clock()}
}

func always(status int) func(int, string) int { return func(int, string) int { return status } }

func secret(b byte) []byte { return slices.Repeat([]byte{b}, 32) }

// hurry is a clock that goes a minute for every ten milliseconds.
func hurry() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(time.Since(began) * 6000) }
}

// TestDelivers: every event that is wanted arrives, signed with both secrets while they are rotated; test
// orders do not, unless asked for; and what became of it stands in the log.
func TestDelivers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	all := receive(t, always(200), secret(1), secret(2))
	paid := receive(t, always(204), secret(3))
	w.pay(true)
	want := w.pay(false)
	w.run(time.Now,
		w.subscriber("all", all, func(s *push.Subscriber) { s.Secrets, s.Template, s.TestOrders = all.secrets, push.Full, true }),
		w.subscriber("paid", paid, func(s *push.Subscriber) { s.Events = []string{"order.payment_*"} }))
	want += w.pay(false)
	until(t, "everything is delivered", func() bool { return len(all.accepted()) == want+3 && len(paid.accepted()) == 2 })
	if got := paid.types(); !slices.Equal(got, []string{"order.payment_success", "order.payment_success"}) {
		t.Errorf("the subscriber of payments got %v", got)
	}
	until(t, "the log tells of it", func() bool {
		n := 0
		for e, err := range w.log.ReadStream(t.Context(), "webhook-paid", eventstore.StreamRead{}) {
			if err == nil && e.Type == push.DeliverySucceeded {
				n++
			}
		}
		return n == 2
	})
	status, err := push.List(t.Context(), w.pool)
	if err != nil || len(status) != 2 || status[0].Delivered != int64(want+3) || status[0].Pending != 0 {
		t.Errorf("%v: %+v", err, status)
	}
}

// TestRetries: five retries, one a minute, then a dead letter, which can be sent again by hand; a subscriber
// that fails on and on is disabled, and gets what it missed once it is enabled.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var mu sync.Mutex
	status := 500
	r := receive(t, func(int, string) int { mu.Lock(); defer mu.Unlock(); return status }, secret(1))
	clock := hurry()
	w.run(clock, w.subscriber("shop", r, func(s *push.Subscriber) { s.Events, s.DisableAfter = []string{"order.payment_success"}, ptr(2) }))
	for range 2 {
		w.pay(false)
	}
	var shown []push.Status
	until(t, "it is disabled", func() bool {
		var err error
		shown, err = push.List(t.Context(), w.pool)
		return err == nil && len(shown) == 1 && shown[0].DisabledAt != nil
	})
	r.mu.Lock()
	requests := r.requests
	r.mu.Unlock()
	letters, err := push.Letters(t.Context(), w.pool, "shop", 0, 10)
	if err != nil || len(letters) != 2 || letters[0].State != "DEAD" || letters[0].Attempts != 6 || *letters[0].LastStatus != 500 || requests != 12 {
		t.Fatalf("%v: %d requests, letters %+v", err, requests, letters)
	}
	w.pay(false) // while it is disabled
	mu.Lock()
	status = 200
	mu.Unlock()
	if err := change("shop", clock).Enable(t.Context(), w.pool); err != nil {
		t.Fatal(err)
	}
	until(t, "what it missed arrives", func() bool { return len(r.accepted()) == 1 })
	if n, err := change("shop", clock).Retry(t.Context(), w.pool, 0); err != nil || n != 2 {
		t.Errorf("%d dead letters retried: %v", n, err)
	}
	until(t, "the dead letters arrive", func() bool { return len(r.accepted()) == 3 })
	if err := change("nobody", clock).Enable(t.Context(), w.pool); !errors.Is(err, push.ErrUnknown) {
		t.Errorf("somebody unknown: %v", err)
	}
}

// TestOrdered: later events of an order wait for the earlier ones; other orders do not.
func TestOrdered(t *testing.T) {
	t.Parallel()
	w := setup(t)
	failed := map[string]bool{}
	r := receive(t, func(n int, id string) int { // each fails once
		if failed[id] {
			return 200
		}
		failed[id] = true
		return 503
	}, secret(1))
	want := 0
	for range 10 {
		want += w.pay(false)
	}
	w.run(hurry(), w.subscriber("shop", r, func(s *push.Subscriber) { s.Ordered, s.Concurrency = true, 16 }))
	until(t, "everything is delivered", func() bool { return len(r.accepted()) == want })
	revisions := map[string]float64{}
	for _, id := range r.accepted() {
		var m struct {
			Data struct {
				OrderID  string  `json:"order_id"`
				Revision float64 `json:"revision"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(r.bodies[id]), &m); err != nil {
			t.Fatal(err)
		}
		if before, seen := revisions[m.Data.OrderID]; seen && before >= m.Data.Revision {
			t.Errorf("order %s: revision %v came after %v", m.Data.OrderID, m.Data.Revision, before)
		}
		revisions[m.Data.OrderID] = m.Data.Revision
	}
}

// TestRestarts: whatever is stopped when, every event arrives, with the same id and body each time.
func TestRestarts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := receive(t, always(200), secret(1))
	want := map[string]bool{}
	for i := range 12 {
		stop := w.run(time.Now, w.subscriber("shop", r, func(s *push.Subscriber) { s.Timeout = time.Second }))
		w.pay(false)
		seen := len(r.accepted())
		if i%3 != 0 {
			until(t, "something more is delivered", func() bool { return len(r.accepted()) > seen })
		}
		stop()
	}
	for e, err := range w.log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"OrderIssued", "PaymentProcessingStarted", "PaymentCaptured"}, e.Type) {
			want[e.ID.String()] = true
		}
	}
	w.run(time.Now, w.subscriber("shop", r, nil))
	until(t, "all is delivered", func() bool {
		got := map[string]bool{}
		for _, id := range r.accepted() {
			got[id] = true
		}
		return len(got) == len(want)
	})
	for _, id := range r.accepted() {
		if !want[id] {
			t.Errorf("delivered and not in the log: %s", id)
		}
	}
}

// TestBadSubscribers: one that never answers, one that redirects, one that answers without end and one whose
// address is not public take nothing from the others.
func TestBadSubscribers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	never := make(chan struct{})
	good := receive(t, always(200), secret(1))
	bad := map[string]*httptest.Server{
		"never":    httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-never })),
		"redirect": httptest.NewServer(http.RedirectHandler(good.server.URL, http.StatusTemporaryRedirect)),
		"endless": httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
			rw.WriteHeader(http.StatusInternalServerError)
			for q.Context().Err() == nil {
				if _, err := rw.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		})),
	}
	subscribers := []push.Subscriber{w.subscriber("good", good, nil)}
	for name, server := range bad {
		t.Cleanup(server.Close)
		subscribers = append(subscribers, w.subscriber(name, &receiver{server: server, secrets: good.secrets}, func(s *push.Subscriber) {
			if s.Retry.Retries = ptr(0); name == "never" {
				s.Timeout = 300 * time.Millisecond
			}
		}))
	}
	t.Cleanup(func() { close(never) })
	private := w.subscriber("private", good, nil)
	private.AllowPrivate = false
	subscribers = append(subscribers, private)
	private.URL = &url.URL{Scheme: "http", Host: "localhost:1", Path: "/"}
	if err := private.Validate(); err == nil {
		t.Error("plain http to anywhere was accepted")
	}
	want := 0
	for range 20 {
		want += w.pay(false)
	}
	w.run(time.Now, subscribers...)
	until(t, "the good one has everything", func() bool { return len(good.accepted()) == want })
	for name, problem := range map[string]string{"never": "no answer in time", "redirect": "redirects are not followed", "endless": "answered 500", "private": "not public"} {
		until(t, name+" is told why", func() bool {
			status, err := push.List(t.Context(), w.pool)
			i := slices.IndexFunc(status, func(s push.Status) bool { return s.Name == name })
			return err == nil && i >= 0 && status[i].LastProblem != nil && strings.Contains(*status[i].LastProblem, problem)
		})
	}
	if len(good.accepted()) != want {
		t.Errorf("the good one got %d, want %d: a redirect was followed", len(good.accepted()), want)
	}
}

// TestGone: a receiver that answers 410 wants no more, and gets no more.
func TestGone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := receive(t, always(http.StatusGone), secret(1))
	w.pay(false)
	w.run(time.Now, w.subscriber("shop", r, func(s *push.Subscriber) { s.Concurrency, s.Ordered = 1, true }))
	until(t, "it is disabled", func() bool { return w.status("shop").DisabledAt != nil })
	s := w.status("shop")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests != 1 || s.Dead != 1 || s.Pending != 2 || !strings.Contains(*s.DisabledReason, "410") {
		t.Errorf("%d requests: %+v", r.requests, s)
	}
}

// TestBacklog: of what nobody takes only so much is planned, the log keeps the rest, and in the end all arrives.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const batch = 500 // what is planned at once
	w := setup(t)
	w.most = 100
	var down atomic.Bool
	down.Store(true)
	r := receive(t, func(int, string) int {
		if down.Load() {
			return 503
		}
		return 200
	}, secret(1))
	want := 0
	for range 400 {
		want += w.pay(false)
	}
	clock := hurry()
	w.run(clock, w.subscriber("shop", r, func(s *push.Subscriber) { s.Concurrency, s.DisableAfter, s.Retry.Retries = 32, ptr(0), ptr(100) }))
	most := int64(0)
	until(t, "the backlog is full", func() bool { most = max(most, w.status("shop").Pending); return most >= w.most })
	requests := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.requests }
	tried := requests()
	until(t, "it was tried again and again", func() bool { most = max(most, w.status("shop").Pending); return requests() >= tried+2*batch })
	if most > w.most+batch || w.status("shop").Dead != 0 {
		t.Errorf("%d deliveries waited", most)
	}
	down.Store(false)
	until(t, "all is delivered", func() bool { return len(r.accepted()) == want })
}

// TestDatabaseAway: while the database is away, or its connections break, deliveries wait; afterwards all
// that happened meanwhile arrives, once.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r := receive(t, always(200), secret(1))
	w.away.Store(true) // at the start: who subscribes is known all the same
	w.run(time.Now, w.subscriber("shop", r, func(s *push.Subscriber) { s.FromBeginning = false }))
	until(t, "the log knows of it", func() bool {
		outcomes, err := push.History(t.Context(), w.log, push.HistoryRequest{Subscriber: "shop", Most: 1})
		return err == nil && len(outcomes) == 1
	})
	want := w.pay(false)
	w.away.Store(false)
	until(t, "what happened meanwhile is delivered", func() bool { return len(r.accepted()) == want })
	// A connection of the pool may be one that the turn before terminated.
	killer, err := pgx.ConnectConfig(t.Context(), w.pool.Config().ConnConfig.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = killer.Close(context.Background()) }()
	for range 5 {
		_, err := killer.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err != nil {
			t.Fatal(err)
		}
		want += w.pay(false)
		until(t, "it goes on", func() bool {
			got := r.accepted()
			return len(slices.Compact(slices.Sorted(slices.Values(got)))) == want
		})
	}
}

// logged shows a program's log beside a failure.
type logged struct{ t testing.TB }

func (l logged) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}
