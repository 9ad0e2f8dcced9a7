package privacy

import (
	"context"
	"errors"
	"iter"
)

var (
	// ErrNoSheet says that there is no sheet of keys with a name.
	ErrNoSheet = errors.New("there is no such sheet of keys")
	// ErrSheetExists says that a sheet with the name is there already; it was left as it is.
	ErrSheetExists = errors.New("a sheet of keys with this name is there already")
)

// SheetStore is where sheets of keys are kept. What it returns from is durable. It is safe for use by many goroutines
// and processes. Names of sheets are ULIDs.
type SheetStore interface {
	// Create keeps a new sheet. Errors: ErrSheetExists.
	Create(ctx context.Context, id string, sheet []byte) error
	// Load returns a sheet as it is now; the bytes belong to the caller. Errors: ErrNoSheet.
	Load(ctx context.Context, id string) ([]byte, error)
	// List yields the names of all sheets; Load may still answer ErrNoSheet about one.
	List(ctx context.Context) iter.Seq2[string, error]
	// Destroy destroys keys of a sheet by the numbers of their slots, whoever else changes the sheet meanwhile. Nobody
	// can load them any more; hidden says that the bytes stay in files of the event store until it scavenges them.
	// Errors: ErrNoSheet.
	Destroy(ctx context.Context, id string, slots ...int) (hidden bool, err error)
	// Remove takes a sheet away with all its keys, once it is kept elsewhere. One that is gone is no error.
	Remove(ctx context.Context, id string) error
}

// places are several SheetStores as one: new sheets go to the first, and all are looked into. A sheet may be on its way
// from one to another, see move: it stands in the target before it leaves its source.
type places []SheetStore

// Create implements SheetStore.
func (p places) Create(ctx context.Context, id string, sheet []byte) error {
	return p[0].Create(ctx, id, sheet)
}

// Load implements SheetStore. What is destroyed in one place is destroyed: the other may have a copy whose maker was
// killed before he could destroy it there too.
func (p places) Load(ctx context.Context, id string) ([]byte, error) {
	for range 2 { // what left the one place while the other was looked into is in the one that was looked into first
		var found sheet
		for _, place := range p {
			there, err := place.Load(ctx, id)
			switch {
			case errors.Is(err, ErrNoSheet):
				continue
			case err != nil:
				return nil, err
			case found == nil:
				found = there
			case found.check() == nil && sheet(there).check() == nil:
				destroyed, _ := sheet(there).inspect()
				found.destroy(destroyed)
			}
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, ErrNoSheet
}

// List implements SheetStore.
func (p places) List(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, place := range p {
			for id, err := range place.List(ctx) {
				if !yield(id, err) || err != nil {
					return
				}
			}
		}
	}
}

// Destroy implements SheetStore: wherever the sheet is. The second round finds the target of a sheet that was on its
// way: it was made either before the key was destroyed in the source, or from a source in which it was.
func (p places) Destroy(ctx context.Context, id string, slots ...int) (hidden bool, err error) {
	found := false
	for range 2 {
		for _, place := range p {
			here, err := place.Destroy(ctx, id, slots...)
			if err != nil && !errors.Is(err, ErrNoSheet) {
				return hidden, err
			}
			found, hidden = found || err == nil, hidden || here
		}
	}
	if !found {
		return false, ErrNoSheet
	}
	return hidden, nil
}

// Remove implements SheetStore.
func (p places) Remove(ctx context.Context, id string) error {
	for _, place := range p {
		if err := place.Remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
