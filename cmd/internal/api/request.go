package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
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
	if op.schema == nil {
		return in, nil
	}
	if r.ContentLength == 0 && a.bodyMayBeEmpty(op) { // as the gateways' APIs take a cancellation
		var err error
		in.body, err = a.valid(op, []byte("{}"))
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
		return nil, problem(http.StatusUnprocessableEntity, "card_number_refused", "The body holds a card number. None may come here, and nothing was kept of it.")
	}
	in.body, err = a.valid(op, raw)
	return in, err
}

// valid checks a body by the operation's schema, and gives it the one form that equal requests have.
func (a *API) valid(op *operation, raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "is not UTF-8"})
	}
	if !json.Valid(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "is not JSON"})
	}
	if nestedTooDeep(raw) {
		return nil, invalid(FieldError{Field: "body", Message: "nests deeper than " + strconv.Itoa(nestingMax) + " levels"})
	}
	var loose any
	if err := json.Unmarshal(raw, &loose); err != nil {
		return nil, invalid(FieldError{Field: "body", Message: "is not JSON"})
	}
	if name, twice := memberTwice(raw); twice {
		return nil, invalid(FieldError{Field: name, Message: "is given twice"})
	}
	var found huma.ValidateResult
	huma.Validate(a.registry, op.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, loose, &found)
	if len(found.Errors) > 0 {
		var fields []FieldError
		for _, err := range found.Errors {
			var detail *huma.ErrorDetail
			if errors.As(err, &detail) {
				fields = append(fields, fieldError(detail))
			}
		}
		return nil, invalid(fields...)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var exact any
	if err := decoder.Decode(&exact); err != nil {
		return nil, invalid(FieldError{Field: "body", Message: "is not JSON"})
	}
	return json.Marshal(exact) // sorted, and numbers as they were written
}

// fieldError names the field that is wrong; of a missing one the validator names what lacks it.
func fieldError(d *huma.ErrorDetail) FieldError {
	name, missing := strings.CutPrefix(d.Message, "expected required property ")
	name, ok := strings.CutSuffix(name, " to be present")
	if !missing || !ok {
		return FieldError{Field: d.Location, Message: d.Message}
	}
	if d.Location != "" {
		name = d.Location + "." + name
	}
	return FieldError{Field: name, Message: "is required"}
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
