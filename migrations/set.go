package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var files embed.FS

// Migration is one step of the schema's history.
type Migration struct {
	// Version counts from 1 without gaps.
	Version int
	// Name is the middle of the file name, for example "read_models".
	Name string
	// Reason is the first comment line of the up file.
	Reason string
	// Up and Down are the SQL that makes and takes back the step.
	Up, Down string
	// Checksum is the SHA-256 of Up in hexadecimal, with line ends normalised to LF.
	Checksum string
}

// String returns the migration as its files are named, for example "0001_read_models".
func (m Migration) String() string { return fmt.Sprintf("%04d_%s", m.Version, m.Name) }

// Set is a history: migrations in order, versions 1 to len(Set).
type Set []Migration

// Ledger returns the history of the ledger's own schema.
func Ledger() (Set, error) {
	sql, err := fs.Sub(files, "sql")
	if err != nil {
		return nil, fmt.Errorf("open the embedded migrations: %w", err)
	}
	return Load(sql)
}

// fileName matches NNNN_name.up.sql and NNNN_name.down.sql.
var fileName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.(up|down)\.sql$`)

// Load reads the history from the root of a file system and refuses one that is not well-formed:
// numbers with gaps, a missing half, a file without its reason, any other .sql file.
func Load(fsys fs.FS) (Set, error) {
	paths, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	byVersion := make(map[int]*Migration)
	for _, path := range paths {
		parts := fileName.FindStringSubmatch(path)
		if parts == nil {
			return nil, fmt.Errorf("load migration %s: its name is not NNNN_name.up.sql or NNNN_name.down.sql", path)
		}
		version, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, fmt.Errorf("load migration %s: %w", path, err)
		}
		content, err := fs.ReadFile(fsys, path)
		if err != nil {
			return nil, fmt.Errorf("load migration %s: %w", path, err)
		}
		m := byVersion[version]
		if m == nil {
			m = &Migration{Version: version, Name: parts[2]}
			byVersion[version] = m
		}
		if m.Name != parts[2] {
			return nil, fmt.Errorf("load migration %s: number %d is taken by %s", path, version, m)
		}
		if err := m.fill(parts[3], string(content)); err != nil {
			return nil, fmt.Errorf("load migration %s: %w", path, err)
		}
	}
	return inOrder(byVersion)
}

// fill takes the content of one of the two files.
func (m *Migration) fill(half, content string) error {
	content = strings.ReplaceAll(content, "\r\n", "\n") // a checkout on Windows changes no checksum
	first, _, _ := strings.Cut(content, "\n")
	reason, ok := strings.CutPrefix(first, "-- ")
	if !ok || strings.TrimSpace(reason) == "" {
		return errors.New("the first line is not a comment that gives its reason")
	}
	if half == "down" {
		m.Down = content
		return nil
	}
	sum := sha256.Sum256([]byte(content))
	m.Up, m.Reason, m.Checksum = content, strings.TrimSpace(reason), hex.EncodeToString(sum[:])
	return nil
}

func inOrder(byVersion map[int]*Migration) (Set, error) {
	set := make(Set, 0, len(byVersion))
	for _, m := range byVersion {
		set = append(set, *m)
	}
	slices.SortFunc(set, func(a, b Migration) int { return a.Version - b.Version })
	for i, m := range set {
		if m.Version != i+1 {
			return nil, fmt.Errorf("load migrations: number %d is missing before %s", i+1, m)
		}
		if m.Up == "" || m.Down == "" {
			return nil, fmt.Errorf("load migration %s: one of its two files is missing", m)
		}
	}
	return set, nil
}
