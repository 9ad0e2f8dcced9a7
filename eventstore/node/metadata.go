package node

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// What EventStoreDB calls its system streams and events.
const (
	metadataPrefix = "$$"
	metadataType   = "$metadata"
	tombstoneType  = "$streamDeleted"
)

// What reads of $all do not show, as in EventStoreDB: the state that persistent subscriptions to $all
// keep. Whoever followed it would make it change by following it.
const (
	allGroupsPrefix  = "$persistentsubscription-$all::"
	checkpointSuffix = "-checkpoint"
	parkedSuffix     = "-parked"
)

// hiddenInAll tells whether $all does not show a stream.
func hiddenInAll(stream string) bool {
	name, ok := strings.CutPrefix(stream, allGroupsPrefix)
	return ok && (strings.HasSuffix(name, checkpointSuffix) || strings.HasSuffix(name, parkedSuffix))
}

// truncatedForEver is the "$tb" of a soft-deleted stream.
const truncatedForEver = math.MaxInt64

func isMetadataStream(name string) bool   { return strings.HasPrefix(name, metadataPrefix) }
func metadataStream(stream string) string { return metadataPrefix + stream }

// baseName returns the stream that a name is about, and whether it names that stream's metadata.
func baseName(name string) (base string, isMetadata bool) {
	return strings.CutPrefix(name, metadataPrefix)
}

// streamSettings are the keys of a stream's metadata that change what reads show.
type streamSettings struct {
	truncateBefore uint64        // first revision that is shown
	maxCount       uint64        // 0 is no limit
	maxAge         time.Duration // 0 is no limit
}

func (s streamSettings) deleted() bool { return s.truncateBefore >= truncatedForEver }

// parseSettings reads what it understands; as in EventStoreDB, malformed metadata counts as empty.
func parseSettings(data []byte) streamSettings {
	var raw struct {
		TruncateBefore *int64 `json:"$tb"`
		MaxCount       *int64 `json:"$maxCount"`
		MaxAge         *int64 `json:"$maxAge"`
	}
	if json.Unmarshal(data, &raw) != nil {
		return streamSettings{}
	}
	var s streamSettings
	if raw.TruncateBefore != nil && *raw.TruncateBefore > 0 {
		s.truncateBefore = uint64(*raw.TruncateBefore)
	}
	if raw.MaxCount != nil && *raw.MaxCount > 0 {
		s.maxCount = uint64(*raw.MaxCount)
	}
	if raw.MaxAge != nil && *raw.MaxAge > 0 {
		s.maxAge = time.Duration(min(*raw.MaxAge, math.MaxInt64/int64(time.Second))) * time.Second
	}
	return s
}

// settingsOf reads the settings in the last event of a metadata stream's frame.
func settingsOf(f *decodedFrame) streamSettings {
	events := f.all()
	last := events[len(events)-1]
	if last.Type != metadataType {
		return streamSettings{}
	}
	return parseSettings(last.Data)
}

// SetStreamMetadata replaces a stream's metadata: a JSON object whose keys $maxCount, $maxAge
// (seconds) and $tb limit what reads of the stream show; all other keys are kept for their readers.
// expected is the revision of the metadata, not of the stream. $all goes on showing everything.
func (n *Node) SetStreamMetadata(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, metadata []byte,
) (eventstore.AppendResult, error) {
	return n.Append(ctx, metadataStream(stream), expected, newSystemEvent(metadataType, metadata))
}

// StreamMetadata returns the newest metadata record of a stream; its Data is the raw JSON and its
// Revision what SetStreamMetadata expects next. A stream without metadata yields ErrStreamNotFound.
func (n *Node) StreamMetadata(ctx context.Context, stream string) (eventstore.RecordedEvent, error) {
	for e, err := range n.ReadStream(ctx, metadataStream(stream), eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		return e, err
	}
	return eventstore.RecordedEvent{}, fmt.Errorf("metadata of stream %q: %w", stream, eventstore.ErrStreamNotFound)
}

// DeleteStream hides all events of a stream ("soft delete"): reads answer ErrStreamNotFound until
// something is appended again, and $all goes on showing everything. It replaces the stream's
// metadata and returns the position of that record.
func (n *Node) DeleteStream(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision,
) (eventstore.Position, error) {
	data := fmt.Appendf(nil, `{"$tb":%d}`, int64(truncatedForEver))
	return n.end(ctx, stream, expected, opSoftDelete, newSystemEvent(metadataType, data))
}

// TombstoneStream ends a stream for ever: reads and appends answer ErrStreamDeleted from then on. The
// stream need not exist. It returns the position of the tombstone.
func (n *Node) TombstoneStream(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision,
) (eventstore.Position, error) {
	return n.end(ctx, stream, expected, opTombstone, newSystemEvent(tombstoneType, nil))
}

func (n *Node) end(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, op operation, e eventstore.EventData,
) (eventstore.Position, error) {
	if err := validateStreamName(stream); err != nil {
		return eventstore.Position{}, fmt.Errorf("delete stream %q: %w", stream, err)
	}
	if isMetadataStream(stream) {
		return eventstore.Position{}, fmt.Errorf("delete stream %q: %w: a metadata stream cannot be deleted", stream, eventstore.ErrInvalid)
	}
	res, err := n.submit(ctx, newRequest(stream, expected, op, []eventstore.EventData{e}))
	return res.Position, err
}

// softDelete writes the metadata that hides the stream h.
func (w *writer) softDelete(g *group, r *request, h *namedHead) (eventstore.AppendResult, error) {
	v := h.view(false)
	switch {
	case v.tombstoned, r.expected == eventstore.StreamExists && v.softDeleted:
		return eventstore.AppendResult{}, refusal(verdictDeleted, r, v)
	case v.last == noRevision && !v.hasMetadata, r.expected.Number() >= noRevision && r.expected.Number() != v.last:
		return eventstore.AppendResult{}, refusal(verdictWrong, r, v)
	}
	return w.write(g, h, true, r), nil
}

// undelete makes the metadata that lets a soft-deleted stream begin anew behind its last hidden event;
// the other keys are kept.
func (w *writer) undelete(g *group, h *namedHead) (*request, error) {
	raw, err := w.newestMetadata(g, h)
	if err != nil {
		return nil, err
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil || keys == nil {
		keys = map[string]json.RawMessage{} // as in settingsOf, malformed counts as empty
	}
	keys["$tb"] = fmt.Appendf(nil, "%d", h.stream.last+1)
	data, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode metadata of stream %q: %w", h.name, err)
	}
	events := []eventstore.EventData{newSystemEvent(metadataType, data)}
	return newRequest(metadataStream(h.name), eventstore.Any, opAppend, events), nil
}

// newestMetadata returns the data of a stream's newest metadata, from the group that is being decided
// or from disk.
func (w *writer) newestMetadata(g *group, h *namedHead) ([]byte, error) {
	if h.metadata.last == noRevision {
		return nil, nil
	}
	if n := len(h.metadata.pending); n > 0 {
		return g.lastData(h.metadata.pending[n-1].entry.position), nil
	}
	entry, _, err := lastIndexEntry(w.node.db, h.metadata.id)
	if err != nil {
		return nil, err
	}
	f, err := getFrame(w.node.db, entry.position)
	if err != nil {
		return nil, err
	}
	events := f.all()
	return events[len(events)-1].Data, nil
}

// lastData returns the data of the last event of the group's frame at a position.
func (g *group) lastData(position uint64) []byte {
	for i := range g.frames {
		if g.frames[i].position == position {
			f := copyFrame(g.frames[i].frame)
			events := f.all()
			return events[len(events)-1].Data
		}
	}
	return nil
}
