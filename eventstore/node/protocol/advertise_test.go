package protocol_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// relay forwards connections to an address that is known later, as the address translation before a
// container does, and counts them.
type relay struct {
	address string
	to      string
	count   atomic.Int64
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: listener.Addr().String()}
	var work sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { cancel(); _ = listener.Close(); work.Wait() })
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.count.Add(1)
			work.Go(func() { r.forward(ctx, conn) })
		}
	})
	return r
}

func (r *relay) forward(ctx context.Context, from net.Conn) {
	var dial net.Dialer
	to, err := dial.DialContext(ctx, "tcp", r.to)
	if err != nil {
		_ = from.Close()
		return
	}
	closeBoth := func() { _ = from.Close(); _ = to.Close() }
	stop := context.AfterFunc(ctx, closeBoth)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, from); closeBoth() })
	both.Go(func() { _, _ = io.Copy(from, to); closeBoth() })
	both.Wait()
}

// TestServer_Advertises: a node on all interfaces sends discovering clients to the address that it is
// told to advertise, and they work there.
func TestServer_Advertises(t *testing.T) {
	t.Parallel()
	door := newRelay(t)
	certificate, caFile := selfSigned(t)
	s := serve(t, protocol.Options{
		Listen: "0.0.0.0:0", Advertise: door.address, Certificate: certificate, Users: map[string]string{"ledger": "secret"},
	})
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	door.to = net.JoinHostPort("127.0.0.1", port)
	if want := "esdb://" + door.address + "?tls=true"; s.ConnectionString() != want {
		t.Errorf("connection string %s, want %s", s.ConnectionString(), want)
	}
	u := url.URL{
		Scheme: "esdb+discover", Host: door.to, User: url.UserPassword("ledger", "secret"), RawQuery: url.Values{"tlsCaFile": {caFile}}.Encode(),
	}
	store := connect(t, u.String())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := store.Append(ctx, "s", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "T"}); err != nil {
		t.Fatalf("append after discovery: %v", err)
	}
	if door.count.Load() == 0 {
		t.Error("the client did not go to the advertised address")
	}
}

// TestServer_GossipIsDated: a member without a time looks dead since 1970.
func TestServer_GossipIsDated(t *testing.T) {
	w := newWire(t)
	before := time.Now()
	info, err := gossip.NewGossipClient(w.conn).Read(w.ctx, &shared.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	told := time.Unix(0, info.GetMembers()[0].GetTimeStamp()*100)
	if told.Before(before.Truncate(100)) || told.After(time.Now()) {
		t.Errorf("member dated %s, asked at %s", told, before)
	}
	if !strings.HasSuffix(w.server.ConnectionString(), "?tls=false") {
		t.Errorf("connection string %s of a server without TLS", w.server.ConnectionString())
	}
}
