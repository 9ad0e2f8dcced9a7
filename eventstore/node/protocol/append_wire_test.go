package protocol

import (
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/order-ledger/order-ledger/eventstore"
)

// generatedAppend is what the generated messages make of an AppendReq.
func generatedAppend(b []byte) (m appendMessage, err error) {
	var req streams.AppendReq
	if err := proto.Unmarshal(b, &req); err != nil {
		return m, err
	}
	if o := req.GetOptions(); o != nil {
		m.isOptions, m.name = true, string(o.GetStreamIdentifier().GetStreamName())
		m.expected, m.err = expectedOf(o)
		return m, nil
	}
	p := req.GetProposedMessage()
	m.event, m.err = proposed(p.GetId(), p.GetMetadata(), p.GetData(), p.GetCustomMetadata())
	return m, nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sameAppend compares messages; of a refused event only the refusal matters.
func sameAppend(t *testing.T, got, want appendMessage) {
	t.Helper()
	if got.isOptions != want.isOptions || got.name != want.name || text(got.err) != text(want.err) ||
		got.err == nil && got.expected != want.expected {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if d := cmp.Diff(want.event, got.event, cmpopts.EquateEmpty()); d != "" && want.err == nil {
		t.Error(d)
	}
}

func appendRequests() []*streams.AppendReq {
	options := func(o *streams.AppendReq_Options) *streams.AppendReq {
		o.StreamIdentifier = &shared.StreamIdentifier{StreamName: []byte("order-1")}
		return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: o}}
	}
	event := func(change func(*streams.AppendReq_ProposedMessage)) *streams.AppendReq {
		p := &streams.AppendReq_ProposedMessage{
			Id: wireUUID(uuid.New()), Data: []byte(`{"a":1}`), CustomMetadata: []byte("{}"),
			Metadata: map[string]string{"type": "Tested", "content-type": contentJSON},
		}
		change(p)
		return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: p}}
	}
	return []*streams.AppendReq{
		{},
		options(&streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}}}),
		options(&streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}}),
		options(&streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}}),
		options(&streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_Revision{Revision: 0}}),
		options(&streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_Revision{Revision: 1 << 63}}),
		options(&streams.AppendReq_Options{}),
		event(func(*streams.AppendReq_ProposedMessage) {}),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Data, p.CustomMetadata = nil, nil }),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Metadata["content-type"] = contentBinary }),
		event(func(p *streams.AppendReq_ProposedMessage) { delete(p.Metadata, "type") }),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Metadata["type"] = "" }),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Metadata["more"] = "é" }),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Id = nil }),
		event(func(p *streams.AppendReq_ProposedMessage) { p.Id = wireUUID(uuid.Nil) }),
		event(func(p *streams.AppendReq_ProposedMessage) {
			p.Id = &shared.UUID{Value: &shared.UUID_String_{String_: "no id"}}
		}),
		event(func(p *streams.AppendReq_ProposedMessage) {
			p.Id = &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
		}),
	}
}

// FuzzAppendMessage: what is read by hand is what the generated messages read, errors included.
func FuzzAppendMessage(f *testing.F) {
	for _, req := range appendRequests() {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...)) // of two the last counts, or both together
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got appendMessage
		err := got.unmarshal(b)
		want, wantErr := generatedAppend(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err == nil {
			sameAppend(t, got, want)
		}
	})
}

// FuzzBatchMessage is the same for BatchAppend.
func FuzzBatchMessage(f *testing.F) {
	req := &streams.BatchAppendReq{
		CorrelationId: wireUUID(uuid.New()), IsFinal: true,
		Options: &streams.BatchAppendReq_Options{
			StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("order-1")},
			ExpectedStreamPosition: &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}},
		},
	}
	for _, r := range appendRequests() {
		if p := r.GetProposedMessage(); p != nil {
			req.ProposedMessages = append(req.ProposedMessages, &streams.BatchAppendReq_ProposedMessage{
				Id: p.GetId(), Metadata: p.GetMetadata(), CustomMetadata: p.GetCustomMetadata(), Data: p.GetData(),
			})
		}
	}
	b, err := proto.Marshal(req)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var got batchMessage
		err := got.unmarshal(b)
		var want streams.BatchAppendReq
		if wantErr := proto.Unmarshal(b, &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if len(got.events) != len(want.GetProposedMessages()) {
			t.Fatalf("%d events, want %d", len(got.events), len(want.GetProposedMessages()))
		}
		for i, p := range want.GetProposedMessages() {
			var w appendMessage
			w.event, w.err = proposed(p.GetId(), p.GetMetadata(), p.GetData(), p.GetCustomMetadata())
			sameAppend(t, appendMessage{event: got.events[i].event, err: got.events[i].err}, w)
		}
		want.ProposedMessages = nil
		if d := cmp.Diff(&want, &got.req, protocmp.Transform()); d != "" {
			t.Error(d)
		}
	})
}

// TestAppendAnswer_IsTheMessage: the answer is what the generated messages say.
func TestAppendAnswer_IsTheMessage(t *testing.T) {
	t.Parallel()
	for _, r := range []eventstore.AppendResult{
		{Position: eventstore.Position{Commit: 1, Prepare: 1}},
		{Revision: 1 << 40, Position: eventstore.Position{Commit: 1 << 50, Prepare: 300}},
	} {
		want := &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
			CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: r.Revision},
			PositionOption: &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
				CommitPosition: r.Position.Commit, PreparePosition: r.Position.Prepare,
			}},
		}}}
		var got streams.AppendResp
		if err := proto.Unmarshal(appendAnswer(r).encode().ReadOnlyData(), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, &got, protocmp.Transform()); d != "" {
			t.Error(d)
		}
	}
}
