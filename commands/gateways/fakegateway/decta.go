package fakegateway

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

func (f *Fake) decta() {
	bearer := func(r *http.Request, _ []byte) bool { return r.Header.Get("Authorization") == "Bearer "+DectaKey }
	const root = "/decta/api/v0.6/orders/"
	f.handle(Decta, "POST "+root+"{$}", "order", bearer, f.dectaCreate)
	f.handle(Decta, "GET "+root+"{id}/", "order", bearer, func(r *http.Request, _ []byte) reply {
		o := f.find(Decta, r)
		if o == nil {
			return reply{status: http.StatusNotFound, body: dectaError("not_found", "Not found")}
		}
		return reply{status: http.StatusOK, body: o.dectaBody()}
	})
	for _, action := range []string{"capture/", "refund/", "reverse/", "cancel/", "received"} {
		f.handle(Decta, "POST "+root+"{id}/"+action, action, bearer, func(r *http.Request, body []byte) reply {
			return f.dectaAct(f.find(Decta, r), action, body)
		})
	}
}

func (f *Fake) find(gateway string, r *http.Request) *gatewayOrder {
	o := f.byID[r.PathValue("id")]
	if o == nil || o.gateway != gateway {
		return nil
	}
	return o
}

func dectaError(code, message string) any {
	return map[string]any{"__all__": []any{map[string]string{"code": code, "message": message}}}
}

func (f *Fake) dectaCreate(_ *http.Request, body []byte) reply {
	var in struct {
		Number, Currency string
		Products         []dectaProduct
		SkipCapture      bool  `json:"skip_capture"`
		IsTest           bool  `json:"is_test"`
		Due              int64 `json:"due"`
		DenyOverdue      bool  `json:"deny_overdue_payment"`
		AttemptsMax      int   `json:"max_payment_attempts"`
	}
	bad := reply{status: http.StatusBadRequest, body: dectaError("invalid", "Invalid order")}
	if json.Unmarshal(body, &in) != nil || len(in.Products) == 0 {
		return bad
	}
	total, ok := dectaTotal(in.Products, in.Currency)
	if !ok {
		return bad
	}
	o := &gatewayOrder{
		gateway: Decta, reference: in.Number, total: total, status: "issued", skipCapture: in.SkipCapture, isTest: in.IsTest,
		denyOverdue: in.DenyOverdue, attemptsMax: in.AttemptsMax,
	}
	if in.Due > 0 {
		o.due = time.Unix(in.Due, 0)
	}
	f.add(o)
	return reply{status: http.StatusCreated, body: o.dectaBody(), changed: o}
}

// dectaProduct is one line: price x quantity - discount + tax on that.
type dectaProduct struct {
	Price      decimal.Decimal
	Quantity   int64
	Discount   decimal.Decimal `json:"discount_amount"`
	TaxPercent decimal.Decimal `json:"tax_percent"`
}

func dectaTotal(lines []dectaProduct, currency string) (money.Money, bool) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return money.Money{}, false
	}
	sum := decimal.Zero
	for _, l := range lines {
		net := l.Price.Mul(decimal.NewFromInt(max(l.Quantity, 1))).Sub(l.Discount)
		sum = sum.Add(net).Add(net.Mul(l.TaxPercent).Shift(-2).Round(c.MinorUnits()))
	}
	m, err := money.New(sum, c)
	return m, err == nil && m.IsPositive()
}

// amount reads a JSON number in a currency.
func amount(raw []byte, currency string) (money.Money, bool) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return money.Money{}, false
	}
	m, err := money.ParseToken(raw, c)
	return m, err == nil
}

// dectaAct does what a merchant asks for.
func (f *Fake) dectaAct(o *gatewayOrder, action string, body []byte) reply {
	if o == nil {
		return reply{status: http.StatusNotFound, body: dectaError("not_found", "Not found")}
	}
	var in struct{ Amount json.RawMessage }
	if json.Unmarshal(body, &in) != nil {
		return reply{status: http.StatusBadRequest, body: dectaError("invalid", "Invalid body")}
	}
	asked, given := amount(in.Amount, o.currency.Code())
	ok := false
	switch action {
	case "capture/":
		if !given {
			asked = o.total
		}
		ok = o.capture(f, asked)
	case "refund/":
		if !given {
			asked, _ = o.refundable()
		}
		if _, ok = o.askRefund(f, asked); ok && !o.slow {
			ok = o.finishRefunds(f) == nil
		}
	case "reverse/":
		switch ok = o.status == "paid" || o.status == "hold" || o.status == "reversal_failed"; {
		case ok && o.slow:
			o.to(f, "reversal_initiated")
		case ok:
			o.reversed(f)
		}
	case "cancel/":
		if ok = o.status == "issued" || o.status == "hold" || o.status == "viewed"; ok {
			o.to(f, "cancelled")
		}
	case "received":
		if ok = o.status == "issued" || o.status == "viewed"; ok {
			o.to(f, "received")
		}
	}
	if !ok {
		return reply{status: http.StatusBadRequest, body: dectaError("order_action_not_permitted", "Order can not be changed so")}
	}
	return reply{status: http.StatusOK, body: o.dectaBody(), changed: o}
}

func (o *gatewayOrder) capture(f *Fake, asked money.Money) bool {
	if c, err := asked.Cmp(o.total); o.status != "hold" || err != nil || c > 0 || !asked.IsPositive() {
		return false
	}
	rest, err := o.total.Sub(asked)
	if err != nil {
		return false
	}
	o.captured, o.released = asked, rest
	o.to(f, "paid")
	return true
}

// dectaBody is the order as GET and webhooks show it.
func (o *gatewayOrder) dectaBody() any {
	history := make([]object, 0, len(o.history))
	var paid any
	for _, c := range o.history {
		history = append(history, object{"new_status": c.status, "on": c.at.Unix()})
		if c.status == "paid" {
			paid = c.at.Unix()
		}
	}
	kind := "order"
	if o.payout {
		kind = "payout"
	}
	return object{
		"type": kind, "id": o.id, "number": o.reference, "status": o.status, "currency": o.currency.Code(),
		"total": number(o.total.String()), "is_test": o.isTest, "skip_capture": o.skipCapture, "issued": o.created.Unix(),
		"modified": o.changed.Unix(), "paid": paid, "status_changes": history,
		"full_page_checkout": o.checkout, "iframe_checkout": o.checkout + "iframe/", "direct_post": o.checkout + "direct_post/",
		"api_do_url":      "https://gate.example/api/v0.6/orders/do/" + o.id + "/",
		"amount_refunded": number(o.refunded.String()), "amount_refund_initial": number(o.pending.String()),
		"amount_refund_reversal": number(o.refundReversed.String()), "max_payment_attempts": o.attemptsMax,
		"transaction_details": object{
			"method": "card", "amount_refunded": number(o.refunded.String()), "amount_reversed": number(o.released.String()),
			"chargebacks": number(o.disputed.String()), "chargebacks_reversed": number(o.returned.String()), "errors": []any{},
		},
	}
}
