package export

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// LakeJob appends what is new in a running ledger's feed to a folder of Parquet files, partitioned by the day
// of recording (UTC): DIR/day=2026-10-31/part-000007-1.parquet. Each run that finds something adds one
// manifest, DIR/_manifests/000007.json, after its files are durable; only files that a manifest names count.
type LakeJob struct {
	// URL is the ledger's; Token may be empty where reading the feed takes none.
	URL, Token string
	Dir        string
	Sign       ed25519.PrivateKey
	Said       func(events int64)
}

// LakeManifest says what one run added, and where it began and ended in the feed. It is signed like a
// Manifest.
type LakeManifest struct {
	Version int    `json:"version"`
	What    string `json:"what"` // lake
	Number  int    `json:"number"`
	// After is the cursor that the run began after, empty for the beginning; Cursor is where the feed goes on:
	// GET /events?after=CURSOR&test=true.
	After  string     `json:"after"`
	Cursor string     `json:"cursor"`
	Events int64      `json:"events"`
	First  string     `json:"first_position"`
	Last   string     `json:"last_position"`
	Files  []LakeFile `json:"files"`
	// PublicKey and Signature as in Manifest.
	PublicKey string `json:"public_key"`
	Signature string `json:"signature"`
}

// LakeFile is one Parquet file.
type LakeFile struct {
	Path   string `json:"path"` // below the folder
	Day    string `json:"day"`
	Events int64  `json:"events"`
	First  string `json:"first_position"`
	Last   string `json:"last_position"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hex
}

// lakeWhat marks the manifests of a lake.
const lakeWhat = "lake"

func (m *LakeManifest) text() ([]byte, error) {
	unsigned := *m
	unsigned.Signature = ""
	return json.Marshal(unsigned)
}

// lakeColumns are those of the files; event is the whole CloudEvent, as the feed has it.
func lakeColumns() []Column {
	columns := texts("id", "type", "category", "stream", "position", "cursor", "time", "recorded_at", "gateway", "account", "subject")
	return append(columns, Column{Name: "revision", Kind: Integer}, Column{Name: "event", Kind: JSON})
}

// lakeEvent is what the columns are taken from.
type lakeEvent struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Category   string `json:"category"`
	Stream     string `json:"stream"`
	Position   string `json:"position"`
	Cursor     string `json:"cursor"`
	Time       string `json:"time"`
	RecordedAt string `json:"recordedat"`
	Gateway    string `json:"gateway"`
	Account    string `json:"account"`
	Subject    string `json:"subject"`
	Revision   uint64 `json:"revision"`
}

const (
	// lakeLineMax bounds one event of the feed.
	lakeLineMax = 16 << 20
	// lakeOpenMost bounds the files that are written at once: recording times hardly go back.
	lakeOpenMost = 3
)

// Run appends what is new. Without anything new the manifest is zero.
func (j LakeJob) Run(ctx context.Context) (LakeManifest, error) {
	before, err := j.last()
	if err != nil {
		return LakeManifest{}, err
	}
	m := LakeManifest{Version: 1, What: lakeWhat, Number: before.Number + 1, After: before.Cursor, Cursor: before.Cursor, Files: []LakeFile{}}
	if err := j.sweep(m.Number); err != nil {
		return LakeManifest{}, err
	}
	w := &lakeWriter{job: &j, manifest: &m}
	defer w.abandon()
	if err := j.read(ctx, w); err != nil {
		return LakeManifest{}, err
	}
	if m.Events == 0 {
		return LakeManifest{}, nil
	}
	for len(w.open) > 0 {
		if err := w.finish(0); err != nil {
			return LakeManifest{}, err
		}
	}
	m.PublicKey = base64.StdEncoding.EncodeToString(j.Sign[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	text, err := m.text()
	if err != nil {
		return LakeManifest{}, err
	}
	m.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(j.Sign, text))
	if err := os.MkdirAll(j.manifests(), 0o750); err != nil {
		return LakeManifest{}, err
	}
	return m, writeWhole(filepath.Join(j.manifests(), fmt.Sprintf("%06d.json", m.Number)), m)
}

func (j *LakeJob) manifests() string { return filepath.Join(j.Dir, "_manifests") }

// last is the newest manifest, zero when there is none.
func (j *LakeJob) last() (LakeManifest, error) {
	names, err := filepath.Glob(filepath.Join(j.manifests(), "[0-9]*.json"))
	if err != nil || len(names) == 0 {
		return LakeManifest{}, err
	}
	slices.Sort(names)
	return VerifyLake(names[len(names)-1], "", false)
}

// sweep removes what a run left behind that ended before its manifest.
func (j *LakeJob) sweep(number int) error {
	for _, pattern := range []string{fmt.Sprintf("part-%06d-*.parquet", number), "*.new"} {
		left, err := filepath.Glob(filepath.Join(j.Dir, "day=*", pattern))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove what was left behind: %w", err)
			}
		}
	}
	return nil
}

// read follows the feed to its end.
func (j *LakeJob) read(ctx context.Context, w *lakeWriter) error {
	query := url.Values{"test": {"true"}}
	if w.manifest.After != "" {
		query.Set("after", w.manifest.After)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.URL+"/events?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	r.Header.Set("Accept", "application/x-ndjson")
	if j.Token != "" {
		r.Header.Set("Authorization", "Bearer "+j.Token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		var p struct{ Detail string }
		_ = json.NewDecoder(io.LimitReader(answer.Body, lakeLineMax)).Decode(&p) // the status must do without it
		return fmt.Errorf("the ledger answers %s: %s", answer.Status, p.Detail)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 1<<20), lakeLineMax)
	for lines.Scan() {
		if err := w.add(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the feed: %w", err)
	}
	if len(answer.Trailer) == 0 || answer.Trailer.Get("Link") == "" {
		return errors.New("the feed broke off: what was written does not count; run it again")
	}
	return nil
}

// lakeWriter writes the files of one run.
type lakeWriter struct {
	job      *LakeJob
	manifest *LakeManifest
	open     []*lakePart
}

// lakePart is a file that is being written.
type lakePart struct {
	LakeFile

	file *os.File
	hash hash.Hash
	rows *parquetRows
}

func (w *lakeWriter) add(line []byte) error {
	var e lakeEvent
	if err := json.Unmarshal(line, &e); err != nil || len(e.RecordedAt) < len("2006-01-02") || e.Cursor == "" {
		return fmt.Errorf("the feed says what is no event: %w", errors.Join(err, errors.New(string(line[:min(len(line), 200)]))))
	}
	part, err := w.part(e.RecordedAt[:len("2006-01-02")])
	if err != nil {
		return err
	}
	revision := strconv.FormatUint(e.Revision, 10)
	row := make(Row, 0, len(lakeColumns()))
	for _, v := range []string{e.ID, e.Type, e.Category, e.Stream, e.Position, e.Cursor, e.Time, e.RecordedAt, e.Gateway, e.Account, e.Subject, revision} {
		row = append(row, []byte(v))
	}
	if err := part.rows.row(append(row, line)); err != nil {
		return err
	}
	if part.First == "" {
		part.First = e.Position
	}
	part.Last, part.Events = e.Position, part.Events+1
	m := w.manifest
	if m.First == "" {
		m.First = e.Position
	}
	m.Last, m.Cursor, m.Events = e.Position, e.Cursor, m.Events+1
	if w.job.Said != nil && m.Events%DefaultSaveEvery == 0 {
		w.job.Said(m.Events)
	}
	return nil
}

// part is the file of a day.
func (w *lakeWriter) part(day string) (*lakePart, error) {
	for _, p := range w.open {
		if p.Day == day {
			return p, nil
		}
	}
	if len(w.open) == lakeOpenMost {
		if err := w.finish(0); err != nil {
			return nil, err
		}
	}
	path := fmt.Sprintf("day=%s/part-%06d-%d.parquet", day, w.manifest.Number, len(w.manifest.Files)+len(w.open)+1)
	full := filepath.Join(w.job.Dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(full+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	p := &lakePart{LakeFile: LakeFile{Path: path, Day: day}, file: file, hash: sha256.New()}
	p.rows = newParquet(io.MultiWriter(file, p.hash), lakeColumns())
	w.open = append(w.open, p)
	return p, nil
}

// finish makes a file durable under its name.
func (w *lakeWriter) finish(i int) error {
	p := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	full := filepath.Join(w.job.Dir, filepath.FromSlash(p.Path))
	err := p.rows.close()
	if err == nil {
		p.Bytes, err = p.file.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, p.file.Sync(), p.file.Close()); err == nil {
		err = os.Rename(full+".new", full)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", p.Path, err)
	}
	p.SHA256 = hex.EncodeToString(p.hash.Sum(nil))
	w.manifest.Files = append(w.manifest.Files, p.LakeFile)
	for _, path := range []string{filepath.Dir(full), w.job.Dir} {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// abandon closes what a failed run was writing; the next run removes it.
func (w *lakeWriter) abandon() {
	for _, p := range w.open {
		_ = p.file.Close()
	}
}

// VerifyLake reads a manifest of a lake and checks its signature and, with files, every file that it names.
func VerifyLake(manifest, publicKey string, files bool) (LakeManifest, error) {
	var m LakeManifest
	text, err := os.ReadFile(manifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", manifest, err)
	}
	key, keyErr := base64.StdEncoding.DecodeString(m.PublicKey)
	signature, signatureErr := base64.StdEncoding.DecodeString(m.Signature)
	signed, err := m.text()
	if m.What != lakeWhat || err != nil || keyErr != nil || signatureErr != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed, signature) ||
		(publicKey != "" && publicKey != m.PublicKey) {
		return m, fmt.Errorf("%w: %s was changed after it was signed, or somebody else signed it", ErrNotProven, filepath.Base(manifest))
	}
	if !files {
		return m, nil
	}
	dir := filepath.Dir(filepath.Dir(manifest))
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) || !strings.HasPrefix(f.Path, "day=") {
			return m, fmt.Errorf("%w: %q is no file of the lake", ErrNotProven, f.Path)
		}
		if err := f.check(filepath.Join(dir, filepath.FromSlash(f.Path))); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (f *LakeFile) check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	if n != f.Bytes || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: %s was changed", ErrNotProven, f.Path)
	}
	return nil
}
