package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
	"github.com/order-ledger/order-ledger/domain/money"
)

// request is a request that the document allows.
type request struct {
	ctx      context.Context
	who      auth.Principal
	path     func(string) string
	query    url.Values
	key      string
	revision *uint64
	body     []byte // valid for the operation's schema
}

// command is the request as a use case takes it.
func (r *request) command() commands.Request {
	return commands.Request{Key: r.key, Actor: r.who.Name, Person: r.who.Person, Revision: r.revision, Body: r.body}
}

func (r *request) into(target any) error {
	if err := json.Unmarshal(r.body, target); err != nil {
		return invalid(FieldError{Field: "body", Message: "is not what the document says"})
	}
	return nil
}

func (a *API) read(w http.ResponseWriter, r *http.Request, op *operation, who auth.Principal) (*request, error) {
	in := &request{ctx: r.Context(), who: who, path: r.PathValue, query: r.URL.Query(), key: r.Header.Get("Idempotency-Key")}
	if len(in.key) > commands.KeyBytesMax {
		return nil, invalid(FieldError{Field: "Idempotency-Key", Message: "is longer than " + strconv.Itoa(commands.KeyBytesMax) + " bytes"})
	}
	if match := strings.TrimSpace(r.Header.Get("If-Match")); match != "" && match != "*" && strings.Contains(op.path, "{") { // any revision of an order that is there
		if strings.HasPrefix(match, "W/") {
			return nil, problem(http.StatusPreconditionFailed, "order_changed", "A weak tag matches nothing here; send the ETag of the order as it was answered.")
		}
		revision, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 63)
		if err != nil {
			return nil, invalid(FieldError{Field: "If-Match", Message: "is not a revision as ETag answers it, nor *"})
		}
		in.revision = &revision
	}
	if len(cardguard.Find([]byte(in.key))) > 0 { // its digest would tell the few digits that a card number leaves open
		return nil, cardRefused("The Idempotency-Key")
	}
	if op.schema == nil {
		return in, nil
	}
	wrong := notAmong(in.query, op.query)
	if r.ContentLength == 0 && a.bodyMayBeEmpty(op) { // as the gateways' APIs take a cancellation
		var err error
		in.body, err = a.valid(op, []byte("{}"), wrong)
		return in, err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, problem(http.StatusUnsupportedMediaType, "json_required", "The body must be JSON, with Content-Type: application/json.")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problem(http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than "+strconv.Itoa(bodyBytesMax)+" bytes.")
	case err != nil:
		return nil, problem(http.StatusBadRequest, "body_unread", "The body could not be read.")
	case len(cardguard.Find(raw)) > 0:
		return nil, cardRefused("The body")
	}
	in.body, err = a.valid(op, raw, wrong)
	return in, err
}

func cardRefused(what string) *Problem {
	return problem(http.StatusUnprocessableEntity, "card_number_refused", what+" holds a card number. None may come here, and nothing was kept of it.")
}

// notAmong finds parameters whose values the document does not name.
func notAmong(query url.Values, params []*huma.Param) (wrong []FieldError) {
	for _, p := range params {
		allowed := p.Schema.Enum
		if values := query[p.Name]; len(allowed) == 0 || len(values) == 0 || len(values) == 1 && slices.Contains(allowed, any(values[0])) {
			continue
		}
		wrong = append(wrong, FieldError{Field: p.Name, Message: "is none of " + strings.Trim(fmt.Sprint(allowed), "[]")})
	}
	return wrong
}

// valid checks a body by the operation's schema, and gives it the one form that equal requests have. wrong is what
// of the request is known to be wrong besides: all of it is told at once.
func (a *API) valid(op *operation, raw []byte, wrong []FieldError) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "is not UTF-8"})
	}
	if !json.Valid(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "is not JSON"})
	}
	if nestedTooDeep(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "nests deeper than " + strconv.Itoa(nestingMax) + " levels"})
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var exact any
	if err := decoder.Decode(&exact); err != nil {
		return nil, invalid(FieldError{Field: "body", Message: "is not JSON"})
	}
	loose, huge := floats(exact)
	if huge != "" {
		return nil, invalid(FieldError{Field: "body", Message: "holds a number that is out of all bounds"})
	}
	if name, twice := memberTwice(raw); twice {
		return nil, invalid(FieldError{Field: name, Message: "is given twice"})
	}
	var found huma.ValidateResult
	huma.Validate(a.registry, op.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, loose, &found)
	for _, err := range found.Errors {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			wrong = append(wrong, fieldError(detail))
		}
	}
	if len(wrong) > 0 {
		if _, object := exact.(map[string]any); object && op.check != nil {
			wrong = append(wrong, op.check(raw)...)
		}
		return nil, invalid(wrong...)
	}
	return json.Marshal(exact) // sorted, and numbers as they were written
}

// floats is a decoded value with its numbers as the validator takes them; huge is one that is out of all bounds.
func floats(v any) (loose any, huge json.Number) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, v
		}
		return f, ""
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if out[i], huge = floats(v[i]); huge != "" {
				return nil, huge
			}
		}
		return out, ""
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			if out[name], huge = floats(member); huge != "" {
				return nil, huge
			}
		}
		return out, ""
	}
	return v, ""
}

// fieldError names the field that is wrong; of a missing one the validator names what lacks it.
func fieldError(d *huma.ErrorDetail) FieldError {
	name, missing := strings.CutPrefix(d.Message, "expected required property ")
	name, ok := strings.CutSuffix(name, " to be present")
	switch {
	case !missing || !ok:
	case d.Location != "":
		return FieldError{Field: d.Location + "." + name, Message: "is required"}
	default:
		return FieldError{Field: name, Message: "is required"}
	}
	if strings.Contains(d.Message, "match exactly one schema") { // only amounts are one thing or another
		return FieldError{Field: d.Location, Message: `is no amount in major units, like "12.50"`}
	}
	return FieldError{Field: cmp.Or(d.Location, "body"), Message: d.Message}
}

// Amount is an amount in major units: a decimal string, or a number, which is read by its digits and
// never as a float.
type Amount []byte

// UnmarshalJSON keeps the token.
func (a *Amount) UnmarshalJSON(raw []byte) error {
	*a = bytes.Clone(raw)
	return nil
}

// MarshalJSON writes the token.
func (a Amount) MarshalJSON() ([]byte, error) { return a, nil }

// Schema implements huma.SchemaProvider.
func (Amount) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString, Pattern: `^[0-9]{1,12}(\.[0-9]{1,4})?$`}
	number := &huma.Schema{Type: huma.TypeNumber, Minimum: new(float64)}
	for _, s := range []*huma.Schema{text, number} {
		s.PrecomputeMessages()
	}
	return &huma.Schema{OneOf: []*huma.Schema{text, number}, Description: "Amount in major units, with no more decimals than the currency has."}
}

// in reads the amount in a currency; field is its name in errors.
func (a Amount) in(c money.Currency, field string) (money.Money, error) {
	m, err := money.ParseToken(a, c)
	if err != nil {
		return m, invalid(FieldError{Field: field, Message: err.Error()})
	}
	return m, nil
}

// optional is in for an amount that may be left out.
func (a Amount) optional(c money.Currency, field string) (*money.Money, error) {
	if len(a) == 0 {
		return nil, nil //nolint:nilnil // left out is an answer
	}
	m, err := a.in(c, field)
	return &m, err
}

// bodyMayBeEmpty tells whether an operation can do without all members of its body.
func (a *API) bodyMayBeEmpty(op *operation) bool {
	schema := op.schema
	if schema.Ref != "" {
		schema = a.registry.SchemaFromRef(schema.Ref)
	}
	return len(schema.Required) == 0
}
