// Package api is the order API over HTTP: commands of merchants and operators, validated by the schemas
// of the OpenAPI document that it serves.
package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/detail"
)

const (
	// bodyBytesMax bounds the body of a request.
	bodyBytesMax = 256 << 10
	// positionHeader tells on every answer to a write where it stands in the log.
	positionHeader = "Ledger-Position"
	// gatewayHeader tells what became of a write at the gateway; an unknown outcome is 202.
	gatewayHeader = "Ledger-Gateway"
)

// Config configures an API. All but Development and Limits are required.
type Config struct {
	Orders *commands.Orders
	Tokens *auth.Store
	// Account tells whether orders can be registered for an account of a gateway.
	Account func(gateway, account string) bool
	Gateway Gateway
	// Choices are what the merchant of an account decided; nil is nothing.
	Choices func(gateway, account string) advice.Choices
	Views   Views
	Limits  *auth.Limits // nil is no limit
	OIDC    *auth.OIDC   // nil takes no tokens of issuers
	// Owner is the token in the data directory; empty lets no owner in.
	Owner string
	// Open: reading takes no token, as on a loopback address without a proxy before it.
	Open bool
	// Development makes one more token, which allows everything that one person may while the process lives
	// and Tokens has none.
	Development bool
	Clock       func() time.Time
	Logger      *slog.Logger
}

// API serves the operations of its OpenAPI document.
type API struct {
	Config
	development string
	ended       atomic.Bool // the token for development is not taken any more
	document    *huma.OpenAPI
	registry    huma.Registry
	routes      []*Route
}

// New makes an API.
func New(c Config) (*API, error) {
	a := NewBare(c)
	for _, op := range a.all() {
		a.Add(a.route(op))
	}
	if _, err := json.Marshal(a.document); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return a, nil
}

// NewBare makes an API without operations on orders: what is added to it, and its document. Of the
// configuration it needs the logger, and what the access of its routes takes.
func NewBare(c Config) *API {
	a := &API{Config: c, registry: huma.NewMapRegistry("#/components/schemas/", schemaName)}
	a.registry.RegisterTypeAlias(reflect.TypeFor[money.Money](), reflect.TypeFor[moneyText]())
	if c.Development {
		a.development = "ledger_development_" + rand.Text()
	}
	a.document = &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Order ledger", Version: "1"},
		Components: &huma.Components{
			Schemas:         a.registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}},
		},
	}
	a.Add(&Route{
		ID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Summary: "This document", Tag: "about", Access: Public,
		Answers: OK(nil, Content{Type: "application/json"}), Handler: a.openapi,
	})
	return a
}

// moneyText is how money.Money is written.
type moneyText struct {
	Amount   string `json:"amount" doc:"Major units, with all decimals of the currency."`
	Currency string `json:"currency"`
}

// schemaName tells types of other packages from ours: order of projections/detail is DetailOrder.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch pkg := path.Base(t.PkgPath()); pkg {
	case "api", ".":
		return name
	default:
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
}

// Register adds the routes.
func (a *API) Register(mux *http.ServeMux) {
	for _, rt := range a.routes {
		mux.Handle(rt.Pattern(), a.guard(rt))
	}
}

func (a *API) openapi(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(a.document)
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		a.Logger.DebugContext(r.Context(), "OpenAPI document not sent", slog.Any("error", err))
	}
}

// operation is a route of the order API: its body is validated by its schema, and its answer is JSON.
type operation struct {
	id, method, path, summary string
	access                    Access
	scope                     auth.Scope
	status                    int
	body, answer              reflect.Type // body is nil for none
	query                     []*huma.Param
	ofViews                   bool
	headers                   []string // of the answer, besides those that all have
	handle                    func(r *request) (*answer, error)
	// check tells what is wrong with a body besides what its schema says, as far as a body that is not valid can be
	// read; nil is nothing.
	check func(raw []byte) []FieldError

	schema *huma.Schema // of the body
}

// answer is what an operation answers.
type answer struct {
	body     any
	position string
	revision *uint64
	location string
	gateway  order.GatewayOutcome
	// of is the order that the answer is about, for conditional requests and polling advice.
	of *detail.Order
	// poll is when to ask again, in seconds; 0 says nothing.
	poll int
}

// route is an operation as it is served and described.
func (a *API) route(op *operation) *Route {
	rt := &Route{
		ID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Tag: "orders", Access: op.access, Scope: op.scope,
		OfViews: op.ofViews, Params: op.query, Refusals: []int{http.StatusBadRequest}, Handler: a.handler(op),
	}
	if strings.Contains(op.path, "{") {
		rt.Refusals = append(rt.Refusals, http.StatusNotFound)
	}
	done := Answer{Status: op.status, Content: []Content{{Type: "application/json", Schema: op.answer}}, Headers: op.headers}
	if op.method == http.MethodPost {
		done.Headers = append(done.Headers, "ETag", positionHeader, gatewayHeader)
		accepted := done
		accepted.Status, accepted.About = http.StatusAccepted, "Recorded; what became of it at the gateway is not known yet"
		rt.Answers = append(rt.Answers, accepted)
		rt.Params = append(rt.Params,
			Param("Idempotency-Key", "header", "The same key and body get the same answer, for ever.", &huma.Schema{Type: huma.TypeString, MaxLength: new(commands.KeyBytesMax)}))
		rt.Refusals = append(rt.Refusals, http.StatusConflict, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
		if strings.Contains(op.path, "{") {
			rt.Params = append(rt.Params, Param("If-Match", "header",
				"Revision of the order that is acted on, as ETag answers it; * is any. A weak tag (W/) matches nothing: 412.", nil))
			rt.Refusals = append(rt.Refusals, http.StatusPreconditionFailed)
		}
	}
	rt.Answers = append(rt.Answers, done)
	if slices.Contains(op.headers, "Last-Modified") {
		rt.Params = append(rt.Params, Param("If-None-Match", "header", "An ETag: 304 when it is still of this revision.", nil),
			Param("If-Modified-Since", "header", "A Last-Modified: 304 when nothing was learnt since. If-None-Match goes before it, and tells more exactly.", nil))
		rt.Answers = append(rt.Answers, Answer{Status: http.StatusNotModified, Headers: op.headers})
	}
	if op.body != nil {
		op.schema = a.registry.Schema(op.body, true, op.id)
		rt.Body, rt.BodyOptional = &Content{Type: "application/json", Schema: op.body}, a.bodyMayBeEmpty(op)
	}
	return rt
}

func (a *API) handler(op *operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, _ := Caller(r.Context())
		in, err := a.read(w, r, op, who)
		var out *answer
		if err == nil {
			out, err = op.handle(in)
		}
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		if out.position != "" {
			h.Set(positionHeader, out.position)
		}
		if out.revision != nil {
			h.Set("ETag", `"`+strconv.FormatUint(*out.revision, 10)+`"`)
		}
		if out.location != "" {
			h.Set("Location", out.location)
		}
		if out.of != nil && Conditional(w, r, out.of, a.Clock()) {
			return
		}
		if out.poll > 0 {
			h.Set("Retry-After", strconv.Itoa(out.poll))
		}
		status := op.status
		if out.gateway != "" {
			h.Set(gatewayHeader, string(out.gateway))
			if out.gateway == order.GatewayUnknown {
				status = http.StatusAccepted
			}
		}
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(out.body); err != nil {
			a.Logger.DebugContext(r.Context(), "answer not sent", slog.Any("error", err))
		}
	}
}
