package export

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// LakeJob appends what is new in a running ledger's feed to a folder of Parquet files, partitioned by the day
// of recording (UTC): DIR/day=2026-10-31/part-000007-1.parquet. What it has written so far is committed every
// PartEvents events by a manifest, DIR/_manifests/000007.json, after the files are durable; only files that a
// manifest names count. Manifests are a chain: each has the digest of the one before, and continues the feed
// where that ended. DIR/_manifests/latest.json is the newest, so that one missing at the end is noticed.
type LakeJob struct {
	// URL is the ledger's; Token may be empty where reading the feed takes none.
	URL, Token string
	// Client asks it; nil is http.DefaultClient.
	Client *http.Client
	Dir    string
	Sign   ed25519.PrivateKey
	// PartEvents is how many events a manifest commits at most; 0 is 250,000.
	PartEvents int64
	// Said is called now and then with the events of this run; nil is nobody.
	Said func(events int64)
}

// LakeManifest says what one part of a run added, and where it began and ended in the feed.
type LakeManifest struct {
	Version int    `json:"version"`
	What    string `json:"what"` // lake
	Lake    string `json:"lake"` // UUID, the same in all manifests of a lake
	Number  int    `json:"number"`
	// Previous is the SHA-256 (hex) of the file of the manifest before, empty for the first.
	Previous string `json:"previous"`
	// After is the cursor that the part began after, empty for the beginning; Cursor is where the feed goes on:
	// GET /events?after=CURSOR&test=true.
	After  string `json:"after"`
	Cursor string `json:"cursor"`
	// LastEvent is the id of the last event.
	LastEvent string `json:"last_event"`
	// LogMoved tells that this part is the first of a copy of the log, in another engine: positions begin anew.
	LogMoved bool       `json:"log_moved,omitempty"`
	Events   int64      `json:"events"`
	First    string     `json:"first_position"`
	Last     string     `json:"last_position"`
	Files    []LakeFile `json:"files"` // by first position
	// PublicKey is of the key (Ed25519, base64) that Signature is made with, over the manifest as JSON without
	// the member signature, without spaces, members sorted by name.
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

	number int // in the order of first positions
}

// LakeRun is what one run added.
type LakeRun struct {
	// Newest is the newest manifest of the lake, of this run or an earlier one; zero in an empty lake.
	Newest LakeManifest `json:"-"`
	// Manifests are the numbers of the manifests that were added, Files their files.
	Manifests []int      `json:"manifests"`
	After     string     `json:"after"`
	Cursor    string     `json:"cursor"`
	Events    int64      `json:"events"`
	First     string     `json:"first_position"`
	Last      string     `json:"last_position"`
	Files     []LakeFile `json:"files"`
}

const (
	// lakeWhat marks the manifests of a lake.
	lakeWhat = "lake"
	// lakePartEvents bounds what is written again after a crash.
	lakePartEvents = 250_000
	latestName     = "latest.json"
)

// Run appends what is new. What was committed before an error stays, and the next run goes on after it; so
// the run is right with an error, too.
func (j LakeJob) Run(ctx context.Context) (LakeRun, error) {
	if j.Client == nil {
		j.Client = http.DefaultClient
	}
	if j.PartEvents == 0 {
		j.PartEvents = lakePartEvents
	}
	if err := os.MkdirAll(manifestsOf(j.Dir), 0o750); err != nil {
		return LakeRun{}, err
	}
	guard, err := os.OpenFile(filepath.Join(manifestsOf(j.Dir), ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return LakeRun{}, err
	}
	defer func() { _ = guard.Close() }()
	if err := lock(guard); err != nil {
		return LakeRun{}, err
	}
	w := &lakeWriter{job: &j, run: LakeRun{Manifests: []int{}, Files: []LakeFile{}}}
	if w.last, w.lastDigest, err = newest(j.Dir); err != nil {
		return LakeRun{}, err
	}
	w.run.Newest, w.run.After, w.run.Cursor = w.last, w.last.Cursor, w.last.Cursor
	if err := j.sweep(w.last.Number + 1); err != nil {
		return LakeRun{}, err
	}
	defer w.abandon()
	for more := true; more; {
		if more, err = j.read(ctx, w); err != nil {
			return w.run, err
		}
	}
	return w.run, nil
}

func manifestsOf(dir string) string { return filepath.Join(dir, "_manifests") }

func manifestPath(dir string, number int) string {
	return filepath.Join(manifestsOf(dir), fmt.Sprintf("%06d.json", number))
}

// newest is the last manifest of a lake, zero when there is none, and its digest. A run that ended between
// the two files of a commit is completed.
func newest(dir string) (LakeManifest, string, error) {
	numbers, err := manifestNumbers(dir)
	if err != nil {
		return LakeManifest{}, "", err
	}
	text, err := os.ReadFile(filepath.Join(manifestsOf(dir), latestName))
	if errors.Is(err, fs.ErrNotExist) && len(numbers) == 0 {
		return LakeManifest{}, "", nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return LakeManifest{}, "", fmt.Errorf("%w: %s is missing", ErrNotProven, latestName)
	}
	if err != nil {
		return LakeManifest{}, "", err
	}
	m, err := parseLakeManifest(text, latestName)
	if err != nil {
		return m, "", err
	}
	switch known := len(numbers); {
	case known == m.Number-1:
		if err := writeDurably(manifestPath(dir, m.Number), text); err != nil {
			return m, "", err
		}
	case known != m.Number || numbers[known-1] != known:
		return m, "", fmt.Errorf("%w: the lake has %d manifests, and %s is number %d", ErrNotProven, known, latestName, m.Number)
	}
	return m, digest(text), nil
}

// manifestNumbers are those of the files that are there, sorted.
func manifestNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(manifestsOf(dir))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%d.json", &n); err == nil && filepath.Base(manifestPath(dir, n)) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers) // by name, a million would come before two
	return numbers, nil
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

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// sign completes a manifest, and returns the text of its file.
func (m *LakeManifest) sign(key ed25519.PrivateKey) ([]byte, error) {
	m.PublicKey = base64.StdEncoding.EncodeToString(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	text, err := json.Marshal(m)
	if err == nil {
		text, err = signedPart(text)
	}
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	m.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))
	text, err = json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// signedPart is what of a manifest is signed: all its members but the signature, also those that this
// version of the program does not know. Manifests are kept for years.
func signedPart(text []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	delete(members, "signature")
	return json.Marshal(members) // sorted by name, without spaces
}

// parseLakeManifest reads a manifest and checks its signature, by the key that it names.
func parseLakeManifest(text []byte, name string) (LakeManifest, error) {
	var m LakeManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: %s cannot be read: %w", ErrNotProven, name, err)
	}
	key, keyErr := base64.StdEncoding.DecodeString(m.PublicKey)
	signature, signatureErr := base64.StdEncoding.DecodeString(m.Signature)
	signed, err := signedPart(text)
	if m.What != lakeWhat || err != nil || keyErr != nil || signatureErr != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed, signature) {
		return m, fmt.Errorf("%w: %s was changed after it was signed", ErrNotProven, name)
	}
	return m, nil
}

// begin makes the manifest of the next part.
func (w *lakeWriter) begin() *LakeManifest {
	m := &LakeManifest{
		Version: 1, What: lakeWhat, Lake: w.last.Lake, Number: w.last.Number + 1, Previous: w.lastDigest,
		After: w.last.Cursor, Files: []LakeFile{},
	}
	if m.Lake == "" {
		m.Lake = uuid.NewString()
	}
	return m
}

// commit makes what was written since the last commit part of the lake. latest.json comes first: from then on
// the part counts, and newest completes what a crash interrupts.
func (w *lakeWriter) commit() error {
	m := w.manifest
	if m == nil {
		return nil
	}
	for len(w.open) > 0 {
		if err := w.finish(0); err != nil {
			return err
		}
	}
	slices.SortFunc(m.Files, func(a, b LakeFile) int { return a.number - b.number })
	text, err := m.sign(w.job.Sign)
	if err != nil {
		return err
	}
	for _, path := range []string{filepath.Join(manifestsOf(w.job.Dir), latestName), manifestPath(w.job.Dir, m.Number)} {
		if err := writeDurably(path, text); err != nil {
			return err
		}
	}
	w.last, w.lastDigest, w.manifest = *m, digest(text), nil
	r := &w.run
	if r.First == "" {
		r.First = m.First
	}
	r.Newest, r.Last, r.Cursor, r.Events = *m, m.Last, m.Cursor, r.Events+m.Events
	r.Manifests, r.Files = append(r.Manifests, m.Number), append(r.Files, m.Files...)
	return nil
}

// lakeColumns are those of the files, which stay as they are: a lake is read as one table. event is the whole
// CloudEvent, as the feed has it.
func lakeColumns() []Column {
	return slices.Concat(columns(Text, "account", "category", "cursor"), columns(JSON, "event"), columns(Text, "gateway", "id", "position", "recorded_at"),
		columns(Integer, "revision"), columns(Text, "stream", "subject", "time", "type"))
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

// row is the event's row; line is the whole event.
func (e *lakeEvent) row(line []byte) Row {
	return Row{
		[]byte(e.Account), []byte(e.Category), []byte(e.Cursor), line, []byte(e.Gateway), []byte(e.ID), []byte(e.Position), []byte(e.RecordedAt),
		strconv.AppendUint(nil, e.Revision, 10), []byte(e.Stream), []byte(e.Subject), []byte(e.Time), []byte(e.Type),
	}
}
