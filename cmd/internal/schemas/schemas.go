// Package schemas holds the JSON Schemas of everything that the log says: one for each event type and
// version, generated from the Go types, committed, and never changed in a way that would break who
// relies on them. It serves them over HTTP and renders the catalogue of events.
//
// A published file may gain optional members and better words. Anything else is a new version of the
// event, with an upcaster in domain/order; the generator refuses to write it otherwise, and LockFile
// remembers what a file said that was changed or deleted.
package schemas

//go:generate go run ./generate

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed files
var files embed.FS

// EnvelopeType names the schema of what is stored beside every event's data, order.Metadata.
const EnvelopeType = "Metadata"

// Schema describes one version of one type.
type Schema struct {
	Type    string
	Version int
	// Document is the JSON Schema as it is published.
	Document []byte
}

// URN is the schema's $id, and the dataschema of the feed's events.
func (s Schema) URN() string { return URN(s.Type, s.Version) }

// URN names a version of a type.
func URN(eventType string, version int) string {
	return "urn:order-ledger:schema:" + eventType + ":" + strconv.Itoa(version)
}

// FileName is where a schema is kept, from this package's directory.
func FileName(eventType string, version int) string {
	return path.Join("files", "v"+strconv.Itoa(version), eventType+".json")
}

// All returns all schemas, by type, each from its first version.
func All() ([]Schema, error) { return Read(files) }

// Read returns the schemas of a copy of this package's directory, as All does.
func Read(dir fs.FS) ([]Schema, error) {
	var all []Schema
	err := fs.WalkDir(dir, "files", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		version, err := strconv.Atoi(strings.TrimPrefix(path.Base(path.Dir(name)), "v"))
		if err != nil {
			return fmt.Errorf("%s: the folder is no version: %w", name, err)
		}
		document, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		all = append(all, Schema{Type: strings.TrimSuffix(path.Base(name), ".json"), Version: version, Document: document})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read schemas: %w", err)
	}
	slices.SortFunc(all, func(a, b Schema) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), cmp.Compare(a.Version, b.Version))
	})
	return all, nil
}

// document is what the catalogue and the check for breaking changes read of a schema.
type document struct {
	ID          string              `json:"$id"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	MoneyEffect string              `json:"x-money-effect"`
	Type        any                 `json:"type"`
	Format      string              `json:"format"`
	Pattern     string              `json:"pattern"`
	Encoding    string              `json:"contentEncoding"`
	Ref         string              `json:"$ref"`
	Enum        []any               `json:"enum"`
	Known       []string            `json:"x-known-values"`
	Properties  map[string]document `json:"properties"`
	Required    []string            `json:"required"`
	Items       *document           `json:"items"`
	Definitions map[string]document `json:"$defs"`
	Examples    []json.RawMessage   `json:"examples"`

	order []string // names of Properties, as written
}

// UnmarshalJSON also reads true, the schema that everything is valid for.
func (d *document) UnmarshalJSON(data []byte) error {
	if string(data) == "true" {
		return nil
	}
	type plain document
	if err := json.Unmarshal(data, (*plain)(d)); err != nil {
		return err
	}
	var members struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(data, &members); err != nil || members.Properties == nil {
		return err
	}
	names := json.NewDecoder(bytes.NewReader(members.Properties))
	if _, err := names.Token(); err != nil { // the brace
		return err
	}
	for names.More() {
		name, err := names.Token()
		if err != nil {
			return err
		}
		d.order = append(d.order, fmt.Sprint(name))
		var skipped json.RawMessage
		if err := names.Decode(&skipped); err != nil {
			return err
		}
	}
	return nil
}
