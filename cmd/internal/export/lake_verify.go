package export

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/eventstore"
)

// LakeContent is what a whole lake holds.
type LakeContent struct {
	Lake      string `json:"lake"`
	Manifests int    `json:"manifests"`
	Files     int    `json:"files"`
	Events    int64  `json:"events"`
	First     string `json:"first_position"`
	Last      string `json:"last_position"`
	// Cursor is where the feed goes on, LastEvent the event before that.
	Cursor    string `json:"cursor"`
	LastEvent string `json:"last_event"`
	// PublicKeys have signed; those are the manifests' own unless they were given.
	PublicKeys []string `json:"public_keys"`
	// Unfinished are files of a part that is not committed: they do not count.
	Unfinished int `json:"unfinished_files"`
}

// LakeMark is what somebody else knows of a lake: that it had a manifest, by its number, and the key and signature of it.
type LakeMark struct {
	Lake      string `json:"lake"`
	Number    int    `json:"number"`
	PublicKey string `json:"public_key"`
	Signature string `json:"signature"`
}

// VerifyLake proves that a lake is whole: that no manifest is missing, exchanged or changed, that each goes on
// where the one before ended, and that their files are those that were written, no more and no fewer. known
// tells, by the lake's id, which manifest must be among them: without it, nil, nobody can tell a lake from an
// older copy of itself. publicKeys must have signed; when there are none, all must be signed by one key, whose
// owner is then not proven. Errors are ErrNotProven, of known, or of the file system.
func VerifyLake(dir string, publicKeys []string, known func(lake string) (LakeMark, error)) (LakeContent, error) {
	numbers, err := manifestNumbers(dir)
	if err != nil {
		return LakeContent{}, err
	}
	v := lakeVerifier{dir: dir, publicKeys: publicKeys, files: map[string]bool{}}
	if len(numbers) == 0 {
		return v.content, fmt.Errorf("%w: %s has no manifest", ErrNotProven, dir)
	}
	for i := range numbers {
		if numbers[i] != i+1 {
			return v.content, fmt.Errorf("%w: manifest %d is missing", ErrNotProven, i+1)
		}
		if err := v.next(); err != nil {
			return v.content, err
		}
	}
	latest, err := os.ReadFile(filepath.Join(manifestsOf(dir), latestName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v.content, err
	}
	if !bytes.Equal(latest, v.lastText) {
		return v.content, fmt.Errorf("%w: the last manifest is number %d, and %s is another: manifests are missing at the end, or a run was cut off, "+
			"which the next one completes", ErrNotProven, v.last.Number, latestName)
	}
	if known != nil {
		mark, err := known(v.last.Lake)
		if err != nil {
			return v.content, err
		}
		if mark.Number < 1 || mark.Number > len(v.signatures) || v.signatures[mark.Number-1] != mark.Signature {
			return v.content, fmt.Errorf("%w: manifest %d, which is known of lake %q, is not among its %d", ErrNotProven, mark.Number, v.last.Lake, v.last.Number)
		}
	}
	return v.content, v.strangers()
}

type lakeVerifier struct {
	dir        string
	publicKeys []string
	content    LakeContent
	last       LakeManifest
	lastText   []byte
	files      map[string]bool // that manifests name
	signatures []string        // of the manifests
}

// next checks the manifest after the last one.
func (v *lakeVerifier) next() error {
	path := manifestPath(v.dir, v.last.Number+1)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	m, err := parseLakeManifest(text, name)
	if err != nil {
		return err
	}
	if err := v.signer(m); err != nil {
		return err
	}
	previous := ""
	if v.lastText != nil {
		previous = digest(v.lastText)
	}
	switch {
	case m.Number != v.last.Number+1 || m.Previous != previous || m.After != v.last.Cursor:
		return fmt.Errorf("%w: %s does not follow the manifest before it", ErrNotProven, name)
	case v.lastText != nil && m.Lake != v.last.Lake:
		return fmt.Errorf("%w: %s is of another lake", ErrNotProven, name)
	}
	if v.lastText != nil && !m.LogMoved && !follows(v.last.Last, m.First) {
		return fmt.Errorf("%w: %s begins at %s, and the manifest before it ended at %s", ErrNotProven, name, m.First, v.last.Last)
	}
	if err := v.filesOf(m, name); err != nil {
		return err
	}
	c := &v.content
	if v.lastText == nil {
		c.Lake, c.First = m.Lake, m.First
	}
	c.Manifests, c.Files, c.Events = m.Number, c.Files+len(m.Files), c.Events+m.Events
	c.Last, c.Cursor, c.LastEvent = m.Last, m.Cursor, m.LastEvent
	v.last, v.lastText, v.signatures = m, text, append(v.signatures, m.Signature)
	return nil
}

// signer checks who signed.
func (v *lakeVerifier) signer(m LakeManifest) error {
	switch seen := v.content.PublicKeys; {
	case len(v.publicKeys) > 0 && !slices.Contains(v.publicKeys, m.PublicKey):
		return fmt.Errorf("%w: manifest %d is signed by %s", ErrNotProven, m.Number, m.PublicKey)
	case slices.Contains(seen, m.PublicKey):
		return nil
	case len(v.publicKeys) == 0 && len(seen) > 0:
		return fmt.Errorf("%w: manifest %d is signed by %s, and those before it by %s: say which keys are right", ErrNotProven, m.Number, m.PublicKey, seen[0])
	}
	v.content.PublicKeys = append(v.content.PublicKeys, m.PublicKey)
	return nil
}

// filesOf checks the files of a manifest: each is there as it was written, and together they have its events.
func (v *lakeVerifier) filesOf(m LakeManifest, name string) error {
	var events int64
	first := ""
	for _, f := range m.Files {
		if v.files[f.Path] || follows(f.First, first) {
			return fmt.Errorf("%w: the files of %s are named twice or not in order", ErrNotProven, name)
		}
		v.files[f.Path], first = true, f.First
		events += f.Events
		if err := f.check(v.dir); err != nil {
			return err
		}
	}
	if events != m.Events || len(m.Files) == 0 || m.Files[0].First != m.First {
		return fmt.Errorf("%w: the files of %s are not all its events", ErrNotProven, name)
	}
	return nil
}

// strangers refuses Parquet files that no manifest names, but for those of the part after the last one.
func (v *lakeVerifier) strangers() error {
	there, err := filepath.Glob(filepath.Join(v.dir, "day=*", "*.parquet"))
	if err != nil {
		return err
	}
	unfinished := fmt.Sprintf("part-%06d-", v.last.Number+1)
	for _, path := range there {
		below := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		switch {
		case v.files[below]:
		case strings.HasPrefix(filepath.Base(path), unfinished):
			v.content.Unfinished++
		default:
			return fmt.Errorf("%w: no manifest names %s", ErrNotProven, below)
		}
	}
	return nil
}

// follows tells whether the second position is after the first.
func follows(first, second string) bool {
	a, errA := eventstore.ParsePosition(first)
	b, errB := eventstore.ParsePosition(second)
	return errA == nil && errB == nil && b.Compare(a) > 0
}

// VerifyLakeManifest checks the signature of one manifest of a lake, and its files. publicKeys is as for VerifyLake.
func VerifyLakeManifest(path string, publicKeys []string) (LakeManifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return LakeManifest{}, err
	}
	m, err := parseLakeManifest(text, filepath.Base(path))
	if err != nil {
		return m, err
	}
	v := lakeVerifier{dir: filepath.Dir(filepath.Dir(path)), publicKeys: publicKeys, files: map[string]bool{}}
	return m, errors.Join(v.signer(m), v.filesOf(m, filepath.Base(path)))
}

// IsLakeManifest tells whether a file says of itself that it is a manifest of a lake.
func IsLakeManifest(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && bytes.Contains(text, []byte(`"what": "`+lakeWhat+`"`))
}

func (f *LakeFile) check(dir string) error {
	if !filepath.IsLocal(f.Path) || !strings.HasPrefix(f.Path, "day=") {
		return fmt.Errorf("%w: %q is no file of the lake", ErrNotProven, f.Path)
	}
	n, sum, err := hashFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is missing", ErrNotProven, f.Path)
	case err != nil:
		return err
	case n != f.Bytes || sum != f.SHA256:
		return fmt.Errorf("%w: %s was changed", ErrNotProven, f.Path)
	}
	return nil
}
