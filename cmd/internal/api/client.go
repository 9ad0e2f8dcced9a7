package api

import (
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/commands"
)

// ClientAnswer is who an order is for.
type ClientAnswer struct {
	OrderID string      `json:"order_id"`
	Client  ClientShown `json:"client"`
}

// ClientShown is a client as the order was issued with, [erased] when that was erased, or null when the order
// has none.
type ClientShown struct{ json.RawMessage }

const erased = "[erased]"

// Schema implements huma.SchemaProvider.
func (ClientShown) Schema(huma.Registry) *huma.Schema {
	open := true
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeObject, AdditionalProperties: open, Description: "The members of client, as the order was issued with."},
		{Type: huma.TypeString, Enum: []any{erased}}, {Type: "null"},
	}}
}

// client opens the personal data of an order. Who looked is logged.
func (a *API) client(r *request) (*answer, error) {
	out := ClientAnswer{OrderID: r.path("id"), Client: ClientShown{json.RawMessage("null")}}
	personal, err := a.Orders.Personal(r.ctx, out.OrderID)
	var members map[string]json.RawMessage
	switch {
	case errors.Is(err, commands.ErrErased):
		out.Client.RawMessage = json.RawMessage(`"` + erased + `"`)
		return &answer{body: out}, nil
	case err != nil:
		return nil, err
	case len(personal) == 0:
		return &answer{body: out}, nil
	}
	if err := json.Unmarshal(personal, &members); err != nil {
		return nil, err
	}
	out.Client.RawMessage = members["client"]
	a.Logger.InfoContext(r.ctx, "personal data read", slog.String("order_id", out.OrderID), slog.String("actor", r.who.Name))
	return &answer{body: out}, nil
}
