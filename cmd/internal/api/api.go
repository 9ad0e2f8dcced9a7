// Package api is the order API over HTTP: commands of merchants and operators, validated by the schemas
// of the OpenAPI document that it serves.
package api

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
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
	Views   Views
	Limits  *auth.Limits // nil is no limit
	// Development makes one more token, which allows everything while the process lives.
	Development bool
	Clock       func() time.Time
	Logger      *slog.Logger
}

// API serves the operations of its OpenAPI document.
type API struct {
	Config
	development string
	document    *huma.OpenAPI
	registry    huma.Registry
	operations  []*operation
}

// New makes an API.
func New(c Config) (*API, error) {
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
	a.operations = a.all()
	for _, op := range a.operations {
		a.describe(op)
	}
	if _, err := json.Marshal(a.document); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return a, nil
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

// DevelopmentToken is the token that New made for development; empty for none.
func (a *API) DevelopmentToken() string { return a.development }

// Register adds the API's routes.
func (a *API) Register(mux *http.ServeMux) {
	for _, op := range a.operations {
		pattern := op.path
		if strings.HasSuffix(pattern, "/") {
			pattern += "{$}"
		}
		mux.Handle(op.method+" "+pattern, a.handler(op))
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		data, err := json.Marshal(a.document)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			a.Logger.Debug("OpenAPI document not sent", slog.Any("error", err))
		}
	})
}

// operation is one path and method.
type operation struct {
	id, method, path, summary string
	scope                     auth.Scope
	status                    int
	body, answer              reflect.Type // body is nil for none
	query                     []*huma.Param
	handle                    func(r *request) (*answer, error)

	schema *huma.Schema // of the body
}

// answer is what an operation answers.
type answer struct {
	body     any
	position string
	revision *uint64
	location string
	gateway  order.GatewayOutcome
}

func (a *API) describe(op *operation) {
	described := &huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary,
		Security:  []map[string][]string{{"token": {string(op.scope)}}},
		Responses: map[string]*huma.Response{},
	}
	text := func(name, in string, required bool, about string) *huma.Param {
		return &huma.Param{Name: name, In: in, Required: required, Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	for segment := range strings.SplitSeq(op.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			about := "ULID"
			if name == "code" {
				about = "One of the order's flags"
			}
			described.Parameters = append(described.Parameters, text(name, "path", true, about))
		}
	}
	described.Parameters = append(described.Parameters, op.query...)
	if op.method == http.MethodPost {
		described.Parameters = append(described.Parameters,
			text("Idempotency-Key", "header", false, "The same key and body get the same answer, for ever."),
			text("If-Match", "header", false, "Revision of the order that is acted on, as ETag answers it."))
	}
	if op.body != nil {
		op.schema = a.registry.Schema(op.body, true, op.id)
		described.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: op.schema}}}
	}
	described.Responses[strconv.Itoa(op.status)] = &huma.Response{
		Description: http.StatusText(op.status),
		Content:     map[string]*huma.MediaType{"application/json": {Schema: a.registry.Schema(op.answer, true, op.id+"Answer")}},
	}
	if op.method == http.MethodPost {
		accepted := *described.Responses[strconv.Itoa(op.status)]
		accepted.Description = "Recorded; what became of it at the gateway is not known yet"
		described.Responses[strconv.Itoa(http.StatusAccepted)] = &accepted
	}
	problem := a.registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, status := range []int{400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503} {
		described.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}
	}
	a.document.AddOperation(described)
}

func (a *API) handler(op *operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.authorise(r, op.scope)
		if err == nil {
			err = a.admit(w, who)
		}
		var in *request
		if err == nil {
			in, err = a.read(w, r, op, who)
		}
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
	})
}

// Authorise tells who sends a request that is not the API's own, or answers it and returns false.
func (a *API) Authorise(w http.ResponseWriter, r *http.Request, scope auth.Scope) (auth.Principal, bool) {
	who, err := a.authorise(r, scope)
	if err != nil {
		a.refuse(w, r, err)
	}
	return who, err == nil
}

// May tells whether a request's token allows something now.
func (a *API) May(r *http.Request, scope auth.Scope) bool {
	_, err := a.authorise(r, scope)
	return err == nil
}

func (a *API) authorise(r *http.Request, scope auth.Scope) (auth.Principal, error) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return auth.Principal{}, problem(http.StatusUnauthorized, "token_required", "The request needs a header Authorization: Bearer TOKEN.")
	}
	return a.Identify(secret, scope)
}

// Identify tells whose token it is; a *Problem when it is nobody's or does not have the scope.
func (a *API) Identify(secret string, scope auth.Scope) (auth.Principal, error) {
	who := auth.Principal{Name: "development", Person: "development", Scopes: auth.Scopes()}
	if a.development == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(a.development)) != 1 {
		var err error
		who, err = a.Tokens.Verify(secret)
		if errors.Is(err, auth.ErrRefused) {
			return who, problem(http.StatusUnauthorized, "token_refused", "The token is unknown, wrong or revoked.")
		}
		if err != nil {
			return who, err
		}
	}
	if !who.May(scope) {
		return who, problem(http.StatusForbidden, "scope_missing", "The token does not have the scope "+string(scope)+".")
	}
	return who, nil
}

func (a *API) admit(w http.ResponseWriter, who auth.Principal) error {
	if a.Limits == nil {
		return nil
	}
	wait, ok := a.Limits.Allow(who.Name, a.Clock())
	if ok {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	return problem(http.StatusTooManyRequests, "too_many_requests", "The token calls more often than it may; wait as Retry-After says.")
}
