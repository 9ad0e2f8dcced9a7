package app

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// exportsStream is where exports are recorded.
const exportsStream = "exports-default"

// ExportKey opens the key that signs manifests of exports; it is made when there is none.
func ExportKey(s config.Settings) (ed25519.PrivateKey, error) {
	if err := os.MkdirAll(s.KeysDir(), 0o700); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	seed, err := ownSecret(s.KeysDir(), "export.key")
	if err != nil {
		return nil, fmt.Errorf("key of exports: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ExportProduced is the event that records an export: its manifest, and who made it.
type ExportProduced struct {
	Manifest json.RawMessage `json:"manifest"`
	// Path is the file, or the folder of a lake, on the machine that exported; empty when it went elsewhere. Erasures
	// search it.
	Path  string `json:"path,omitempty" required:"false" doc:"Where it was written, an absolute path; of the owner of the data directory only."`
	Actor string `json:"actor" required:"false" doc:"Who exported; a token with the scope operations speaks for its own name."`
}

// ErrExport says that what was said to be exported cannot be recorded as such.
var ErrExport = errors.New("export")

// PublicKey is the key of ExportKey's signatures, as manifests name it.
func PublicKey(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
}

// RecordExport appends that something was exported. Its manifest must be signed by this ledger's own key,
// publicKey, so that nobody who may only record can record what was not exported; and of a lake it must not be
// older than the one of that key that is recorded. Errors: ErrExport.
func RecordExport(ctx context.Context, log interface {
	eventstore.Appender
	eventstore.Reader
}, publicKey string, e ExportProduced, now time.Time,
) error {
	mark, err := export.ParseManifest(e.Manifest)
	if err == nil && mark.PublicKey != publicKey {
		err = fmt.Errorf("%w: it is signed by %s, and this ledger's key is %s", export.ErrNotProven, mark.PublicKey, publicKey)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrExport, err)
	}
	if mark.Lake != "" {
		recorded, err := RecordedLake(ctx, log, publicKey, mark.Lake)
		if err != nil {
			return err
		}
		if recorded.PublicKey == publicKey && (mark.Number < recorded.Number || mark.Number == recorded.Number && mark.Signature != recorded.Signature) {
			return fmt.Errorf("%w: manifest %d of lake %s is recorded already, and this is another one, number %d", ErrExport, recorded.Number, mark.Lake, mark.Number)
		}
	}
	event, err := operatorEvent("ExportProduced", e, e.Actor, now)
	if err != nil {
		return err
	}
	if _, err := log.Append(ctx, exportsStream, eventstore.Any, event); err != nil {
		return fmt.Errorf("record the export: %w", err)
	}
	return nil
}

// RecordedLake is the newest manifest of a lake that the log has a record of, zero when there is none. One that
// publicKey signed goes before all others: those are of the key before this one, or of an earlier version, which
// recorded what anybody had signed.
func RecordedLake(ctx context.Context, log eventstore.Reader, publicKey, lake string) (export.LakeMark, error) {
	var others export.LakeMark
	for e, err := range log.ReadStream(ctx, exportsStream, eventstore.StreamRead{Direction: eventstore.Backwards}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return export.LakeMark{}, fmt.Errorf("read what was exported: %w", err)
		}
		var produced ExportProduced
		if json.Unmarshal(e.Data, &produced) != nil {
			continue
		}
		mark, err := export.ParseManifest(produced.Manifest)
		if err != nil || mark.Lake != lake || lake == "" {
			continue
		}
		if mark.PublicKey == publicKey {
			return mark, nil
		}
		if others.Lake == "" {
			others = mark
		}
	}
	return others, nil
}

// operatorEvent is an event about the ledger itself that somebody made now.
func operatorEvent(eventType string, about any, actor string, now time.Time) (eventstore.EventData, error) {
	now = now.UTC().Truncate(time.Microsecond)
	data, err := json.Marshal(about)
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode %s: %w", eventType, err)
	}
	id := uuid.New()
	metadata, err := json.Marshal(order.Metadata{
		LedgerID: id.String(), Schema: 1, OccurredAt: now, OccurredAtBasis: order.BasisOperator, RecordedAt: now, Source: "manual", Actor: actor,
	})
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode %s: %w", eventType, err)
	}
	return eventstore.EventData{ID: id, Type: eventType, JSON: true, Data: data, Metadata: metadata}, nil
}
