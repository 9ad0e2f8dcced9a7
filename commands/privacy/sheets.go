package privacy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/oklog/ulid/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// A sheet is a file of a header and slots. The header holds the sheet's own key, wrapped by the master key;
// each slot a key that is encrypted under it, or zeros when that was destroyed.
const (
	sheetMagic  = "ledger-keys-2\n"
	headerBytes = 4096
	slotMagic   = "key1"
	slotBytes   = 64 // of which no write of a disk's sector leaves half
	slots       = 1024
	sheetBytes  = headerBytes + slots*slotBytes
	// refillAt is how many keys are left when the next sheet is made: before anybody has to wait for it.
	refillAt = slots / 2
	// sheetKeysMax is of how many sheets the keys stay unwrapped in memory.
	sheetKeysMax = 1024
)

// Sheets keeps keys on sheets that are written and synced before a key of theirs is handed out: taking a key
// touches no disk, and a KMS is asked once for many keys. A process writes sheets of its own and hands each key
// out once; what it did not hand out is never used. It is safe for use by many goroutines and processes.
type Sheets struct {
	dir    string
	master MasterKey
	opened *lru.Cache[string, *subtle.AESGCM] // keys of sheets by name

	making sync.Mutex // held while a sheet is made
	mu     sync.Mutex
	free   []freeKey
}

type freeKey struct {
	name string
	key  []byte
}

// NewSheets uses a folder, which is made for the owner only. The first key that is taken makes a sheet.
func NewSheets(dir string, master MasterKey) (*Sheets, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	// The folder's name, what stands beside it, such as a master key that was just made, and the name of the vault are to
	// survive a power failure as the keys do.
	vault := filepath.Dir(dir)
	if err := errors.Join(syncDir(vault), syncDir(filepath.Dir(vault))); err != nil {
		return nil, err
	}
	opened, err := lru.New[string, *subtle.AESGCM](sheetKeysMax)
	if err != nil {
		return nil, err
	}
	return &Sheets{dir: dir, master: master, opened: opened}, nil
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

// refill makes a sheet, unless more keys than enough are left.
func (s *Sheets) refill(ctx context.Context, enough int) error {
	s.making.Lock()
	defer s.making.Unlock()
	s.mu.Lock()
	left := len(s.free)
	s.mu.Unlock()
	if left > enough {
		return nil
	}
	keys, err := s.newSheet(ctx)
	if err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(keys, s.free...)
	return nil
}

// newSheet writes a sheet. One that a crash leaves half is never used: nobody has its name.
func (s *Sheets) newSheet(ctx context.Context) ([]freeKey, error) {
	name := ulid.Make().String()
	secret := make([]byte, KeyBytes)
	_, _ = rand.Read(secret) // never fails
	wrapped, err := s.master.Wrap(ctx, secret, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("wrap the key of a sheet: %w", err)
	}
	aead, err := subtle.NewAESGCM(secret)
	if err != nil {
		return nil, err
	}
	head := append([]byte(sheetMagic), binary.BigEndian.AppendUint16(nil, uint16(len(wrapped)))...)
	if head = append(head, wrapped...); len(head) > headerBytes {
		return nil, fmt.Errorf("a wrapped key of %d bytes is too long", len(wrapped))
	}
	sheet := append(head, make([]byte, headerBytes-len(head))...)
	keys := make([]freeKey, slots)
	for i := range keys {
		k := freeKey{name: name + "." + strconv.Itoa(i), key: make([]byte, KeyBytes)}
		_, _ = rand.Read(k.key) // never fails
		encrypted, err := aead.Encrypt(k.key, []byte(k.name))
		if err != nil {
			return nil, err
		}
		sheet = append(append(sheet, slotMagic...), encrypted...)
		keys[i] = k
	}
	if err := errors.Join(writeNew(s.path(name), sheet), syncDir(s.dir)); err != nil {
		return nil, err
	}
	s.opened.Add(name, aead)
	return keys, nil
}

// writeNew makes a file, durably but for its name, and never replaces one.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (s *Sheets) path(sheet string) string { return filepath.Join(s.dir, sheet) }

// parseName splits the name of a key.
func parseName(name string) (sheet string, at int64, err error) {
	sheet, text, _ := strings.Cut(name, ".")
	id, err := ulid.ParseStrict(sheet)
	slot, slotErr := strconv.ParseUint(text, 10, 16)
	if err != nil || slotErr != nil || slot >= slots || id.String()+"."+strconv.FormatUint(slot, 10) != name {
		return "", 0, fmt.Errorf("%w: %q is the name of none", ErrNoKey, name)
	}
	return sheet, headerBytes + int64(slot)*slotBytes, nil
}

// Key implements Keys.
func (s *Sheets) Key(ctx context.Context, name string) ([]byte, error) {
	sheet, at, err := parseName(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(sheet))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	slot := make([]byte, slotBytes)
	if _, err := f.ReadAt(slot, at); err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	if isDestroyed(slot) {
		head := make([]byte, len(sheetMagic))
		if _, err := f.ReadAt(head, 0); err != nil || string(head) != sheetMagic { // the disk lost more than a key
			return nil, fmt.Errorf("read key %s: %w", name, errDamagedSheet)
		}
		return nil, ErrErased
	}
	encrypted, ok := bytes.CutPrefix(slot, []byte(slotMagic))
	if !ok {
		return nil, fmt.Errorf("read key %s: %w", name, errDamagedSheet)
	}
	aead, err := s.keyOf(ctx, f, sheet)
	if err != nil {
		return nil, err
	}
	key, err := aead.Decrypt(encrypted, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w: %w", name, errDamagedSheet, err)
	}
	return key, nil
}

// isDestroyed tells whether a slot had a key that was destroyed; what is neither that nor a key is damage.
func isDestroyed(slot []byte) bool { return len(bytes.Trim(slot, "\x00")) == 0 }

// keyOf unwraps the key of a sheet.
func (s *Sheets) keyOf(ctx context.Context, sheet io.ReaderAt, name string) (*subtle.AESGCM, error) {
	if aead, ok := s.opened.Get(name); ok {
		return aead, nil
	}
	head := make([]byte, headerBytes)
	if _, err := sheet.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read sheet %s: %w", name, err)
	}
	rest, ok := bytes.CutPrefix(head, []byte(sheetMagic))
	size := int(binary.BigEndian.Uint16(rest))
	if !ok || size > len(rest)-2 {
		return nil, fmt.Errorf("sheet %s is none", name)
	}
	key, err := s.master.Unwrap(ctx, rest[2:2+size], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("unwrap the key of sheet %s: %w", name, err)
	}
	aead, err := subtle.NewAESGCM(key)
	if err == nil {
		s.opened.Add(name, aead)
	}
	return aead, err
}

// Destroy implements Keys: zeros are written over the key, in place.
func (s *Sheets) Destroy(_ context.Context, name string) error {
	sheet, at, err := parseName(name)
	if err != nil {
		return err
	}
	if err := overwrite(s.path(sheet), at, slotBytes); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return ErrNoKey
}
