package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/commands"
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
		PaymentID string `json:"payment_id,omitempty" maxLength:"26" doc:"Needed when several payments have captured money; external is what was received outside the gateway."`
		ByHand    bool   `json:"by_hand,omitempty" doc:"Somebody gives the money back without the gateway, which is not asked; complete or fail says what became of it."`
	}
	// ReversalBody asks for a reversal.
	ReversalBody struct {
		PaymentID string `json:"payment_id,omitempty" maxLength:"26"`
	}
	// ReceivedBody says that the merchant was paid outside the gateway.
	ReceivedBody struct {
		Amount Amount `json:"amount,omitempty" doc:"All that is still due when left out."`
	}
	// CaptureBody takes held money.
	CaptureBody struct {
		Amount    Amount `json:"amount,omitempty" doc:"All that is held when left out. It can be done once; what is left of the hold is released."`
		PaymentID string `json:"payment_id,omitempty" maxLength:"26" doc:"Needed when several payments are held."`
	}
	// VoidBody releases a hold.
	VoidBody struct {
		PaymentID string `json:"payment_id,omitempty" maxLength:"26" doc:"Needed when several payments are held."`
	}
	// EmptyBody has no members.
	EmptyBody struct{}
	// ResolutionBody says how a dispute ended.
	ResolutionBody struct {
		Outcome string `json:"outcome" enum:"won,lost,accepted,expired,withdrawn,split"`
		Lost    Amount `json:"amount_lost,omitempty" doc:"Needed for split."`
	}
	// FoundBody says what somebody found who looked into an anomaly.
	FoundBody struct {
		Found string `json:"found" minLength:"1" maxLength:"1000"`
	}
)

func (a *API) all() []*operation {
	full := reflect.TypeFor[detail.Order]()
	ops := []*operation{{
		id: "issueOrder", method: http.MethodPost, path: "/orders/", summary: "Issue an order", scope: auth.OrdersWrite,
		status: http.StatusCreated, body: reflect.TypeFor[NewOrder](), answer: reflect.TypeFor[IssuedOrder](), headers: []string{"Location"}, handle: a.register, check: a.wrongOrder,
		query: []*huma.Param{{
			Name: "response_type", In: "query", Description: "How much is answered; minimum when left out.",
			Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"minimum", "standard", "full"}},
		}},
	}, {
		id: "advice", method: http.MethodGet, path: "/orders/{id}/advice", summary: "What to show the customer, and what to do with the order",
		access: Reading, scope: auth.OrdersRead, status: http.StatusOK, answer: reflect.TypeFor[advice.Recommendation](), headers: []string{"ETag", "Retry-After"}, handle: a.advice,
	}, {
		id: "client", method: http.MethodGet, path: "/orders/{id}/client", summary: "Who the order is for: personal data", scope: auth.ClientsRead,
		status: http.StatusOK, answer: reflect.TypeFor[ClientAnswer](), handle: a.client,
	}, {
		id: "listOrders", method: http.MethodGet, path: "/orders/", summary: "Orders, newest first, a page at a time", access: Reading, scope: auth.OrdersRead,
		ofViews: true, headers: []string{positionHeader}, status: http.StatusOK, query: orderListParams(), answer: reflect.TypeFor[OrderPage](), handle: a.listOrders,
	}, {
		id: "listPayouts", method: http.MethodGet, path: "/payouts/", summary: "Payout orders, newest first, a page at a time", access: Reading,
		scope: auth.OrdersRead, ofViews: true, headers: []string{positionHeader}, status: http.StatusOK, query: payoutListParams(),
		answer: reflect.TypeFor[PayoutPage](), handle: a.listPayouts,
	}, {
		id: "listPayments", method: http.MethodGet, path: "/orders/{id}/payments", summary: "Payments of an order", scope: auth.OrdersRead,
		access: Reading, ofViews: true, headers: statusHeaders, status: http.StatusOK, answer: reflect.TypeFor[PaymentList](), handle: a.listPayments,
	}, {
		id: "getPayment", method: http.MethodGet, path: "/orders/{id}/payments/{payment}", summary: "One payment, by our id or the gateway's",
		scope: auth.OrdersRead, access: Reading, ofViews: true, headers: statusHeaders, status: http.StatusOK, answer: reflect.TypeFor[PaymentDetail](), handle: a.getPayment,
	}, {
		id: "listRefunds", method: http.MethodGet, path: "/orders/{id}/refunds", summary: "Refunds of an order", scope: auth.OrdersRead,
		access: Reading, ofViews: true, headers: statusHeaders, status: http.StatusOK, answer: reflect.TypeFor[RefundList](), handle: a.listRefunds,
	}, {
		id: "listCorrections", method: http.MethodGet, path: "/orders/{id}/corrections", summary: "Corrections that people proposed, and what became of them",
		access: Reading, scope: auth.OrdersRead, headers: []string{"ETag"}, status: http.StatusOK, answer: reflect.TypeFor[CorrectionList](), handle: a.listCorrections,
	}}
	for _, x := range []struct {
		id, path, summary string
		body              reflect.Type
		action            func(*request, *target) (order.Action, error)
	}{
		{"changeAmount", "amount", "Change what the order asks for", reflect.TypeFor[AmountBody](), changeAmount},
		{"refund", "refunds", "Give captured money back", reflect.TypeFor[RefundBody](), refund},
		{"completeRefund", "refunds/{refund}/complete", "Record that a refund made by hand has reached the customer", reflect.TypeFor[CompletionBody](), completeRefund},
		{"failRefund", "refunds/{refund}/fail", "Record that a refund is not made", reflect.TypeFor[FailureBody](), failRefund},
		{"reverse", "reversals", "Undo a payment before it is settled", reflect.TypeFor[ReversalBody](), reverse},
		{"capture", "capture", "Take held money; what is left of the hold is released", reflect.TypeFor[CaptureBody](), capturePayment},
		{"void", "void", "Release held money", reflect.TypeFor[VoidBody](), void},
		{"withdraw", "withdraw", "Take back a payment that the customer has not begun", reflect.TypeFor[EmptyBody](),
			func(_ *request, t *target) (order.Action, error) {
				return order.WithdrawPayment{}, t.mustOffer(order.ActionWithdraw)
			}},
		{"received", "received", "Say that the merchant was paid outside the gateway", reflect.TypeFor[ReceivedBody](), received},
		{"cancel", "cancel", "Close an order that nobody has begun to pay", reflect.TypeFor[EmptyBody](),
			func(_ *request, t *target) (order.Action, error) {
				return order.CancelOrder{AtGateway: t.gatewayDoes(order.ActionCancel)}, nil
			}},
		{"reject", "reject", "Close an order that the customer does not want", reflect.TypeFor[EmptyBody](),
			func(_ *request, t *target) (order.Action, error) {
				return order.RejectOrder{AtGateway: t.gatewayDoes(order.ActionReject)}, nil
			}},
		{"recordDispute", "disputes", "Record a dispute, or its next stage, that the gateway does not tell of", reflect.TypeFor[DisputeBody](), recordDispute},
		{"acceptDispute", "disputes/{dispute}/accept", "Give a dispute up", reflect.TypeFor[EmptyBody](),
			func(r *request, _ *target) (order.Action, error) {
				return order.AcceptDispute{DisputeID: r.path("dispute")}, nil
			}},
		{"represent", "disputes/{dispute}/represent", "Contest a chargeback", reflect.TypeFor[EmptyBody](),
			func(r *request, _ *target) (order.Action, error) {
				return order.RepresentDispute{DisputeID: r.path("dispute")}, nil
			}},
		{"resolveDispute", "disputes/{dispute}/resolve", "Record how a dispute ended", reflect.TypeFor[ResolutionBody](), resolve},
		{"provisionDispute", "disputes/{dispute}/provision", "Say how much of a dispute is expected to be lost", reflect.TypeFor[ProvisionBody](), provisionDispute},
		{"resolveAnomaly", "anomalies/{code}/resolve", "Take a flag off that somebody has looked into", reflect.TypeFor[FoundBody](),
			func(r *request, _ *target) (order.Action, error) {
				var b FoundBody
				err := r.into(&b)
				return order.ResolveAnomaly{Code: order.Flag(r.path("code")), Detail: b.Found}, err
			}},
		{"proposeCorrection", "corrections", "Ask another person to approve that balances are put right", reflect.TypeFor[CorrectionBody](), proposeCorrection},
		{"approveCorrection", "corrections/{correction}/approve", "Put balances right as another person proposed", reflect.TypeFor[EmptyBody](), approveCorrection},
		{"declineCorrection", "corrections/{correction}/decline", "Leave balances as they are", reflect.TypeFor[DeclineBody](),
			func(r *request, _ *target) (order.Action, error) {
				var b DeclineBody
				err := r.into(&b)
				return order.DeclineCorrection{CorrectionID: r.path("correction"), Reason: b.Reason}, err
			}},
	} {
		op := &operation{
			id: x.id, method: http.MethodPost, path: "/orders/{id}/" + x.path, summary: x.summary, scope: auth.OrdersWrite,
			status: http.StatusOK, body: x.body, answer: full, handle: a.do(x.action, shown),
		}
		if slices.Contains(byOperators, x.id) {
			op.scope = auth.Operations
		}
		if x.id == "proposeCorrection" {
			op.answer, op.handle = reflect.TypeFor[ProposedCorrection](), a.do(x.action, proposed)
		}
		ops = append(ops, op)
	}
	return ops
}

// byOperators are the operations that record what no gateway reports.
var byOperators = []string{
	"recordDispute", "resolveDispute", "provisionDispute", "completeRefund", "failRefund", "resolveAnomaly", "proposeCorrection", "approveCorrection", "declineCorrection",
}

// members are the parts of a path that are part of what is asked.
var members = map[string]string{"dispute": "dispute_id", "code": "code", "correction": "correction_id", "refund": "refund_id"}

// after is an order just after a command; repeating the request shows the same.
func after(done *commands.Done) detail.Order {
	o := detail.Of(done.Category, done.OrderID, &done.State)
	o.HidePositions()
	return o
}

func shown(done *commands.Done) any { return after(done) }

// do carries an action out. What it takes from the path is part of the request.
func (a *API) do(
	action func(*request, *target) (order.Action, error), show func(*commands.Done) any,
) func(*request) (*answer, error) {
	return func(r *request) (*answer, error) {
		id := r.path("id")
		_, state, err := a.Orders.Get(r.ctx, id)
		if err != nil {
			return nil, err
		}
		asked, err := action(r, &target{state: &state, gateway: a.Gateway})
		if err != nil {
			return nil, err
		}
		command := r.command()
		for in, member := range members {
			if value := r.path(in); value != "" { // part of what was asked
				if command.Body, err = withMember(command.Body, member, value); err != nil {
					return nil, err
				}
			}
		}
		done, err := a.Orders.Do(r.ctx, id, command, asked)
		if err != nil {
			return nil, err
		}
		told, err := a.carryOut(r, &done, commands.GatewayOrder{})
		if err != nil {
			return nil, err
		}
		return &answer{
			body: show(&done), position: done.Through.Position.String(), revision: &done.Through.Revision, gateway: told.Outcome,
		}, nil
	}
}

// Gateway carries out at the gateways what commands have recorded.
type Gateway interface {
	// Offers tells whether an account's gateway can be asked to do something, to a payment made by a
	// method; empty when that does not matter.
	Offers(gateway, account string, action order.ActionName, method string) bool
	// CarryOut asks for what a command recorded as initiated, once; zero when that is nothing.
	CarryOut(ctx context.Context, done *commands.Done, creation commands.GatewayOrder) (order.GatewayActionAnswered, error)
}

// carryOut asks the gateway for what a command recorded; a *Problem when the gateway refused.
func (a *API) carryOut(r *request, done *commands.Done, creation commands.GatewayOrder) (order.GatewayActionAnswered, error) {
	told, err := a.Gateway.CarryOut(r.ctx, done, creation)
	if err != nil {
		return told, err
	}
	if told.Outcome == order.GatewayRefused {
		p := problem(http.StatusConflict, "gateway_refused", "The gateway refused, or could not be asked ("+told.Reason+
			"). That is recorded on order "+done.OrderID+"; nothing was done.")
		p.position = done.Through.Position.String()
		return told, p
	}
	return told, nil
}

// target is the order that an action is about.
type target struct {
	state   *order.State
	gateway Gateway
}

// gatewayDoes tells whether the order's gateway has the order and can be asked to act on it.
func (t *target) gatewayDoes(action order.ActionName) bool {
	known := t.state.SourceOrderID != "" || len(t.state.Payments) > 0
	return known && t.gateway.Offers(t.state.Source, t.state.SourceAccount, action, "")
}

// gatewayKeepsAmount tells whether the order's amount is what the gateway's order comes to, and that cannot change:
// every notification of DECTA tells its total again.
func (t *target) gatewayKeepsAmount() bool {
	return t.state.Source == dectaGateway && t.state.SourceOrderID != ""
}

// gatewayRefunds tells whether the gateway can be asked to give a payment back, or to undo it. Without an
// id it is the one that has money.
func (t *target) gatewayRefunds(action order.ActionName, paymentID string) bool {
	method := ""
	for i := range t.state.Payments {
		if p := &t.state.Payments[i]; p.ID == paymentID || paymentID == "" && p.Captured.IsPositive() {
			method = p.Method
		}
	}
	return t.gateway.Offers(t.state.Source, t.state.SourceAccount, action, method)
}

// mustOffer refuses what only the gateway can do, when it cannot be asked to.
func (t *target) mustOffer(action order.ActionName) error {
	if t.gateway.Offers(t.state.Source, t.state.SourceAccount, action, "") {
		return nil
	}
	return problem(http.StatusConflict, "gateway_cannot", "Only the gateway can "+string(action)+
		", and it cannot be asked to: its API does not offer it, or is not configured for the account.")
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

func changeAmount(r *request, t *target) (order.Action, error) {
	var b AmountBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.in(t.state.Currency, "amount")
	return order.ChangeAmount{Amount: m, AtGateway: t.gatewayDoes(order.ActionChangeAmount), Kept: t.gatewayKeepsAmount()}, err
}

func capturePayment(r *request, t *target) (order.Action, error) {
	var b CaptureBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	if err := t.mustOffer(order.ActionCapture); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(t.state.Currency, "amount")
	return order.CapturePayment{PaymentID: b.PaymentID, Amount: m}, err
}

func void(r *request, t *target) (order.Action, error) {
	var b VoidBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	return order.VoidPayment{PaymentID: b.PaymentID}, t.mustOffer(order.ActionVoid)
}

func refund(r *request, t *target) (order.Action, error) {
	var b RefundBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(t.state.Currency, "amount")
	return order.RefundPayment{
		PaymentID: b.PaymentID, Amount: m, ByHand: b.ByHand, AtGateway: t.gatewayRefunds(order.ActionRefund, b.PaymentID),
	}, err
}

func reverse(r *request, t *target) (order.Action, error) {
	var b ReversalBody
	err := r.into(&b)
	return order.ReversePayment{PaymentID: b.PaymentID, AtGateway: t.gatewayRefunds(order.ActionReverse, b.PaymentID)}, err
}

func received(r *request, t *target) (order.Action, error) {
	var b ReceivedBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(t.state.Currency, "amount")
	return order.MarkReceived{Amount: m, AtGateway: t.gatewayDoes(order.ActionReceived)}, err
}

func resolve(r *request, t *target) (order.Action, error) {
	var b ResolutionBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Lost.optional(t.state.Currency, "amount_lost")
	return order.SettleDispute{DisputeID: r.path("dispute"), Outcome: order.Outcome(b.Outcome), Lost: m}, err
}
