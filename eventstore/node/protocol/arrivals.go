package protocol

import (
	"encoding/binary"
	"sync"
)

// frameOverheadBytes is what the library needs to keep one frame of data until its message is complete.
const frameOverheadBytes = 160

// arrivals knows of one HTTP/2 connection how many bytes have arrived of messages that are not complete yet. It looks
// at the headers of frames and messages only; what is malformed is for the library to refuse.
type arrivals struct {
	mu      sync.Mutex
	in, out frames
	calls   map[uint32]*partial // by stream id; those that hold something
	change  int64
}

// partial is a message on its way.
type partial struct {
	prefix [5]byte // compressed or not, and the length
	have   int     // of the prefix
	left   uint32  // bytes of the message that are missing
	held   int64
}

// HTTP/2: the preface of a client, and what frames begin with.
const (
	clientPrefaceBytes = 24
	frameHeaderBytes   = 9

	frameData, frameHeaders, frameReset = 0, 1, 3

	flagEnd, flagPadded = 1, 8
)

func newArrivals() *arrivals {
	r := &arrivals{calls: map[uint32]*partial{}}
	r.in.skip = clientPrefaceBytes
	return r
}

// read takes up what has arrived and returns by how much the bytes that are held have changed.
func (r *arrivals) read(b []byte) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change = 0
	r.in.scan(b, func(h frameHeader) {
		if h.kind == frameReset {
			r.end(h.stream)
		}
	}, func(h frameHeader, b []byte, last bool) {
		r.data(h.stream, b)
		if last && h.flags&flagEnd != 0 {
			r.end(h.stream)
		}
	})
	return r.change
}

// written is read for what the server sends: it ends calls.
func (r *arrivals) written(b []byte) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change = 0
	r.out.scan(b, func(h frameHeader) {
		if h.kind == frameReset || h.kind == frameHeaders && h.flags&flagEnd != 0 {
			r.end(h.stream)
		}
	}, func(frameHeader, []byte, bool) {})
	return r.change
}

// end forgets a call.
func (r *arrivals) end(stream uint32) {
	if p := r.calls[stream]; p != nil {
		r.change -= p.held
		delete(r.calls, stream)
	}
}

// data takes up data of a call.
func (r *arrivals) data(stream uint32, b []byte) {
	p := r.calls[stream]
	if p == nil {
		if whole(b) {
			return
		}
		p = &partial{}
		r.calls[stream] = p
	}
	p.held += frameOverheadBytes
	r.change += frameOverheadBytes
	for len(b) > 0 {
		n := 0
		if p.have < len(p.prefix) {
			n = copy(p.prefix[p.have:], b)
			if p.have += n; p.have == len(p.prefix) {
				p.left = binary.BigEndian.Uint32(p.prefix[1:])
			}
		} else {
			n = int(min(uint32(len(b)), p.left))
			p.left -= uint32(n)
		}
		b = b[n:]
		p.held += int64(n)
		r.change += int64(n)
		if p.have == len(p.prefix) && p.left == 0 {
			r.change -= p.held
			*p = partial{}
		}
	}
	if p.held == 0 {
		delete(r.calls, stream)
	}
}

// whole tells whether data is nothing but whole messages, as most is.
func whole(b []byte) bool {
	for len(b) >= 5 {
		n := 5 + uint64(binary.BigEndian.Uint32(b[1:]))
		if n > uint64(len(b)) {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

type frameHeader struct {
	kind, flags byte
	stream      uint32
}

// frames finds the frames in a sequence of bytes that comes in pieces.
type frames struct {
	skip    int // bytes that are of no interest
	header  [frameHeaderBytes]byte
	have    int // of the header; a whole one is followed by data
	now     frameHeader
	left    int // of the frame's data
	padded  bool
	padding int // bytes after the data
}

// scan shows the header of each frame, and the pieces of data of those that have data.
func (f *frames) scan(b []byte, begin func(frameHeader), data func(h frameHeader, b []byte, last bool)) {
	for len(b) > 0 {
		n := 0
		switch {
		case f.skip > 0:
			n = min(f.skip, len(b))
			f.skip -= n
		case f.have < frameHeaderBytes:
			n = copy(f.header[f.have:], b)
			if f.have += n; f.have == frameHeaderBytes {
				f.parse()
				begin(f.now)
				if f.now.kind != frameData {
					f.have, f.skip = 0, f.left
				} else if f.left == 0 {
					data(f.now, nil, true)
					f.have = 0
				}
			}
		case f.padded:
			n = 1
			f.padded, f.padding = false, min(int(b[0]), f.left-1)
			if f.left -= 1 + f.padding; f.left == 0 {
				data(f.now, nil, true)
				f.have, f.skip = 0, f.padding
			}
		default:
			n = min(f.left, len(b))
			f.left -= n
			data(f.now, b[:n], f.left == 0)
			if f.left == 0 {
				f.have, f.skip = 0, f.padding
			}
		}
		b = b[n:]
	}
}

func (f *frames) parse() {
	h := f.header[:]
	f.now = frameHeader{kind: h[3], flags: h[4], stream: binary.BigEndian.Uint32(h[5:]) & (1<<31 - 1)}
	f.left = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f.padded, f.padding = f.now.kind == frameData && f.now.flags&flagPadded != 0 && f.left > 0, 0
}
