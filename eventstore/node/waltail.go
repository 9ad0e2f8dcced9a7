package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DamagedLogError says that the write-ahead log has a record that cannot be read, although it was synced:
// what a crash cannot have caused. Going on would lose what was acknowledged; a backup has it.
type DamagedLogError struct {
	File   string
	Offset int64 // of the first record that cannot be read
}

func (e *DamagedLogError) Error() string {
	return fmt.Sprintf("write-ahead log %s is damaged at byte %d, and records behind it are sound; restore a backup", e.File, e.Offset)
}

// The write-ahead log as Pebble writes it: blocks of chunks, each with
//
//	CRC32C (masked) · payload bytes · encoding · log number · offset up to which the log was synced
//	       4        ·       2       ·    1     ·      4     ·                  8
const (
	walBlockBytes  = 32 << 10
	walHeaderBytes = 19
	// Encodings of chunks that carry the synced offset.
	walSyncFull, walSyncLast = 9, 12
)

// checkLogTail looks for damage in the newest write-ahead log: a record that cannot be read, although one behind it
// proves that it was synced. Pebble looks for the proof in the blocks behind the one with the damage only, and so would take a
// flipped bit in the newest block for the torn end of a crash, and drop whatever the block holds behind it.
func checkLogTail(fs vfs.FS, dir string) (err error) {
	name, number := newestLog(fs, dir)
	if name == "" {
		return nil
	}
	f, err := fs.Open(fs.PathJoin(dir, name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, walBlockBytes)
	invalid := int64(-1) // where the first record is that cannot be read
	for start := int64(0); ; start += walBlockBytes {
		n, err := io.ReadFull(f, block)
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		b := block[:n]
		at, behind := 0, invalid >= 0
		if !behind {
			at = soundChunks(b, number)
			if len(b)-at < walHeaderBytes && n == walBlockBytes {
				continue // the block is full
			}
			invalid = start + int64(at)
		}
		for at+walHeaderBytes <= len(b) {
			size, synced := soundChunk(b[at:], number)
			if size > 0 && synced > uint64(invalid) {
				return &DamagedLogError{File: name, Offset: invalid}
			}
			if size == 0 && behind {
				break // every block begins with a record
			}
			at += max(size, 1)
		}
	}
}

// newestLog finds the log that Pebble replays last; empty when there is none.
func newestLog(fs vfs.FS, dir string) (name string, number uint32) {
	files, err := fs.List(dir)
	if err != nil { // a log that is not there yet
		return "", 0
	}
	newest := uint64(0)
	for _, file := range files {
		digits, ok := strings.CutSuffix(filepath.Base(file), ".log")
		n, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && n >= newest {
			name, newest = file, n
		}
	}
	return name, uint32(newest)
}

// soundChunks tells how many bytes at the beginning of a block are sound chunks.
func soundChunks(b []byte, number uint32) (end int) {
	for end+walHeaderBytes <= len(b) {
		size, _ := soundChunk(b[end:], number)
		if size == 0 {
			break
		}
		end += size
	}
	return end
}

// soundChunk reads the chunk at the beginning of b: its size, and up to where the log was synced when it
// was written. The size is 0 when there is none.
func soundChunk(b []byte, number uint32) (size int, synced uint64) {
	if b[6] < walSyncFull || b[6] > walSyncLast || binary.LittleEndian.Uint32(b[7:]) != number {
		return 0, 0
	}
	size = walHeaderBytes + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) {
		return 0, 0
	}
	crc := crc32.Checksum(b[6:size], crc32.MakeTable(crc32.Castagnoli))
	if binary.LittleEndian.Uint32(b) != (crc>>15|crc<<17)+0xa282ead8 {
		return 0, 0
	}
	return size, binary.LittleEndian.Uint64(b[11:])
}
