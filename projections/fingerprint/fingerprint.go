// Package fingerprint tells whether the rows of the views were made by the code that runs now.
//
// A fingerprint is a digest of each part of the source that decides what a row means: the fold and
// the codecs, the arithmetic of money, the columns that each model writes, the tables' definitions. It
// stands in the checkpoint's row since that row was the start of the log. When the program's own is
// another one, the rows have the meaning of another version, and going on would mix the two.
//
// It depends on the source alone, comments and layout of Go code aside: equal on every machine and in
// every build.
package fingerprint

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/scanner"
	"go/token"
	"hash"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed read.sql
	readSQL string
	//go:embed store.sql
	storeSQL string
)

// Fingerprint is a digest of each part, by the part's name. Empty means unknown.
type Fingerprint map[string]string

// Change is a part that differs.
type Change struct {
	Part string `json:"part"`
	// What is changed, added or removed, as seen from the rows to the program.
	What string `json:"what"`
}

// Compare tells how the program differs from what made the rows, by part; nothing when it does not.
func Compare(rows, program Fingerprint) []Change {
	parts := maps.Clone(rows)
	if parts == nil {
		parts = make(Fingerprint)
	}
	maps.Copy(parts, program)
	var changes []Change
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		before, had := rows[part]
		now, has := program[part]
		switch {
		case !had:
			changes = append(changes, Change{Part: part, What: "added"})
		case !has:
			changes = append(changes, Change{Part: part, What: "removed"})
		case before != now:
			changes = append(changes, Change{Part: part, What: "changed"})
		}
	}
	return changes
}

// Describe is Compare for a person: "fold changed, migration 0003 added".
func Describe(changes []Change) string {
	texts := make([]string, 0, len(changes))
	for _, c := range changes {
		texts = append(texts, c.Part+" "+c.What)
	}
	return strings.Join(texts, ", ")
}

// OfSource digests the files of a part: Go files without comments, layout and tests; everything else as
// it is, with line ends normalised.
func OfSource(source fs.FS) (string, error) {
	digest := sha256.New()
	err := fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		content, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		writePart(digest, name)
		if path.Ext(name) == ".go" {
			return writeTokens(digest, name, content)
		}
		writePart(digest, strings.ReplaceAll(string(content), "\r\n", "\n"))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("take the fingerprint of the source: %w", err)
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// OfText digests a part that is a text.
func OfText(text string) string {
	sum := sha256.Sum256([]byte(strings.ReplaceAll(text, "\r\n", "\n")))
	return hex.EncodeToString(sum[:])
}

// writePart keeps parts apart whatever they hold.
func writePart(digest hash.Hash, text string) { fmt.Fprintf(digest, "%d:%s", len(text), text) }

func writeTokens(digest hash.Hash, name string, content []byte) error {
	files := token.NewFileSet()
	var problems scanner.ErrorList
	var s scanner.Scanner
	s.Init(files.AddFile(name, -1, len(content)), content, problems.Add, 0)
	for {
		_, tok, literal := s.Scan()
		if tok == token.EOF {
			return problems.Err()
		}
		if tok == token.SEMICOLON {
			literal = "" // written or implied by a line's end: the same
		}
		writePart(digest, tok.String()+" "+literal)
	}
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Read returns the fingerprint of what made the rows, empty when it is not known.
func Read(ctx context.Context, db Querier) (Fingerprint, error) {
	var raw []byte
	if err := db.QueryRow(ctx, readSQL).Scan(&raw); err != nil {
		return nil, fmt.Errorf("read the fingerprint of the views: %w", err)
	}
	if raw == nil {
		return nil, nil
	}
	var f Fingerprint
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("read the fingerprint of the views: %w", err)
	}
	return f, nil
}

// Store writes down what makes the rows from now on. It is for whoever has just emptied them or built
// them anew, in the transaction that does so, and for a checkpoint at the start of the log.
func Store(ctx context.Context, db Querier, f Fingerprint) error {
	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("store the fingerprint of the views: %w", err)
	}
	var rows int
	if err := db.QueryRow(ctx, storeSQL, raw).Scan(&rows); err != nil {
		return fmt.Errorf("store the fingerprint of the views: %w", err)
	}
	return nil
}
