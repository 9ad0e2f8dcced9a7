package pgbin_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/order-ledger/order-ledger/projections/localpg/internal/pgbin"
)

// repository serves, for every path, an archive of programs as the real one does: a zip file that
// holds a tar file compressed by xz, and its checksum.
func repository(t *testing.T, archive []byte, checksum string) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch {
		case archive == nil:
			http.NotFound(w, r)
		case strings.HasSuffix(r.URL.Path, ".sha256"):
			_, _ = io.WriteString(w, checksum)
		default:
			_, _ = w.Write(archive)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// programs are shell scripts that answer as a server of that version does.
func programs(t *testing.T, names ...string) []byte {
	t.Helper()
	var files bytes.Buffer
	writer := tar.NewWriter(&files)
	for _, name := range names {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) 17.5'\n"
		header := &tar.Header{Name: "bin/" + name, Mode: 0o700, Size: int64(len(script)), Typeflag: tar.TypeReg}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(writer, script); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	zipped := zip.NewWriter(&jar)
	entry, err := zipped.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(xz(files.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

// xz wraps data in the .xz format without compressing it (there is no writer in the standard library).
func xz(data []byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 1} // the check is CRC-32
	header := []byte{2, 0, 0x21, 1, 0x16, 0, 0, 0}
	var block []byte
	control := byte(1) // the first chunk resets the dictionary
	for rest := data; len(rest) > 0; control = 2 {
		chunk := rest[:min(len(rest), 1<<16)]
		rest = rest[len(chunk):]
		block = append(block, control)
		block = binary.BigEndian.AppendUint16(block, uint16(len(chunk)-1))
		block = append(block, chunk...)
	}
	block = append(block, 0)
	unpadded := len(header) + 4 + len(block) + 4
	for len(block)%4 != 0 {
		block = append(block, 0)
	}
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(unpadded))
	index = binary.AppendUvarint(index, uint64(len(data)))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = append(index, sum(index)...)
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	var out []byte
	for _, part := range [][]byte{
		{0xfd, '7', 'z', 'X', 'Z', 0}, flags, sum(flags), header, sum(header), block, sum(data), index,
		sum(footer), footer, {'Y', 'Z'},
	} {
		out = append(out, part...)
	}
	return out
}

func checksumOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}

// bare is a computer without PostgreSQL that really runs what was downloaded.
func bare() pgbin.Machine {
	m := machine{goos: "linux", release: "ID=debian\n"}.describe()
	m.Output = pgbin.This(func(*exec.Cmd) {}).Output
	return m
}

func TestChoose_DownloadsWhatIsNotInstalledOnce(t *testing.T) {
	t.Parallel()
	archive := programs(t, "initdb", "postgres", "pg_ctl")
	url, requests := repository(t, archive, checksumOf(archive))
	cache := filepath.Join(t.TempDir(), "cache")
	var told []string
	request := pgbin.Request{
		Progress: func(line string) { told = append(told, line) },
		Download: &pgbin.Downloader{Cache: cache, Repository: url, Shared: true},
	}
	b, err := pgbin.Choose(t.Context(), bare(), request)
	if err != nil {
		t.Fatal(err)
	}
	if b.Version != "17.5" || !strings.HasPrefix(b.Dir, cache) {
		t.Errorf("got %v", b)
	}
	if len(told) != 1 {
		t.Errorf("a person is told %q", told)
	}
	info, err := os.Stat(b.Path("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o755 {
		t.Errorf("the server's user needs to run a program of mode %v", got)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("the cache holds %v", entries)
	}
	before := requests.Load()
	if again, err := pgbin.Choose(t.Context(), bare(), request); err != nil || again != b {
		t.Errorf("the second time: %v, %v", again, err)
	}
	if requests.Load() != before {
		t.Error("downloaded twice")
	}
}

func TestChoose_FailedDownloadTellsBothWaysOut(t *testing.T) {
	t.Parallel()
	complete := programs(t, "initdb", "postgres", "pg_ctl")
	for name, tc := range map[string]struct {
		archive  []byte
		checksum string
		major    int
		want     string
	}{
		"NotFound":      {nil, "", 0, "no version found"},
		"WrongChecksum": {complete, strings.Repeat("0", 64), 0, "checksums do not match"},
		"Incomplete":    {programs(t, "pg_ctl"), checksumOf(programs(t, "pg_ctl")), 0, "holds no program initdb"},
		"UnknownMajor":  {complete, checksumOf(complete), 99, "no such download"},
		"NoArchive":     {[]byte("hello"), checksumOf([]byte("hello")), 0, "zip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := repository(t, tc.archive, tc.checksum)
			cache := t.TempDir()
			_, err := pgbin.Choose(t.Context(), bare(), pgbin.Request{
				Major: tc.major, Progress: func(string) {},
				Download: &pgbin.Downloader{Cache: cache, Repository: url},
			})
			var missing *pgbin.MissingError
			if !errors.As(err, &missing) {
				t.Fatalf("error = %v, want a MissingError", err)
			}
			for _, part := range []string{tc.want, "apt-get install postgresql", "LEDGER_DATABASE_URL"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("nothing about %q in: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("longer than a line: %v", err)
			}
			if entries, err := os.ReadDir(cache); err != nil || len(entries) != 0 {
				t.Errorf("the cache holds %v, %v", entries, err)
			}
		})
	}
}
