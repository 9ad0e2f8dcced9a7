package protocol

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// TestArrivals_CountWhatIsMissingItsEnd: however the bytes of a connection are cut, what is held is what has arrived
// of messages that are not whole, and nothing of calls that ended.
func TestArrivals_CountWhatIsMissingItsEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wire := make([]byte, clientPrefaceBytes)
		calls := map[uint32][]byte{} // what was sent of the message under way
		for range rapid.IntRange(1, 20).Draw(t, "frames") {
			stream := rapid.Uint32Range(1, 3).Draw(t, "stream")
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				wire = appendFrame(wire, frameReset, 0, stream, make([]byte, 4))
				delete(calls, stream)
			case 1: // of no interest
				wire = appendFrame(wire, frameHeaders, flagEnd, stream, rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "other"))
			default:
				var data []byte
				for range rapid.IntRange(0, 3).Draw(t, "messages") {
					data = binary.BigEndian.AppendUint32(append(data, 0), rapid.Uint32Range(0, 40).Draw(t, "length"))
					data = append(data, make([]byte, int(binary.BigEndian.Uint32(data[len(data)-4:])))...)
				}
				data = append(rest(calls[stream]), data...)
				sent := data[:rapid.IntRange(0, len(data)).Draw(t, "sent")]
				payload, flags := sent, byte(0)
				if rapid.Bool().Draw(t, "padded") {
					padding := rapid.IntRange(0, 20).Draw(t, "padding")
					payload = append([]byte{byte(padding)}, append(append([]byte{}, sent...), make([]byte, padding)...)...)
					flags |= flagPadded
				}
				calls[stream] = lastMessage(append(calls[stream], sent...))
				if rapid.IntRange(0, 4).Draw(t, "end") == 0 {
					flags |= flagEnd
					delete(calls, stream)
				}
				wire = appendFrame(wire, frameData, flags, stream, payload)
			}
		}
		r, held := newArrivals(), int64(0)
		for len(wire) > 0 {
			n := rapid.IntRange(1, len(wire)).Draw(t, "piece")
			held += r.read(wire[:n])
			wire = wire[n:]
		}
		for stream := uint32(1); stream <= 3; stream++ {
			p := r.calls[stream]
			if want := len(calls[stream]); (p != nil) != (want > 0) || p != nil && (p.held%frameOverheadBytes != int64(want)%frameOverheadBytes || p.held < int64(want)) {
				t.Errorf("stream %d: %+v is held, %d bytes are of no whole message", stream, p, want)
			}
			if p != nil {
				held -= p.held
			}
		}
		if held != 0 {
			t.Errorf("%d bytes more are counted than are held", held)
		}
		// The server ends all.
		var out []byte
		for stream := uint32(1); stream <= 3; stream++ {
			out = appendFrame(out, frameHeaders, flagEnd, stream, []byte("trailers"))
		}
		if r.written(out); len(r.calls) != 0 {
			t.Errorf("%d calls are held after their end", len(r.calls))
		}
	})
}

func appendFrame(out []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	out = append(out, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(out, stream), payload...)
}

// lastMessage cuts off whole messages.
func lastMessage(b []byte) []byte {
	for len(b) >= 5 && len(b) >= 5+int(binary.BigEndian.Uint32(b[1:])) {
		b = b[5+binary.BigEndian.Uint32(b[1:]):]
	}
	return b
}

// rest is what a message that was begun lacks.
func rest(b []byte) []byte {
	switch {
	case len(b) == 0:
		return nil
	case len(b) < 5: // lengths of messages are small: the bytes that are missing are chosen to be zero
		return make([]byte, 5-len(b))
	default:
		return make([]byte, 5+int(binary.BigEndian.Uint32(b[1:]))-len(b))
	}
}
