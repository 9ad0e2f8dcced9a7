package api

import (
	"context"
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

// clientOf opens the personal data of an order.
func (a *API) clientOf(ctx context.Context, orderID string) (ClientShown, error) {
	personal, err := a.Orders.Personal(ctx, orderID)
	switch {
	case errors.Is(err, commands.ErrErased):
		return ClientShown{json.RawMessage(`"` + erased + `"`)}, nil
	case err != nil:
		return ClientShown{}, err
	}
	return shownClient(personal)
}

// shownClient is the client of personal data that is open; null for none.
func shownClient(personal json.RawMessage) (ClientShown, error) {
	if len(personal) == 0 {
		return ClientShown{json.RawMessage("null")}, nil
	}
	var members map[string]json.RawMessage
	err := json.Unmarshal(personal, &members)
	return ClientShown{members["client"]}, err
}

// client answers with the personal data of an order. Who looked is logged.
func (a *API) client(r *request) (*answer, error) {
	out := ClientAnswer{OrderID: r.path("id")}
	var err error
	if out.Client, err = a.clientOf(r.ctx, out.OrderID); err != nil {
		return nil, err
	}
	a.Logger.InfoContext(r.ctx, "personal data read", slog.String("order_id", out.OrderID), slog.String("actor", r.who.Name))
	return &answer{body: out}, nil
}
