package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// KeyStreamPrefix begins the names of all streams of keys.
	KeyStreamPrefix = "ledger-keys"
	// sheetsStream lists the sheets: one event for each that somebody began to write.
	sheetsStream = KeyStreamPrefix
	// sheetStreamPrefix and the name of a sheet are its stream, of which the newest event is the sheet.
	sheetStreamPrefix = sheetsStream + "-"

	sheetBegunType  = "KeySheetBegun"
	sheetStoredType = "KeySheetStored"
	sheetMovedType  = "KeySheetMoved"

	// replaceAttemptsMax bounds how often a sheet is read again as somebody else changed it.
	replaceAttemptsMax = 64
	replaceDelayMax    = 100 * time.Millisecond
)

// IsKeyStream tells the streams that hold keys, which say nothing about orders and are no part of what is read, sent or
// exported.
func IsKeyStream(name string) bool {
	name = strings.TrimPrefix(name, "$$")
	return name == sheetsStream || strings.HasPrefix(name, sheetStreamPrefix)
}

// Log is an event store that sheets may be kept in.
type Log interface {
	eventstore.Appender
	eventstore.Reader
}

// streams keeps each sheet in a stream of its own, as it would stand in a file. Of such a stream nobody is shown more
// than the newest event ($maxCount 1): destroying keys appends the sheet without them, which hides them at once, and
// the event store's next scavenge removes the older event from its files.
type streams struct{ log Log }

func sheetStream(id string) string { return sheetStreamPrefix + id }

// Create implements SheetStore. The stream is limited before it holds anything.
func (s streams) Create(ctx context.Context, id string, sheet []byte) error {
	stream := sheetStream(id)
	begun, err := json.Marshal(struct {
		Sheet string `json:"sheet"`
	}{id})
	if err != nil {
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	if _, err := s.log.Append(ctx, sheetsStream, eventstore.Any, eventstore.EventData{
		ID: uuid.NewSHA1(uuid.Nil, []byte(stream)), Type: sheetBegunType, JSON: true, Data: begun,
	}); err != nil {
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	var there *eventstore.WrongExpectedRevisionError
	_, err = s.log.Append(ctx, "$$"+stream, eventstore.NoStream, eventstore.EventData{
		ID: uuid.NewSHA1(uuid.Nil, []byte("$$"+stream)), Type: "$metadata", JSON: true, Data: []byte(`{"$maxCount":1}`),
	})
	if err != nil && !errors.As(err, &there) { // a sheet that comes back has its limit already
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	_, err = s.log.Append(ctx, stream, eventstore.NoStream, storedEvent(sheet))
	if errors.As(err, &there) {
		return s.createAgain(ctx, id, sheet)
	}
	if err != nil {
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	return nil
}

// createAgain keeps a sheet in a stream that has events: of the sheet, or, where a Remove was interrupted, of one that
// was moved away.
func (s streams) createAgain(ctx context.Context, id string, sheet []byte) error {
	_, revision, err := s.load(ctx, id)
	if errors.Is(err, ErrNoSheet) {
		var changed bool
		if changed, err = s.replace(ctx, id, revision, storedEvent(sheet)); err != nil || changed {
			return err
		}
	}
	if err != nil {
		return err
	}
	return ErrSheetExists
}

func storedEvent(sheet []byte) eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: sheetStoredType, Data: sheet}
}

// Load implements SheetStore.
func (s streams) Load(ctx context.Context, id string) ([]byte, error) {
	sheet, _, err := s.load(ctx, id)
	return sheet, err
}

// load returns a sheet and the revision that it stands at.
func (s streams) load(ctx context.Context, id string) ([]byte, uint64, error) {
	read := eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}
	for recorded, err := range s.log.ReadStream(ctx, sheetStream(id), read) {
		switch {
		case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, eventstore.ErrStreamDeleted):
			return nil, 0, ErrNoSheet
		case err != nil:
			return nil, 0, fmt.Errorf("read sheet of keys: %w", err)
		case recorded.Type == sheetMovedType:
			return nil, recorded.Revision, ErrNoSheet
		}
		return recorded.Data, recorded.Revision, nil
	}
	return nil, 0, ErrNoSheet
}

// List implements SheetStore.
func (s streams) List(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for recorded, err := range s.log.ReadStream(ctx, sheetsStream, eventstore.StreamRead{}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) {
				return
			}
			var begun struct {
				Sheet string `json:"sheet"`
			}
			if err == nil {
				err = json.Unmarshal(recorded.Data, &begun)
			}
			if err == nil && !isSheetID(begun.Sheet) {
				err = errors.New("it names none")
			}
			if err != nil {
				yield("", fmt.Errorf("read the list of sheets of keys: %w", err))
				return
			}
			if !yield(begun.Sheet, nil) {
				return
			}
		}
	}
}

// Destroy implements SheetStore.
func (s streams) Destroy(ctx context.Context, id string, slots ...int) (hidden bool, err error) {
	for attempt := range replaceAttemptsMax {
		text, revision, err := s.load(ctx, id)
		if err != nil {
			return false, err
		}
		if len(text) != sheetBytes { // whoever wrote it left no key; of a sheet with a damaged header the keys go all the same
			return false, ErrNoSheet
		}
		if len(sheet(text).destroy(slots)) == 0 {
			return true, nil // what is read is durable
		}
		if changed, err := s.replace(ctx, id, revision, storedEvent(text)); err != nil || changed {
			return true, err
		}
		if err := pause(ctx, attempt); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("destroy keys of sheet %s: %w: %d attempts lost against others", id, eventstore.ErrUnavailable, replaceAttemptsMax)
}

// replace puts an event in the place of a sheet at a revision; changed is false when it does not stand there any more.
func (s streams) replace(ctx context.Context, id string, revision uint64, with eventstore.EventData) (changed bool, err error) {
	_, err = s.log.Append(ctx, sheetStream(id), eventstore.Revision(revision), with)
	var other *eventstore.WrongExpectedRevisionError
	if errors.As(err, &other) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("change sheet of keys %s: %w", id, err)
	}
	return true, nil
}

// Remove implements SheetStore. The stream is not only deleted: a scavenge of EventStoreDB leaves the last event of such
// a stream, which must therefore not be the sheet.
func (s streams) Remove(ctx context.Context, id string) error {
	stream := sheetStream(id)
	for attempt := range replaceAttemptsMax {
		_, revision, err := s.load(ctx, id)
		if errors.Is(err, ErrNoSheet) {
			return nil
		}
		if err != nil {
			return err
		}
		gone := eventstore.EventData{ID: uuid.New(), Type: sheetMovedType, JSON: true, Data: []byte("{}")}
		changed, err := s.replace(ctx, id, revision, gone)
		if err != nil {
			return err
		}
		if !changed {
			if err := pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		// A soft delete that keeps the limit for a sheet that comes back.
		if _, err := s.log.Append(ctx, "$$"+stream, eventstore.Any, eventstore.EventData{
			ID: uuid.New(), Type: "$metadata", JSON: true, Data: fmt.Appendf(nil, `{"$maxCount":1,"$tb":%d}`, int64(math.MaxInt64)),
		}); err != nil {
			return fmt.Errorf("remove sheet of keys %s: %w", id, err)
		}
		return nil
	}
	return fmt.Errorf("remove sheet of keys %s: %w: %d attempts lost against others", id, eventstore.ErrUnavailable, replaceAttemptsMax)
}

// pause waits a jittered moment that grows with the attempts.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(rand.N(min(time.Millisecond<<min(attempt, 10), replaceDelayMax)) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
