// Package auth tells who calls the order API and what they may do: API tokens, of which only digests
// are kept.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Scope is something that a token may allow.
type Scope string

// Scopes.
const (
	OrdersWrite    Scope = "orders:write"
	OrdersRead     Scope = "orders:read"
	ClientsRead    Scope = "clients:read" // personal data
	AccountingRead Scope = "accounting:read"
	FeedRead       Scope = "feed:read"
	Operations     Scope = "operations"
)

// Scopes are all scopes.
func Scopes() []Scope {
	return []Scope{OrdersWrite, OrdersRead, ClientsRead, AccountingRead, FeedRead, Operations}
}

// ParseScopes reads names separated by commas.
func ParseScopes(text string) ([]Scope, error) {
	var scopes []Scope
	for name := range strings.SplitSeq(text, ",") {
		scope := Scope(strings.TrimSpace(name))
		if !slices.Contains(Scopes(), scope) {
			known := []string{}
			for _, s := range Scopes() {
				known = append(known, string(s))
			}
			return nil, fmt.Errorf("%q is no scope; there are %s", scope, strings.Join(known, ", "))
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// Principal is who calls.
type Principal struct {
	// Name is recorded as the actor of what they write.
	Name string
	// Person is who it is, whichever of their credentials they use: what takes two people takes two of
	// these. Names are told apart without regard to case.
	Person string
	Scopes []Scope
}

// May tells whether the principal has a scope.
func (p Principal) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

// Token is what is kept of a token: enough to recognise it, not to use it.
type Token struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	SHA256    string     `json:"sha256"`
	Scopes    []Scope    `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// Errors of a Store.
var (
	// ErrRefused says that a token is unknown, wrong or revoked.
	ErrRefused = errors.New("the token is unknown, wrong or revoked")
	// ErrNoToken says that there is no token with an id.
	ErrNoToken = errors.New("there is no such token")
)

const (
	tokenPrefix = "ledger"
	// idLength is that of an id in a token; it names a file.
	idLength = 12
)

// Store keeps tokens as files for the owner only, one each. A token that is made or revoked by another
// process counts at once.
type Store struct{ dir string }

// NewStore keeps tokens in a directory, which is made with the first.
func NewStore(dir string) *Store { return &Store{dir: dir} }

// Create makes a token. Its secret is in the answer and nowhere else.
func (s *Store) Create(name string, scopes []Scope, now time.Time) (secret string, t Token, err error) {
	if name == "" || len(scopes) == 0 {
		return "", Token{}, errors.New("a token has a name and at least one scope")
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", Token{}, fmt.Errorf("make token: %w", err)
	}
	id := strings.ToLower(rand.Text()[:idLength])
	secret = tokenPrefix + "_" + id + "_" + rand.Text()
	t = Token{ID: id, Name: name, SHA256: digest(secret), Scopes: scopes, CreatedAt: now.UTC()}
	return secret, t, s.write(t)
}

// List returns all tokens, oldest first.
func (s *Store) List() ([]Token, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	tokens := []Token{}
	for _, f := range files {
		t, err := s.read(strings.TrimSuffix(filepath.Base(f), ".json"))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
	slices.SortFunc(tokens, func(a, b Token) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return tokens, nil
}

// Revoke makes a token useless, for good. A token that is revoked already stays as it is.
func (s *Store) Revoke(id string, now time.Time) (Token, error) {
	t, err := s.read(id)
	if err != nil || t.RevokedAt != nil {
		return t, err
	}
	at := now.UTC()
	t.RevokedAt = &at
	return t, s.write(t)
}

// Verify tells whose token it is, or answers ErrRefused. Other errors mean that nobody can tell now.
func (s *Store) Verify(secret string) (Principal, error) {
	parts := strings.Split(secret, "_")
	if len(parts) != 3 || parts[0] != tokenPrefix {
		return Principal{}, ErrRefused
	}
	t, err := s.read(parts[1])
	if errors.Is(err, ErrNoToken) {
		return Principal{}, ErrRefused
	}
	if err != nil {
		return Principal{}, err
	}
	if subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(t.SHA256)) != 1 || t.RevokedAt != nil {
		return Principal{}, ErrRefused
	}
	return Principal{Name: t.Name + "/" + t.ID, Person: t.Name, Scopes: t.Scopes}, nil
}

// digest needs no salt and no slow function: secrets have 130 bits of chance.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+".json") }

func (s *Store) read(id string) (Token, error) {
	if len(id) != idLength || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return Token{}, ErrNoToken // it would name another file
	}
	data, err := os.ReadFile(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return Token{}, ErrNoToken
	}
	var t Token
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", id, err)
	}
	return t, nil
}

// write replaces a token's file as a whole, so that no reader sees half of one.
func (s *Store) write(t Token) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write token: %w", err)
	}
	f, err := os.CreateTemp(s.dir, t.ID+".*.tmp") // of mode 0600
	if err != nil {
		return fmt.Errorf("write token: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path(t.ID))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write token: %w", err), os.Remove(f.Name()))
	}
	return nil
}
