package protocol

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/order-ledger/order-ledger/eventstore"
)

// setTrailer adds trailers to a unary call. It can only fail outside of one.
func setTrailer(ctx context.Context, trailers metadata.MD) { _ = grpc.SetTrailer(ctx, trailers) }

func wireUUID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func parseUUID(w *shared.UUID) (uuid.UUID, error) {
	if text := w.GetString_(); text != "" {
		id, err := uuid.Parse(text)
		if err != nil {
			return uuid.Nil, fmt.Errorf("parse event id: %w", err)
		}
		return id, nil
	}
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(w.GetStructured().GetMostSignificantBits()))
	binary.BigEndian.PutUint64(id[8:], uint64(w.GetStructured().GetLeastSignificantBits()))
	return id, nil
}

const (
	contentJSON   = "application/json"
	contentBinary = "application/octet-stream"
)

// wireEvent encodes a recorded event. Clients end their process when
// "created" is missing.
func wireEvent(e *eventstore.RecordedEvent, uuidAsText bool) *streams.ReadResp_ReadEvent_RecordedEvent {
	content := contentBinary
	if e.JSON {
		content = contentJSON
	}
	id := wireUUID(e.ID)
	if uuidAsText {
		id = &shared.UUID{Value: &shared.UUID_String_{String_: e.ID.String()}}
	}
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: id, StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(e.Stream)}, StreamRevision: e.Revision,
		PreparePosition: e.Position.Prepare, CommitPosition: e.Position.Commit,
		Metadata: map[string]string{
			"type": strings.ToValidUTF8(e.Type, "\uFFFD"), "content-type": content, "created": strconv.FormatInt(e.Created.UnixNano()/100, 10),
		},
		CustomMetadata: e.Metadata, Data: e.Data,
	}
}
