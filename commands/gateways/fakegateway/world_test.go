package fakegateway_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// world is a fake with a client of each gateway, and a ledger on a real node.
type world struct {
	fake    *fakegateway.Fake
	node    *node.Node
	intake  *commands.Intake
	clients map[string]commands.Gateway
}

// quick are calls that do not wait for long.
func quick() httpcall.Options {
	return httpcall.Options{
		PauseMin: time.Millisecond, PauseMax: 2 * time.Second, PerSecond: 10_000, Burst: 1000, OpenAfter: 100,
	}
}

func newWorld(t *testing.T, calls httpcall.Options) *world {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	w := &world{node: n, clients: map[string]commands.Gateway{}}
	w.intake = commands.NewIntake(commands.IntakeConfig{
		Log: n, Translators: []commands.Translator{decta.New(), everifin.New(), connectpay.New()},
	})
	w.fake = fakegateway.New(fakegateway.Options{ClientKey: &key.PublicKey})
	server := httptest.NewServer(w.fake)
	t.Cleanup(server.Close)
	calls.Client = server.Client()
	add := func(c commands.Gateway, err error) {
		if err != nil {
			t.Fatal(err)
		}
		w.clients[c.Gateway()] = c
	}
	d, err := decta.NewClient(decta.ClientConfig{Account: "default", BaseURL: server.URL + "/decta/api/v0.6", Key: fakegateway.DectaKey, HTTP: calls})
	add(d, err)
	e, err := everifin.NewClient(everifin.ClientConfig{
		Account: "default", BaseURL: server.URL + "/everifin/api/v2", TokenURL: server.URL + "/everifin/token",
		ClientID: fakegateway.ClientID, ClientSecret: fakegateway.ClientSecret, HTTP: calls,
	})
	add(e, err)
	c, err := connectpay.NewClient(connectpay.ClientConfig{
		Account: "default", BaseURL: server.URL + "/connectpay", User: fakegateway.User, Password: fakegateway.Password, Key: key, HTTP: calls,
	})
	add(c, err)
	return w
}

// create issues an order of 50.00 EUR.
func (w *world) create(t *testing.T, gateway string, hold bool) commands.GatewayRefs {
	t.Helper()
	answer, err := w.clients[gateway].Create(t.Context(), commands.GatewayOrder{
		InstructionID: "i-" + t.Name(), Reference: "SO-" + gateway, Amount: money.MustParse("50.00", "EUR"),
		Description: "Kettle", SkipCapture: hold,
	})
	if err != nil {
		t.Fatal(err)
	}
	return commands.GatewayRefs{OrderID: answer.OrderID, PaymentIDs: []string{answer.PaymentID}}
}

// pull takes in what GETs tell, and returns the order.
func (w *world) pull(t *testing.T, gateway string, refs commands.GatewayRefs) *order.State {
	t.Helper()
	bodies, err := w.clients[gateway].Fetch(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	var id string
	for _, body := range bodies {
		receipt, err := w.intake.Accept(t.Context(), commands.Notification{
			Gateway: gateway, Account: "default", Via: commands.ViaReconciliation, Body: body, Verified: "get",
		})
		if err != nil || receipt.OrderID == "" {
			t.Fatalf("take in %s: %+v, %v", body, receipt, err)
		}
		id = receipt.OrderID
	}
	return w.state(t, id)
}

func (w *world) state(t *testing.T, orderID string) *order.State {
	t.Helper()
	s := &order.State{}
	for e, err := range w.node.ReadStream(t.Context(), order.StreamName(order.CategoryOrder, orderID), eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		event, metadata, err := order.Decode(e.Type, e.Data, e.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		s.Apply(order.Recorded{Event: event, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: metadata})
	}
	return s
}

func pay(t *testing.T, w *world, refs commands.GatewayRefs) {
	t.Helper()
	if err := w.fake.Pay(context.WithoutCancel(t.Context()), refs.PaymentIDs[0]); err != nil {
		t.Fatal(err)
	}
}
