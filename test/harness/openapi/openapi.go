// Package openapi holds answers against an OpenAPI 3.1 document, with a validator of JSON Schema that has
// nothing in common with what made the document.
package openapi

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is a document that answers are held against. It is safe for use by many goroutines.
type Document struct {
	root       map[string]any
	operations []Operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by place in the document
}

// Operation is one path and method.
type Operation struct {
	ID, Method, Path string
	described        map[string]any
	at               string // JSON pointer
}

// TellsOnSuccess tells whether all answers of success have a header, as the document says.
func (o Operation) TellsOnSuccess(header string) bool {
	for status, answer := range object(o.described["responses"]) {
		if strings.HasPrefix(status, "2") && object(object(answer)["headers"])[header] == nil {
			return false
		}
	}
	return true
}

// shownBytes is how much of an answer a complaint shows.
const shownBytes = 500

const resource = "https://ledger.test/openapi.json"

// Parse reads a document.
func Parse(data []byte) (*Document, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	d := &Document{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	var ok bool
	if d.root, ok = root.(map[string]any); !ok {
		return nil, fmt.Errorf("the document is a %T", root)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(resource, root); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	for path, methods := range object(d.root["paths"]) {
		for method, described := range object(methods) {
			o := object(described)
			id, _ := o["operationId"].(string)
			d.operations = append(d.operations, Operation{
				ID: id, Method: strings.ToUpper(method), Path: path, described: o, at: pointer("paths", path, method),
			})
		}
	}
	slices.SortFunc(d.operations, func(a, b Operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return d, nil
}

// Operations are all of them, by path and method.
func (d *Document) Operations() []Operation { return d.operations }

// Find returns the operation that a request is of.
func (d *Document) Find(method, path string) (Operation, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var best *Operation
	for i := range d.operations {
		o := &d.operations[i]
		if o.Method == method && matches(o.Path, path) && (best == nil || strings.Count(o.Path, "{") < strings.Count(best.Path, "{")) {
			best = o
		}
	}
	if best == nil {
		return Operation{}, false
	}
	return *best, true
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (!strings.HasPrefix(want[i], "{") || got[i] == "") {
			return false
		}
	}
	return true
}

// plainHeaders may be in every answer without the document saying so: they are of HTTP itself.
var plainHeaders = []string{
	"Allow", "Cache-Control", "Connection", "Content-Disposition", "Content-Encoding", "Content-Length", "Content-Security-Policy",
	"Content-Type", "Date", "Keep-Alive", "Link-Template", "Trailer", "Transfer-Encoding", "Vary", "X-Accel-Buffering", "X-Content-Type-Options",
}

// Check tells what of an answer the document does not say: the status, the media type, a header, or the
// form of the body. What no operation is asked for is not looked at.
func (d *Document) Check(method, target string, status int, header http.Header, body []byte) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("read the address: %w", err)
	}
	o, ok := d.Find(method, u.EscapedPath())
	if !ok {
		return nil
	}
	code := strconv.Itoa(status)
	answer := object(object(o.described["responses"])[code])
	if answer == nil {
		return fmt.Errorf("%s %s answered %d, which the document does not know: %s", method, o.Path, status, body)
	}
	declared := map[string]bool{}
	for name := range object(answer["headers"]) {
		declared[http.CanonicalHeaderKey(name)] = true
	}
	for name := range header {
		if !declared[name] && !slices.Contains(plainHeaders, name) {
			return fmt.Errorf("%s %s answered %d with the header %s, which the document does not know", method, o.Path, status, name)
		}
	}
	if len(body) == 0 || method == http.MethodHead {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%s %s answered %d without a media type: %w", method, o.Path, status, err)
	}
	if object(answer["content"])[kind] == nil {
		return fmt.Errorf("%s %s answered %d as %s, which the document does not know", method, o.Path, status, kind)
	}
	if kind != "application/json" && kind != "application/problem+json" {
		return nil
	}
	if err := d.valid(o.at+pointer("responses", code, "content", kind, "schema"), body); err != nil {
		return fmt.Errorf("%s %s answered %d with what the document does not say: %w\n%s", method, o.Path, status, err, body[:min(len(body), shownBytes)])
	}
	return nil
}

// valid tells whether JSON is valid for the schema at a place in the document.
func (d *Document) valid(at string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.schemas[at]
	if s == nil {
		if s, err = d.compiler.Compile(resource + "#" + at); err != nil {
			return err
		}
		d.schemas[at] = s
	}
	return s.Validate(value)
}

// Checking passes requests on to a handler, and what is wrong with its answers to complain.
func (d *Document) Checking(next http.Handler, complain func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorded, r)
		if err := d.Check(r.Method, r.URL.RequestURI(), recorded.status, w.Header(), recorded.body.Bytes()); err != nil {
			complain(err)
		}
	})
}

// recorder keeps what is answered.
type recorder struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	r.body.Write(data)
	return r.ResponseWriter.Write(data)
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// pointer is a JSON pointer as a fragment.
func pointer(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(part)))
	}
	return b.String()
}
