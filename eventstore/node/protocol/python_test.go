package protocol_test

import (
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// TestPythonClient_Requests sends what esdbclient 1.1, the client of docs/consuming.md for Python, puts into its requests:
// appends over BatchAppend, ids as text, a filter with a window of 30 and a checkpoint every 5, and a position made of the commit
// position alone.
func TestPythonClient_Requests(t *testing.T) {
	w := newWire(t)
	send, answer := w.batches()
	text := func(id uuid.UUID) *shared.UUID {
		return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
	}
	ids := map[string]uuid.UUID{}
	for _, stream := range []string{"order-1", "other", "payout-1"} {
		correlation, event := uuid.New(), uuid.New()
		ids[stream] = event
		options := batchOptions(stream)
		options.DeadlineOption = &streams.BatchAppendReq_Options_Deadline{Deadline: &durationpb.Duration{Seconds: 315_576_000_000}} // 10,000 years
		options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
		send(&streams.BatchAppendReq{CorrelationId: text(correlation), Options: options, IsFinal: true, ProposedMessages: []*streams.BatchAppendReq_ProposedMessage{{
			Id: text(event), Metadata: map[string]string{"type": "T", "content-type": "application/json"}, Data: []byte(`{}`),
		}}})
		if got := answer(correlation); got.GetSuccess() == nil {
			t.Fatalf("append to %s: %v", stream, got)
		}
	}
	subscription := func(from readOption, want int) []*streams.ReadResp {
		o := readOptions(from, subscribing, filtered(&streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
				StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: "^(order-.*|payout-.*)$"},
			},
			Window: &streams.ReadReq_Options_FilterOptions_Max{Max: 30}, CheckpointIntervalMultiplier: 5,
		}))
		o.UuidOption = &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}}}
		var events []*streams.ReadResp
		messages, _, err := w.read(o, want+2) // between the confirmation and that it has caught up
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.GetEvent() != nil {
				events = append(events, m)
			}
		}
		return events
	}
	all := subscription(ofAll("start"), 2)
	if len(all) != 2 || all[0].GetEvent().GetEvent().GetId().GetString_() != ids["order-1"].String() ||
		all[1].GetEvent().GetEvent().GetId().GetString_() != ids["payout-1"].String() {
		t.Fatalf("subscription shows %v", all)
	}
	first := all[0].GetEvent().GetCommitPosition()
	rest := subscription(ofAll([2]uint64{first, first}), 1)
	if len(rest) != 1 || rest[0].GetEvent().GetEvent().GetId().GetString_() != ids["payout-1"].String() {
		t.Errorf("after position %d: %v", first, rest)
	}
}
