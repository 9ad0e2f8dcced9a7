package privacy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/oklog/ulid/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

const (
	// refillAt is how many keys are left when the next sheet is made: before anybody has to wait for it.
	refillAt = slots / 2
	// sheetKeysMax is of how many sheets the keys stay unwrapped in memory.
	sheetKeysMax = 1024
	// rememberedSheetsMax is how many sheets a reader of many keys remembers: 16 MiB.
	rememberedSheetsMax = 256
)

// Sheets keeps keys on sheets that are durable before a key of theirs is handed out: taking a key touches neither disk
// nor network, and a KMS is asked once for many keys. A process makes sheets of its own and hands each key
// out once; what it did not hand out is never used. It is safe for use by many goroutines and processes.
type Sheets struct {
	store  SheetStore
	master MasterKey
	opened *lru.Cache[string, *subtle.AESGCM] // keys of sheets by name
	// remembered are sheets as they were read; nil for one who wants them as they are.
	remembered *lru.Cache[string, sheet]

	making sync.Mutex // held while a sheet is made
	mu     sync.Mutex
	free   []freeKey
}

type freeKey struct {
	name string
	key  []byte
}

// NewSheets keeps sheets in a store. The first key that is taken makes a sheet.
func NewSheets(store SheetStore, master MasterKey) (*Sheets, error) {
	opened, err := lru.New[string, *subtle.AESGCM](sheetKeysMax)
	if err != nil {
		return nil, err
	}
	return &Sheets{store: store, master: master, opened: opened}, nil
}

// remembering reads the same keys for one who reads many: what is destroyed meanwhile may still be read.
func (s *Sheets) remembering() (*Sheets, error) {
	remembered, err := lru.New[string, sheet](rememberedSheetsMax)
	if err != nil {
		return nil, err
	}
	return &Sheets{store: s.store, master: s.master, opened: s.opened, remembered: remembered}, nil
}

// Take implements Keys.
func (s *Sheets) Take(ctx context.Context) (string, []byte, error) {
	for {
		taken, left, ok := s.take()
		if ok && left == refillAt {
			_ = s.refill(ctx, refillAt) // whoever finds no key left tries again, and tells
		}
		if ok {
			return taken.name, taken.key, nil
		}
		if err := s.refill(ctx, 0); err != nil {
			return "", nil, err
		}
	}
}

func (s *Sheets) take() (taken freeKey, left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left = len(s.free) - 1
	if left < 0 {
		return freeKey{}, 0, false
	}
	taken, s.free[left] = s.free[left], freeKey{} // nothing here remembers it
	s.free = s.free[:left]
	return taken, left, true
}

// refill makes a sheet, unless more keys than enough are left. One that a crash leaves half is never used: nobody has
// its name.
func (s *Sheets) refill(ctx context.Context, enough int) error {
	s.making.Lock()
	defer s.making.Unlock()
	s.mu.Lock()
	left := len(s.free)
	s.mu.Unlock()
	if left > enough {
		return nil
	}
	id := ulid.Make().String()
	made, aead, keys, err := newSheet(ctx, id, s.master)
	if err == nil {
		err = s.store.Create(ctx, id, made)
	}
	if err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	s.opened.Add(id, aead)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(keys, s.free...)
	return nil
}

// Key implements Keys.
func (s *Sheets) Key(ctx context.Context, name string) ([]byte, error) {
	id, slot, err := parseName(name)
	if err != nil {
		return nil, err
	}
	on, err := s.load(ctx, id)
	if errors.Is(err, ErrNoSheet) {
		return nil, ErrNoKey
	}
	if err == nil {
		err = on.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	encrypted, err := on.key(slot)
	if errors.Is(err, ErrErased) {
		return nil, ErrErased
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	aead, err := s.keyOf(ctx, id, on)
	if err != nil {
		return nil, err
	}
	key, err := aead.Decrypt(encrypted, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w: %w", name, errDamagedSheet, err)
	}
	return key, nil
}

func (s *Sheets) load(ctx context.Context, id string) (sheet, error) {
	if s.remembered == nil {
		return s.store.Load(ctx, id)
	}
	if on, ok := s.remembered.Get(id); ok {
		return on, nil
	}
	on, err := s.store.Load(ctx, id)
	if err == nil {
		s.remembered.Add(id, on)
	}
	return on, err
}

// keyOf unwraps the key of a sheet.
func (s *Sheets) keyOf(ctx context.Context, id string, on sheet) (*subtle.AESGCM, error) {
	if aead, ok := s.opened.Get(id); ok {
		return aead, nil
	}
	wrapped, err := on.wrapped()
	if err != nil {
		return nil, fmt.Errorf("read sheet %s: %w", id, err)
	}
	key, err := s.master.Unwrap(ctx, wrapped, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("unwrap the key of sheet %s: %w", id, err)
	}
	aead, err := subtle.NewAESGCM(key)
	if err == nil {
		s.opened.Add(id, aead)
	}
	return aead, err
}

// Destroy implements Keys.
func (s *Sheets) Destroy(ctx context.Context, names ...string) (hidden int, err error) {
	on := map[string][]int{}
	for _, name := range names {
		id, slot, err := parseName(name)
		if err != nil {
			return 0, err
		}
		on[id] = append(on[id], slot)
	}
	missing := false
	for id, slots := range on {
		here, err := s.store.Destroy(ctx, id, slots...)
		if err != nil && !errors.Is(err, ErrNoSheet) {
			return hidden, err
		}
		missing = missing || err != nil
		if here {
			hidden += len(slots)
		}
	}
	if missing {
		return hidden, ErrNoKey
	}
	return hidden, nil
}
