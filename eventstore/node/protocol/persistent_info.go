package protocol

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"

	"github.com/order-ledger/order-ledger/eventstore"
)

// GetInfo describes one group.
func (p *persistentService) GetInfo(ctx context.Context, req *persistent.GetInfoReq) (*persistent.GetInfoResp, error) {
	k := keyOf(req.GetOptions())
	g, err := p.find(k)
	if err != nil {
		return nil, p.answer(ctx, k.stream, err)
	}
	info, err := p.info(ctx, g)
	return &persistent.GetInfoResp{SubscriptionInfo: info}, p.answer(ctx, k.stream, err)
}

// List describes all groups, or those of one stream.
func (p *persistentService) List(ctx context.Context, req *persistent.ListReq) (*persistent.ListResp, error) {
	only := ""
	if o := req.GetOptions().GetListForStream(); o != nil {
		if only = string(o.GetStream().GetStreamName()); o.GetAll() != nil {
			only = allStream
		}
	}
	p.mu.Lock()
	var groups []*group
	for k, g := range p.groups {
		if only == "" || k.stream == only {
			groups = append(groups, g)
		}
	}
	p.mu.Unlock()
	if only != "" && len(groups) == 0 {
		return nil, p.answer(ctx, only, (&group{config: groupConfig{Stream: only}}).missing())
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(strings.Compare(a.config.Stream, b.config.Stream), strings.Compare(a.config.Group, b.config.Group))
	})
	resp := &persistent.ListResp{}
	for _, g := range groups {
		info, err := p.info(ctx, g)
		if err != nil {
			return nil, p.answer(ctx, only, err)
		}
		resp.Subscriptions = append(resp.Subscriptions, info)
	}
	return resp, nil
}

func (p *persistentService) info(ctx context.Context, g *group) (*persistent.SubscriptionInfo, error) {
	k := g.config.key()
	parked, err := p.parked(ctx, k)
	if err != nil {
		return nil, err
	}
	place, ok, err := p.loadCheckpoint(ctx, k)
	if err != nil {
		return nil, err
	}
	c := &g.config
	info := &persistent.SubscriptionInfo{
		EventSource: c.Stream, GroupName: c.Group, Status: "NotReady", ResolveLinkTos: c.ResolveLinks, StartFrom: c.StartFrom,
		MessageTimeoutMilliseconds: c.MessageTimeoutMS, ExtraStatistics: c.ExtraStatistics, MaxRetryCount: c.MaxRetryCount,
		LiveBufferSize: c.LiveBufferEvents, BufferSize: c.HistoryBufferEvents, ReadBatchSize: c.ReadBatchEvents,
		CheckPointAfterMilliseconds: c.CheckpointAfterMS, MinCheckPointCount: c.MinCheckpointCount, MaxCheckPointCount: c.MaxCheckpointCount,
		NamedConsumerStrategy: c.Strategy, MaxSubscriberCount: c.MaxSubscribers, ParkedMessageCount: parked,
	}
	if ok {
		info.LastCheckpointedEventPosition = k.placeText(place)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		info.Status = "Live"
		if g.considered >= 0 {
			info.LastKnownEventPosition = k.placeText(g.considered)
		}
	}
	info.TotalItems, info.ReadBufferCount = g.total, int32(len(g.ready))
	for _, m := range g.ready {
		if m.retries > 0 {
			info.RetryBufferCount++
		}
	}
	for _, consumer := range g.consumers {
		info.TotalInFlightMessages += int32(consumer.flying)
		info.Connections = append(info.Connections, &persistent.SubscriptionInfo_ConnectionInfo{
			From: consumer.from, TotalItems: consumer.total, AvailableSlots: int32(consumer.slots - consumer.flying),
			InFlightMessages: int32(consumer.flying), ConnectionName: consumer.id,
		})
	}
	info.OutstandingMessagesCount = info.GetTotalInFlightMessages()
	return info, nil
}

// wireMessage encodes a message for a consumer.
func wireMessage(m *message, retries int32, uuidAsText bool) *persistent.ReadResp_ReadEvent {
	out := &persistent.ReadResp_ReadEvent{
		Position: &persistent.ReadResp_ReadEvent_CommitPosition{CommitPosition: m.event.Position.Commit},
		Count:    &persistent.ReadResp_ReadEvent_RetryCount{RetryCount: retries},
	}
	original := wirePersistentEvent(&m.event, uuidAsText)
	switch {
	case !m.resolved:
		out.Event = original
	case m.target != nil:
		out.Event, out.Link = wirePersistentEvent(m.target, uuidAsText), original
	default:
		out.Link = original
	}
	return out
}

// wirePersistentEvent is wireEvent in this service's message.
func wirePersistentEvent(e *eventstore.RecordedEvent, uuidAsText bool) *persistent.ReadResp_ReadEvent_RecordedEvent {
	w := wireEvent(e, uuidAsText)
	return &persistent.ReadResp_ReadEvent_RecordedEvent{
		Id: w.GetId(), StreamIdentifier: w.GetStreamIdentifier(), StreamRevision: w.GetStreamRevision(),
		PreparePosition: w.GetPreparePosition(), CommitPosition: w.GetCommitPosition(),
		Metadata: w.GetMetadata(), CustomMetadata: w.GetCustomMetadata(), Data: w.GetData(),
	}
}
