package protocol

import (
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/eventstore"
)

func anyEvent(t *rapid.T, name string) *eventstore.RecordedEvent {
	number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 300))
	e := &eventstore.RecordedEvent{
		Stream: rapid.String().Draw(t, name+" stream"), Type: rapid.String().Draw(t, name+" type"), JSON: rapid.Bool().Draw(t, name+" json"),
		Revision: number.Draw(t, name+" revision"), Created: time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, name+" created")),
		Position: eventstore.Position{Commit: number.Draw(t, name+" commit"), Prepare: number.Draw(t, name+" prepare")},
		Data:     rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, name+" data"), Metadata: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name+" metadata"),
	}
	copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name+" id"))
	return e
}

// TestEventFrame_IsTheMessage: what is written by hand is what the generated
// messages say.
func TestEventFrame_IsTheMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := eventFrame{event: anyEvent(t, "event"), uuidAsText: rapid.Bool().Draw(t, "uuid as text")}
		want := &streams.ReadResp_ReadEvent{}
		if rapid.Bool().Draw(t, "link") {
			f.link = anyEvent(t, "link")
			want.Link = wireEvent(f.link, f.uuidAsText)
			want.Position = &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: f.link.Position.Commit}
			if rapid.Bool().Draw(t, "gone") {
				f.event = nil
			}
		}
		if f.event != nil {
			want.Event = wireEvent(f.event, f.uuidAsText)
		}
		if f.link == nil {
			want.Position = &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: f.event.Position.Commit}
		}
		encoded, err := newFrameCodec().Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got streams.ReadResp
		if err := proto.Unmarshal(encoded.Materialize(), &got); err != nil {
			t.Fatal(err)
		}
		message := &streams.ReadResp{Content: &streams.ReadResp_Event{Event: want}}
		if d := cmp.Diff(message, &got, protocmp.Transform()); d != "" {
			t.Error(d)
		}
	})
}
