package fakegateway

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

type object = map[string]any

func (f *Fake) everifin() {
	f.handle(Everifin, "POST /everifin/token", "token", func(r *http.Request, _ []byte) bool {
		id, secret, ok := r.BasicAuth()
		return ok && id == ClientID && secret == ClientSecret
	}, func(*http.Request, []byte) reply {
		f.token, f.ends = rand.Text(), f.o.Clock().Add(tokenLifetime)
		return reply{status: http.StatusOK, body: object{
			"access_token": f.token, "token_type": "Bearer", "expires_in": int(tokenLifetime.Seconds()), "scope": "",
		}}
	})
	bearer := func(r *http.Request, _ []byte) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.token != "" && f.o.Clock().Before(f.ends) && r.Header.Get("Authorization") == "Bearer "+f.token
	}
	const root = "/everifin/api/v2/"
	f.handle(Everifin, "POST "+root+"orders", "order", bearer, f.everifinCreate)
	with := func(do func(o *gatewayOrder, body []byte) reply) handler {
		return func(r *http.Request, body []byte) reply {
			o := f.find(Everifin, r)
			if o == nil {
				return refuse(http.StatusNotFound, "NOT_FOUND")
			}
			return do(o, body)
		}
	}
	f.handle(Everifin, "GET "+root+"orders/{id}", "order", bearer, with(func(o *gatewayOrder, _ []byte) reply {
		return success(o.everifinOrder())
	}))
	f.handle(Everifin, "GET "+root+"payments/{id}", "payment", bearer, with(func(o *gatewayOrder, _ []byte) reply {
		return success(o.everifinPayment())
	}))
	f.handle(Everifin, "PATCH "+root+"orders/{id}", "order", bearer, with(f.everifinUpdate))
	f.handle(Everifin, "POST "+root+"orders/{id}/withdraw", "withdraw", bearer, with(func(o *gatewayOrder, _ []byte) reply {
		switch o.status {
		case "CREATED", "SEEN":
			o.to(f, "WITHDRAWN")
		case "WITHDRAWN":
		default:
			return refuse(http.StatusConflict, "ORDER_CANNOT_BE_WITHDRAWN")
		}
		answer := success(o.everifinOrder())
		answer.changed = o
		return answer
	}))
	f.handle(Everifin, "POST "+root+"orders/{id}/refunds", "refund", bearer, with(f.everifinRefund))
}

func success(data any) reply {
	return reply{status: http.StatusOK, body: object{"meta": object{"status": "SUCCESS"}, "data": data}}
}

func refuse(status int, code string) reply {
	return reply{status: status, body: object{"errors": []any{object{"code": code, "message": code}}}}
}

type instruction struct {
	InstructionID string          `json:"instructionId"`
	Amount        json.RawMessage `json:"amount"`
	Currency      string          `json:"currency"`
	ExternalID    string          `json:"externalId"`
}

func (f *Fake) everifinCreate(_ *http.Request, body []byte) reply {
	var in instruction
	if json.Unmarshal(body, &in) != nil || in.InstructionID == "" {
		return refuse(http.StatusBadRequest, "INVALID_BODY")
	}
	total, ok := amount(in.Amount, in.Currency)
	if !ok || !total.IsPositive() {
		return refuse(http.StatusBadRequest, "INVALID_ORDER_AMOUNT")
	}
	for _, o := range f.order {
		if _, made := o.instructions["order "+in.InstructionID]; made && o.gateway == Everifin {
			return success(o.everifinCreated())
		}
	}
	o := &gatewayOrder{gateway: Everifin, reference: in.ExternalID, total: total, status: "CREATED"}
	f.add(o)
	o.instructions["order "+in.InstructionID] = nil
	answer := success(o.everifinCreated())
	answer.changed = o
	return answer
}

func (o *gatewayOrder) everifinCreated() any {
	return object{"id": o.id, "processablePaymentId": o.payment, "link": "https://paygate.example/" + o.payment, "status": "UNPAID"}
}

// everifinUpdate changes an order that nobody began to pay, or adds a payment for the difference to one
// that is paid.
func (f *Fake) everifinUpdate(o *gatewayOrder, body []byte) reply {
	var in instruction
	if json.Unmarshal(body, &in) != nil {
		return refuse(http.StatusBadRequest, "INVALID_BODY")
	}
	total, ok := amount(in.Amount, o.currency.Code())
	if !ok || !total.IsPositive() {
		return refuse(http.StatusBadRequest, "INVALID_ORDER_AMOUNT")
	}
	switch more, err := total.Sub(o.total); {
	case o.status == "CREATED" || o.status == "SEEN":
	case err != nil || o.status != "BOOKED" || o.further != nil:
		return refuse(http.StatusConflict, "ORDER_CANNOT_BE_UPDATED")
	case !more.IsPositive():
		return refuse(http.StatusBadRequest, "INVALID_ORDER_AMOUNT")
	default:
		o.further = &payment{id: uuid.NewString(), status: "CREATED", amount: more}
		f.byID[o.further.id] = o
	}
	o.total, o.changed = total, f.o.Clock().UTC()
	return success(o.everifinOrder())
}

func (f *Fake) everifinRefund(o *gatewayOrder, body []byte) reply {
	var in instruction
	if json.Unmarshal(body, &in) != nil || in.InstructionID == "" {
		return refuse(http.StatusBadRequest, "INVALID_BODY")
	}
	if made, ok := o.instructions["refund "+in.InstructionID]; ok {
		return success(json.RawMessage(made))
	}
	asked, ok := amount(in.Amount, in.Currency)
	if !ok {
		return refuse(http.StatusBadRequest, "INVALID_REFUND_AMOUNT")
	}
	r, ok := o.askRefund(f, asked)
	if !ok {
		return refuse(http.StatusBadRequest, "REFUND_LIMIT_EXCEEDED")
	}
	created, err := json.Marshal(object{"id": r.id, "link": "https://paygate.example/" + r.id, "status": r.status})
	if err != nil {
		return refuse(http.StatusInternalServerError, "OTHER")
	}
	o.instructions["refund "+in.InstructionID] = created
	answer := success(json.RawMessage(created))
	answer.changed, answer.refund = o, r.id
	return answer
}

func (o *gatewayOrder) everifinOrder() any {
	refunds := make([]object, 0, len(o.refunds))
	for _, r := range o.refunds {
		refunds = append(refunds, object{
			"id": r.id, "status": r.status, "amount": number(r.amount.String()), "currency": o.currency.Code(), "paymentId": o.payment,
		})
	}
	status, paid := "UNPAID", money.Zero(o.currency)
	first := o.total
	if o.further != nil {
		if less, err := o.total.Sub(o.further.amount); err == nil {
			first = less
		}
	}
	payments := []object{{"id": o.payment, "status": o.status, "amount": number(first.String()), "currency": o.currency.Code()}}
	if o.status == "BOOKED" {
		status, paid = "PAID", first
	}
	if o.further != nil {
		payments = append(payments, object{
			"id": o.further.id, "status": o.further.status, "amount": number(o.further.amount.String()), "currency": o.currency.Code(),
		})
		if status = "PARTIALLY_PAID"; o.further.status == "BOOKED" {
			status, paid = "PAID", o.total
		}
	}
	return object{
		"id": o.id, "amount": number(o.total.String()), "currency": o.currency.Code(), "status": status,
		"externalId": o.reference, "refundLimitPercentage": 100, "createdAt": iso(o.created),
		"sumOfPaid": number(paid.String()), "sumOfRefunded": number(o.refunded.String()),
		"canBeWithdrawn": o.status == "CREATED", "canBeUpdated": o.status == "CREATED",
		"payments": payments, "refunds": refunds,
	}
}

func (o *gatewayOrder) everifinPayment() any {
	body := object{
		"id": o.payment, "orderId": o.id, "externalId": o.reference, "amount": number(o.total.String()),
		"currency": o.currency.Code(), "status": o.status, "createdAt": iso(o.created), "confirmedAt": nil, "finalizedAt": nil,
	}
	if o.status == "BOOKED" || o.status == "EXPIRED" || o.status == "WITHDRAWN" || o.status == "FAILED" {
		body["finalizedAt"] = iso(o.changed)
	}
	if o.reason != "" {
		body["reasonCode"] = o.reason
	}
	return body
}

func (o *gatewayOrder) everifinHook(now time.Time, refundID string) any {
	data := object{"orderId": o.id, "externalId": o.reference, "paymentId": o.payment, "status": o.status}
	if refundID == "" && len(o.refunds) > 0 {
		refundID = o.refunds[len(o.refunds)-1].id
	}
	if o.further != nil && o.status == "BOOKED" { // what happened last
		data["paymentId"], data["status"] = o.further.id, o.further.status
	}
	for _, r := range o.refunds {
		if r.id == refundID {
			delete(data, "paymentId")
			data["refundId"], data["status"] = r.id, r.status
		}
	}
	return object{
		"eventId": uuid.NewString(), "eventType": "payment.statusChange", "eventTimestamp": iso(now), "data": data,
	}
}
