package protocol

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
)

// serverVersion is the version of EventStoreDB whose protocol is spoken; any
// suffix breaks clients.
const serverVersion = "24.10.0"

type featuresService struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

// GetSupportedMethods tells clients what they may call; names are lower case.
func (featuresService) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const (
		streams    = "event_store.client.streams.streams"
		persistent = "event_store.client.persistent_subscriptions.persistentsubscriptions"
	)
	method := func(service, name string, features ...string) *serverfeatures.SupportedMethod {
		return &serverfeatures.SupportedMethod{ServiceName: service, MethodName: name, Features: features}
	}
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: serverVersion,
		Methods: []*serverfeatures.SupportedMethod{
			method(streams, "append"),
			method(streams, "batchappend", "deadline_duration"),
			method(streams, "read", "position", "events"),
			method(streams, "delete"),
			method(streams, "tombstone"),
			method(persistent, "create", "stream", "all"),
			method(persistent, "update", "stream", "all"),
			method(persistent, "delete", "stream", "all"),
			method(persistent, "read", "stream", "all"),
			method(persistent, "getinfo", "stream", "all"),
			method(persistent, "list", "stream", "all"),
			method(persistent, "replayparked", "stream", "all"),
			method(persistent, "restartsubsystem"),
		},
	}, nil
}

type gossipService struct {
	gossip.UnimplementedGossipServer
	instance uuid.UUID
	address  *gossip.EndPoint
}

// Read answers a discovering client: a cluster of one.
func (g gossipService) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId: wireUUID(g.instance), State: gossip.MemberInfo_Leader, IsAlive: true, HttpEndPoint: g.address,
		TimeStamp: time.Now().UnixNano() / 100, // in ticks of 100 ns
	}}}, nil
}

// endPoint is what gossip tells: the advertised address, else the one that is
// listened on. Clients connect to what they are told, so it has to be one.
func endPoint(advertise string, listened net.Addr) (*gossip.EndPoint, error) {
	if advertise == "" {
		advertise = listened.String()
	}
	host, port, err := net.SplitHostPort(advertise)
	if err != nil {
		return nil, fmt.Errorf("advertised event store address %q: %w", advertise, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("advertised event store address %q: %w", advertise, err)
	}
	if ip := net.ParseIP(host); host == "" || number == 0 || ip != nil && ip.IsUnspecified() {
		return nil, fmt.Errorf("event store clients cannot connect to %s: advertise the host and port by which they reach this node", advertise)
	}
	return &gossip.EndPoint{Address: host, Port: uint32(number)}, nil
}
