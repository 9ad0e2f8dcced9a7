package rebuild

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/parts"
)

// The spill is the log as far as it is rebuilt, sorted by slices: a slice is the streams with the same
// hash, so that an order is whole within one, and slices can be folded one after the other in little
// memory. Events of a slice stand in it in the order of the log.
//
// It is one file that is only appended to: chunks of one slice each, and now and then a mark, which says
// that everything up to a position is in the chunks before it. What stands behind the last one after a crash is
// cut off, and spilling goes on from it. Nothing is synced, as live writers on the same disk would wait for that: what
// a crash of the machine loses shows by its checksum, and the file is made again.
const (
	// slicesOfOrders is the number of slices, and quarantineSlice one more, for notifications that
	// belong to no order: no event of theirs depends on another, however many there are.
	slicesOfOrders  = 1024
	slicesOfPart    = slicesOfOrders / parts.Count
	quarantineSlice = slicesOfOrders
	sliceCount      = slicesOfOrders + 1

	// chunkBytes of events of one slice are compressed and written at once.
	chunkBytes = 64 << 10

	chunkMagic = 0x4c534c43
	headerSize = 4 + 4 + 4 + 4 + 4 + 8 + 4
	markSlice  = 0xffffffff
	markSize   = 24
	bodyMost   = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errSpillDamaged says that a chunk is not what was written. The file is no source of truth: it is made
// again from the log.
var errSpillDamaged = errors.New("the spilled events are damaged")

// chunk is a place in the file.
type chunk struct {
	offset   int64
	size     uint32 // compressed, without the header
	raw      uint32
	events   uint32
	checksum uint32
}

// spill is the file, and what is where in it.
type spill struct {
	file   *os.File
	chunks [sliceCount][]chunk
	// raw is the uncompressed size of each slice in bytes.
	raw    [sliceCount]int64
	events int64
	// at is the position of the last mark; meaningless unless known.
	at    eventstore.Position
	known bool
	end   int64 // of the last mark
}

// sliceOf is one of those of the order's part by FNV-1a, and for orders never changes: how far a rebuild has come is counted in
// slices.
func sliceOf(stream string) (slice int, hash uint64) {
	category, id, ok := order.ParseStreamName(stream)
	if !ok || category == order.CategoryQuarantine || category == "" {
		return quarantineSlice, 0
	}
	hash = 14695981039346656037
	for i := range len(stream) {
		hash = (hash ^ uint64(stream[i])) * 1099511628211
	}
	hash ^= hash >> 32
	return parts.Of(storable.Text(id))*slicesOfPart + int(hash%slicesOfPart), hash / slicesOfPart
}

// openSpill opens or makes the file and cuts off what follows the last mark.
func openSpill(path string) (*spill, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the spilled events: %w", err)
	}
	s := &spill{file: file}
	if err := s.scan(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := file.Truncate(s.end); err != nil {
		return nil, errors.Join(fmt.Errorf("cut the spilled events: %w", err), file.Close())
	}
	return s, nil
}

func (s *spill) close() error { return s.file.Close() }

// scan reads the headers of all chunks up to the last mark that is whole.
func (s *spill) scan() error {
	var (
		header  [headerSize]byte
		pending []struct {
			slice uint32
			chunk chunk
		}
		offset int64
	)
	for {
		if _, err := s.file.ReadAt(header[:], offset); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read the spilled events: %w", err)
		}
		slice, c, ok := decodeHeader(header[:])
		if !ok {
			return nil // torn by a crash
		}
		c.offset = offset + headerSize
		offset = c.offset + int64(c.size)
		if slice != markSlice {
			pending = append(pending, struct {
				slice uint32
				chunk chunk
			}{slice, c})
			continue
		}
		body := make([]byte, c.size)
		if _, err := s.file.ReadAt(body, c.offset); err != nil || crc32.Checksum(body, castagnoli) != c.checksum || len(body) != markSize {
			return nil //nolint:nilerr // torn by a crash
		}
		for _, p := range pending {
			s.add(int(p.slice), p.chunk)
		}
		pending = pending[:0]
		s.known, s.end = true, offset
		s.at = eventstore.Position{Commit: binary.BigEndian.Uint64(body), Prepare: binary.BigEndian.Uint64(body[8:])}
	}
}

func (s *spill) add(slice int, c chunk) {
	s.chunks[slice] = append(s.chunks[slice], c)
	s.raw[slice] += int64(c.raw)
	s.events += int64(c.events)
}

func encodeHeader(slice uint32, c chunk) []byte {
	b := make([]byte, 0, headerSize)
	b = binary.BigEndian.AppendUint32(b, chunkMagic)
	for _, n := range [...]uint32{slice, c.size, c.raw, c.events} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.checksum))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeHeader(b []byte) (slice uint32, c chunk, ok bool) {
	const sum = headerSize - 4
	if binary.BigEndian.Uint32(b) != chunkMagic || binary.BigEndian.Uint32(b[sum:]) != crc32.Checksum(b[:sum], castagnoli) {
		return 0, chunk{}, false
	}
	slice = binary.BigEndian.Uint32(b[4:])
	c = chunk{
		size: binary.BigEndian.Uint32(b[8:]), raw: binary.BigEndian.Uint32(b[12:]), events: binary.BigEndian.Uint32(b[16:]),
		checksum: uint32(binary.BigEndian.Uint64(b[20:])),
	}
	return slice, c, (slice < sliceCount || slice == markSlice) && c.size <= bodyMost && c.raw <= bodyMost
}

// filled is what is appended to a spill at once: a chunk of a slice before it is compressed, or a mark.
type filled struct {
	slice  int
	raw    []byte
	events uint32
	// mark says that everything up to a position comes before it.
	mark *eventstore.Position
}

// sorter sorts events into chunks.
type sorter struct {
	filled chan<- filled
	slices [sliceCount]struct {
		raw    []byte
		events uint32
	}
	// free are buffers that were written.
	free     chan []byte
	unmarked int64
}

// add takes the next event of the log.
func (s *sorter) add(ctx context.Context, ev *eventstore.RecordedEvent) error {
	slice, _ := sliceOf(ev.Stream)
	into := &s.slices[slice]
	into.raw = appendEvent(into.raw, ev)
	into.events++
	s.unmarked++
	if len(into.raw) < chunkBytes {
		return nil
	}
	return s.flush(ctx, slice)
}

func (s *sorter) flush(ctx context.Context, slice int) error {
	from := &s.slices[slice]
	if from.events == 0 {
		return nil
	}
	if err := s.hand(ctx, filled{slice: slice, raw: from.raw, events: from.events}); err != nil {
		return err
	}
	from.raw, from.events = nil, 0
	select {
	case from.raw = <-s.free:
	default:
	}
	return nil
}

func (s *sorter) hand(ctx context.Context, f filled) error {
	select {
	case s.filled <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mark has everything up to a position written.
func (s *sorter) mark(ctx context.Context, at eventstore.Position) error {
	for slice := range s.slices {
		if err := s.flush(ctx, slice); err != nil {
			return err
		}
	}
	s.unmarked = 0
	return s.hand(ctx, filled{mark: &at})
}

// spiller appends to a spill.
type spiller struct {
	spill      *spill
	out        *bufio.Writer
	offset     int64
	compressed []byte
}

func newSpiller(s *spill) (*spiller, error) {
	if _, err := s.file.Seek(s.end, io.SeekStart); err != nil {
		return nil, fmt.Errorf("write the spilled events: %w", err)
	}
	return &spiller{spill: s, out: bufio.NewWriterSize(s.file, 1<<20), offset: s.end}, nil
}

func (w *spiller) chunk(f filled) error {
	w.compressed = s2.Encode(w.compressed[:cap(w.compressed)], f.raw)
	c := chunk{
		size: uint32(len(w.compressed)), raw: uint32(len(f.raw)), events: f.events,
		checksum: crc32.Checksum(w.compressed, castagnoli),
	}
	if err := w.write(uint32(f.slice), &c, w.compressed); err != nil {
		return err
	}
	w.spill.add(f.slice, c)
	return nil
}

func (w *spiller) mark(at eventstore.Position) error {
	body := binary.BigEndian.AppendUint64(nil, at.Commit)
	body = binary.BigEndian.AppendUint64(body, at.Prepare)
	body = binary.BigEndian.AppendUint64(body, uint64(w.spill.events))
	c := chunk{size: markSize, checksum: crc32.Checksum(body, castagnoli)}
	if err := w.write(markSlice, &c, body); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write the spilled events: %w", err)
	}
	w.spill.at, w.spill.known, w.spill.end = at, true, w.offset
	return nil
}

func (w *spiller) write(slice uint32, c *chunk, body []byte) error {
	c.offset = w.offset + headerSize
	w.offset = c.offset + int64(len(body))
	_, err := w.out.Write(encodeHeader(slice, *c))
	if err == nil {
		_, err = w.out.Write(body)
	}
	if err != nil {
		return fmt.Errorf("write the spilled events: %w", err)
	}
	return nil
}

// each calls do with every event of a slice, in the order of the log. An event of an order's stream, and what it holds in
// bytes, is to be used until do returns; events of quarantineSlice belong to do.
func (s *spill) each(ctx context.Context, slice int, do func(*eventstore.RecordedEvent) error) error {
	var (
		packed, raw []byte
		events      []eventstore.RecordedEvent
	)
	types := make(map[string]string)
	for _, c := range s.chunks[slice] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if cap(packed) < int(c.size) {
			packed = make([]byte, c.size)
		}
		packed = packed[:c.size]
		if _, err := s.file.ReadAt(packed, c.offset); err != nil {
			return fmt.Errorf("%w: %w", errSpillDamaged, err)
		}
		if crc32.Checksum(packed, castagnoli) != c.checksum {
			return fmt.Errorf("%w: a checksum is wrong", errSpillDamaged)
		}
		if slice == quarantineSlice {
			raw, events = nil, nil
		}
		var err error
		if raw, err = s2.Decode(raw[:cap(raw)], packed); err != nil {
			return fmt.Errorf("%w: %w", errSpillDamaged, err)
		}
		rest := raw
		events = slices.Grow(events[:0], int(c.events))[:c.events]
		for i := range events {
			if rest, err = readEvent(rest, &events[i], &events[max(0, i-1)], types); err != nil {
				return err
			}
			if err := do(&events[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendEvent(b []byte, ev *eventstore.RecordedEvent) []byte {
	b = append(b, ev.ID[:]...)
	for _, n := range [...]uint64{ev.Revision, ev.Position.Commit, ev.Position.Prepare, uint64(ev.Created.Unix()), uint64(ev.Created.Nanosecond())} {
		b = binary.AppendUvarint(b, n)
	}
	json := byte(0)
	if ev.JSON {
		json = 1
	}
	b = append(b, json)
	for _, s := range [...]string{ev.Stream, ev.Type} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, s := range [...][]byte{ev.Data, ev.Metadata} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// readEvent reads what appendEvent wrote. Data and metadata stay where they are. before is the event before it, whose
// stream it mostly shares; types are the types read so far.
func readEvent(b []byte, ev, before *eventstore.RecordedEvent, types map[string]string) ([]byte, error) {
	const idSize = 16
	if len(b) < idSize {
		return nil, errSpillDamaged
	}
	copy(ev.ID[:], b)
	b = b[idSize:]
	number := func() (n uint64, err error) {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return 0, errSpillDamaged
		}
		b = b[size:]
		return n, nil
	}
	bytes := func() ([]byte, error) {
		n, err := number()
		if err != nil || n > uint64(len(b)) {
			return nil, errSpillDamaged
		}
		value := b[:n:n]
		b = b[n:]
		return value, nil
	}
	var numbers [5]uint64
	for i := range numbers {
		var err error
		if numbers[i], err = number(); err != nil {
			return nil, err
		}
	}
	ev.Revision, ev.Position = numbers[0], eventstore.Position{Commit: numbers[1], Prepare: numbers[2]}
	ev.Created = unixTime(int64(numbers[3]), int64(numbers[4]))
	if len(b) == 0 {
		return nil, errSpillDamaged
	}
	ev.JSON = b[0] == 1
	b = b[1:]
	var values [4][]byte
	for i := range values {
		var err error
		if values[i], err = bytes(); err != nil {
			return nil, err
		}
	}
	var known bool
	if ev.Type, known = types[string(values[1])]; !known {
		ev.Type = string(values[1])
		types[ev.Type] = ev.Type
	}
	if ev.Stream = before.Stream; ev.Stream != string(values[0]) {
		ev.Stream = string(values[0])
	}
	ev.Data, ev.Metadata = values[2], values[3]
	return b, nil
}
