package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// Streams and event types in which persistent subscriptions keep their state;
// the names are the real server's.
const (
	configStream   = "$persistentSubscriptionConfig"
	configType     = "$PersistentConfig"
	checkpointType = "$SubscriptionCheckpoint"
	groupPrefix    = "$persistentsubscription-"
)

// Limits on what one group may ask for.
const (
	bufferEventsMax   = 10_000
	groupNameBytesMax = 256
)

// Consumer strategies: how events are dealt out to the consumers of a group.
const (
	roundRobin          = "RoundRobin"
	dispatchToSingle    = "DispatchToSingle"
	pinned              = "Pinned"
	pinnedByCorrelation = "PinnedByCorrelation"
)

// groupKey names a group: its stream, or $all, and its own name.
type groupKey struct{ stream, group string }

func (k groupKey) checkpointStream() string {
	return groupPrefix + k.stream + "::" + k.group + "-checkpoint"
}
func (k groupKey) parkedStream() string { return groupPrefix + k.stream + "::" + k.group + "-parked" }

// groupConfig is what a group was created with; it is stored as JSON.
type groupConfig struct {
	Stream              string `json:"stream"`
	Group               string `json:"group"`
	ResolveLinks        bool   `json:"resolveLinkTos"`
	ExtraStatistics     bool   `json:"extraStatistics"`
	MaxRetryCount       int32  `json:"maxRetryCount"`
	MessageTimeoutMS    int32  `json:"messageTimeout"`  // 0 is none
	CheckpointAfterMS   int32  `json:"checkPointAfter"` // 0 is never by time
	MinCheckpointCount  int32  `json:"minCheckPointCount"`
	MaxCheckpointCount  int32  `json:"maxCheckPointCount"`
	MaxSubscribers      int32  `json:"maxSubscriberCount"` // 0 is no limit
	LiveBufferEvents    int32  `json:"liveBufferSize"`
	ReadBatchEvents     int32  `json:"readBatchSize"`
	HistoryBufferEvents int32  `json:"bufferSize"`
	Strategy            string `json:"namedConsumerStrategy"`
	// StartFrom is the client's word for where to begin; First is the revision,
	// or the position in $all, that it meant when the group was created.
	StartFrom       string            `json:"startFrom"`
	First           uint64            `json:"first"`
	Filter          eventstore.Filter `json:"filter"`
	CheckpointEvery uint32            `json:"checkpointEvery,omitempty"`
}

func (c *groupConfig) key() groupKey { return groupKey{stream: c.Stream, group: c.Group} }

func (c *groupConfig) messageTimeout() time.Duration {
	return time.Duration(c.MessageTimeoutMS) * time.Millisecond
}

func (c *groupConfig) checkpointAfter() time.Duration {
	return time.Duration(c.CheckpointAfterMS) * time.Millisecond
}

// validate looks at all but where the group begins.
func (c *groupConfig) validate() error {
	reason := ""
	switch {
	case c.Group == "" || len(c.Group) > groupNameBytesMax:
		reason = fmt.Sprintf("the group's name must have 1 to %d bytes", groupNameBytesMax)
	case c.HistoryBufferEvents <= 0 || c.HistoryBufferEvents > bufferEventsMax:
		reason = fmt.Sprintf("the history buffer size must be 1 to %d", bufferEventsMax)
	case c.ReadBatchEvents <= 0 || c.ReadBatchEvents >= c.HistoryBufferEvents:
		reason = "the read batch size must be positive and smaller than the history buffer size"
	case c.LiveBufferEvents < 0 || c.MessageTimeoutMS < 0 || c.CheckpointAfterMS < 0 || c.MaxRetryCount < 0 || c.MaxSubscribers < 0:
		reason = "sizes, times and counts must not be negative"
	case c.MinCheckpointCount < 0 || c.MaxCheckpointCount < c.MinCheckpointCount:
		reason = "the checkpoint counts must not be negative, and the upper one not below the lower"
	case c.Strategy != roundRobin && c.Strategy != dispatchToSingle && c.Strategy != pinned &&
		c.Strategy != pinnedByCorrelation:
		reason = fmt.Sprintf("consumer strategy %s does not exist", c.Strategy)
	}
	if reason == "" {
		return nil
	}
	return c.failed(reason)
}

// groupFailure is a status of this service; clients look at its trailers.
func groupFailure(code codes.Code, k groupKey, exception, text string, more ...string) *statusError {
	pairs := append([]string{"exception", exception, "stream-name", printable(k.stream), "group-name", printable(k.group)}, more...)
	return fail(code, fmt.Sprintf("Subscription group %s on stream %s %s", k.group, k.stream, text), pairs...)
}

// wireSettings is what the settings of both requests have in common.
type wireSettings interface {
	GetResolveLinks() bool
	GetExtraStatistics() bool
	GetMaxRetryCount() int32
	GetMinCheckpointCount() int32
	GetMaxCheckpointCount() int32
	GetMaxSubscriberCount() int32
	GetLiveBufferSize() int32
	GetReadBatchSize() int32
	GetHistoryBufferSize() int32
	GetMessageTimeoutTicks() int64
	GetMessageTimeoutMs() int32
	GetCheckpointAfterTicks() int64
	GetCheckpointAfterMs() int32
}

func (c *groupConfig) set(s wireSettings, strategy string) {
	c.ResolveLinks, c.ExtraStatistics, c.MaxRetryCount = s.GetResolveLinks(), s.GetExtraStatistics(), s.GetMaxRetryCount()
	c.MinCheckpointCount, c.MaxCheckpointCount = s.GetMinCheckpointCount(), s.GetMaxCheckpointCount()
	c.MaxSubscribers, c.LiveBufferEvents = s.GetMaxSubscriberCount(), s.GetLiveBufferSize()
	c.ReadBatchEvents, c.HistoryBufferEvents, c.Strategy = s.GetReadBatchSize(), s.GetHistoryBufferSize(), strategy
	c.MessageTimeoutMS = milliseconds(s.GetMessageTimeoutMs(), s.GetMessageTimeoutTicks())
	c.CheckpointAfterMS = milliseconds(s.GetCheckpointAfterMs(), s.GetCheckpointAfterTicks())
}

// milliseconds takes a time in either unit; a tick is 100 ns.
func milliseconds(ms int32, ticks int64) int32 {
	if ticks > 0 {
		return int32(min(ticks/10_000, math.MaxInt32))
	}
	return ms
}

// failed answers as a real server does to settings that it cannot take.
func (c *groupConfig) failed(reason string) error {
	return groupFailure(codes.Internal, c.key(), "persistent-subscription-failed", "failed: "+reason, "reason", reason)
}

var errNoStart = fail(codes.InvalidArgument, "the request does not say where the group begins")

// startOfOlder reads where older clients let a group begin: in the settings, -1 being the end.
func (p *persistentService) startOfOlder(ctx context.Context, c *groupConfig, s interface{ GetRevision() uint64 }) error {
	return p.startOfStream(ctx, c, s.GetRevision(), s.GetRevision() == math.MaxUint64)
}

func (p *persistentService) startOfStream(ctx context.Context, c *groupConfig, revision uint64, end bool) error {
	if c.Stream == "" || c.Stream == allStream { // $all has an option of its own
		return c.failed("bad stream name")
	}
	if !end && revision > math.MaxInt64 {
		return c.failed("no stream has that revision")
	}
	if !end {
		c.StartFrom, c.First = strconv.FormatUint(revision, 10), revision
		return nil
	}
	c.StartFrom, c.First = "-1", 0
	last := eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}
	for e, err := range p.streams.node.ReadStream(ctx, c.Stream, last) {
		if err != nil && !errors.Is(err, eventstore.ErrStreamNotFound) {
			return err
		}
		if err == nil {
			c.First = e.Revision + 1
		}
	}
	return nil
}

func (p *persistentService) startOfAll(ctx context.Context, c *groupConfig, commit, prepare uint64, end bool) error {
	head, _, err := p.streams.node.Head(ctx)
	switch {
	case err != nil:
		return err
	case end:
		c.StartFrom, c.First = "C:-1/P:-1", head.Commit+1
	case prepare > commit || commit > head.Commit:
		return c.failed("the log has no such position")
	default:
		c.First = commit
		c.StartFrom = eventstore.Position{Commit: commit, Prepare: prepare}.String()
	}
	return nil
}

// createdConfig reads a Create request.
func (p *persistentService) createdConfig(ctx context.Context, o *persistent.CreateReq_Options) (groupConfig, error) {
	c := groupConfig{Group: o.GetGroupName()}
	strategy := o.GetSettings().GetConsumerStrategy()
	if strategy == "" {
		strategy = o.GetSettings().GetNamedConsumerStrategy().String() //nolint:staticcheck // what older clients send
	}
	c.set(o.GetSettings(), strategy)
	if all := o.GetAll(); all != nil {
		c.Stream = allStream
		if all.GetAllOption() == nil {
			return c, errNoStart
		}
		at := all.GetPosition()
		err := p.startOfAll(ctx, &c, at.GetCommitPosition(), at.GetPreparePosition(), all.GetEnd() != nil)
		if f := all.GetFilter(); f != nil && err == nil {
			f.CheckpointIntervalMultiplier = max(1, f.GetCheckpointIntervalMultiplier()) // the official Go client leaves it out
			c.Filter, c.CheckpointEvery, err = filterOf[*persistent.CreateReq_AllOptions_FilterOptions_Expression](f)
		}
		return c, err
	}
	s := o.GetStream()
	if s == nil { // older clients
		c.Stream = string(o.GetStreamIdentifier().GetStreamName()) //nolint:staticcheck // see above
		return c, p.startOfOlder(ctx, &c, o.GetSettings())
	}
	c.Stream = string(s.GetStreamIdentifier().GetStreamName())
	if s.GetRevisionOption() == nil {
		return c, errNoStart
	}
	return c, p.startOfStream(ctx, &c, s.GetRevision(), s.GetEnd() != nil)
}

// updatedConfig applies an Update request; stream, name and filter stay. Updates cannot name
// PinnedByCorrelation: they take it away.
func (p *persistentService) updatedConfig(ctx context.Context, c groupConfig, o *persistent.UpdateReq_Options) (groupConfig, error) {
	c.set(o.GetSettings(), o.GetSettings().GetNamedConsumerStrategy().String())
	if all := o.GetAll(); all != nil {
		if all.GetAllOption() == nil {
			return c, errNoStart
		}
		at := all.GetPosition()
		return c, p.startOfAll(ctx, &c, at.GetCommitPosition(), at.GetPreparePosition(), all.GetEnd() != nil)
	}
	s := o.GetStream()
	if s == nil {
		return c, p.startOfOlder(ctx, &c, o.GetSettings())
	}
	if s.GetRevisionOption() == nil {
		return c, errNoStart
	}
	return c, p.startOfStream(ctx, &c, s.GetRevision(), s.GetEnd() != nil)
}

// storedConfigs is the newest event of the configuration stream.
type storedConfigs struct {
	Version string        `json:"version"`
	Updated time.Time     `json:"updated"`
	Entries []groupConfig `json:"entries"`
}

func loadConfigs(ctx context.Context, n *node.Node) ([]groupConfig, error) {
	for e, err := range n.ReadStream(ctx, configStream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("load persistent subscriptions: %w", err)
		}
		var stored storedConfigs
		if err := json.Unmarshal(e.Data, &stored); err != nil {
			return nil, fmt.Errorf("load persistent subscriptions: %s@%d: %w", configStream, e.Revision, err)
		}
		return stored.Entries, nil
	}
	return nil, nil
}

func saveConfigs(ctx context.Context, n *node.Node, entries []groupConfig) error {
	data, err := json.Marshal(storedConfigs{Version: "2", Updated: time.Now().UTC(), Entries: entries})
	if err != nil {
		return fmt.Errorf("encode persistent subscriptions: %w", err)
	}
	_, err = n.Append(ctx, configStream, eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: configType, JSON: true, Data: data})
	return err
}
