package openapi

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp/syntax"
	"slices"
	"strings"
)

// Request is a request that the document was asked for.
type Request struct {
	Method, Target string
	Header         http.Header
	Body           []byte
	// Valid tells whether the document allows the body; the parameters may be anything. Where any media
	// type is taken, any body is allowed.
	Valid bool
}

// Generator makes requests from a document, some that it allows and some that it does not.
type Generator struct {
	Document *Document
	// Pool has values that mean something to what is asked, by the name of a path parameter, query
	// parameter, header or member of a body.
	Pool map[string][]string
}

// depthMax ends schemas that contain themselves.
const depthMax = 8

// Request makes one for an operation. The same seed makes the same request.
func (g *Generator) Request(o Operation, seed uint64) Request {
	m := &maker{Generator: g, r: rand.New(rand.NewPCG(seed, 1))}
	req := Request{Method: o.Method, Header: http.Header{}, Valid: true}
	path, query := o.Path, url.Values{}
	for _, p := range list(o.described["parameters"]) {
		described := object(p)
		name, _ := described["name"].(string)
		in, _ := described["in"].(string)
		value := m.parameter(name, object(described["schema"]))
		switch {
		case in == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case m.r.IntN(3) > 0: // most are left out
		case in == "query":
			query.Set(name, value)
		case in == "header" && plain(value):
			req.Header.Set(name, value)
		}
	}
	req.Target = path
	if len(query) > 0 {
		req.Target += "?" + query.Encode()
	}
	content := object(object(o.described["requestBody"])["content"])
	for kind, media := range content {
		req.Header.Set("Content-Type", strings.Replace(kind, "*/*", "application/json", 1))
		schema := object(object(media)["schema"])
		req.Body = m.body(schema)
		req.Valid = kind == "*/*" || g.Document.valid(o.at+pointer("requestBody", "content", kind, "schema"), req.Body) == nil
	}
	return req
}

// maker makes the values of one request.
type maker struct {
	*Generator

	r *rand.Rand
}

func (m *maker) parameter(name string, schema map[string]any) string {
	if m.r.IntN(4) == 0 {
		return m.text()
	}
	if known := m.Pool[name]; len(known) > 0 && m.r.IntN(5) > 0 {
		return known[m.r.IntN(len(known))]
	}
	value := m.value(name, schema, 0)
	if s, ok := value.(string); ok {
		if s == "" {
			return "x"
		}
		return s
	}
	return fmt.Sprint(value)
}

// body is valid half of the time, and otherwise a valid one that something was done to.
func (m *maker) body(schema map[string]any) []byte {
	value := m.value("", schema, 0)
	broken := m.r.IntN(2) == 0
	if broken && m.r.IntN(4) > 0 {
		value = m.damage(value)
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // it is made of what JSON has
	}
	if broken && m.r.IntN(4) == 0 && len(data) > 0 {
		switch at := m.r.IntN(len(data)); m.r.IntN(3) {
		case 0:
			data = data[:at]
		case 1:
			data[at] ^= byte(1 + m.r.IntN(255))
		default:
			data = slices.Insert(data, at, data[m.r.IntN(len(data))])
		}
	}
	return data
}

// value is one that the schema allows, as far as the generator understands it.
func (m *maker) value(name string, schema map[string]any, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		return m.value(name, m.Document.resolve(ref), depth)
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if choices := list(schema[key]); len(choices) > 0 {
			return m.value(name, object(choices[m.r.IntN(len(choices))]), depth)
		}
	}
	if choices := list(schema["enum"]); len(choices) > 0 {
		return choices[m.r.IntN(len(choices))]
	}
	kind := ""
	switch t := schema["type"].(type) {
	case string:
		kind = t
	case []any:
		kind, _ = t[m.r.IntN(len(t))].(string)
	}
	switch kind {
	case "object":
		return m.object(schema, depth)
	case "array":
		items := []any{}
		n := int(number(schema["minItems"], 0)) + m.r.IntN(3)
		for range min(n, 5) {
			if depth < depthMax {
				items = append(items, m.value(name, object(schema["items"]), depth+1))
			}
		}
		return items
	case "string":
		return m.string(name, schema)
	case "integer":
		least := number(schema["minimum"], -5)
		most := number(schema["maximum"], least+1e6)
		return json.Number(fmt.Sprintf("%.0f", least+math.Floor(m.r.Float64()*m.r.Float64()*(most-least))))
	case "number":
		return json.Number(fmt.Sprintf("%d.%02d", m.r.IntN(200), m.r.IntN(100)))
	case "boolean":
		return m.r.IntN(2) == 0
	case "null":
		return nil
	}
	return map[string]any{"anything": m.text()}
}

func (m *maker) object(schema map[string]any, depth int) any {
	made := map[string]any{}
	required := list(schema["required"])
	names := make([]string, 0, 16)
	properties := object(schema["properties"])
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names) // the same seed makes the same value
	for _, name := range names {
		if slices.Contains(required, any(name)) || depth < depthMax && m.r.IntN(3) == 0 {
			made[name] = m.value(name, object(properties[name]), depth+1)
		}
	}
	return made
}

func (m *maker) string(name string, schema map[string]any) string {
	if known := m.Pool[name]; len(known) > 0 && m.r.IntN(3) > 0 {
		return known[m.r.IntN(len(known))]
	}
	switch schema["format"] {
	case "uri":
		return "https://shop.example/" + m.word()
	case "uuid":
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", m.r.Uint32(), m.r.Uint32())
	case "date-time":
		return "2026-11-20T10:00:00Z"
	}
	if pattern, ok := schema["pattern"].(string); ok {
		if tree, err := syntax.Parse(pattern, syntax.Perl); err == nil {
			return m.matching(tree.Simplify())
		}
	}
	text := m.word()
	if m.r.IntN(4) == 0 {
		text = m.text()
	}
	for float64(len(text)) < number(schema["minLength"], 0) {
		text += "x"
	}
	if most := int(number(schema["maxLength"], 1000)); len([]rune(text)) > most {
		text = string([]rune(text)[:most])
	}
	return text
}

// matching is a text that a pattern matches.
func (m *maker) matching(t *syntax.Regexp) string {
	switch t.Op {
	case syntax.OpLiteral:
		return string(t.Rune)
	case syntax.OpCharClass:
		at := 2 * m.r.IntN(len(t.Rune)/2)
		return string(t.Rune[at] + rune(m.r.IntN(int(t.Rune[at+1]-t.Rune[at])+1)))
	case syntax.OpConcat, syntax.OpCapture:
		var b strings.Builder
		for _, sub := range t.Sub {
			b.WriteString(m.matching(sub))
		}
		return b.String()
	case syntax.OpAlternate:
		return m.matching(t.Sub[m.r.IntN(len(t.Sub))])
	case syntax.OpQuest:
		if m.r.IntN(2) == 0 {
			return ""
		}
		return m.matching(t.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		var b strings.Builder
		for range 1 + m.r.IntN(4) {
			b.WriteString(m.matching(t.Sub[0]))
		}
		return b.String()
	default: // anchors and what the document does not use
		return ""
	}
}

// damage does something to a value that schemas mostly forbid.
func (m *maker) damage(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 && m.r.IntN(3) > 0 {
			names := make([]string, 0, len(v))
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			name := names[m.r.IntN(len(names))]
			if m.r.IntN(4) == 0 {
				delete(v, name)
			} else {
				v[name] = m.damage(v[name])
			}
			return v
		}
		if m.r.IntN(2) == 0 {
			v[m.word()] = m.text()
			return v
		}
	case []any:
		if len(v) > 0 && m.r.IntN(3) > 0 {
			at := m.r.IntN(len(v))
			v[at] = m.damage(v[at])
			return v
		}
	}
	odd := []any{
		nil, true, -1, json.Number("0"), json.Number("1e3"), json.Number("0.00001"), json.Number("99999999999999999999.99"), json.Number("-0.01"),
		"", m.text(), strings.Repeat("9", 3000), []any{}, map[string]any{}, []any{[]any{nil}}, "NaN", "1,00", "0.001", "١٢", "1e2147483647",
	}
	return odd[m.r.IntN(len(odd))]
}

func (m *maker) word() string {
	words := []string{"kettle", "Blue Teapot", "SO-1", "Čaj & <kava>", "x", "kim@shop.example", "n/a"}
	return words[m.r.IntN(len(words))]
}

// text is what nobody expects.
func (m *maker) text() string {
	texts := []string{
		"\x00", "../../etc/passwd", "%00", "' or 1=1 --", "\u202etxt", "\U0001F4A9", strings.Repeat("a", 300), "null", "-1", "18446744073709551616",
		"2026-13-45", "C:1/P:1", "C:x", "1s", "0", "*", "\"0\"", "W/\"9\"", ",", ";", "{id}", "\ufeff", "sealed:1:AAAA", "sealed:2:01M8K95NACJ2K81W3XEWHZYATX.0:AAAA", "01M8K95NACJ2K81W3XEWHZYATX",
		"\n", "é", "1e999", "true", "decta", "2026-11-01", "99999999999999999999",
	}
	return texts[m.r.IntN(len(texts))]
}

// plain tells whether a text can stand in a header.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (d *Document) resolve(ref string) map[string]any {
	var at any = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = object(at)[part]
	}
	return object(at)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func number(v any, fallback float64) float64 {
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return fallback
}
