package privacy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// A sheet is a header and slots. The header holds the sheet's own key, wrapped by the master key; each slot a key that
// is encrypted under it, or the mark of one that was destroyed.
//
//	header   magic, length of the wrapped key, wrapped key, zeros, CRC32C of what is before
//	slot     CRC32C of the slot's number and of the rest, rest: nonce, encrypted key, tag; or destroyedKey
//
// The checksums tell a key that was destroyed from one that the disk lost. Sheets of form 2 have neither: their slots
// begin with slotMagic2, and zeros are a destroyed key.
const (
	sheetMagic  = "ledger-keys-3\n"
	sheetMagic2 = "ledger-keys-2\n"
	slotMagic2  = "key1"
	headerBytes = 4096
	slotBytes   = 64 // of which no write of a disk's sector leaves half
	crcBytes    = 4
	slots       = 1024
	sheetBytes  = headerBytes + slots*slotBytes
	// wrappedMax is the longest wrapped key that a header takes, in bytes.
	wrappedMax = headerBytes - len(sheetMagic) - 2 - crcBytes
)

// destroyedKey stands in a slot whose key was destroyed; it is as long as what stands in the others.
const destroyedKey = "this key was destroyed, and nothing brings it back; ledger -"

var _ = [1]struct{}{}[len(destroyedKey)-(slotBytes-crcBytes)] // a constant of another length does not compile

// errDamagedSheet says that a sheet, or a slot of it, is not what was written.
var errDamagedSheet = errors.New("a sheet of keys is damaged")

// sheet is one as it is kept.
type sheet []byte

// newSheet makes a sheet full of keys.
func newSheet(ctx context.Context, id string, master MasterKey) (sheet, *subtle.AESGCM, []freeKey, error) {
	secret := make([]byte, KeyBytes)
	_, _ = rand.Read(secret) // never fails
	wrapped, err := master.Wrap(ctx, secret, []byte(id))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("wrap the key of a sheet: %w", err)
	}
	if len(wrapped) > wrappedMax {
		return nil, nil, nil, fmt.Errorf("a wrapped key of %d bytes is too long", len(wrapped))
	}
	aead, err := subtle.NewAESGCM(secret)
	if err != nil {
		return nil, nil, nil, err
	}
	s := make(sheet, sheetBytes)
	n := copy(s, sheetMagic)
	binary.BigEndian.PutUint16(s[n:], uint16(len(wrapped)))
	copy(s[n+2:], wrapped)
	binary.BigEndian.PutUint32(s[headerBytes-crcBytes:], s.headerSum())
	keys := make([]freeKey, slots)
	for slot := range keys {
		k := freeKey{name: keyName(id, slot), key: make([]byte, KeyBytes)}
		_, _ = rand.Read(k.key) // never fails
		encrypted, err := aead.Encrypt(k.key, []byte(k.name))
		if err != nil {
			return nil, nil, nil, err
		}
		s.fill(slot, encrypted)
		keys[slot] = k
	}
	return s, aead, keys, nil
}

func keyName(sheet string, slot int) string { return sheet + "." + strconv.Itoa(slot) }

// parseName splits the name of a key.
func parseName(name string) (sheet string, slot int, err error) {
	sheet, text, _ := strings.Cut(name, ".")
	number, slotErr := strconv.ParseUint(text, 10, 16)
	if slotErr != nil || number >= slots || !isSheetID(sheet) || keyName(sheet, int(number)) != name {
		return "", 0, fmt.Errorf("%w: %q is the name of none", ErrNoKey, name)
	}
	return sheet, int(number), nil
}

// isSheetID tells the name of a sheet, which becomes that of a file or a stream.
func isSheetID(text string) bool {
	id, err := ulid.ParseStrict(text)
	return err == nil && id.String() == text
}

// check tells whether it is a sheet, with a header that is what was written.
func (s sheet) check() error {
	if len(s) != sheetBytes || !s.isForm2() && (!bytes.HasPrefix(s, []byte(sheetMagic)) || binary.BigEndian.Uint32(s[headerBytes-crcBytes:]) != s.headerSum()) {
		return errDamagedSheet
	}
	return nil
}

func (s sheet) isForm2() bool { return bytes.HasPrefix(s, []byte(sheetMagic2)) }

func (s sheet) header() []byte { return s[:headerBytes] }

func (s sheet) headerSum() uint32 { return castagnoli(0, s[:headerBytes-crcBytes]) }

// wrapped is the sheet's own key, wrapped by the master key.
func (s sheet) wrapped() ([]byte, error) {
	rest := s[len(sheetMagic):headerBytes]
	size := int(binary.BigEndian.Uint16(rest))
	if size > wrappedMax {
		return nil, errDamagedSheet
	}
	return rest[2 : 2+size], nil
}

func (s sheet) slot(slot int) []byte {
	return s[headerBytes+slot*slotBytes : headerBytes+(slot+1)*slotBytes]
}

// key is the encrypted key in a slot. Errors: ErrErased; a slot that holds neither a key nor the mark of a destroyed
// one is damaged.
func (s sheet) key(slot int) ([]byte, error) {
	text := s.slot(slot)
	rest := text[crcBytes:]
	sound := binary.BigEndian.Uint32(text) == slotSum(slot, rest)
	switch {
	case sound && string(rest) == destroyedKey, s.isForm2() && len(bytes.Trim(text, "\x00")) == 0:
		return nil, ErrErased
	case s.isForm2() && bytes.HasPrefix(text, []byte(slotMagic2)), sound && !s.isForm2():
		return rest, nil
	}
	return nil, errDamagedSheet
}

// fill puts the rest of a slot in place, and the checksum before it.
func (s sheet) fill(slot int, rest []byte) {
	text := s.slot(slot)
	binary.BigEndian.PutUint32(text, slotSum(slot, rest))
	copy(text[crcBytes:], rest)
}

// destroy marks the keys of slots as destroyed, and tells which of them were not.
func (s sheet) destroy(which []int) (gone []int) {
	for _, slot := range which {
		if _, err := s.key(slot); !errors.Is(err, ErrErased) {
			s.fill(slot, []byte(destroyedKey))
			gone = append(gone, slot)
		}
	}
	return gone
}

// inspect tells which keys are destroyed, and which are neither that nor a key.
func (s sheet) inspect() (destroyed, damaged []int) {
	for slot := range slots {
		switch _, err := s.key(slot); {
		case errors.Is(err, ErrErased):
			destroyed = append(destroyed, slot)
		case err != nil:
			damaged = append(damaged, slot)
		}
	}
	return destroyed, damaged
}

func slotSum(slot int, rest []byte) uint32 {
	return castagnoli(castagnoli(0, binary.BigEndian.AppendUint16(nil, uint16(slot))), rest)
}

func castagnoli(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
}
