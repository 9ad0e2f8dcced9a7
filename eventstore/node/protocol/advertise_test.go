package protocol_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// TestServer_Advertises: a node on all interfaces sends discovering clients to the address that it is
// told to advertise, and they work there.
func TestServer_Advertises(t *testing.T) {
	t.Parallel()
	door := eventstoretest.NewRelay(t, "")
	certificate, caFile := selfSigned(t)
	s := serve(t, protocol.Options{
		Listen: "0.0.0.0:0", Advertise: door.Address, Certificate: certificate, Users: map[string]string{"ledger": "secret"},
	})
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	direct := net.JoinHostPort("127.0.0.1", port)
	door.SetTarget(direct)
	if want := "esdb://" + door.Address + "?tls=true"; s.ConnectionString() != want {
		t.Errorf("connection string %s, want %s", s.ConnectionString(), want)
	}
	u := url.URL{
		Scheme: "esdb+discover", Host: direct, User: url.UserPassword("ledger", "secret"), RawQuery: url.Values{"tlsCaFile": {caFile}}.Encode(),
	}
	store := connect(t, u.String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := store.Append(ctx, "s", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "T"}); err != nil {
		t.Fatalf("append after discovery: %v", err)
	}
	if door.Connections() == 0 {
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
