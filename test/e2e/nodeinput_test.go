package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/test/harness"
)

// rawNode is a connection to a running node without any client library between.
type rawNode struct {
	*testing.T
	ctx     context.Context
	conn    *grpc.ClientConn
	streams streams.StreamsClient
}

func dialNode(t *testing.T, n *aloneNode) *rawNode {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(n.Events, "esdb://"), "?tls=false")
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &rawNode{T: t, ctx: ctx, conn: conn, streams: streams.NewStreamsClient(conn)}
}

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

// append sends one event and returns the status.
func (n *rawNode) append(stream string, bytes int) error {
	call, err := n.streams.Append(n.ctx)
	if err != nil {
		return err
	}
	_ = call.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{
		StreamIdentifier: identifier(stream), ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}},
	}}}) // what became of it is the answer's to tell
	_ = call.Send(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: &streams.AppendReq_ProposedMessage{
		Id:       &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}},
		Metadata: map[string]string{"type": "T", "content-type": "application/octet-stream"}, Data: make([]byte, bytes),
	}}})
	_, err = call.CloseAndRecv()
	return err
}

// read reads to the end, or to the caught-up of a subscription.
func (n *rawNode) read(o *streams.ReadReq_Options) error {
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	o.UuidOption = &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}}
	if o.GetFilterOption() == nil {
		o.FilterOption = &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}}
	}
	call, err := n.streams.Read(ctx, &streams.ReadReq{Options: o})
	for err == nil {
		var m *streams.ReadResp
		if m, err = call.Recv(); m.GetCaughtUp() != nil {
			return nil
		}
	}
	if strings.HasSuffix(err.Error(), "EOF") {
		return nil
	}
	return err
}

func counted() *streams.ReadReq_Options {
	return &streams.ReadReq_Options{CountOption: &streams.ReadReq_Options_Count{Count: 10}}
}

func subscribed() *streams.ReadReq_Options {
	return &streams.ReadReq_Options{CountOption: &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}}
}

func fromStream(o *streams.ReadReq_Options, stream string, revision uint64) *streams.ReadReq_Options {
	o.StreamOption = &streams.ReadReq_Options_Stream{Stream: &streams.ReadReq_Options_StreamOptions{
		StreamIdentifier: identifier(stream), RevisionOption: &streams.ReadReq_Options_StreamOptions_Revision{Revision: revision},
	}}
	return o
}

func fromPosition(o *streams.ReadReq_Options, commit, prepare uint64) *streams.ReadReq_Options {
	o.StreamOption = &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
		AllOption: &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{CommitPosition: commit, PreparePosition: prepare}},
	}}
	return o
}

func byRegex(regex string) *streams.ReadReq_Options {
	o := fromPosition(subscribed(), 0, 0)
	o.FilterOption = &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
			StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: regex},
		},
		Window: &streams.ReadReq_Options_FilterOptions_Max{Max: 32}, CheckpointIntervalMultiplier: 1,
	}}
	return o
}

// TestNode_BadInput sends what no client should to a running `ledger node`, as docs/operations/eventstore.md lists it: each call gets its
// status, floods and slow readers take a bounded amount of memory, and others are served all the while.
func TestNode_BadInput(t *testing.T) {
	t.Parallel()
	n := launchNode(t, harness.Options{})
	raw := dialNode(t, n)
	for range 3 {
		if err := raw.append("s", 10); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		call func() error
		want codes.Code
	}{
		"UnknownMethod": {func() error {
			return raw.conn.Invoke(raw.ctx, "/event_store.client.streams.Streams/Explode", &shared.Empty{}, &shared.Empty{})
		}, codes.Unimplemented},
		"UnknownService":      {func() error { return raw.conn.Invoke(raw.ctx, "/no.such/Thing", &shared.Empty{}, &shared.Empty{}) }, codes.Unimplemented},
		"OversizedMessage":    {func() error { return raw.append("s", 17<<20) }, codes.ResourceExhausted},
		"OversizedAppend":     {func() error { return raw.append("s", 2<<20) }, codes.InvalidArgument},
		"CommitBeforePrepare": {func() error { return raw.read(fromPosition(counted(), 1, 2)) }, codes.InvalidArgument},
		"BeyondTheLog":        {func() error { return raw.read(fromPosition(counted(), 1<<40, 1<<40)) }, codes.InvalidArgument},
		"FollowBeyondTheLog":  {func() error { return raw.read(fromPosition(subscribed(), 1<<40, 1<<40)) }, codes.InvalidArgument},
		"BeyondTheStream":     {func() error { return raw.read(fromStream(counted(), "s", 1<<40)) }, codes.OK},
		"NoRevision":          {func() error { return raw.read(fromStream(subscribed(), "s", 1<<63)) }, codes.InvalidArgument},
		"UnclosedRegex":       {func() error { return raw.read(byRegex("(")) }, codes.InvalidArgument},
		"Lookahead":           {func() error { return raw.read(byRegex("^(?!x)")) }, codes.InvalidArgument},
		"LongRegex":           {func() error { return raw.read(byRegex(strings.Repeat("a", 5000))) }, codes.InvalidArgument},
		"NothingToRead":       {func() error { return raw.read(counted()) }, codes.InvalidArgument},
	}
	for name, stream := range map[string]string{"Empty": "", "All": "$all", "Control": "a\nb", "Long": strings.Repeat("n", 1025)} {
		for what, call := range map[string]func() error{
			"Append": func() error { return raw.append(stream, 1) },
			"Read":   func() error { return raw.read(fromStream(counted(), stream, 0)) },
			"Follow": func() error { return raw.read(fromStream(subscribed(), stream, 0)) },
			"Delete": func() error {
				_, err := raw.streams.Delete(raw.ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
					StreamIdentifier: identifier(stream), ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: &shared.Empty{}},
				}})
				return err
			},
			"Tombstone": func() error {
				_, err := raw.streams.Tombstone(raw.ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
					StreamIdentifier: identifier(stream), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
				}})
				return err
			},
		} {
			cases[what+"OfName"+name] = struct {
				call func() error
				want codes.Code
			}{call, codes.InvalidArgument}
		}
	}
	for name, c := range cases {
		if err := c.call(); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if !harness.Race { // which takes its time and its memory; the protocol's own floods run with it
		n.floodOfSlowReaders(t)
	}
	if err := raw.append("s", 10); err != nil {
		t.Errorf("append after all that: %v", err)
	}
	second := n.Site.Run(t, "node", "--eventstore-listen", "127.0.0.1:0")
	if want := fmt.Sprintf("process %d", n.PID()); second.Code == 0 || !strings.Contains(second.Stderr, want) {
		t.Errorf("a second node on the same directory: exit code %d, %q; want %q in it", second.Code, second.Stderr, want)
	}
	if r := n.Terminate(t); r.Code != 0 || strings.Contains(r.Stderr, "panic") {
		t.Errorf("stop: exit code %d\n%s", r.Code, r.Stderr)
	}
	peak := n.PeakMemory()
	if t.Logf("the node took %d MiB", peak>>20); peak > floodedBytesMax && !harness.Race {
		t.Errorf("the node took %d MiB, at most %d are allowed", peak>>20, floodedBytesMax>>20)
	}
}

const (
	// A node may have 1024 subscriptions open, of which each gets the log and takes nothing of it.
	floodedSubscriptions = 1100
	floodConnections     = 12
	floodEventBytes      = 500 << 10
	floodEvents          = 60
	// What all connections may hold, twice because of Go's heap, what was closed and is not collected yet, and the node itself.
	floodedBytesMax = 1400 << 20
)

// floodOfSlowReaders opens more subscriptions than there may be, none of which takes what it gets, over several connections.
func (n *aloneNode) floodOfSlowReaders(t *testing.T) {
	t.Helper()
	store := connectStore(t, n.Events)
	for range floodEvents {
		e := eventstore.EventData{ID: uuid.New(), Type: "Big", Data: make([]byte, floodEventBytes)}
		if _, err := store.Append(t.Context(), "big", eventstore.Any, e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range floodConnections {
		raw := dialNode(t, n)
		for range floodedSubscriptions / floodConnections {
			o := fromPosition(subscribed(), 0, 0)
			o.FilterOption = &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}}
			o.UuidOption = &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}}
			if _, err := raw.streams.Read(ctx, &streams.ReadReq{Options: o}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Others are served meanwhile, and when they have been, all of that has arrived.
	for range 20 {
		if _, err := store.Append(t.Context(), "s", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "T"}); err != nil {
			t.Errorf("append beside the flood: %v", err)
		}
	}
}
