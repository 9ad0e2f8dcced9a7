package export

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Manifest says what is in an exported file. It stands beside the file, signed, and is the same for the
// same rows.
type Manifest struct {
	Version int    `json:"version"`
	What    What   `json:"what"`
	Format  Format `json:"format"`
	File    string `json:"file"` // without its folder
	Views   string `json:"views"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"` // hex
	Rows    int64  `json:"rows"`
	// From, Through, AsOf and AsAt are the parameters, empty for none.
	From    string `json:"from,omitempty"`
	Through string `json:"through,omitempty"`
	AsOf    string `json:"as_of,omitempty"`
	AsAt    string `json:"as_at,omitempty"`
	// Entity is whose books, empty for all.
	Entity string `json:"entity,omitempty"`
	// Position is the place in the log that the export shows: commit and prepare position.
	Commit  uint64 `json:"commit_position"`
	Prepare uint64 `json:"prepare_position"`
	// Sums are the sums of the columns with amounts, per currency.
	Sums map[string]map[string]string `json:"sums,omitempty"`
	// Balances are the journal's, per account and currency.
	Balances []Balance `json:"balances,omitempty"`
	// PublicKey and Signature (Ed25519, base64) are over the manifest with an empty signature, as JSON.
	PublicKey string `json:"public_key"`
	Signature string `json:"signature"`
}

// Balance is what an account had before the first row, what the rows moved, and what it has after them.
type Balance struct {
	Account  string `json:"account"`
	Currency string `json:"currency"`
	Opening  string `json:"opening"`
	Moved    string `json:"moved"`
	Closing  string `json:"closing"`
}

// manifestSuffix is added to the name of the file.
const manifestSuffix = ".manifest.json"

// ManifestOf is the manifest beside an exported file, or the path itself where there is none.
func ManifestOf(path string) string {
	if _, err := os.Stat(path + manifestSuffix); err == nil {
		return path + manifestSuffix
	}
	return path
}

func (m *Manifest) text() ([]byte, error) {
	unsigned := *m
	unsigned.Signature = ""
	return json.Marshal(unsigned)
}

func (m *Manifest) sign(key ed25519.PrivateKey) error {
	m.PublicKey = base64.StdEncoding.EncodeToString(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	text, err := m.text()
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	m.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))
	return nil
}

// ErrNotProven says that a file is not what its manifest says, or that the manifest is not signed by the
// key that is expected.
var ErrNotProven = errors.New("the export is not proven")

// Verify reads a manifest and checks its signature and its file. publicKey, when not empty, is the one that
// must have signed; otherwise that is the manifest's own, which proves only that both belong together.
func Verify(manifest, publicKey string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(manifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: %s is no manifest", ErrNotProven, manifest)
	}
	if publicKey != "" && publicKey != m.PublicKey {
		return m, fmt.Errorf("%w: it is signed by %s", ErrNotProven, m.PublicKey)
	}
	if err := m.proven(); err != nil {
		return m, err
	}
	if m.File != filepath.Base(m.File) || strings.HasPrefix(m.File, ".") {
		return m, fmt.Errorf("%w: %q is no file beside the manifest", ErrNotProven, m.File)
	}
	n, sum, err := hashFile(filepath.Join(filepath.Dir(manifest), m.File))
	if err != nil {
		return m, err
	}
	if n != m.Bytes || sum != m.SHA256 {
		return m, fmt.Errorf("%w: %s was changed", ErrNotProven, m.File)
	}
	return m, nil
}

// proven checks the signature by the key that the manifest names.
func (m *Manifest) proven() error {
	key, keyErr := base64.StdEncoding.DecodeString(m.PublicKey)
	signature, signatureErr := base64.StdEncoding.DecodeString(m.Signature)
	signed, err := m.text()
	if err != nil || keyErr != nil || signatureErr != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed, signature) {
		return fmt.Errorf("%w: the manifest was changed after it was signed", ErrNotProven)
	}
	return nil
}

// ParseManifest checks the text of a manifest, of a file or of a lake, by the key that it names. The mark of a
// file's has the key alone. Errors are ErrNotProven.
func ParseManifest(text []byte) (LakeMark, error) {
	var kind struct {
		What string `json:"what"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return LakeMark{}, fmt.Errorf("%w: it is no manifest", ErrNotProven)
	}
	if kind.What == lakeWhat {
		m, err := parseLakeManifest(text, "the manifest")
		if err == nil && (m.Lake == "" || m.Number < 1) {
			err = fmt.Errorf("%w: it names no lake and number", ErrNotProven)
		}
		return LakeMark{Lake: m.Lake, Number: m.Number, PublicKey: m.PublicKey, Signature: m.Signature}, err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return LakeMark{}, fmt.Errorf("%w: it is no manifest", ErrNotProven)
	}
	return LakeMark{PublicKey: m.PublicKey}, m.proven()
}

// hashFile returns a file's size and its SHA-256 in hex.
func hashFile(path string) (size int64, sum string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	if size, err = io.Copy(h, file); err != nil {
		return 0, "", fmt.Errorf("read %s: %w", path, err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}
