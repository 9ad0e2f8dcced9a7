package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
)

// cluster are members that share one log; one of them leads, and only it takes appends.
type cluster struct {
	*testing.T
	members []*member
	dead    string // an address where nobody is

	mu     sync.Mutex
	leader int
	ids    []string // of the log's events, in order
	// changed is closed when the log grows.
	changed chan struct{}
}

type member struct {
	streams.UnimplementedStreamsServer
	cluster *cluster
	number  int
	address string
	server  *grpc.Server
	served  chan struct{}
	alive   bool
}

func newCluster(t *testing.T, size int) *cluster {
	t.Helper()
	c := &cluster{T: t, changed: make(chan struct{})}
	var listen net.ListenConfig
	for i := range size + 1 {
		listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if i == size { // taken and given back
			c.dead = listener.Addr().String()
			_ = listener.Close()
			break
		}
		m := &member{cluster: c, number: i, address: listener.Addr().String(), server: grpc.NewServer(), served: make(chan struct{}), alive: true}
		streams.RegisterStreamsServer(m.server, m)
		gossip.RegisterGossipServer(m.server, gossipServer{member: m})
		go func() {
			defer close(m.served)
			_ = m.server.Serve(listener) // it ends with Stop
		}()
		t.Cleanup(func() { m.server.Stop(); <-m.served })
		c.members = append(c.members, m)
	}
	return c
}

// open connects with seeds of which the first is dead.
func (c *cluster) open() (*esdbstore.Store, context.Context) {
	c.Helper()
	seeds := []string{c.dead}
	for _, m := range c.members {
		seeds = append(seeds, m.address)
	}
	store, err := esdbstore.Open(esdbstore.Options{ConnectionString: "esdb://" + strings.Join(seeds, ",") + "?tls=false"})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		if err := store.Close(); err != nil {
			c.Errorf("close: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	c.Cleanup(cancel)
	return store, ctx
}

// lead makes a member the leader.
func (c *cluster) lead(member int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = member
}

// kill ends a member.
func (c *cluster) kill(member int) {
	c.mu.Lock()
	m := c.members[member]
	m.alive = false
	c.mu.Unlock()
	m.server.Stop()
	<-m.served
}

// info tells who there is.
func (m *member) info() *gossip.ClusterInfo {
	c := m.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	info := &gossip.ClusterInfo{}
	for i, other := range c.members {
		host, port, _ := net.SplitHostPort(other.address)
		number, _ := strconv.ParseUint(port, 10, 16)
		state := gossip.MemberInfo_Follower
		if i == c.leader {
			state = gossip.MemberInfo_Leader
		}
		info.Members = append(info.Members, &gossip.MemberInfo{
			InstanceId: &shared.UUID{Value: &shared.UUID_String_{String_: fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1)}},
			State:      state, IsAlive: other.alive, HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
		})
	}
	return info
}

// gossipServer keeps the two methods called Read apart.
type gossipServer struct {
	gossip.UnimplementedGossipServer
	member *member
}

// Read tells who there is.
func (g gossipServer) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return g.member.info(), nil
}

// Append takes events when this member leads, and says who does when it does not.
func (m *member) Append(call streams.Streams_AppendServer) error {
	c := m.cluster
	c.mu.Lock()
	leader := c.leader
	c.mu.Unlock()
	var ids []string
	for {
		req, err := call.Recv()
		if err != nil {
			break
		}
		if p := req.GetProposedMessage(); p != nil {
			ids = append(ids, p.GetId().String())
		}
	}
	if leader != m.number {
		host, port, _ := net.SplitHostPort(c.members[leader].address)
		call.SetTrailer(metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port))
		return status.Error(codes.NotFound, "Leader info available")
	}
	c.mu.Lock()
	c.ids = append(c.ids, ids...)
	last := uint64(len(c.ids))
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: last - 1},
		PositionOption: &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
			CommitPosition: last, PreparePosition: last,
		}},
	}}})
}

// Read follows the log of all members, or reads it from its beginning.
func (m *member) Read(req *streams.ReadReq, call streams.Streams_ReadServer) error {
	c := m.cluster
	next := req.GetOptions().GetAll().GetPosition().GetCommitPosition() + 1
	if req.GetOptions().GetSubscription() != nil {
		if err := call.Send(confirmation()); err != nil {
			return err
		}
	}
	for {
		c.mu.Lock()
		end, changed := uint64(len(c.ids)), c.changed
		c.mu.Unlock()
		for ; next <= end; next++ {
			if err := call.Send(eventAt(next)); err != nil {
				return err
			}
		}
		if req.GetOptions().GetSubscription() == nil {
			return nil
		}
		select {
		case <-changed:
		case <-call.Context().Done():
			return call.Context().Err()
		}
	}
}

// follow counts the events that a subscription shows, which must come in order and without gaps.
func (c *cluster) follow(ctx context.Context, store eventstore.Store, upTo uint64) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		want := uint64(1)
		for m, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
			if err != nil {
				c.Errorf("subscription: %v", err)
				return
			}
			if e, ok := m.(eventstore.EventAppeared); ok {
				if e.Event.Position.Commit != want {
					c.Errorf("subscription shows position %s, want %d", e.Event.Position, want)
					return
				}
				if want++; want > upTo {
					return
				}
			}
		}
	}()
	return done
}

// TestCluster_LeaderMoves: appends go to whoever leads, each once, and a subscription goes on; a seed
// that is dead does not matter.
func TestCluster_LeaderMoves(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	store, ctx := c.open()
	const rounds, each = 6, 5
	followed := c.follow(ctx, store, rounds*each)
	for round := range rounds {
		c.lead(round % len(c.members))
		for range each {
			if _, err := store.Append(ctx, "s", eventstore.Any, newEvent()); err != nil {
				t.Fatalf("append while member %d leads: %v", round%len(c.members), err)
			}
		}
	}
	<-followed
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) != rounds*each {
		t.Errorf("%d events were written, want %d", len(c.ids), rounds*each)
	}
}

// TestCluster_MembersDie: the members die one by one, the leader first; as long as one is left appends
// and subscriptions go on.
func TestCluster_MembersDie(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	store, ctx := c.open()
	const each = 5
	followed := c.follow(ctx, store, 3*each)
	for leader := range c.members {
		c.lead(leader)
		if leader > 0 {
			c.kill(leader - 1)
		}
		for i := range each {
			// What is sent while the leader dies may be unknown: an exact revision makes it safe to repeat.
			if _, err := store.Append(ctx, "s", eventstore.Revision(uint64(leader*each+i)), newEvent()); err != nil {
				t.Fatalf("append while member %d leads: %v", leader, err)
			}
		}
	}
	<-followed
}

// TestCluster_NobodyAnswers: without members appends end with ErrUnavailable, within the caller's patience.
func TestCluster_NobodyAnswers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	store, ctx := c.open()
	for i := range c.members {
		c.kill(i)
	}
	if _, err := store.Append(ctx, "s", eventstore.Any, newEvent()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("append to a dead cluster: %v, want ErrUnavailable", err)
	}
}
