package api

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// Access says who may ask for a route.
type Access int

const (
	// WithToken takes a token with the route's scope.
	WithToken Access = iota
	// Reading takes a token with the route's scope too, but none on a loopback address without a proxy
	// before it; and the token in the data directory. A token that is sent must be good all the same.
	Reading
	// Operating takes the token in the data directory, or a token with the route's scope.
	Operating
	// OwnerOnly takes the token in the data directory.
	OwnerOnly
	// Public takes no token: the route has a check of its own, or tells nothing of orders.
	Public
)

// Route is one path and method, as the document describes it and as it is served.
type Route struct {
	ID, Method, Path, Summary, Tag string
	Access                         Access
	Scope                          auth.Scope
	// OfViews: the answer is made of the views, and waits for them when it is asked to.
	OfViews bool
	Params  []*huma.Param
	// Body is what is sent; nil is nothing.
	Body *Content
	// BodyOptional: nothing may be sent in place of Body.
	BodyOptional bool
	Answers      []Answer
	// Refusals are the statuses of problem details that are of this route, besides those that its access
	// and parameters bring along.
	Refusals []int
	// Handler serves the route to those who may.
	Handler http.HandlerFunc
}

// Content is a media type and the form of what is in it. Schema may be nil: anything.
type Content struct {
	Type   string
	Schema reflect.Type
}

// Answer is an answer that is no refusal.
type Answer struct {
	Status  int
	About   string // empty is the status's name
	Content []Content
	// Headers are names of responseHeaders.
	Headers []string
}

// JSON is content of a type as JSON.
func JSON[T any]() Content {
	return Content{Type: "application/json", Schema: reflect.TypeFor[T]()}
}

// OK is the answer 200 with these forms of content.
func OK(headers []string, content ...Content) []Answer {
	return []Answer{{Status: http.StatusOK, Content: content, Headers: headers}}
}

// responseHeaders says what the headers of answers mean.
var responseHeaders = map[string]string{
	"ETag":             "What the answer is of: the revision of an order, or a digest. If-None-Match and If-Match take it.",
	"Last-Modified":    "When the ledger last learnt something of the order; a second early in the first minute.",
	"Location":         "Where the order is.",
	"Link":             "rel=next: what to ask for next.",
	"Retry-After":      "Seconds until it makes sense to ask again.",
	"X-Request-Id":     "Finds the request in the ledger's log.",
	positionHeader:     "Where a write stands in the log, or where the views stood that the answer was made of. at_least takes it.",
	gatewayHeader:      "What became of the request at the gateway: accepted, or unknown (202).",
	"WWW-Authenticate": "What proves who asks.",
}

func headersOf(names ...string) map[string]*huma.Param {
	described := map[string]*huma.Param{}
	for _, name := range append(names, "X-Request-Id") {
		described[name] = &huma.Param{Description: responseHeaders[name], Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return described
}

// Param describes a parameter. in is query or header.
func Param(name, in, about string, s *huma.Schema) *huma.Param {
	if s == nil {
		s = &huma.Schema{Type: huma.TypeString}
	}
	return &huma.Param{Name: name, In: in, Description: about, Schema: s}
}

// pathParams says what the parts of paths are.
var pathParams = map[string]string{
	"id": "ULID of the order", "code": "One of the order's flags", "dispute": "ULID", "correction": "ULID", "payment": "ULID, or the gateway's id",
	"gateway": "decta, everifin or connectpay", "account": "Account at the gateway", "name": "Name of the report",
	"type": "Event type", "version": "Version of the schema",
}

// freshParams are of every route that answers from the views.
func freshParams() []*huma.Param {
	return []*huma.Param{
		Param("at_least", "query", "Answer from views that stand at this position or later, as writes answer it in Ledger-Position.", nil),
		Param("wait", "query", "How long to wait for that, like 2s; at most 25s.", nil),
		Param("Ledger-At-Least", "header", "The same as at_least.", nil),
	}
}

// Add takes routes in that are served beside the API's own operations, and describes them.
func (a *API) Add(routes ...*Route) {
	for _, rt := range routes {
		a.describe(rt)
		a.routes = append(a.routes, rt)
	}
	tellNulls(a.registry)
}

// Pattern is the route as http.ServeMux takes it.
func (rt *Route) Pattern() string {
	if strings.HasSuffix(rt.Path, "/") {
		return rt.Method + " " + rt.Path + "{$}"
	}
	return rt.Method + " " + rt.Path
}

func (rt *Route) refusals() []int {
	statuses := append([]int{http.StatusInternalServerError}, rt.Refusals...)
	if rt.Access != Public {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	}
	if rt.OfViews {
		statuses = append(statuses, http.StatusBadRequest, http.StatusServiceUnavailable)
	}
	if rt.Body != nil {
		statuses = append(statuses, http.StatusBadRequest)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

func (a *API) describe(rt *Route) {
	described := &huma.Operation{
		OperationID: rt.ID, Method: rt.Method, Path: rt.Path, Summary: rt.Summary, Responses: map[string]*huma.Response{},
	}
	if rt.Tag != "" {
		described.Tags = []string{rt.Tag}
	}
	switch rt.Access {
	case WithToken, Operating:
		described.Security = []map[string][]string{{"token": {string(rt.Scope)}}}
	case Reading: // an empty requirement: none is needed on loopback
		described.Security = []map[string][]string{{"token": {string(rt.Scope)}}, {}}
	case OwnerOnly:
		described.Security = []map[string][]string{{"token": {}}}
	case Public:
	}
	for segment := range strings.SplitSeq(rt.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			p := Param(name, "path", pathParams[name], nil)
			p.Required = true
			described.Parameters = append(described.Parameters, p)
		}
	}
	described.Parameters = append(described.Parameters, rt.Params...)
	if rt.OfViews {
		described.Parameters = append(described.Parameters, freshParams()...)
	}
	if rt.Body != nil {
		described.RequestBody = &huma.RequestBody{Required: !rt.BodyOptional, Content: a.content(rt.ID, *rt.Body)}
	}
	for _, answer := range rt.Answers {
		about := answer.About
		if about == "" {
			about = http.StatusText(answer.Status)
		}
		described.Responses[strconv.Itoa(answer.Status)] = &huma.Response{
			Description: about, Headers: headersOf(answer.Headers...), Content: a.content(rt.ID+"Answer", answer.Content...),
		}
	}
	for _, status := range rt.refusals() {
		if described.Responses[strconv.Itoa(status)] == nil {
			described.Responses[strconv.Itoa(status)] = a.refusal(status, rt.OfViews)
		}
	}
	a.document.AddOperation(described)
}

// refusal describes problem details.
func (a *API) refusal(status int, ofViews bool) *huma.Response {
	var headers []string
	if ofViews {
		headers = append(headers, positionHeader)
	}
	switch status {
	case http.StatusUnauthorized:
		headers = append(headers, "WWW-Authenticate")
	case http.StatusConflict: // when something was recorded all the same
		headers = append(headers, positionHeader)
	case http.StatusTooManyRequests:
		headers = append(headers, "Retry-After")
	case http.StatusServiceUnavailable:
		headers = append(headers, "Retry-After", positionHeader)
	}
	return &huma.Response{
		Description: http.StatusText(status), Headers: headersOf(headers...),
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: a.registry.Schema(reflect.TypeFor[Problem](), true, "Problem")}},
	}
}

func (a *API) content(hint string, forms ...Content) map[string]*huma.MediaType {
	described := map[string]*huma.MediaType{}
	for _, c := range forms {
		s := &huma.Schema{}
		if c.Schema != nil {
			s = a.registry.Schema(c.Schema, true, hint)
		}
		described[c.Type] = &huma.MediaType{Schema: s}
	}
	return described
}
