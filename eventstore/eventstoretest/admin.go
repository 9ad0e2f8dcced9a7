package eventstoretest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
)

func (s suite) testAdmin(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(b *bundle, admin Admin)
	}{
		{"SoftDelete", adminSoftDelete},
		{"SoftDeleteExpected", adminSoftDeleteExpected},
		{"Tombstone", adminTombstone},
		{"TombstoneEndsSubscription", adminTombstoneEndsSubscription},
		{"MaxCount", adminMaxCount},
		{"TruncateBefore", adminTruncateBefore},
		{"MetadataMakesStreamExist", adminMetadataMakesStreamExist},
		{"AccessListOfSeveralRoles", adminAccessListOfSeveralRoles},
		{"WhatDeletesRecord", adminWhatDeletesRecord},
		{"MalformedMetadata", adminMalformedMetadata},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.setup(t)
			admin, ok := b.store.(Admin)
			if !ok {
				t.Skip("the engine offers no deletes and no metadata through the port")
			}
			c.test(b, admin)
		})
	}
	t.Run("SoftDeletedTable", s.testSoftDeletedTable)
}

// testSoftDeletedTable goes through the decision table on a stream that held A and B and was soft-deleted.
func (s suite) testSoftDeletedTable(t *testing.T) {
	for _, c := range []struct {
		name     string
		expected eventstore.ExpectedRevision
		ids      string
		want     outcome
		revision uint64 // of the answer
	}{
		{"NoStreamKnown", eventstore.NoStream, "AB", known, 1},
		{"NoStreamKnownFirst", eventstore.NoStream, "A", known, 0},
		{"NoStreamNew", eventstore.NoStream, "C", written, 2},
		{"NoStreamSecond", eventstore.NoStream, "B", written, 2},
		{"NoStreamLaterNew", eventstore.NoStream, "AC", wrong, 0},
		{"NoStreamNothing", eventstore.NoStream, "", wrong, 0},
		{"AnyKnown", eventstore.Any, "AB", known, 1},
		{"AnyKnownSecond", eventstore.Any, "B", known, 1},
		{"AnyNew", eventstore.Any, "C", written, 2},
		{"AnyLaterNew", eventstore.Any, "AC", wrong, 0},
		{"LastNew", eventstore.Revision(1), "C", written, 2},
		{"LastKnown", eventstore.Revision(1), "A", written, 2},
		{"EarlierKnown", eventstore.Revision(0), "B", known, 1},
		{"EarlierNew", eventstore.Revision(0), "C", wrong, 0},
		{"EarlierNothing", eventstore.Revision(0), "", wrong, 0},
		{"LaterNew", eventstore.Revision(2), "C", wrong, 0},
		{"StreamExistsKnown", eventstore.StreamExists, "AB", gone, 0},
		{"StreamExistsNew", eventstore.StreamExists, "C", gone, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.setup(t)
			admin, ok := b.store.(Admin)
			if !ok {
				t.Skip("the engine offers no deletes through the port")
			}
			softDeletedCase(b, admin, c.expected, c.ids, c.want, c.revision)
		})
	}
}

func softDeletedCase(b *bundle, admin Admin, expected eventstore.ExpectedRevision, letters string, want outcome, revision uint64) {
	stream := b.stream("s")
	byLetter := map[rune]eventstore.EventData{'A': event("A", "{}"), 'B': event("B", "{}"), 'C': event("C", "{}")}
	b.append(stream, eventstore.NoStream, byLetter['A'], byLetter['B'])
	original := b.read(stream, eventstore.StreamRead{})
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.Any); err != nil {
		b.Fatalf("delete: %v", err)
	}
	var again []eventstore.EventData
	for _, l := range letters {
		again = append(again, byLetter[l])
	}
	res, err := b.store.Append(b.ctx, stream, expected, again...)
	var refused *eventstore.WrongExpectedRevisionError
	switch want {
	case wrong:
		if !errors.As(err, &refused) {
			b.Errorf("append: %+v, %v; want wrong expected revision", res, err)
		}
	case gone:
		if !errors.Is(err, eventstore.ErrStreamDeleted) {
			b.Errorf("append: %+v, %v; want that the stream is deleted", res, err)
		}
	case known:
		if err != nil || res.Revision != revision || res.Position != original[revision].Position {
			b.Errorf("repeated append: %+v, %v; want revision %d at %s", res, err, revision, original[revision].Position)
		}
	case written:
		if err != nil || res.Revision != revision {
			b.Errorf("append: %+v, %v; want revision %d", res, err, revision)
		}
		b.undeleted(stream)
		b.wantStream(stream, again)
		return
	}
	b.wantNoStream(stream)
}

func adminSoftDelete(b *bundle, admin Admin) {
	stream, all := b.stream("s"), events(6)
	start := b.before()
	b.append(stream, eventstore.NoStream, all[:3]...)
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.Revision(2)); err != nil {
		b.Fatalf("delete: %v", err)
	}
	b.wantNoStream(stream)
	b.wantIDs("$all still", b.readAll(eventstore.AllRead{From: start}), all[:3])
	if _, err := b.store.Append(b.ctx, stream, eventstore.StreamExists, events(1)...); !errors.Is(err, eventstore.ErrStreamDeleted) {
		b.Errorf("append to a deleted stream expecting that it exists: %v", err)
	}
	// The stream begins anew behind what was hidden, also for a writer who expects no stream.
	if res := b.append(stream, eventstore.NoStream, all[3:5]...); res.Revision != 4 {
		b.Errorf("first append after the delete: revision %d, want 4", res.Revision)
	}
	b.undeleted(stream)
	b.append(stream, eventstore.Revision(4), all[5])
	b.wantIDs("after the delete", b.read(stream, eventstore.StreamRead{}), all[3:])
	b.wantIDs("after the delete, backwards", b.read(stream, eventstore.StreamRead{Direction: backwards}), reversed(all[3:]))
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.Any); err != nil {
		b.Errorf("second delete: %v", err)
	}
	b.wantNoStream(stream)
}

func adminSoftDeleteExpected(b *bundle, admin Admin) {
	stream := b.stream("s")
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.Any); err == nil {
		b.Error("a stream that never was could be deleted")
	}
	b.append(stream, eventstore.NoStream, events(3)...)
	for _, expected := range []eventstore.ExpectedRevision{eventstore.NoStream, eventstore.Revision(1), eventstore.Revision(3)} {
		if _, err := admin.DeleteStream(b.ctx, stream, expected); err == nil {
			b.Errorf("delete expecting %s succeeded", expected)
		}
	}
	exists := eventstore.StreamExists
	if !b.features.DeletesWhatExists {
		exists = eventstore.Any
	}
	if _, err := admin.DeleteStream(b.ctx, stream, exists); err != nil {
		b.Errorf("delete expecting %s: %v", exists, err)
	}
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.StreamExists); b.features.DeletesWhatExists && !errors.Is(err, eventstore.ErrStreamDeleted) || err == nil {
		b.Errorf("delete of a deleted stream expecting that it exists: %v", err)
	}
	if _, err := admin.DeleteStream(b.ctx, stream, eventstore.Any); err != nil {
		b.Errorf("delete of a deleted stream: %v", err)
	}
}

func adminTombstone(b *bundle, admin Admin) {
	start := b.before()
	for name, given := range map[string]int{"never": 0, "filled": 3} {
		stream, all := b.stream(name), events(given)
		if given > 0 {
			b.append(stream, eventstore.Any, all...)
		}
		if _, err := admin.TombstoneStream(b.ctx, stream, eventstore.Revision(17)); err == nil {
			b.Errorf("%s: tombstone expecting a revision that is not succeeded", name)
		}
		if _, err := admin.TombstoneStream(b.ctx, stream, eventstore.Any); err != nil {
			b.Fatalf("%s: tombstone: %v", name, err)
		}
		for _, d := range []eventstore.Direction{forwards, backwards} {
			if _, err := collect(b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{Direction: d})); !errors.Is(err, eventstore.ErrStreamDeleted) {
				b.Errorf("%s: read after the tombstone: %v", name, err)
			}
		}
		for _, expected := range []eventstore.ExpectedRevision{eventstore.Any, eventstore.NoStream, eventstore.StreamExists, eventstore.Revision(2)} {
			if _, err := b.store.Append(b.ctx, stream, expected, events(1)...); !errors.Is(err, eventstore.ErrStreamDeleted) {
				b.Errorf("%s: append expecting %s after the tombstone: %v", name, expected, err)
			}
		}
		p := b.tap(b.store.SubscribeStream(b.ctx, stream, nil))
		if _, err, _ := p.next(); !errors.Is(err, eventstore.ErrStreamDeleted) {
			b.Errorf("%s: subscription after the tombstone: %v", name, err)
		}
	}
	seen := 0
	for _, e := range b.readAll(eventstore.AllRead{From: start}) {
		if e.Type == "Numbered" {
			seen++
		}
	}
	if seen != 3 {
		b.Errorf("$all shows %d events of the tombstoned streams, want 3", seen)
	}
}

func adminTombstoneEndsSubscription(b *bundle, admin Admin) {
	stream, all := b.stream("s"), events(2)
	b.append(stream, eventstore.Any, all...)
	p := b.tap(b.store.SubscribeStream(b.ctx, stream, nil))
	b.wantIDs("before the tombstone", p.live(), all)
	if _, err := admin.TombstoneStream(b.ctx, stream, eventstore.Any); err != nil {
		b.Fatalf("tombstone: %v", err)
	}
	if _, err, _ := p.next(); !errors.Is(err, eventstore.ErrStreamDeleted) {
		b.Errorf("live subscription after the tombstone: %v", err)
	}
}

func adminMaxCount(b *bundle, admin Admin) {
	stream, all := b.stream("s"), events(10)
	b.append(stream, eventstore.Any, all[:9]...)
	if _, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.NoStream, []byte(`{"$maxCount":3,"mine":true}`)); err != nil {
		b.Fatalf("set metadata: %v", err)
	}
	b.wantIDs("forwards", b.read(stream, eventstore.StreamRead{}), all[6:9])
	b.wantIDs("backwards", b.read(stream, eventstore.StreamRead{Direction: backwards}), reversed(all[6:9]))
	b.append(stream, eventstore.Revision(8), all[9])
	b.wantIDs("after another append", b.read(stream, eventstore.StreamRead{}), all[7:])
	if _, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.Revision(0), []byte(`{}`)); err != nil {
		b.Fatalf("set metadata again: %v", err)
	}
	b.wantIDs("without limit", b.read(stream, eventstore.StreamRead{}), all)
	_, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.Revision(0), []byte(`{"$maxCount":1}`))
	var wrong *eventstore.WrongExpectedRevisionError
	if !errors.As(err, &wrong) {
		b.Errorf("set metadata expecting an old revision: %v", err)
	}
}

func adminTruncateBefore(b *bundle, admin Admin) {
	stream, all := b.stream("s"), events(10)
	b.append(stream, eventstore.Any, all...)
	for i, before := range []int{4, 9, 10, 0} {
		expected := eventstore.Any
		if i > 0 {
			expected = eventstore.Revision(uint64(i - 1))
		}
		if _, err := admin.SetStreamMetadata(b.ctx, stream, expected, fmt.Appendf(nil, `{"$tb":%d}`, before)); err != nil {
			b.Fatalf("set metadata: %v", err)
		}
		b.wantIDs("forwards", b.read(stream, eventstore.StreamRead{}), all[before:])
		b.wantIDs("backwards", b.read(stream, eventstore.StreamRead{Direction: backwards}), reversed(all[before:]))
	}
}

func adminMetadataMakesStreamExist(b *bundle, admin Admin) {
	stream := b.stream("s")
	if _, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.NoStream, []byte(`{"owner":"x"}`)); err != nil {
		b.Fatalf("set metadata: %v", err)
	}
	b.wantNoStream(stream)
	if res := b.append(stream, eventstore.StreamExists, events(1)...); res.Revision != 0 {
		b.Errorf("append expecting that the stream exists: revision %d", res.Revision)
	}
}

// adminAccessListOfSeveralRoles: metadata is read back as it was written, by its own stream, of which the newest counts.
func adminAccessListOfSeveralRoles(b *bundle, admin Admin) {
	stream := b.stream("s")
	var want []byte
	for i, text := range []string{`{"owner":"x"}`, `{"$acl":{"$r":["readers","auditors"],"$w":"writers"},"owner":"y"}`} {
		expected := eventstore.NoStream
		if i > 0 {
			expected = eventstore.Revision(uint64(i - 1))
		}
		want = []byte(text)
		if _, err := admin.SetStreamMetadata(b.ctx, stream, expected, want); err != nil {
			b.Fatalf("set metadata: %v", err)
		}
	}
	for _, d := range []eventstore.Direction{forwards, backwards} { // of a metadata stream only the newest is shown
		got := b.read("$$"+stream, eventstore.StreamRead{Direction: d})
		if len(got) != 1 || string(got[0].Data) != string(want) || got[0].Type != "$metadata" || got[0].Revision != 1 {
			b.Errorf("metadata is %+v, want revision 1: %s", got, want)
		}
	}
}

// adminWhatDeletesRecord: a soft delete is a record in the metadata stream, which replaces what was there, an append after it
// another one; a tombstone is an event of the stream.
func adminWhatDeletesRecord(b *bundle, admin Admin) {
	stream := b.stream("s")
	b.append(stream, eventstore.NoStream, events(3)...)
	if _, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.NoStream, []byte(`{"$maxCount":2,"owner":"x"}`)); err != nil {
		b.Fatalf("set metadata: %v", err)
	}
	at, err := admin.DeleteStream(b.ctx, stream, eventstore.Any)
	if err != nil {
		b.Fatalf("delete: %v", err)
	}
	b.wantMetadata(stream, map[string]any{"$tb": float64(math.MaxInt64)}, &at)
	b.append(stream, eventstore.Any, events(1)...)
	b.undeleted(stream)
	b.wantMetadata(stream, map[string]any{"$tb": float64(3)}, nil)

	end := b.before()
	if at, err = admin.TombstoneStream(b.ctx, stream, eventstore.Any); err != nil {
		b.Fatalf("tombstone: %v", err)
	}
	var last eventstore.RecordedEvent
	for _, e := range b.readAll(eventstore.AllRead{From: end}) {
		last = e
	}
	if last.Position != at || last.Stream != stream || last.Type != "$streamDeleted" || last.Revision != math.MaxInt64 {
		b.Errorf("$all ends with %+v, want the tombstone of %s at %s", last, stream, at)
	}
}

// wantMetadata compares a stream's metadata, and where it stands unless that is nil.
func (b *bundle) wantMetadata(stream string, want map[string]any, at *eventstore.Position) {
	b.Helper()
	got := b.read("$$"+stream, eventstore.StreamRead{Direction: backwards, Count: 1})
	var keys map[string]any
	if len(got) != 1 || json.Unmarshal(got[0].Data, &keys) != nil || !maps.Equal(keys, want) || at != nil && got[0].Position != *at {
		b.Errorf("metadata of %s is %+v: %v, want %v at %v", stream, got, keys, want, at)
	}
}

// adminMalformedMetadata: what is no JSON counts as no metadata.
func adminMalformedMetadata(b *bundle, admin Admin) {
	stream, all := b.stream("s"), events(5)
	b.append(stream, eventstore.NoStream, all...)
	for _, c := range []struct {
		metadata string
		want     []eventstore.EventData
	}{{`{"$maxCount":2}`, all[3:]}, {`{"$maxCount":`, all}} {
		if _, err := admin.SetStreamMetadata(b.ctx, stream, eventstore.Any, []byte(c.metadata)); err != nil {
			b.Fatalf("set metadata: %v", err)
		}
		b.wantIDs("with metadata "+c.metadata, b.read(stream, eventstore.StreamRead{}), c.want)
	}
}
