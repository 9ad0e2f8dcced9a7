package protocol_test

import (
	"context"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// TestServer_Keepalive: stock clients ping idle connections every 10 s; being
// stricter disconnects them after half a minute.
func TestServer_Keepalive(t *testing.T) {
	t.Parallel()
	p := protocol.KeepaliveEnforcement()
	if p.MinTime >= 10*time.Second || !p.PermitWithoutStream {
		t.Errorf("enforcement %+v throws out clients that ping every 10 s without a call", p)
	}
}

func TestServer_UnknownMethods(t *testing.T) {
	w := newWire(t)
	const restart = "/event_store.client.projections.Projections/RestartSubsystem"
	err := w.conn.Invoke(w.ctx, restart, &shared.Empty{}, &shared.Empty{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("projections: %v, want Unimplemented", err)
	}
	if err := w.conn.Invoke(w.ctx, "/no.such.Service/Method", &shared.Empty{}, &shared.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown service: %v, want Unimplemented", err)
	}
}

// TestServer_Version: clients refuse to connect to a version that is not three
// plain numbers.
func TestServer_Version(t *testing.T) {
	w := newWire(t)
	features, err := serverfeatures.NewServerFeaturesClient(w.conn).GetSupportedMethods(w.ctx, &shared.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	dots := 0
	for _, c := range features.GetEventStoreServerVersion() {
		switch {
		case c == '.':
			dots++
		case c < '0' || c > '9':
			t.Errorf("version %q is more than numbers", features.GetEventStoreServerVersion())
		}
	}
	if dots != 2 {
		t.Errorf("version %q", features.GetEventStoreServerVersion())
	}
}

// TestServer_Discovery: a discovering client is sent to the advertised address.
func TestServer_Discovery(t *testing.T) {
	w := newWire(t)
	info, err := gossip.NewGossipClient(w.conn).Read(w.ctx, &shared.Empty{})
	if err != nil || len(info.GetMembers()) != 1 {
		t.Fatalf("gossip: %v, %v", info, err)
	}
	m := info.GetMembers()[0]
	if m.GetState() != gossip.MemberInfo_Leader || !m.GetIsAlive() || m.GetHttpEndPoint().GetAddress() != "127.0.0.1" {
		t.Errorf("member %v", m)
	}
	advertised := serve(t, protocol.Options{Node: w.node, Advertise: w.server.Addr().String()})
	for _, connection := range []string{
		"esdb+discover://" + w.server.Addr().String() + "?tls=false",
		"kurrentdb+discover://" + advertised.Addr().String() + "?tls=false",
		"kurrentdb://" + w.server.Addr().String() + "?tls=false",
		"esdb://" + w.server.Addr().String() + "," + advertised.Addr().String() + "?tls=false",
	} {
		store, err := esdbstore.Open(esdbstore.Options{ConnectionString: connection})
		if err != nil {
			t.Errorf("%s: %v", connection, err)
			continue
		}
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		event := eventstore.EventData{ID: uuid.New(), Type: "T"}
		if _, err := store.Append(ctx, "s", eventstore.Any, event); err != nil {
			t.Errorf("append by %s: %v", connection, err)
		}
		cancel()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}
