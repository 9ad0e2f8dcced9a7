package protocol_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
)

// revisions are those of the events in an answer, which must hold nothing else.
func (w *wire) revisions(what string, messages []*streams.ReadResp) (out []uint64) {
	w.Helper()
	for _, m := range messages {
		e := m.GetEvent().GetEvent()
		if e == nil {
			w.Errorf("%s: a counted read holds %T, which stock clients cannot bear", what, m.GetContent())
			continue
		}
		out = append(out, e.GetStreamRevision())
	}
	return out
}

func TestRead_Ranges(t *testing.T) {
	w := newWire(t)
	w.fill("s", 4)
	const none = math.MaxUint64
	for name, c := range map[string]struct {
		options *streams.ReadReq_Options
		want    []uint64
	}{
		"Start":                  {readOptions(ofStream("s", "start")), []uint64{0, 1, 2, 3}},
		"Revision":               {readOptions(ofStream("s", uint64(2))), []uint64{2, 3}},
		"BeyondEnd":              {readOptions(ofStream("s", uint64(4))), nil},
		"FarBeyondEnd":           {readOptions(ofStream("s", uint64(none-1))), nil},
		"End":                    {readOptions(ofStream("s", "end")), nil},
		"BackwardsEnd":           {readOptions(ofStream("s", "end"), backwards), []uint64{3, 2, 1, 0}},
		"BackwardsMinusOne":      {readOptions(ofStream("s", uint64(none)), backwards), []uint64{3, 2, 1, 0}},
		"BackwardsBeyondEnd":     {readOptions(ofStream("s", uint64(17)), backwards), []uint64{3, 2, 1, 0}},
		"BackwardsRevision":      {readOptions(ofStream("s", uint64(1)), backwards), []uint64{1, 0}},
		"BackwardsStart":         {readOptions(ofStream("s", "start"), backwards), []uint64{0}},
		"AllStart":               {readOptions(ofAll("start")), []uint64{0, 1, 2, 3}},
		"AllPositionInclusive":   {readOptions(ofAll([2]uint64{3, 3})), []uint64{2, 3}},
		"AllZero":                {readOptions(ofAll([2]uint64{})), []uint64{0, 1, 2, 3}},
		"AllBehindLast":          {readOptions(ofAll([2]uint64{5, 5})), nil},
		"AllGreatest":            {readOptions(ofAll([2]uint64{none, none})), nil},
		"AllEnd":                 {readOptions(ofAll("end")), nil},
		"AllBackwardsEnd":        {readOptions(ofAll("end"), backwards), []uint64{3, 2, 1, 0}},
		"AllBackwardsExclusive":  {readOptions(ofAll([2]uint64{3, 3}), backwards), []uint64{1, 0}},
		"AllBackwardsGreatest":   {readOptions(ofAll([2]uint64{none, none}), backwards), []uint64{3, 2, 1, 0}},
		"AllBackwardsStart":      {readOptions(ofAll("start"), backwards), nil},
		"AllBackwardsFirstEvent": {readOptions(ofAll([2]uint64{1, 1}), backwards), nil},
	} {
		messages, _, err := w.read(c.options, everyMessage)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := w.revisions(name, messages); !slices.Equal(got, c.want) {
			t.Errorf("%s: revisions %v, want %v", name, got, c.want)
		}
		c.options.CountOption = &streams.ReadReq_Options_Count{Count: 2}
		messages, _, err = w.read(c.options, everyMessage)
		if err != nil || !slices.Equal(w.revisions(name, messages), c.want[:min(2, len(c.want))]) {
			t.Errorf("%s: first two: %v, %v", name, messages, err)
		}
		c.options.CountOption = &streams.ReadReq_Options_Count{}
		if messages, _, err = w.read(c.options, everyMessage); err != nil || len(messages) != 0 {
			t.Errorf("%s: count 0: %v, %v", name, messages, err)
		}
	}
}

func TestRead_Refusals(t *testing.T) {
	w := newWire(t)
	w.fill("s", 1)
	regex := func(x string) *streams.ReadReq_Options_FilterOptions {
		return &streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
				StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Regex: x},
			},
			Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: 32},
			CheckpointIntervalMultiplier: 1,
		}
	}
	zero := regex("^s")
	zero.CheckpointIntervalMultiplier = 0
	for name, o := range map[string]*streams.ReadReq_Options{
		"NoOptions":           nil,
		"NoSource":            readOptions(),
		"EmptyName":           readOptions(ofStream("", "start")),
		"ControlInName":       readOptions(ofStream("a\nb", "start")),
		"LongName":            readOptions(ofStream(strings.Repeat("n", 1025), "start")),
		"CommitBeforePrepare": readOptions(ofAll([2]uint64{1, 2})),
		"BadRegex":            readOptions(ofAll("start"), subscribing, filtered(regex("("))),
		"Lookahead":           readOptions(ofAll("start"), subscribing, filtered(regex("^(?!x)"))),
		"HugeRegex":           readOptions(ofAll("start"), subscribing, filtered(regex(strings.Repeat("a", 1<<20)))),
		"BadRegexCounted":     readOptions(ofAll("start"), filtered(regex("("))),
		"MultiplierZero":      readOptions(ofAll("start"), subscribing, filtered(zero)),
		"SubscribeEmptyName":  readOptions(ofStream("", "start"), subscribing),
		"SubscribeCommit":     readOptions(ofAll([2]uint64{1, 2}), subscribing),
		"SubscribeRevision":   readOptions(ofStream("s", uint64(math.MaxUint64)), subscribing),
	} {
		messages, _, err := w.read(o, everyMessage)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v; want InvalidArgument", name, messages, err)
		}
		if len(messages) > 0 && !strings.HasPrefix(name, "SubscribeEmpty") {
			t.Errorf("%s: confirmed before it was refused", name)
		}
	}
}

func TestRead_MissingAndDeleted(t *testing.T) {
	w := newWire(t)
	messages, _, err := w.read(readOptions(ofStream("never", "start")), everyMessage)
	if err != nil || len(messages) != 1 || string(messages[0].GetStreamNotFound().GetStreamIdentifier().GetStreamName()) != "never" {
		t.Errorf("missing stream: %v, %v", messages, err)
	}
	w.fill("s", 2)
	if _, err := w.node.DeleteStream(w.ctx, "s", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	messages, _, err = w.read(readOptions(ofStream("s", "start")), everyMessage)
	if err != nil || len(messages) != 1 || messages[0].GetStreamNotFound() == nil {
		t.Errorf("soft-deleted stream: %v, %v", messages, err)
	}
	if _, err := w.node.TombstoneStream(w.ctx, "s", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	_, trailers, err := w.read(readOptions(ofStream("s", "start")), everyMessage)
	w.wantStatus("tombstoned stream", err, codes.FailedPrecondition, trailers, map[string]string{
		"exception": "stream-deleted", "stream-name": "s",
	})
}

// TestRead_EventFields: everything that a client takes for granted is there.
func TestRead_EventFields(t *testing.T) {
	w := newWire(t)
	id := uuid.New()
	_, _, err := w.send(appendOptions("größe", "any"), proposal([]byte{0, 255}, func(p *streams.AppendReq_ProposedMessage) {
		p.Id = wireID(id)
		p.Metadata["content-type"] = "application/json"
		p.CustomMetadata = []byte("mine")
	}))
	if err != nil {
		t.Fatal(err)
	}
	asText := func(o *streams.ReadReq_Options) {
		o.UuidOption.Content = &streams.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}}
	}
	for name, o := range map[string]*streams.ReadReq_Options{
		"Stream": readOptions(ofStream("größe", "start"), asText), "All": readOptions(ofAll("start"), asText),
	} {
		messages, _, err := w.read(o, everyMessage)
		if err != nil || len(messages) != 1 {
			t.Fatalf("%s: %v, %v", name, messages, err)
		}
		read := messages[0].GetEvent()
		e := read.GetEvent()
		if e.GetId().GetString_() != id.String() || string(e.GetStreamIdentifier().GetStreamName()) != "größe" ||
			e.GetCommitPosition() != 1 || e.GetPreparePosition() != 1 || read.GetCommitPosition() != 1 || read.GetLink() != nil ||
			string(e.GetData()) != "\x00\xff" || string(e.GetCustomMetadata()) != "mine" ||
			e.GetMetadata()["type"] != "Tested" || e.GetMetadata()["content-type"] != "application/json" {
			t.Errorf("%s: %v", name, read)
		}
		if ticks, err := strconv.ParseInt(e.GetMetadata()["created"], 10, 64); err != nil || ticks < 1.7e16 || ticks > 1e17 {
			t.Errorf("%s: created %q: %v", name, e.GetMetadata()["created"], err)
		}
	}
}

// TestRead_Links: links are shown as they are, or with what they point to.
func TestRead_Links(t *testing.T) {
	w := newWire(t)
	w.fill("target", 3)
	for _, to := range []string{"1@target", "9@target", "0@gone", "nonsense"} {
		link := eventstore.EventData{ID: uuid.New(), Type: "$>", Data: []byte(to)}
		if _, err := w.node.Append(w.ctx, "links", eventstore.Any, link); err != nil {
			t.Fatal(err)
		}
	}
	plain, _, err := w.read(readOptions(ofStream("links", "start")), everyMessage)
	if err != nil || !slices.Equal(w.revisions("unresolved", plain), []uint64{0, 1, 2, 3}) {
		t.Errorf("unresolved: %v, %v", plain, err)
	}
	for name, o := range map[string]*streams.ReadReq_Options{
		"Counted":    readOptions(ofStream("links", "start"), resolving),
		"Subscribed": readOptions(ofStream("links", "start"), resolving, subscribing),
	} {
		resolved, _, err := w.read(o, 4+map[string]int{"Subscribed": 1}[name])
		if resolved[0].GetConfirmation() != nil {
			resolved = resolved[1:]
		}
		if err != nil || len(resolved) != 4 {
			t.Fatalf("%s: %v, %v", name, resolved, err)
		}
		for i, m := range resolved {
			read := m.GetEvent()
			if read.GetLink().GetStreamRevision() != uint64(i) || read.GetCommitPosition() != read.GetLink().GetCommitPosition() {
				t.Errorf("%s: link %d: %v", name, i, read)
			}
			if i > 0 && read.GetEvent() != nil {
				t.Errorf("%s: link %d to nothing shows %v", name, i, read.GetEvent())
			}
		}
		if e := resolved[0].GetEvent().GetEvent(); string(e.GetStreamIdentifier().GetStreamName()) != "target" || e.GetStreamRevision() != 1 {
			t.Errorf("%s: resolved to %v", name, e)
		}
	}
}

// TestRead_Filtered: other languages' clients filter counted reads, too.
func TestRead_Filtered(t *testing.T) {
	w := newWire(t)
	for i := range 6 {
		w.fill(fmt.Sprintf("order-%d", i%2), 1)
		w.fill("noise", 1)
	}
	filter := &streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
			StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{"order-1", "nobody"}},
		},
		Window: &streams.ReadReq_Options_FilterOptions_Count{Count: &shared.Empty{}}, CheckpointIntervalMultiplier: 1,
	}
	o := readOptions(ofAll("start"), filtered(filter))
	messages, _, err := w.read(o, everyMessage)
	if err != nil || !slices.Equal(w.revisions("forwards", messages), []uint64{0, 1, 2}) {
		t.Errorf("forwards: %v, %v", messages, err)
	}
	o = readOptions(ofAll("end"), backwards, filtered(filter))
	o.CountOption = &streams.ReadReq_Options_Count{Count: 2}
	messages, _, err = w.read(o, everyMessage)
	if err != nil || !slices.Equal(w.revisions("backwards", messages), []uint64{2, 1}) {
		t.Errorf("backwards: %v, %v", messages, err)
	}
}

func TestRead_StreamMetadata(t *testing.T) {
	w := newWire(t)
	w.fill("s", 5)
	for i, text := range []string{`{"$maxCount":4}`, `{"$maxCount":2,"$acl":{"$r":"$all"},"mine":1}`} {
		_, _, err := w.send(appendOptions("$$s", "any"), proposal([]byte(text), func(p *streams.AppendReq_ProposedMessage) {
			p.Metadata["type"], p.Metadata["content-type"] = "$metadata", "application/json"
		}))
		if err != nil {
			t.Fatalf("metadata %d: %v", i, err)
		}
	}
	// The metadata stream shows its newest event only, so that reading its first one works.
	o := readOptions(ofStream("$$s", "start"))
	o.CountOption = &streams.ReadReq_Options_Count{Count: 1}
	messages, _, err := w.read(o, everyMessage)
	if err != nil || len(messages) != 1 || messages[0].GetEvent().GetEvent().GetStreamRevision() != 1 ||
		!strings.Contains(string(messages[0].GetEvent().GetEvent().GetData()), `"mine":1`) {
		t.Errorf("metadata: %v, %v", messages, err)
	}
	messages, _, err = w.read(readOptions(ofStream("s", "start")), everyMessage)
	if err != nil || !slices.Equal(w.revisions("limited", messages), []uint64{3, 4}) {
		t.Errorf("stream with $maxCount: %v, %v", messages, err)
	}
}
