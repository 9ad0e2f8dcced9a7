package schemas

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

// Event is an entry of the catalogue: what an event type says, in its newest version, and in those before it,
// which the log may hold for ever.
type Event struct {
	Name        string          `json:"name"`
	Meaning     string          `json:"meaning"`
	MoneyEffect string          `json:"money_effect"`
	Versions    []int           `json:"versions"`
	Fields      []Field         `json:"fields"`
	Example     json.RawMessage `json:"example"`
	SchemaID    string          `json:"schema_id"`
	// Earlier are the versions before the newest, from the one before it. Nothing writes them any more.
	Earlier []Earlier `json:"earlier,omitempty"`
}

// Earlier is what an earlier version of an event said.
type Earlier struct {
	Version  int             `json:"version"`
	Fields   []Field         `json:"fields"`
	Example  json.RawMessage `json:"example"`
	SchemaID string          `json:"schema_id"`
}

// Field is a member of an event's data. The members of objects follow theirs, as "amount.currency".
type Field struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Meaning  string   `json:"meaning,omitempty"`
	Known    []string `json:"known_values,omitempty"`
}

// Catalogue describes all events of the log, by name.
func Catalogue() ([]Event, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, s := range all {
		if s.Type == EnvelopeType {
			continue
		}
		var d document
		if err := json.Unmarshal(s.Document, &d); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", s.Type, err)
		}
		e := Event{Name: s.Type, Meaning: d.Description, MoneyEffect: d.MoneyEffect, Versions: []int{s.Version}, SchemaID: d.ID}
		e.Fields = fieldsOf("", d, d.Definitions, 0)
		if len(d.Examples) > 0 {
			e.Example = d.Examples[0]
		}
		if last := len(events) - 1; last >= 0 && events[last].Name == e.Name { // they come from the oldest
			before := events[last]
			e.Versions = append(before.Versions, s.Version)
			e.Earlier = append([]Earlier{{before.Versions[len(before.Versions)-1], before.Fields, before.Example, before.SchemaID}}, before.Earlier...)
			events = events[:last]
		}
		events = append(events, e)
	}
	return events, nil
}

func fieldsOf(prefix string, d document, definitions map[string]document, depth int) []Field {
	if depth > shapeDepthMax {
		return nil
	}
	var fields []Field
	for _, name := range d.order {
		member := d.Properties[name]
		resolved := resolve(definitions, member)
		f := Field{
			Name: prefix + name, Type: typeName(resolved), Required: slices.Contains(d.Required, name),
			Meaning: member.Description, Known: resolved.Known,
		}
		fields = append(fields, f)
		inner := resolved
		if resolved.Items != nil {
			f.Name += "[]"
			inner = resolve(definitions, *resolved.Items)
		}
		fields = append(fields, fieldsOf(f.Name+".", inner, definitions, depth+1)...)
	}
	return fields
}

func typeName(d document) string {
	switch {
	case d.Type == nil:
		return "any"
	case d.Format != "":
		return d.Format
	}
	return fmt.Sprint(d.Type)
}

//go:embed catalogue.html
var page string

// WriteHTML renders the catalogue as one page without links to anywhere else.
func WriteHTML(w io.Writer, events []Event) error {
	t, err := template.New("catalogue").Funcs(template.FuncMap{
		"join": func(values []string) string { return strings.Join(values, ", ") },
		"indent": func(example json.RawMessage) (string, error) {
			var out bytes.Buffer
			err := json.Indent(&out, example, "", "  ")
			return out.String(), err
		},
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("catalogue's page: %w", err)
	}
	if err := t.Execute(w, events); err != nil {
		return fmt.Errorf("write catalogue: %w", err)
	}
	return nil
}
