package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// anchor names one event so that it is recognised in the log that it was read from, and in no other: a
// position alone means something else in a log that was restored or copied, and two ledgers that are told
// the same give it the same id. The zero value is no event.
type anchor struct {
	stream   string
	revision uint64
	digest   []byte
}

func anchorOf(e *eventstore.RecordedEvent) anchor {
	h := sha256.New()
	for _, part := range [][]byte{e.ID[:], []byte(e.Stream), []byte(e.Type), e.Data, e.Metadata} { // the metadata say when and as what it was recorded
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // a digest takes everything
		_, _ = h.Write(part)
	}
	return anchor{stream: e.Stream, revision: e.Revision, digest: h.Sum(nil)}
}

func (a anchor) isZero() bool { return len(a.digest) == 0 }

// stands tells whether a log has the event of the anchor at a position.
func (a anchor) stands(ctx context.Context, log eventstore.Reader, at eventstore.Position) (bool, error) {
	for e, err := range log.ReadStream(ctx, a.stream, eventstore.StreamRead{From: &a.revision, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read stream %q: %w", a.stream, err)
		}
		return e.Revision == a.revision && e.Position == at && bytes.Equal(anchorOf(&e).digest, a.digest), nil
	}
	return false, nil
}

// eventAt is the event at exactly a position; nil when there is none.
func eventAt(ctx context.Context, log eventstore.Reader, at eventstore.Position) (*eventstore.RecordedEvent, error) {
	for e, err := range log.ReadAll(ctx, eventstore.AllRead{From: &at, Count: 1}) {
		if errors.Is(err, eventstore.ErrInvalid) { // beyond the end
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the log at %s: %w", at, err)
		}
		if e.Position == at {
			return &e, nil
		}
		return nil, nil
	}
	return nil, nil
}

// lastOfOrders is the last event of an order before a position, nil being the end of the log; nil when there is
// none. Others are no anchors: their streams may be cut short.
func lastOfOrders(ctx context.Context, log eventstore.Reader, before *eventstore.Position) (*eventstore.RecordedEvent, error) {
	for e, err := range log.ReadAll(ctx, eventstore.AllRead{Direction: eventstore.Backwards, From: before}) {
		if err != nil {
			return nil, fmt.Errorf("read the log backwards: %w", err)
		}
		if isOrders(e.Stream) {
			return &e, nil
		}
	}
	return nil, nil
}

// isOrders tells the streams of orders of all kinds.
func isOrders(stream string) bool {
	category, _, _ := strings.Cut(stream, "-")
	return slices.Contains([]order.Category{order.CategoryOrder, order.CategoryPayout, order.CategoryTestOrder}, order.Category(category))
}
