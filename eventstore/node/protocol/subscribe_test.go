package protocol_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// script renders a subscription's messages: "ok" for the confirmation, a
// revision for an event, "live" for caught-up, "@position" for a checkpoint.
func script(messages []*streams.ReadResp) (out []string) {
	for _, m := range messages {
		switch {
		case m.GetConfirmation() != nil:
			out = append(out, "ok")
		case m.GetEvent() != nil:
			out = append(out, fmt.Sprint(m.GetEvent().GetEvent().GetStreamRevision()))
		case m.GetCaughtUp() != nil:
			out = append(out, "live")
		case m.GetCheckpoint() != nil:
			out = append(out, fmt.Sprintf("@%d", m.GetCheckpoint().GetCommitPosition()))
		default:
			out = append(out, fmt.Sprintf("%T", m.GetContent()))
		}
	}
	return out
}

func TestSubscribe_Script(t *testing.T) {
	w := newWire(t)
	w.fill("s", 3) // positions 1 to 3
	only := func(stream string) *streams.ReadReq_Options_FilterOptions {
		return &streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
				StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: "^" + stream + "$"},
			},
			Window: &streams.ReadReq_Options_FilterOptions_Max{Max: 2}, CheckpointIntervalMultiplier: 1,
		}
	}
	for name, c := range map[string]struct {
		options *streams.ReadReq_Options
		want    []string
	}{
		"StreamStart":    {readOptions(ofStream("s", "start")), []string{"ok", "0", "1", "2", "live"}},
		"StreamRevision": {readOptions(ofStream("s", uint64(1))), []string{"ok", "2", "live"}},
		"StreamEnd":      {readOptions(ofStream("s", "end")), []string{"ok", "live"}},
		"StreamMissing":  {readOptions(ofStream("never", "start")), []string{"ok", "live"}},
		"StreamNeverEnd": {readOptions(ofStream("never", "end")), []string{"ok", "live"}},
		"AllStart":       {readOptions(ofAll("start")), []string{"ok", "0", "1", "2", "live"}},
		"AllZero":        {readOptions(ofAll([2]uint64{})), []string{"ok", "0", "1", "2", "live"}},
		"AllPosition":    {readOptions(ofAll([2]uint64{2, 2})), []string{"ok", "2", "live"}},
		"AllEnd":         {readOptions(ofAll("end")), []string{"ok", "live"}},
		"AllLast":        {readOptions(ofAll([2]uint64{3, 3})), []string{"ok", "live"}},
		"AllGreatest":    {readOptions(ofAll([2]uint64{math.MaxUint64, math.MaxUint64})), []string{"ok", "live"}},
		"Filtered":       {readOptions(ofAll("start"), filtered(only("s"))), []string{"ok", "0", "1", "@2", "2", "live"}},
		"FilteredOut":    {readOptions(ofAll("start"), filtered(only("x"))), []string{"ok", "@2", "@3", "live"}},
	} {
		subscribing(c.options)
		messages, _, err := w.read(c.options, len(c.want))
		if got := script(messages); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// TestSubscribe_SlowReaderHoldsUpNobody: a subscriber that takes nothing off
// the wire delays neither the writer nor other subscribers.
func TestSubscribe_SlowReaderHoldsUpNobody(t *testing.T) {
	w := newWire(t)
	slow, err := w.streams.Read(w.ctx, &streams.ReadReq{Options: readOptions(ofAll("start"), subscribing)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Recv(); err != nil {
		t.Fatal(err)
	}
	const appends = 40
	body := make([]byte, 500_000)
	for range appends { // 20 MB, more than all buffers on the way hold
		event := eventstore.EventData{ID: uuid.New(), Type: "Big", Data: body}
		if _, err := w.node.Append(w.ctx, "s", eventstore.Any, event); err != nil {
			t.Fatal(err)
		}
	}
	fast, _, err := w.read(readOptions(ofStream("s", uint64(appends-2)), subscribing), 3)
	if got := script(fast); err != nil || !slices.Equal(got, []string{"ok", fmt.Sprint(appends - 1), "live"}) {
		t.Errorf("another subscriber: %v, %v", got, err)
	}
	for next := uint64(0); next < appends; {
		m, err := slow.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := m.GetEvent().GetEvent(); e != nil {
			if e.GetStreamRevision() != next {
				t.Fatalf("slow subscriber: revision %d, want %d", e.GetStreamRevision(), next)
			}
			next++
		}
	}
}

// TestSubscribe_FloodIsBounded: more subscriptions than the node allows are
// told so, and make room when they end.
func TestSubscribe_FloodIsBounded(t *testing.T) {
	t.Parallel()
	const most = 20
	n, err := node.Open(node.Options{Dir: "log", FS: vfs.NewMem(), MaxSubscriptions: most, CacheBytes: 8 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	s := serve(t, protocol.Options{Node: n})
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := streams.NewStreamsClient(conn)
	live, refused := 0, 0
	open := func(ctx context.Context) error {
		call, err := client.Read(ctx, &streams.ReadReq{Options: readOptions(ofAll("start"), subscribing)})
		if err != nil {
			return err
		}
		for {
			m, err := call.Recv()
			if err != nil || m.GetCaughtUp() != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 3 * most {
		switch err := open(ctx); status.Code(err) {
		case codes.OK:
			live++
		case codes.Unavailable:
			refused++
		default:
			t.Fatal(err)
		}
	}
	if live != most || refused != 2*most {
		t.Errorf("%d subscriptions are live and %d refused, want %d and %d", live, refused, most, 2*most)
	}
	cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for open(t.Context()) != nil {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("no room after the subscriptions ended")
		}
	}
}

// TestStop_EndsSubscriptions: a graceful stop does not wait for subscribers.
func TestStop_EndsSubscriptions(t *testing.T) {
	w := newWire(t)
	calls := make([]streams.Streams_ReadClient, 0, 4)
	for _, source := range []readOption{ofAll("start"), ofAll("end"), ofStream("s", "start"), ofStream("s", "end")} {
		call, err := w.streams.Read(w.ctx, &streams.ReadReq{Options: readOptions(source, subscribing)})
		if err != nil {
			t.Fatal(err)
		}
		for live := false; !live; {
			m, err := call.Recv()
			if err != nil {
				t.Fatal(err)
			}
			live = m.GetCaughtUp() != nil
		}
		calls = append(calls, call)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Stop() }()
	for i, call := range calls {
		if _, err := call.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("subscription %d ended with %v, want Unavailable", i, err)
		}
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-w.ctx.Done():
		t.Fatal("the server does not stop")
	}
	if err := w.server.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if _, _, err := w.node.Head(t.Context()); err != nil {
		t.Errorf("the node is not the server's to close: %v", err)
	}
}

func TestSubscribe_TombstoneEnds(t *testing.T) {
	w := newWire(t)
	w.fill("s", 1)
	call, err := w.streams.Read(w.ctx, &streams.ReadReq{Options: readOptions(ofStream("s", "start"), subscribing)})
	if err != nil {
		t.Fatal(err)
	}
	for live := false; !live; {
		m, err := call.Recv()
		if err != nil {
			t.Fatal(err)
		}
		live = m.GetCaughtUp() != nil
	}
	if _, err := w.streams.Tombstone(w.ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier: identifier("s"), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
	}}); err != nil {
		t.Fatal(err)
	}
	_, err = call.Recv()
	w.wantStatus("live tombstone", err, codes.FailedPrecondition, call.Trailer(), map[string]string{
		"exception": "stream-deleted", "stream-name": "s",
	})
}
