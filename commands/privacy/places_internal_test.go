package privacy

import (
	"context"
	"errors"
	"testing"

	"github.com/oklog/ulid/v2"
)

// interrupted is a store in which something happens before the first key is destroyed.
type interrupted struct {
	SheetStore
	first func()
}

// Destroy implements SheetStore.
func (i *interrupted) Destroy(ctx context.Context, id string, slots ...int) (bool, error) {
	if first := i.first; first != nil {
		i.first = nil
		first()
	}
	return i.SheetStore.Destroy(ctx, id, slots...)
}

// TestPlaces_MovedWhileDestroying: a sheet that leaves a place for one that was looked into already is found there.
func TestPlaces_MovedWhileDestroying(t *testing.T) {
	t.Parallel()
	master, err := NewLocalMaster(make([]byte, KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	id, target, source := ulid.Make().String(), folder{dir: t.TempDir()}, folder{dir: t.TempDir()}
	made, _, _, err := newSheet(t.Context(), id, master)
	if err == nil {
		err = source.Create(t.Context(), id, made)
	}
	if err != nil {
		t.Fatal(err)
	}
	both := places{target, &interrupted{SheetStore: source, first: func() {
		if moved, err := move(t.Context(), id, source, target); err != nil || !moved {
			t.Errorf("moved %t, %v", moved, err)
		}
	}}}
	if _, err := both.Destroy(t.Context(), id, 7); err != nil {
		t.Fatal(err)
	}
	there, err := both.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sheet(there).key(7); !errors.Is(err, ErrErased) {
		t.Errorf("the key in the target: %v", err)
	}
}
