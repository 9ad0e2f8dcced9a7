package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/eventstore"
)

func drawEvents(t *rapid.T) []eventstore.EventData {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) eventstore.EventData {
		return eventstore.EventData{
			ID:       uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			Type:     rapid.StringN(1, 40, 200).Draw(t, "type"),
			JSON:     rapid.Bool().Draw(t, "json"),
			Data:     rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
			Metadata: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "metadata"),
		}
	}), 1, 10).Draw(t, "events")
}

// TestFrame_RoundTrip: what is encoded comes back, and a frame with any one bit changed is refused.
func TestFrame_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawEvents(t)
		place := framePlace{
			position: rapid.Uint64Max(1<<62).Draw(t, "position"), stream: rapid.Uint64().Draw(t, "stream"),
			revision: rapid.Uint64Max(1<<62).Draw(t, "revision"),
			created:  time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "created"), 0).UTC(),
		}
		frame, crc := encodeFrame("stream", in)
		placeFrame(frame, crc, place)
		f, err := decodeFrame(place.position, frame)
		if err != nil {
			t.Fatal(err)
		}
		if f.stream != place.stream || f.revision != place.revision || !f.created.Equal(place.created) || f.count != len(in) {
			t.Fatalf("got %+v, want %+v", f, place)
		}
		for i, e := range f.all() {
			w := in[i]
			if e.ID != w.ID || e.Type != w.Type || e.JSON != w.JSON || !bytes.Equal(e.Data, w.Data) || !bytes.Equal(e.Metadata, w.Metadata) ||
				e.Stream != "stream" || e.Revision != place.revision+uint64(i) || e.Position.Commit != place.position+uint64(i) {
				t.Fatalf("event %d: got %+v, want %+v", i, e, w)
			}
		}
		bit := rapid.IntRange(0, len(frame)*8-1).Draw(t, "bit")
		frame[bit/8] ^= 1 << (bit % 8)
		var corrupt *CorruptError
		if _, err := decodeFrame(place.position, frame); !errors.As(err, &corrupt) {
			t.Fatalf("frame with bit %d changed: %v", bit, err)
		}
	})
}

// FuzzDecodeFrame: no bytes, not even ones with a right checksum, make the decoder crash or read beyond
// the frame.
func FuzzDecodeFrame(f *testing.F) {
	frame, crc := encodeFrame("s", []eventstore.EventData{{ID: uuid.UUID{1}, Type: "T", Data: []byte("data"), Metadata: []byte("m")}, {ID: uuid.UUID{2}, Type: "U"}})
	placeFrame(frame, crc, framePlace{position: 7, stream: 1, revision: 3})
	f.Add(frame)
	f.Add(frame[:frameHeaderBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, v []byte) {
		if len(v) >= frameHeaderBytes {
			v[4] = frameVersion
			binary.LittleEndian.PutUint64(v[8:], 7)
			binary.LittleEndian.PutUint32(v, checksum(checksum(0, v[frameHeaderBytes:]), v[4:frameHeaderBytes]))
		}
		decoded, err := decodeFrame(7, v)
		if err != nil {
			return
		}
		size := len(decoded.name)
		for _, e := range decoded.all() {
			size += len(e.Type) + len(e.Data) + len(e.Metadata)
		}
		if want := len(v) - frameHeaderBytes - decoded.count*frameEventBytes; size != want {
			t.Errorf("%d bytes of names and bodies, the frame holds %d", size, want)
		}
	})
}
