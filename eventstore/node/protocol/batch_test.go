package protocol_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/order-ledger/order-ledger/eventstore"
)

func batchOptions(stream string) *streams.BatchAppendReq_Options {
	return &streams.BatchAppendReq_Options{
		StreamIdentifier:       identifier(stream),
		ExpectedStreamPosition: &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}},
		DeadlineOption:         &streams.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(20 * time.Second)},
	}
}

func batchEvents(bodies ...string) (out []*streams.BatchAppendReq_ProposedMessage) {
	for _, body := range bodies {
		out = append(out, &streams.BatchAppendReq_ProposedMessage{
			Id: wireID(uuid.New()), Data: []byte(body),
			Metadata: map[string]string{"type": "Batched", "content-type": "application/json"},
		})
	}
	return out
}

// batches opens a call; answer waits for the answer to one batch.
func (w *wire) batches() (send func(...*streams.BatchAppendReq), answer func(id uuid.UUID) *streams.BatchAppendResp) {
	w.Helper()
	call, err := w.streams.BatchAppend(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	answers := map[string]*streams.BatchAppendResp{}
	return func(reqs ...*streams.BatchAppendReq) {
			w.Helper()
			for _, r := range reqs {
				if err := call.Send(r); err != nil {
					w.Fatal(err)
				}
			}
		}, func(id uuid.UUID) *streams.BatchAppendResp {
			w.Helper()
			for answers[id.String()] == nil {
				resp, err := call.Recv()
				if err != nil {
					w.Fatalf("waiting for the answer to %s: %v", id, err)
				}
				answers[resp.GetCorrelationId().GetString_()] = resp
			}
			return answers[id.String()]
		}
}

// TestBatchAppend_PartsMakeOneAppend: a batch may come in parts, mixed with
// others; it is appended whole when it is final.
func TestBatchAppend_PartsMakeOneAppend(t *testing.T) {
	w := newWire(t)
	send, answer := w.batches()
	one, two := uuid.New(), uuid.New()
	send(
		&streams.BatchAppendReq{CorrelationId: wireID(one), Options: batchOptions("one"), ProposedMessages: batchEvents("a", "b")},
		&streams.BatchAppendReq{CorrelationId: wireID(two), Options: batchOptions("two"), ProposedMessages: batchEvents("x"), IsFinal: true},
	)
	if got := answer(two); got.GetSuccess().GetPosition().GetCommitPosition() != 1 {
		t.Errorf("final batch: %v", got)
	}
	if _, err := w.node.StreamMetadata(w.ctx, "one"); err == nil {
		t.Error("metadata out of nowhere")
	}
	send(&streams.BatchAppendReq{CorrelationId: wireID(one), ProposedMessages: batchEvents("c"), IsFinal: true})
	got := answer(one)
	if got.GetSuccess().GetCurrentRevision() != 2 || string(got.GetStreamIdentifier().GetStreamName()) != "one" || got.GetAny() == nil {
		t.Errorf("batch in parts: %v", got)
	}
	text := ""
	for e, err := range w.node.ReadStream(w.ctx, "one", eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		text += string(e.Data)
	}
	if text != "abc" {
		t.Errorf("events %q", text)
	}
}

// TestBatchAppend_KeepsOrder: batches to one stream are applied in the order in
// which they were sent, although nobody waits for answers between them.
func TestBatchAppend_KeepsOrder(t *testing.T) {
	w := newWire(t)
	send, answer := w.batches()
	const n = 200
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
		send(&streams.BatchAppendReq{
			CorrelationId: wireID(ids[i]), Options: batchOptions(fmt.Sprintf("s%d", i%2)),
			ProposedMessages: batchEvents(fmt.Sprint(i)), IsFinal: true,
		})
	}
	for i, id := range ids {
		if got := answer(id); got.GetSuccess().GetCurrentRevision() != uint64(i/2) || got.GetSuccess() == nil {
			t.Fatalf("batch %d: %v", i, got)
		}
	}
}

func TestBatchAppend_Errors(t *testing.T) {
	w := newWire(t)
	w.fill("three", 3)
	w.fill("gone", 1)
	if _, err := w.node.TombstoneStream(w.ctx, "gone", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	expecting := func(stream string, revision uint64) *streams.BatchAppendReq_Options {
		o := batchOptions(stream)
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: revision}
		return o
	}
	past := batchOptions("late")
	past.DeadlineOption = &streams.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(-time.Second)}
	big := string(make([]byte, 600_000))
	send, answer := w.batches()
	for name, c := range map[string]struct {
		req    *streams.BatchAppendReq
		code   codes.Code
		detail proto.Message
	}{
		"WrongVersion": {
			&streams.BatchAppendReq{Options: expecting("three", 7), ProposedMessages: batchEvents("x")}, codes.AlreadyExists,
			&shared.WrongExpectedVersion{
				CurrentStreamRevisionOption:  &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: 2},
				ExpectedStreamPositionOption: &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: 7},
			},
		},
		"Deleted": {
			&streams.BatchAppendReq{Options: batchOptions("gone"), ProposedMessages: batchEvents("x")}, codes.NotFound,
			&shared.StreamDeleted{StreamIdentifier: identifier("gone")},
		},
		"TooLarge": {
			&streams.BatchAppendReq{Options: batchOptions("big"), ProposedMessages: batchEvents(big, big)}, codes.InvalidArgument,
			&shared.MaximumAppendSizeExceeded{MaxAppendSize: 1 << 20},
		},
		"Late":       {&streams.BatchAppendReq{Options: past, ProposedMessages: batchEvents("x")}, codes.DeadlineExceeded, &shared.Timeout{}},
		"NoOptions":  {&streams.BatchAppendReq{ProposedMessages: batchEvents("x")}, codes.InvalidArgument, nil},
		"BadName":    {&streams.BatchAppendReq{Options: batchOptions("")}, codes.InvalidArgument, nil},
		"BadEvent":   {&streams.BatchAppendReq{Options: batchOptions("s"), ProposedMessages: []*streams.BatchAppendReq_ProposedMessage{{}}}, codes.InvalidArgument, nil},
		"BadVersion": {&streams.BatchAppendReq{Options: expecting("s", 1<<63), ProposedMessages: batchEvents("x")}, codes.InvalidArgument, nil},
	} {
		id := uuid.New()
		c.req.CorrelationId, c.req.IsFinal = wireID(id), true
		send(c.req)
		got := answer(id).GetError()
		if codes.Code(got.GetCode()) != c.code || len(got.GetDetails()) != 1 {
			t.Errorf("%s: %v, want %s with one detail", name, got, c.code)
			continue
		}
		if detail, err := got.GetDetails()[0].UnmarshalNew(); err != nil || c.detail != nil && !proto.Equal(detail, c.detail) {
			t.Errorf("%s: detail %v, %v; want %v", name, detail, err, c.detail)
		}
	}
	// The call goes on after all of that.
	id := uuid.New()
	send(&streams.BatchAppendReq{CorrelationId: wireID(id), Options: batchOptions("three"), ProposedMessages: batchEvents("y"), IsFinal: true})
	if got := answer(id); got.GetSuccess().GetCurrentRevision() != 3 {
		t.Errorf("batch after errors: %v", got)
	}
}
