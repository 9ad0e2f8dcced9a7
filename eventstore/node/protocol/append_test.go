package protocol_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/order-ledger/order-ledger/eventstore"
)

func TestAppend_Success(t *testing.T) {
	w := newWire(t)
	resp, _, err := w.send(appendOptions("s", "none"), proposal([]byte("a")), proposal([]byte("b")))
	if err != nil {
		t.Fatal(err)
	}
	want := &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 1},
		PositionOption:        &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: 2, PreparePosition: 2}},
	}}}
	if d := cmp.Diff(want, resp, protocmp.Transform()); d != "" {
		t.Error(d)
	}
	resp, _, err = w.send(appendOptions("s", "any"))
	if err != nil || resp.GetSuccess().GetCurrentRevision() != 1 || resp.GetSuccess().GetPosition() == nil {
		t.Errorf("append of nothing: %v, %v", resp, err)
	}
	resp, _, err = w.send(appendOptions("empty", "any"))
	if err != nil || resp.GetSuccess().GetNoStream() == nil || resp.GetSuccess().GetNoPosition() == nil {
		t.Errorf("append of nothing to nothing: %v, %v", resp, err)
	}
}

// TestAppend_WrongExpectedVersion: a conflict is an answer, not an error, in
// today's fields and in those of 20.6.
func TestAppend_WrongExpectedVersion(t *testing.T) {
	w := newWire(t)
	w.fill("three", 3)
	type wrong = streams.AppendResp_WrongExpectedVersion
	three := func(w *wrong) *wrong {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 2}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: 2}
		return w
	}
	missing := func(w *wrong) *wrong {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
		return w
	}
	for name, c := range map[string]struct {
		stream   string
		expected any
		want     *wrong
	}{
		"Revision": {"three", uint64(7), three(&wrong{
			ExpectedRevisionOption:        &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: 7},
			ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: 7},
		})},
		"NoStream": {"three", "none", three(&wrong{
			ExpectedRevisionOption: &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}},
			ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{
				ExpectedRevision_20_6_0: math.MaxUint64,
			},
		})},
		"StreamExists": {"never", "exists", missing(&wrong{
			ExpectedRevisionOption:        &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}},
			ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}},
		})},
	} {
		resp, _, err := w.send(appendOptions(c.stream, c.expected), proposal(nil))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.want, resp.GetWrongExpectedVersion(), protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestAppend_DrainsBeforeFailing: whoever sends far too much still learns why,
// instead of a broken stream.
func TestAppend_DrainsBeforeFailing(t *testing.T) {
	w := newWire(t)
	body := make([]byte, 100_000)
	messages := []*streams.AppendReq{appendOptions("s", "any")}
	for range 60 {
		messages = append(messages, proposal(body))
	}
	_, trailers, err := w.send(messages...)
	w.wantStatus("6 MB", err, codes.InvalidArgument, trailers, map[string]string{
		"exception": "maximum-append-size-exceeded", "maximum-append-size": "1048576",
	})
	if !strings.Contains(status.Convert(err).Message(), "Maximum Append Size of 1048576 Exceeded.") {
		t.Errorf("text %q", status.Convert(err).Message())
	}
	if resp, _, err := w.send(appendOptions("s", "none"), proposal(nil)); err != nil || resp.GetSuccess() == nil {
		t.Errorf("the next append: %v, %v; nothing of the refused one may be there", resp, err)
	}
}

func TestAppend_RefusesMalformed(t *testing.T) {
	w := newWire(t)
	without := func(key string) func(*streams.AppendReq_ProposedMessage) {
		return func(p *streams.AppendReq_ProposedMessage) { delete(p.Metadata, key) }
	}
	missing := map[string]string{
		"exception": "missing-required-metadata-property", "required-metadata-properties": "type,content-type",
	}
	for name, c := range map[string]struct {
		messages []*streams.AppendReq
		code     codes.Code
		trailers map[string]string
	}{
		"Nothing":        {nil, codes.Unknown, nil},
		"EventFirst":     {[]*streams.AppendReq{proposal(nil)}, codes.Unknown, nil},
		"EmptyMessages":  {[]*streams.AppendReq{{}, {}}, codes.Unknown, nil},
		"OptionsTwice":   {[]*streams.AppendReq{appendOptions("s", "any"), appendOptions("s", "any")}, codes.InvalidArgument, missing},
		"NoType":         {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, without("type"))}, codes.InvalidArgument, missing},
		"NoContentType":  {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, without("content-type"))}, codes.InvalidArgument, missing},
		"EmptyName":      {[]*streams.AppendReq{appendOptions("", "any"), proposal(nil)}, codes.InvalidArgument, nil},
		"All":            {[]*streams.AppendReq{appendOptions("$all", "any"), proposal(nil)}, codes.InvalidArgument, nil},
		"ControlInName":  {[]*streams.AppendReq{appendOptions("a\x00b", "any"), proposal(nil)}, codes.InvalidArgument, nil},
		"LongName":       {[]*streams.AppendReq{appendOptions(strings.Repeat("n", 1025), "any"), proposal(nil)}, codes.InvalidArgument, nil},
		"RevisionTooBig": {[]*streams.AppendReq{appendOptions("s", uint64(math.MaxInt64)), proposal(nil)}, codes.InvalidArgument, nil},
		"EmptyType": {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, func(p *streams.AppendReq_ProposedMessage) {
			p.Metadata["type"] = ""
		})}, codes.Unknown, nil},
		"NilID": {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, func(p *streams.AppendReq_ProposedMessage) {
			p.Id = wireID(uuid.Nil)
		})}, codes.Unknown, nil},
		"NoID": {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, func(p *streams.AppendReq_ProposedMessage) {
			p.Id = nil
		})}, codes.Unknown, nil},
		"NonsenseID": {[]*streams.AppendReq{appendOptions("s", "any"), proposal(nil, func(p *streams.AppendReq_ProposedMessage) {
			p.Id = &shared.UUID{Value: &shared.UUID_String_{String_: "x"}}
		})}, codes.Unknown, nil},
	} {
		_, trailers, err := w.send(c.messages...)
		w.wantStatus(name, err, c.code, trailers, c.trailers)
	}
	if _, ok, err := w.node.Head(t.Context()); ok || err != nil {
		t.Errorf("something was written: %v, %v", ok, err)
	}
}

func TestAppend_OversizedMessage(t *testing.T) {
	w := newWire(t)
	call, err := w.streams.Append(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = call.Send(appendOptions("s", "any"))
	_ = call.Send(proposal(make([]byte, 17<<20)))
	if _, err := call.CloseAndRecv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one message of 17 MiB: %v", err)
	}
	w.fill("s", 1)
}

func TestAppend_TombstonedStream(t *testing.T) {
	w := newWire(t)
	for _, stream := range []string{"plain", "größe"} {
		w.fill(stream, 1)
		if _, err := w.streams.Tombstone(w.ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
			StreamIdentifier: identifier(stream), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
		}}); err != nil {
			t.Fatal(err)
		}
		_, trailers, err := w.send(appendOptions(stream, "any"), proposal(nil))
		w.wantStatus(stream, err, codes.FailedPrecondition, trailers, map[string]string{"exception": "stream-deleted"})
		if len(trailers.Get("stream-name")) != 1 {
			t.Errorf("%s: trailers %v: clients index the stream's name without looking", stream, trailers)
		}
	}
}

func TestDelete_Conflict(t *testing.T) {
	w := newWire(t)
	w.fill("three", 3)
	var trailers metadata.MD
	_, err := w.streams.Delete(w.ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier: identifier("three"), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 1},
	}}, grpc.Trailer(&trailers))
	w.wantStatus("delete", err, codes.FailedPrecondition, trailers, map[string]string{
		"exception": "wrong-expected-version", "stream-name": "three", "expected-version": "1", "actual-version": "2",
	})
	const text = "Delete failed due to WrongExpectedVersion. Stream: three, Expected version: 1, Actual version: 2"
	if got := status.Convert(err).Message(); got != text {
		t.Errorf("text %q, want %q", got, text)
	}
	_, err = w.streams.Tombstone(w.ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier: identifier("three"), ExpectedStreamRevision: &streams.TombstoneReq_Options_NoStream{NoStream: &shared.Empty{}},
	}}, grpc.Trailer(&trailers))
	w.wantStatus("tombstone", err, codes.FailedPrecondition, trailers, map[string]string{
		"exception": "wrong-expected-version", "stream-name": "three", "expected-version": "-1", "actual-version": "2",
	})
	resp, err := w.streams.Delete(w.ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier: identifier("three"), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 2},
	}})
	if err != nil || resp.GetPosition().GetCommitPosition() != 4 {
		t.Errorf("delete: %v, %v; want the position of the metadata record", resp, err)
	}
}

// TestAppend_IDForms: both forms of an id name the same event.
func TestAppend_IDForms(t *testing.T) {
	w := newWire(t)
	id := uuid.MustParse("01020304-0506-0708-890a-0b0c0d0e0f10")
	structured := &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits: 0x0102030405060708, LeastSignificantBits: -0x76f5f4f3f2f1f0f0,
	}}}
	for _, form := range []*shared.UUID{structured, wireID(id)} {
		resp, _, err := w.send(appendOptions("s", "none"), proposal([]byte("x"), func(p *streams.AppendReq_ProposedMessage) { p.Id = form }))
		if err != nil || resp.GetSuccess().GetCurrentRevision() != 0 {
			t.Errorf("append: %v, %v", resp, err)
		}
	}
	for e, err := range w.node.ReadStream(w.ctx, "s", eventstore.StreamRead{}) {
		if err != nil || e.ID != id || !bytes.Equal(e.Data, []byte("x")) || e.Revision != 0 {
			t.Errorf("event %+v, %v", e, err)
		}
	}
}
