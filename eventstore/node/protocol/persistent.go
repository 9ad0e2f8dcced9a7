package protocol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/order-ledger/order-ledger/eventstore"
)

// allStream is the name under which groups follow the whole log.
const allStream = "$all"

// groupsMax bounds the groups of one node, consumerSlotsMax the events that one
// consumer may have in flight.
const (
	groupsMax        = 1000
	consumerSlotsMax = 10_000
)

// persistentService is the PersistentSubscriptions service: groups of consumers
// that share one place in a stream or in $all, which the server remembers.
type persistentService struct {
	persistent.UnimplementedPersistentSubscriptionsServer
	streams *streamsService

	mu      sync.Mutex
	groups  map[groupKey]*group
	stopped bool
}

func newPersistentService(ctx context.Context, s *streamsService) (*persistentService, error) {
	p := &persistentService{streams: s}
	return p, p.load(ctx)
}

// load makes the groups that the log knows of; they begin to work with their
// first consumers.
func (p *persistentService) load(ctx context.Context) error {
	configs, err := loadConfigs(ctx, p.streams.node)
	if err != nil {
		return err
	}
	p.groups = make(map[groupKey]*group, len(configs))
	for _, c := range configs {
		p.groups[c.key()] = p.newGroup(c)
	}
	return nil
}

// stop ends all groups and saves what they have done.
func (p *persistentService) stop() {
	p.mu.Lock()
	p.stopped = true
	groups := p.groups
	p.mu.Unlock()
	stopGroups(groups, fail(codes.Unavailable, "Server Is Not Ready"))
}

func stopGroups(groups map[groupKey]*group, reason error) {
	var work sync.WaitGroup
	for _, g := range groups {
		work.Go(func() { g.stop(reason) })
	}
	work.Wait()
}

// save stores the configuration of all groups but one, plus one, if given; the
// caller holds the mutex.
func (p *persistentService) save(ctx context.Context, without groupKey, with *groupConfig) error {
	entries := make([]groupConfig, 0, len(p.groups)+1)
	for k, g := range p.groups {
		if k != without {
			entries = append(entries, g.config)
		}
	}
	if with != nil {
		entries = append(entries, *with)
	}
	slices.SortFunc(entries, func(a, b groupConfig) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(a.Group, b.Group))
	})
	return saveConfigs(ctx, p.streams.node, entries)
}

// answer turns an error into a status with its trailers.
func (p *persistentService) answer(ctx context.Context, stream string, err error) error {
	if err == nil {
		return nil
	}
	failure := p.streams.statusOf(ctx, stream, err)
	setTrailer(ctx, failure.trailers)
	return failure
}

// Create makes a new group.
func (p *persistentService) Create(ctx context.Context, req *persistent.CreateReq) (*persistent.CreateResp, error) {
	c, err := p.createdConfig(ctx, req.GetOptions())
	if err == nil {
		err = p.create(ctx, c)
	}
	return &persistent.CreateResp{}, p.answer(ctx, c.Stream, err)
}

func (p *persistentService) create(ctx context.Context, c groupConfig) error {
	if err := c.validate(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := c.key()
	switch {
	case p.stopped:
		return eventstore.ErrClosed
	case p.groups[k] != nil:
		return groupFailure(codes.AlreadyExists, k, "persistent-subscription-exists", "exists already")
	case len(p.groups) >= groupsMax:
		reason := fmt.Sprintf("there are %d groups, more are not allowed", groupsMax)
		return groupFailure(codes.Internal, k, "persistent-subscription-failed", "failed: "+reason, "reason", reason)
	}
	// Only the newest checkpoint counts, and none of a group of this name that was deleted: they stay hidden when the
	// first one is written.
	limits := fmt.Appendf(nil, `{"$maxCount":2,"$tb":%d}`, int64(math.MaxInt64))
	if _, err := p.streams.node.SetStreamMetadata(ctx, k.checkpointStream(), eventstore.Any, limits); err != nil {
		return err
	}
	if err := p.save(ctx, k, &c); err != nil {
		return err
	}
	p.groups[k] = p.newGroup(c)
	return nil
}

// Update changes a group's settings; its consumers are dropped and come back.
// Where it begins matters only while it has no checkpoint.
func (p *persistentService) Update(ctx context.Context, req *persistent.UpdateReq) (*persistent.UpdateResp, error) {
	o := req.GetOptions()
	k := groupKey{stream: allStream, group: o.GetGroupName()}
	if o.GetAll() == nil {
		k.stream = string(o.GetStream().GetStreamIdentifier().GetStreamName())
		if o.GetStream() == nil {
			k.stream = string(o.GetStreamIdentifier().GetStreamName()) //nolint:staticcheck // what older clients send
		}
	}
	return &persistent.UpdateResp{}, p.answer(ctx, k.stream, p.update(ctx, k, o))
}

func (p *persistentService) update(ctx context.Context, k groupKey, o *persistent.UpdateReq_Options) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[k]
	if g == nil {
		return (&group{config: groupConfig{Stream: k.stream, Group: k.group}}).missing()
	}
	c, err := p.updatedConfig(ctx, g.config, o)
	if err == nil {
		err = c.validate()
	}
	if err == nil {
		err = p.save(ctx, k, &c)
	}
	if err != nil {
		return err
	}
	g.stop(g.droppedError())
	p.groups[k] = p.newGroup(c)
	return nil
}

// wireTarget names a group in several requests.
type wireTarget interface {
	GetStreamIdentifier() *shared.StreamIdentifier
	GetGroupName() string
	GetAll() *shared.Empty
}

func keyOf(o wireTarget) groupKey {
	if o.GetAll() != nil {
		return groupKey{stream: allStream, group: o.GetGroupName()}
	}
	return groupKey{stream: string(o.GetStreamIdentifier().GetStreamName()), group: o.GetGroupName()}
}

func (p *persistentService) find(k groupKey) (*group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.groups[k]; g != nil {
		return g, nil
	}
	return nil, (&group{config: groupConfig{Stream: k.stream, Group: k.group}}).missing()
}

// Delete ends a group and forgets its checkpoint and parked events.
func (p *persistentService) Delete(ctx context.Context, req *persistent.DeleteReq) (*persistent.DeleteResp, error) {
	k := keyOf(req.GetOptions())
	return &persistent.DeleteResp{}, p.answer(ctx, k.stream, p.delete(ctx, k))
}

func (p *persistentService) delete(ctx context.Context, k groupKey) error {
	g, err := p.find(k)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.save(ctx, k, nil); err != nil {
		return err
	}
	delete(p.groups, k)
	g.stop(g.droppedError())
	for _, stream := range []string{k.checkpointStream(), k.parkedStream()} {
		_, err := p.streams.node.DeleteStream(ctx, stream, eventstore.Any)
		var wrong *eventstore.WrongExpectedRevisionError // it never was
		if err != nil && !errors.As(err, &wrong) {
			return err
		}
	}
	return nil
}

// ReplayParked shows parked events to the group's consumers again.
func (p *persistentService) ReplayParked(ctx context.Context, req *persistent.ReplayParkedReq) (*persistent.ReplayParkedResp, error) {
	k := keyOf(req.GetOptions())
	g, err := p.find(k)
	if err == nil {
		err = g.replay(ctx, uint64(max(0, req.GetOptions().GetStopAt())))
	}
	return &persistent.ReplayParkedResp{}, p.answer(ctx, k.stream, err)
}

// RestartSubsystem drops all consumers and begins anew from what is stored.
func (p *persistentService) RestartSubsystem(ctx context.Context, _ *shared.Empty) (*shared.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, p.answer(ctx, "", eventstore.ErrClosed)
	}
	stopGroups(p.groups, fail(codes.Canceled, "persistent subscriptions were restarted", "exception", "persistent-subscription-dropped",
		"stream-name", "", "group-name", ""))
	return &shared.Empty{}, p.answer(ctx, "", p.load(ctx))
}

// Read connects a consumer to a group.
func (p *persistentService) Read(call persistent.PersistentSubscriptions_ReadServer) error {
	err := p.read(call)
	if err == nil {
		return nil
	}
	failure := p.streams.statusOf(call.Context(), "", err)
	call.SetTrailer(failure.trailers)
	return failure
}

func (p *persistentService) read(call persistent.PersistentSubscriptions_ReadServer) error {
	first, err := call.Recv()
	if err != nil {
		return received(err)
	}
	o := first.GetOptions()
	if o == nil {
		return fail(codes.InvalidArgument, "a persistent subscription begins with its options")
	}
	if o.GetBufferSize() <= 0 || o.GetBufferSize() > consumerSlotsMax {
		return fail(codes.InvalidArgument, fmt.Sprintf("the buffer size must be 1 to %d", consumerSlotsMax))
	}
	g, err := p.find(keyOf(o))
	if err != nil {
		return err
	}
	from := ""
	if client, ok := peer.FromContext(call.Context()); ok {
		from = client.Addr.String()
	}
	c, err := g.join(call.Context(), from, int(o.GetBufferSize()))
	if err != nil {
		return err
	}
	defer g.leave(c)
	if err := call.Send(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: c.id},
	}}); err != nil {
		return err
	}
	left := make(chan error, 1)
	go func() { left <- g.listen(call, c) }() // ends with the call's context, which ends when this returns
	return g.serve(call, c, o.GetUuidOption().GetString_() != nil, left)
}

// listen handles what a consumer says until it leaves.
func (g *group) listen(call persistent.PersistentSubscriptions_ReadServer, c *consumer) error {
	for {
		req, err := call.Recv()
		if err != nil {
			return err
		}
		if a := req.GetAck(); a != nil {
			g.ack(c, eventIDs(a.GetIds()))
		}
		if n := req.GetNack(); n != nil {
			g.nack(c, eventIDs(n.GetIds()), n.GetAction(), n.GetReason())
		}
	}
}

func eventIDs(wire []*shared.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(wire))
	for _, w := range wire {
		if id, err := parseUUID(w); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// serve sends a consumer its messages until one of both ends it.
func (g *group) serve(call persistent.PersistentSubscriptions_ReadServer, c *consumer, uuidAsText bool, left <-chan error) error {
	kept := taken{connection: connectionOf(call.Context())}
	defer kept.all()
	for {
		select {
		case <-c.dropped:
			return c.reason
		case <-left: //nolint:errcheck // the client is done, however it ended
			return nil
		case <-c.more:
		}
		for m, retries := g.next(c); m != nil; m, retries = g.next(c) {
			kept.next(&m.event)
			if err := call.Send(&persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: wireMessage(m, retries, uuidAsText)}}); err != nil {
				return err
			}
		}
		kept.all()
	}
}
