package privacy

import (
	"context"
	"errors"
	"fmt"
)

// Moved is what a Move did.
type Moved struct {
	Moved int `json:"moved"` // sheets
	// Left are the names of sheets that are damaged, and stay where they are.
	Left []string `json:"left,omitempty"`
}

// Move brings all sheets of keys to a place, where new ones have to be made from then on. It may be interrupted and begun
// again, and ledgers may go on, also erasing: a sheet leaves its source once the target has it and all that was destroyed,
// and there is no moment in which it is in neither. Keys of earlier versions, in files of their own, stay in the folder.
func (k KeyStore) Move(ctx context.Context, to Place) (done Moved, err error) {
	from := InFolder
	if to == InFolder {
		from = InStreams
	}
	source, target := k.in(from), k.in(to)
	if source == nil || target == nil {
		return done, errors.New("move keys: there is no event store")
	}
	if err := k.prepare(); err != nil {
		return done, err
	}
	for id, err := range source.List(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		var moved bool
		if err == nil {
			moved, err = move(ctx, id, source, target)
		}
		switch {
		case errors.Is(err, errDamagedSheet):
			done.Left = append(done.Left, id)
		case err != nil:
			return done, fmt.Errorf("move keys: %w", err)
		case moved:
			done.Moved++
		}
	}
	return done, nil
}

func move(ctx context.Context, id string, source, target SheetStore) (moved bool, err error) {
	on, err := source.Load(ctx, id)
	if errors.Is(err, ErrNoSheet) {
		return false, source.Remove(ctx, id) // one that was interrupted
	}
	if err != nil {
		return false, err
	}
	if err := sheet(on).check(); err != nil {
		return false, err
	}
	if err := target.Create(ctx, id, on); err != nil && !errors.Is(err, ErrSheetExists) {
		return false, err
	}
	// What is destroyed in the source from here on is destroyed in the target too by the one who does it: see places.
	if err := new(Merged).sheet(ctx, id, source, target); err != nil {
		return false, err
	}
	return true, source.Remove(ctx, id)
}
