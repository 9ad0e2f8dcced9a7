package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/detail"
)

// Bodies of actions. An empty object is a body.
type (
	// AmountBody changes what an order asks for.
	AmountBody struct {
		Amount Amount `json:"amount"`
	}
	// RefundBody asks for a refund.
	RefundBody struct {
		Amount    Amount `json:"amount,omitempty" doc:"All that is refundable when left out."`
		PaymentID string `json:"payment_id,omitempty" maxLength:"26" doc:"Needed when several payments have captured money."`
	}
	// ReversalBody asks for a reversal.
	ReversalBody struct {
		PaymentID string `json:"payment_id,omitempty" maxLength:"26"`
	}
	// ReceivedBody says that the merchant was paid outside the gateway.
	ReceivedBody struct {
		Amount Amount `json:"amount,omitempty" doc:"All that is still due when left out."`
	}
	// EmptyBody has no members.
	EmptyBody struct{}
	// ResolutionBody says how a dispute ended.
	ResolutionBody struct {
		Outcome string `json:"outcome" enum:"won,lost,accepted,expired,withdrawn,split"`
		Lost    Amount `json:"amount_lost,omitempty" doc:"Needed for split."`
	}
	// CorrectionBody puts balances right.
	CorrectionBody struct {
		Reason          string           `json:"reason" minLength:"1" maxLength:"1000"`
		Approver        string           `json:"approver" minLength:"1" maxLength:"200" doc:"Another person than the one who asks."`
		CorrectsEventID string           `json:"corrects_event_id,omitempty" format:"uuid"`
		Adjustments     []AdjustmentBody `json:"adjustments" minItems:"1" maxItems:"50"`
	}
	// AdjustmentBody moves one balance of a part of the order.
	AdjustmentBody struct {
		Balance   string `json:"balance" enum:"authorised,expected,captured,settled,received_externally,reversed,refunded,dispute_held,dispute_lost"`
		Direction string `json:"direction" enum:"increase,decrease"`
		Amount    Amount `json:"amount"`
		PaymentID string `json:"payment_id,omitempty" maxLength:"26"`
		RefundID  string `json:"refund_id,omitempty" maxLength:"26"`
		DisputeID string `json:"dispute_id,omitempty" maxLength:"26"`
	}
)

func (a *API) all() []*operation {
	full := reflect.TypeFor[detail.Order]()
	ops := []*operation{{
		id: "issueOrder", method: http.MethodPost, path: "/orders/", summary: "Issue an order", scope: auth.OrdersWrite,
		status: http.StatusCreated, body: reflect.TypeFor[NewOrder](), answer: reflect.TypeFor[IssuedOrder](), handle: a.register,
		query: []*huma.Param{{
			Name: "response_type", In: "query", Description: "How much is answered; minimum when left out.",
			Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"minimum", "standard", "full"}},
		}},
	}, {
		id: "advice", method: http.MethodGet, path: "/orders/{id}/advice", summary: "What to show the customer, and what to do with the order",
		scope: auth.OrdersRead, status: http.StatusOK, answer: reflect.TypeFor[Advice](), handle: a.advice,
	}}
	for _, x := range []struct {
		id, path, summary string
		body              reflect.Type
		action            func(*request, money.Currency) (order.Action, error)
	}{
		{"changeAmount", "amount", "Change what the order asks for", reflect.TypeFor[AmountBody](), changeAmount},
		{"refund", "refunds", "Give captured money back", reflect.TypeFor[RefundBody](), refund},
		{"reverse", "reversals", "Undo a payment before it is settled", reflect.TypeFor[ReversalBody](), reverse},
		{"received", "received", "Say that the merchant was paid outside the gateway", reflect.TypeFor[ReceivedBody](), received},
		{"cancel", "cancel", "Close an order that nobody has begun to pay", reflect.TypeFor[EmptyBody](),
			func(*request, money.Currency) (order.Action, error) { return order.CancelOrder{}, nil }},
		{"acceptDispute", "disputes/{dispute}/accept", "Give a dispute up", reflect.TypeFor[EmptyBody](),
			func(r *request, _ money.Currency) (order.Action, error) {
				return order.AcceptDispute{DisputeID: r.path("dispute")}, nil
			}},
		{"represent", "disputes/{dispute}/represent", "Contest a chargeback", reflect.TypeFor[EmptyBody](),
			func(r *request, _ money.Currency) (order.Action, error) {
				return order.RepresentDispute{DisputeID: r.path("dispute")}, nil
			}},
		{"resolveDispute", "disputes/{dispute}/resolve", "Record how a dispute ended", reflect.TypeFor[ResolutionBody](), resolve},
		{"correct", "corrections", "Put balances right, as two people agreed", reflect.TypeFor[CorrectionBody](), correct},
	} {
		scope := auth.OrdersWrite
		if x.id == "correct" || x.id == "resolveDispute" {
			scope = auth.Operations
		}
		ops = append(ops, &operation{
			id: x.id, method: http.MethodPost, path: "/orders/{id}/" + x.path, summary: x.summary, scope: scope,
			status: http.StatusOK, body: x.body, answer: full, handle: a.do(x.action),
		})
	}
	return ops
}

// do carries an action out. What it takes from the path is part of the request.
func (a *API) do(action func(*request, money.Currency) (order.Action, error)) func(*request) (*answer, error) {
	return func(r *request) (*answer, error) {
		id := r.path("id")
		_, state, err := a.Orders.Get(r.ctx, id)
		if err != nil {
			return nil, err
		}
		asked, err := action(r, state.Currency)
		if err != nil {
			return nil, err
		}
		command := r.command()
		if dispute := r.path("dispute"); dispute != "" { // part of what was asked
			if command.Body, err = withMember(command.Body, "dispute_id", dispute); err != nil {
				return nil, err
			}
		}
		done, err := a.Orders.Do(r.ctx, id, command, asked)
		if err != nil {
			return nil, err
		}
		return &answer{body: detail.Of(done.Category, id, &done.State), position: done.Position.String(), revision: &done.Revision}, nil
	}
}

func withMember(body []byte, name, value string) ([]byte, error) {
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return nil, invalid(FieldError{Field: "body", Message: "is no object"})
	}
	members[name] = value
	return json.Marshal(members)
}

func changeAmount(r *request, c money.Currency) (order.Action, error) {
	var b AmountBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.in(c, "amount")
	return order.ChangeAmount{Amount: m}, err
}

func refund(r *request, c money.Currency) (order.Action, error) {
	var b RefundBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(c, "amount")
	return order.RefundPayment{PaymentID: b.PaymentID, Amount: m}, err
}

func reverse(r *request, _ money.Currency) (order.Action, error) {
	var b ReversalBody
	err := r.into(&b)
	return order.ReversePayment{PaymentID: b.PaymentID}, err
}

func received(r *request, c money.Currency) (order.Action, error) {
	var b ReceivedBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(c, "amount")
	return order.MarkReceived{Amount: m}, err
}

func resolve(r *request, c money.Currency) (order.Action, error) {
	var b ResolutionBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Lost.optional(c, "amount_lost")
	return order.SettleDispute{DisputeID: r.path("dispute"), Outcome: order.Outcome(b.Outcome), Lost: m}, err
}

func correct(r *request, c money.Currency) (order.Action, error) {
	var b CorrectionBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	asked := order.Correct{Reason: b.Reason, Approver: b.Approver, CorrectsEventID: b.CorrectsEventID}
	for _, x := range b.Adjustments {
		m, err := x.Amount.in(c, "adjustments.amount")
		if err != nil {
			return nil, err
		}
		asked.Adjustments = append(asked.Adjustments, order.Adjustment{
			Balance: order.Balance(x.Balance), Direction: order.Direction(x.Direction), Amount: m,
			PaymentID: x.PaymentID, RefundID: x.RefundID, DisputeID: x.DisputeID,
		})
	}
	return asked, nil
}
