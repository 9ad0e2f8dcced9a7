package protocol

import (
	"context"
	"fmt"
	"net"
	"strconv"

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
	const service = "event_store.client.streams.streams"
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: serverVersion,
		Methods: []*serverfeatures.SupportedMethod{
			{ServiceName: service, MethodName: "append"},
			{ServiceName: service, MethodName: "batchappend", Features: []string{"deadline_duration"}},
			{ServiceName: service, MethodName: "read", Features: []string{"position", "events"}},
			{ServiceName: service, MethodName: "delete"},
			{ServiceName: service, MethodName: "tombstone"},
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
	}}}, nil
}

// endPoint is what gossip tells: the advertised address, else the one that is
// listened on.
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
	return &gossip.EndPoint{Address: host, Port: uint32(number)}, nil
}
