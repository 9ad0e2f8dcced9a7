package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// generate makes the schema of the present version of every type.
func generate(source string) ([]schemas.Schema, error) {
	g := &generator{source: source}
	if err := g.read(); err != nil {
		return nil, err
	}
	var out []schemas.Schema
	for _, eventType := range order.EventTypes() {
		e, ok := order.Zero(eventType)
		if !ok {
			return nil, fmt.Errorf("%s has no zero value", eventType)
		}
		effect, ok := effects[eventType]
		if !ok {
			return nil, fmt.Errorf("effects.go does not say what %s does to money", eventType)
		}
		version := order.CurrentVersion(eventType)
		example, err := g.example(eventType, version)
		if err != nil {
			return nil, err
		}
		document, err := g.schema(eventType, version, reflect.TypeOf(e), effect, example)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", eventType, err)
		}
		out = append(out, schemas.Schema{Type: eventType, Version: version, Document: document})
	}
	for _, e := range ledgerEvents() {
		g.types[e.kind.Name()] = e.meaning
		document, err := g.schema(e.name, 1, e.kind, "None.", e.data())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		out = append(out, schemas.Schema{Type: e.name, Version: 1, Document: document})
	}
	document, err := g.schema(schemas.EnvelopeType, 1, reflect.TypeFor[order.Metadata](), "", nil)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	return append(out, schemas.Schema{Type: schemas.EnvelopeType, Version: 1, Document: document}), nil
}

// generator knows the source code: comments become descriptions, constants the values that are known.
type generator struct {
	source    string
	reflector jsonschema.Reflector
	types     map[string]string   // comments of types
	known     map[string][]string // values of the constants of a type
}

func (g *generator) read() error {
	g.types, g.known = map[string]string{}, map[string][]string{}
	files, err := filepath.Glob(filepath.Join(g.source, "*.go"))
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok {
				g.declaration(d, fields)
			}
		}
	}
	g.reflector = jsonschema.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, ExpandedStruct: true, Mapper: g.mapped,
		LookupComment: func(t reflect.Type, field string) string {
			if field == "" {
				return g.types[t.Name()]
			}
			return fields[t.Name()+"."+field]
		},
	}
	return nil
}

func (g *generator) declaration(d *ast.GenDecl, fields map[string]string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			g.types[spec.Name.Name] = oneLine(d.Doc)
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						fields[spec.Name.Name+"."+name.Name] = oneLine(field.Doc)
					}
				}
			}
		case *ast.ValueSpec:
			kind, ok := spec.Type.(*ast.Ident)
			if d.Tok != token.CONST || !ok {
				continue
			}
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						g.known[kind.Name] = append(g.known[kind.Name], text)
					}
				}
			}
		}
	}
}

func oneLine(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}

// mapped describes types that are written in a form of their own.
func (g *generator) mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[money.Money]():
		s := &jsonschema.Schema{
			Type: "object", Properties: jsonschema.NewProperties(), Required: []string{"amount", "currency"},
			Description: "Money: the amount in major units as text, with all decimals of the currency.",
		}
		s.Properties.Set("amount", &jsonschema.Schema{Type: "string", Pattern: `^-?[0-9]+(\.[0-9]+)?$`})
		s.Properties.Set("currency", &jsonschema.Schema{Type: "string", Pattern: "^[A-Z0-9]{3,}$"})
		return s
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Description: "Any JSON."}
	}
	if t.Kind() == reflect.String && t.PkgPath() != "" && len(g.known[t.Name()]) > 0 {
		// No enum: more values may come, and that breaks nobody who was told.
		return &jsonschema.Schema{
			Type: "string", Description: g.types[t.Name()] + " More values may be added.",
			Extras: map[string]any{"x-known-values": g.known[t.Name()]},
		}
	}
	return nil
}

// schema makes the document of one version of a type.
func (g *generator) schema(name string, version int, t reflect.Type, effect string, example json.RawMessage) ([]byte, error) {
	s := g.reflector.ReflectFromType(t)
	s.ID = jsonschema.ID(schemas.URN(name, version))
	s.Title = name
	s.Description = strings.Replace(g.types[t.Name()], t.Name(), name, 1)
	if effect != "" {
		s.Extras = map[string]any{"x-money-effect": effect}
	}
	if example != nil {
		s.Examples = []any{example}
	}
	document, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return pretty(document)
}

// example is the data of the type's golden file.
func (g *generator) example(eventType string, version int) (json.RawMessage, error) {
	golden, err := os.ReadFile(filepath.Join(g.source, "testdata", "golden", "v"+strconv.Itoa(version), eventType+".json"))
	if err != nil {
		return nil, err
	}
	data, _, _ := bytes.Cut(golden, []byte("\n"))
	return slices.Clone(data), nil
}
