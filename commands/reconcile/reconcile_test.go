package reconcile_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/commands/reconcile"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// clock can be moved; it goes on by itself too.
type clock struct {
	mu     sync.Mutex
	passed time.Duration
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.passed) }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); c.passed += d; c.mu.Unlock() }

type world struct {
	clock      *clock
	node       *node.Node
	fake       *fakegateway.Fake
	intake     *commands.Intake
	clients    map[string]commands.Gateway
	reconciler *reconcile.Reconciler
}

// setup makes a ledger on a real node that gets the fake's webhooks and may call it.
func setup(t *testing.T, confirm bool) *world {
	t.Helper()
	w := &world{clock: &clock{}, clients: map[string]commands.Gateway{}}
	var err error
	if w.node, err = node.Open(node.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.node.Close() })
	w.intake = commands.NewIntake(commands.IntakeConfig{
		Log: w.node, Translators: []commands.Translator{decta.New(), everifin.New(), connectpay.New()},
		Clock: w.clock.now, Confirm: func(string, string) bool { return confirm },
	})
	w.fake = fakegateway.New(fakegateway.Options{Clock: w.clock.now, Deliver: func(ctx context.Context, h fakegateway.Hook) error {
		_, err := w.intake.Accept(ctx, commands.Notification{
			Gateway: h.Gateway, Account: "default", Via: commands.ViaWebhook, Header: h.Header, Body: bytes.Clone(h.Body), Verified: "none",
		})
		return err
	}})
	w.connect(t)
	return w
}

func (w *world) connect(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(w.fake)
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	calls := httpcall.Options{PauseMin: time.Millisecond, PauseMax: time.Second, PerSecond: 10_000, Burst: 100, OpenAfter: 1000, Client: server.Client()}
	d, err := decta.NewClient(decta.ClientConfig{Account: "default", BaseURL: server.URL + "/decta/api/v0.6", Key: fakegateway.DectaKey, HTTP: calls})
	if err != nil {
		t.Fatal(err)
	}
	e, err := everifin.NewClient(everifin.ClientConfig{
		Account: "default", BaseURL: server.URL + "/everifin/api/v2", TokenURL: server.URL + "/everifin/token",
		ClientID: fakegateway.ClientID, ClientSecret: fakegateway.ClientSecret, HTTP: calls,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectpay.NewClient(connectpay.ClientConfig{
		Account: "default", BaseURL: server.URL + "/connectpay", User: fakegateway.User, Password: fakegateway.Password, Key: key, HTTP: calls,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.clients[d.Gateway()], w.clients[e.Gateway()], w.clients[c.Gateway()] = d, e, c
	w.reconciler = w.restarted()
}

// restarted is a reconciler that remembers nothing.
func (w *world) restarted() *reconcile.Reconciler {
	accounts := make([]reconcile.Account, 0, len(w.clients))
	for _, c := range w.clients {
		accounts = append(accounts, reconcile.Account{Gateway: c.Gateway(), Name: c.Account(), Client: c})
	}
	return reconcile.New(reconcile.Config{
		Log: w.node, Intake: w.intake, Accounts: accounts, Clock: w.clock.now,
		PollMin: 5 * time.Millisecond, PollMax: 50 * time.Millisecond,
	})
}

func (w *world) run(t *testing.T, r *reconcile.Reconciler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (w *world) create(t *testing.T, gateway string) commands.GatewayAnswer {
	t.Helper()
	answer, err := w.clients[gateway].Create(t.Context(), commands.GatewayOrder{
		InstructionID: "i-1", Reference: "SO-1-" + gateway, Amount: money.MustParse("50.00", "EUR"), Description: "Kettle", SkipCapture: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// orders are the streams of all orders by gateway.
func (w *world) orders(t *testing.T) map[string]order.State {
	t.Helper()
	out := map[string]order.State{}
	for e, err := range w.node.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		category, id, ok := order.ParseStreamName(e.Stream)
		if !ok || e.Revision != 0 {
			continue
		}
		s, err := w.intake.Load(t.Context(), category, id)
		if err != nil {
			t.Fatal(err)
		}
		out[s.Source] = s
	}
	return out
}

// until waits until the ledger says so.
func (w *world) until(t *testing.T, what string, holds func(map[string]order.State) bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		if holds(w.orders(t)) {
			return
		}
		tick := time.NewTimer(5 * time.Millisecond)
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func captured(gateways ...string) func(map[string]order.State) bool {
	return func(orders map[string]order.State) bool {
		return !slices.ContainsFunc(gateways, func(g string) bool {
			s := orders[g]
			return s.Balances().Captured.String() != "50.00"
		})
	}
}

var all = []string{fakegateway.Decta, fakegateway.Everifin, fakegateway.ConnectPay}

// TestFindsWhatWebhooksLost: no webhook about the payment arrives, and the ledger learns it all the
// same; when all is final nothing is asked any more.
func TestFindsWhatWebhooksLost(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	ids := map[string]commands.GatewayAnswer{}
	for _, g := range all {
		ids[g] = w.create(t, g)
	}
	w.run(t, w.reconciler)
	w.fake.LoseHooks(1000)
	w.fake.FailNext(fakegateway.Everifin, fakegateway.Fault{Status: http.StatusInternalServerError})
	for _, g := range all {
		if err := w.fake.Pay(t.Context(), ids[g].PaymentID); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, "the hold is seen", func(o map[string]order.State) bool {
		s := o[fakegateway.Decta]
		return s.Balances().Authorised.String() == "50.00"
	})
	// A capture whose answer never came back to us.
	w.fake.FailNext(fakegateway.Decta, fakegateway.Fault{Status: http.StatusBadGateway, Executed: true, Write: true})
	refs := commands.GatewayRefs{OrderID: ids[fakegateway.Decta].OrderID}
	if _, err := w.clients[fakegateway.Decta].Capture(t.Context(), refs, nil); err == nil {
		t.Fatal("the answer was not lost")
	}
	w.until(t, "all three are captured", captured(all...))
	w.until(t, "nothing is left to ask", func(map[string]order.State) bool { return w.reconciler.Pending() == 0 })
}

// TestRestart: what is open is in the log, so another process goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	answer := w.create(t, fakegateway.Everifin)
	w.fake.LoseHooks(1000)
	if err := w.fake.Pay(t.Context(), answer.PaymentID); err != nil {
		t.Fatal(err)
	}
	w.run(t, w.restarted())
	w.until(t, "captured", captured(fakegateway.Everifin))
}

// TestConfirm: a webhook alone moves no money where accounts demand a GET, and the GET's body, which
// may be the webhook's byte for byte, does.
func TestConfirm(t *testing.T) {
	t.Parallel()
	w := setup(t, true)
	ids := map[string]commands.GatewayAnswer{}
	for _, g := range all {
		ids[g] = w.create(t, g)
		if err := w.fake.Pay(t.Context(), ids[g].PaymentID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.clients[fakegateway.Decta].Capture(t.Context(), commands.GatewayRefs{OrderID: ids[fakegateway.Decta].OrderID}, nil); err != nil {
		t.Fatal(err)
	}
	before := w.orders(t)
	if len(before) != 3 {
		t.Fatalf("%d orders", len(before))
	}
	for g, s := range before {
		if b := s.Balances(); b.Captured.IsPositive() || b.Authorised.IsPositive() || b.Expected.IsPositive() {
			t.Errorf("%s: captured %s, authorised %s, expected %s on the word of a webhook", g, b.Captured, b.Authorised, b.Expected)
		}
	}
	w.run(t, w.reconciler)
	w.until(t, "confirmed", captured(all...))
}

// TestAlarmAfterAGet: the clock asks first, alarms once, and invents nothing.
func TestAlarmAfterAGet(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	answer := w.create(t, fakegateway.Everifin)
	stream := order.StreamName(order.CategoryOrder, w.orders(t)[fakegateway.Everifin].ID)
	w.fake.LoseHooks(1000)
	w.clock.pass(time.Hour)
	for range 2 {
		if err := w.reconciler.Check(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	s := w.orders(t)[fakegateway.Everifin]
	if !slices.Contains(s.Flags(), order.FlagPaymentStale) || s.Payments[0].Status != order.PaymentInitiatedStatus {
		t.Errorf("an hour without a word: flags %v, status %s", s.Flags(), s.Payments[0].Status)
	}
	if n := w.fake.Calls(fakegateway.Everifin, "GET order"); n == 0 {
		t.Error("the gateway was not asked")
	}
	before := s.Revision
	if err := w.restarted().Check(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if s = w.orders(t)[fakegateway.Everifin]; s.Revision != before {
		t.Errorf("the alarm was raised again after a restart: revision %d, was %d", s.Revision, before)
	}
	if err := w.fake.Lapse(t.Context(), answer.PaymentID); err != nil {
		t.Fatal(err)
	}
	if err := w.reconciler.Check(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if s = w.orders(t)[fakegateway.Everifin]; s.Payments[0].Status != order.PaymentExpiredStatus {
		t.Errorf("the gateway said EXPIRED, the ledger says %s", s.Payments[0].Status)
	}
}

// TestHoldAlarm: a hold near its end is told, and stays a hold until the gateway says otherwise.
func TestHoldAlarm(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	answer := w.create(t, fakegateway.Decta)
	if err := w.fake.Pay(t.Context(), answer.PaymentID); err != nil {
		t.Fatal(err)
	}
	stream := order.StreamName(order.CategoryOrder, w.orders(t)[fakegateway.Decta].ID)
	for _, step := range []struct {
		pass time.Duration
		want bool
	}{{25 * 24 * time.Hour, false}, {2 * 24 * time.Hour, true}, {30 * 24 * time.Hour, true}} {
		w.clock.pass(step.pass)
		if err := w.reconciler.Check(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		s := w.orders(t)[fakegateway.Decta]
		if slices.Contains(s.Flags(), order.FlagHoldExpiring) != step.want || s.Balances().Authorised.String() != "50.00" {
			t.Errorf("%s later: flags %v, authorised %s", step.pass, s.Flags(), s.Balances().Authorised)
		}
	}
}

// TestClocksOfAnAccount: an account that nobody can be asked about has clocks all the same, its own ones,
// and a ledger that starts later raises what they say.
func TestClocksOfAnAccount(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	answer := w.create(t, fakegateway.Decta)
	if err := w.fake.Pay(t.Context(), answer.PaymentID); err != nil {
		t.Fatal(err)
	}
	w.create(t, fakegateway.Everifin)
	const day = 24 * time.Hour
	w.clock.pass(6 * day)
	r := reconcile.New(reconcile.Config{
		Log: w.node, Intake: w.intake, Clock: w.clock.now, PollMin: 5 * time.Millisecond,
		Accounts: []reconcile.Account{
			{Gateway: fakegateway.Decta, Name: "default", Clocks: reconcile.Clocks{Hold: 7 * day}},
			{Gateway: fakegateway.Everifin, Name: "default", Clocks: reconcile.Clocks{Unstarted: 30 * day}},
		},
	})
	asked := w.fake.Calls(fakegateway.Decta, "GET order")
	w.run(t, r)
	w.until(t, "the hold of seven days ends soon", func(o map[string]order.State) bool {
		s := o[fakegateway.Decta]
		return slices.Contains(s.Flags(), order.FlagHoldExpiring)
	})
	s := w.orders(t)[fakegateway.Everifin]
	if len(s.Flags()) != 0 || w.fake.Calls(fakegateway.Decta, "GET order") != asked {
		t.Errorf("flags %v; the gateway was asked", s.Flags())
	}
}
