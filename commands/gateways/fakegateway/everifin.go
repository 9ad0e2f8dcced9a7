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
		f.token, f.ends = rand.Text(), f.o.Clock().Add(f.o.TokenLifetime)
		return reply{status: http.StatusOK, body: object{
			"access_token": f.token, "token_type": "Bearer", "expires_in": int(f.o.TokenLifetime.Seconds()), "scope": "",
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
	f.handle(Everifin, "GET "+root+"payments/{id}", "payment", bearer, func(r *http.Request, _ []byte) reply {
		o := f.find(Everifin, r)
		if o == nil {
			return refuse(http.StatusNotFound, "NOT_FOUND")
		}
		return success(o.everifinPayment(o.paymentOf(r.PathValue("id"))))
	})
	f.handle(Everifin, "PATCH "+root+"orders/{id}", "order", bearer, with(f.everifinUpdate))
	f.handle(Everifin, "POST "+root+"orders/{id}/withdraw", "withdraw", bearer, with(func(o *gatewayOrder, _ []byte) reply {
		switch p := o.payments[len(o.payments)-1]; {
		case len(o.payments) > 1:
			return refuse(http.StatusConflict, "ORDER_CANNOT_BE_WITHDRAWN")
		case p.open():
			o.turn(f, p, "WITHDRAWN", "")
		case p.status != "WITHDRAWN":
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
	RefundLimit   json.RawMessage `json:"refundLimitPercentage"`
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
	o := &gatewayOrder{gateway: Everifin, reference: in.ExternalID, total: total, status: "CREATED", refundLimit: in.RefundLimit}
	f.add(o)
	o.payments = []*payment{{id: o.payment, status: o.status, amount: total, created: o.created}}
	o.instructions["order "+in.InstructionID] = nil
	answer := success(o.everifinCreated())
	answer.changed = o
	return answer
}

func (o *gatewayOrder) everifinCreated() any {
	return object{"id": o.id, "processablePaymentId": o.payment, "link": o.checkout, "status": "UNPAID"}
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
	last := o.payments[len(o.payments)-1]
	paid, err := o.paid()
	if err != nil {
		return refuse(http.StatusInternalServerError, "OTHER")
	}
	rest, err := total.Sub(paid)
	switch {
	case err != nil || rest.IsNegative():
		return refuse(http.StatusBadRequest, "INVALID_ORDER_AMOUNT")
	case last.open() && rest.IsPositive():
		last.amount = rest
	case last.status != "BOOKED" && !rest.IsZero():
		return refuse(http.StatusConflict, "ORDER_CANNOT_BE_UPDATED")
	case rest.IsPositive():
		p := &payment{id: uuid.NewString(), status: "CREATED", amount: rest, created: o.now(f)}
		o.payments = append(o.payments, p)
		f.byID[p.id] = o
	}
	if len(in.RefundLimit) > 0 {
		o.refundLimit = in.RefundLimit
	}
	o.total, o.changed = total, o.now(f)
	return success(o.everifinOrder())
}

func (o *gatewayOrder) limit() any {
	if len(o.refundLimit) > 0 {
		return o.refundLimit
	}
	return 100
}

// open tells whether the customer has not begun the payment.
func (p *payment) open() bool { return p.status == "CREATED" || p.status == "SEEN" }

// paid is what the booked payments come to.
func (o *gatewayOrder) paid() (money.Money, error) {
	sum := money.Zero(o.currency)
	var err error
	for _, p := range o.payments {
		if p.status == "BOOKED" && err == nil {
			sum, err = sum.Add(p.amount)
		}
	}
	return sum, err
}

// paymentOf is the payment with an id, or the newest one.
func (o *gatewayOrder) paymentOf(id string) *payment {
	for _, p := range o.payments {
		if p.id == id {
			return p
		}
	}
	return o.payments[len(o.payments)-1]
}

func (o *gatewayOrder) turnPayment(f *Fake, id, status, reason string) error {
	for i := range o.refunds {
		if o.refunds[i].id == id {
			return o.turnRefund(f, &o.refunds[i], status)
		}
	}
	o.turn(f, o.paymentOf(id), status, reason)
	var err error
	o.captured, err = o.paid()
	return err
}

// turnRefund gives a refund that is under way another status; what ends it moves its amount.
func (o *gatewayOrder) turnRefund(f *Fake, r *refund, status string) (err error) {
	r.status, o.told, o.changed = status, r.id, o.now(f)
	switch status {
	case "BOOKED":
		if o.refunded, err = o.refunded.Add(r.amount); err != nil {
			return err
		}
	case "FAILED", "EXPIRED", "WITHDRAWN":
	default:
		return nil
	}
	o.pending, err = o.pending.Sub(r.amount)
	return err
}

func (o *gatewayOrder) turn(f *Fake, p *payment, status, reason string) {
	o.to(f, status)
	p.status, p.reason, o.told = status, reason, p.id
	switch status {
	case "CONFIRMED":
		p.confirmed = o.changed
	case "BOOKED", "EXPIRED", "WITHDRAWN", "FAILED", "PROCESSING_EXPIRED":
		p.finalized = o.changed
	}
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
	created, err := json.Marshal(object{"id": r.id, "link": f.checkout(Everifin, r.id), "status": r.status})
	if err != nil {
		return refuse(http.StatusInternalServerError, "OTHER")
	}
	o.instructions["refund "+in.InstructionID] = created
	answer := success(json.RawMessage(created))
	answer.changed = o
	return answer
}

func (o *gatewayOrder) everifinOrder() any {
	refunds := make([]object, 0, len(o.refunds))
	for _, r := range o.refunds {
		refunds = append(refunds, object{
			"id": r.id, "status": r.status, "amount": number(r.amount.String()), "currency": o.currency.Code(), "paymentId": o.payment,
		})
	}
	payments := make([]object, 0, len(o.payments))
	withdrawn, updated := true, true
	for _, p := range o.payments {
		payments = append(payments, object{
			"id": p.id, "status": p.status, "amount": number(p.amount.String()), "currency": o.currency.Code(),
		})
		withdrawn = withdrawn && p.open()
		updated = updated && (p.open() || p.status == "BOOKED")
	}
	paid, err := o.paid()
	if err != nil {
		return object{}
	}
	status, err := o.everifinStatus()
	if err != nil {
		return object{}
	}
	return object{
		"id": o.id, "amount": number(o.total.String()), "currency": o.currency.Code(), "status": status,
		"externalId": o.reference, "refundLimitPercentage": o.limit(), "createdAt": iso(o.created),
		"sumOfPaid": number(paid.String()), "sumOfRefunded": number(o.refunded.String()),
		"canBeWithdrawn": withdrawn, "canBeUpdated": updated,
		"payments": payments, "refunds": refunds,
	}
}

// everifinStatus is the status of the order, by what is booked of it.
func (o *gatewayOrder) everifinStatus() (string, error) {
	paid, err := o.paid()
	if err != nil {
		return "", err
	}
	switch c, err := paid.Cmp(o.total); {
	case err != nil:
		return "", err
	case c >= 0:
		return "PAID", nil
	case paid.IsPositive():
		return "PARTIALLY_PAID", nil
	}
	return "UNPAID", nil
}

func (o *gatewayOrder) everifinPayment(p *payment) any {
	body := object{
		"id": p.id, "orderId": o.id, "externalId": o.reference, "amount": number(p.amount.String()),
		"currency": o.currency.Code(), "status": p.status, "createdAt": iso(p.created), "confirmedAt": nil, "finalizedAt": nil,
	}
	for member, at := range map[string]time.Time{"confirmedAt": p.confirmed, "finalizedAt": p.finalized} {
		if !at.IsZero() {
			body[member] = iso(at)
		}
	}
	if p.reason != "" {
		body["reasonCode"] = p.reason
	}
	return body
}

// everifinHook is about the payment or refund that changed last.
func (o *gatewayOrder) everifinHook(now time.Time) any {
	p := o.paymentOf(o.told)
	data := object{"orderId": o.id, "externalId": o.reference, "paymentId": p.id, "status": p.status}
	for _, r := range o.refunds {
		if r.id == o.told {
			delete(data, "paymentId")
			data["refundId"], data["status"] = r.id, r.status
		}
	}
	return object{
		"eventId": uuid.NewString(), "eventType": "payment.statusChange", "eventTimestamp": iso(now), "data": data,
	}
}
