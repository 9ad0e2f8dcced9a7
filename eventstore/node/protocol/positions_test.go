package protocol_test

import (
	"math"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
)

// everything is a filter that lets all pass, with what it says about checkpoints.
func everything(multiplier uint32) readOption {
	return filtered(&streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
			StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: "."},
		},
		Window: &streams.ReadReq_Options_FilterOptions_Count{Count: &shared.Empty{}}, CheckpointIntervalMultiplier: multiplier,
	})
}

// TestRead_PositionsThatDoNotExist: nobody is left waiting at a place that this log does not have.
func TestRead_PositionsThatDoNotExist(t *testing.T) {
	w := newWire(t)
	w.fill("s", 3) // positions 1 to 3
	for _, p := range []uint64{1 << 40, math.MaxInt64, math.MaxUint64 - 1} {
		at := ofAll([2]uint64{p, p})
		for name, change := range map[string][]readOption{
			"Forwards": {at}, "Backwards": {at, backwards}, "Subscription": {at, subscribing},
			"Filtered": {at, everything(1)}, "FilteredSubscription": {at, everything(1), subscribing},
		} {
			_, _, err := w.read(readOptions(change...), everyMessage)
			if status.Code(err) != codes.InvalidArgument || status.Convert(err).Message() != "Trying to read from an invalid position." {
				t.Errorf("%s from %d: %v", name, p, err)
			}
		}
	}
	for name, c := range map[string]struct {
		change []readOption
		want   int
	}{
		"ForwardsFromTheEnd":       {[]readOption{ofAll([2]uint64{4, 4})}, 0},
		"BackwardsFromTheEnd":      {[]readOption{ofAll([2]uint64{4, 4}), backwards}, 3},
		"ForwardsFromTheGreatest":  {[]readOption{ofAll([2]uint64{math.MaxUint64, math.MaxUint64})}, 0},
		"BackwardsFromTheGreatest": {[]readOption{ofAll([2]uint64{math.MaxUint64, math.MaxUint64}), backwards}, 3},
		"ReadWithoutCheckpoints":   {[]readOption{ofAll("start"), everything(0)}, 3},
	} {
		if got, _, err := w.read(readOptions(c.change...), everyMessage); err != nil || len(got) != c.want {
			t.Errorf("%s: %d events, %v; want %d", name, len(got), err, c.want)
		}
	}
	_, _, err := w.read(readOptions(ofAll("start"), everything(0), subscribing), everyMessage)
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("subscription without checkpoints: %v, want InvalidArgument", err)
	}
}

// TestRead_HidesGroupsOnAll: what groups on $all keep in the log does not show in $all, and everybody gets
// past it.
func TestRead_HidesGroupsOnAll(t *testing.T) {
	w := newWire(t)
	w.fill("$persistentsubscription-$all::g-checkpoint", 2) // positions 1 and 2
	w.fill("s", 1)
	w.fill("$persistentsubscription-$all::g-parked", 2) // 4 and 5
	w.fill("$persistentsubscription-s::g-checkpoint", 1)
	w.fill("$persistentsubscription-$all::g-checkpoint", 2) // 7 and 8
	streamsOf := func(messages []*streams.ReadResp) (out []string) {
		for _, m := range messages {
			if e := m.GetEvent().GetEvent(); e != nil {
				out = append(out, string(e.GetStreamIdentifier().GetStreamName()))
			}
		}
		return out
	}
	const group = "$persistentsubscription-s::g-checkpoint"
	for name, c := range map[string]struct {
		change   []readOption
		messages int
		want     []string
	}{
		"Forwards":             {[]readOption{ofAll("start")}, everyMessage, []string{"s", group}},
		"Backwards":            {[]readOption{ofAll("end"), backwards}, everyMessage, []string{group, "s"}},
		"Filtered":             {[]readOption{ofAll("start"), everything(1)}, everyMessage, []string{"s", group}},
		"Subscription":         {[]readOption{ofAll("start"), subscribing}, 4, []string{"s", group}},
		"FilteredSubscription": {[]readOption{ofAll("start"), everything(100), subscribing}, 5, []string{"s", group}},
	} {
		got, _, err := w.read(readOptions(c.change...), c.messages)
		if names := streamsOf(got); err != nil || len(names) != 2 || names[0] != c.want[0] || names[1] != c.want[1] {
			t.Errorf("%s: %v, %v; want %v", name, names, err, c.want)
		}
	}
	// The checkpoint of a filtered subscription stands behind what is hidden.
	got, _, err := w.read(readOptions(ofAll("start"), everything(100), subscribing), 5)
	if err != nil || len(got) != 5 || got[3].GetCheckpoint().GetCommitPosition() != 8 {
		t.Errorf("filtered subscription: %v, %v; want a checkpoint at 8", script(got), err)
	}
	one := readOptions(ofAll("end"), backwards)
	one.CountOption = &streams.ReadReq_Options_Count{Count: 1}
	if last, _, err := w.read(one, everyMessage); err != nil || len(streamsOf(last)) != 1 || streamsOf(last)[0] != group {
		t.Errorf("last event of $all: %v, %v", streamsOf(last), err)
	}
	direct, err := collectStream(w, "$persistentsubscription-$all::g-checkpoint")
	if err != nil || len(direct) != 4 {
		t.Errorf("read of the stream itself: %d events, %v; want 4", len(direct), err)
	}
}

func collectStream(w *wire, stream string) (out []eventstore.RecordedEvent, err error) {
	for e, err := range w.node.ReadStream(w.ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}
