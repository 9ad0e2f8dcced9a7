package fakegateway

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/order-ledger/order-ledger/domain/money"
)

func (f *Fake) connectpay() {
	f.handle(ConnectPay, "POST /connectpay/merchant/payments", "payment", f.signed, f.connectpayCreate)
	f.handle(ConnectPay, "GET /connectpay/merchant/payments/{id}", "payment", f.signed, func(r *http.Request, _ []byte) reply {
		o := f.find(ConnectPay, r)
		if o == nil {
			return reply{status: http.StatusNotFound, body: object{}}
		}
		return reply{status: http.StatusOK, body: o.connectpayBody()}
	})
	f.handle(ConnectPay, "POST /connectpay/merchant/refunds", "refund", f.signed, f.connectpayRefund)
}

// signed checks the credentials and the signature of a request.
func (f *Fake) signed(r *http.Request, body []byte) bool {
	user, password, ok := r.BasicAuth()
	id := r.Header.Get("X-Request-ID")
	if !ok || user != User || password != Password || id == "" || r.Header.Get("Accept") != "application/json;version=2" {
		return false
	}
	if f.o.ClientKey == nil {
		return true
	}
	sum := sha256.Sum256(append([]byte(id+"."), body...))
	proof, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Signature"))
	return err == nil && rsa.VerifyPKCS1v15(f.o.ClientKey, crypto.SHA256, sum[:], proof) == nil
}

type instructedAmount struct{ Amount, Currency string }

func (a instructedAmount) money() (money.Money, bool) {
	c, err := money.ParseCurrency(a.Currency)
	if err != nil {
		return money.Money{}, false
	}
	m, err := money.Parse(a.Amount, c)
	return m, err == nil && m.IsPositive()
}

func (f *Fake) connectpayCreate(_ *http.Request, body []byte) reply {
	var in struct {
		Payment     struct{ InstructedAmount instructedAmount }
		Identifiers struct{ MerchantReference string }
	}
	if json.Unmarshal(body, &in) != nil {
		return reply{status: http.StatusBadRequest, body: object{}}
	}
	total, ok := in.Payment.InstructedAmount.money()
	if !ok {
		return reply{status: http.StatusBadRequest, body: object{}}
	}
	o := &gatewayOrder{gateway: ConnectPay, reference: in.Identifiers.MerchantReference, total: total, status: "Initiated"}
	f.add(o)
	initiated, err := f.hooks(o)
	if err != nil {
		return reply{status: http.StatusInternalServerError, body: object{}}
	}
	o.to(f, "PendingMerchant")
	return reply{first: initiated, status: http.StatusCreated, changed: o, body: object{
		"payment": object{"paymentId": o.payment, "redirectUrl": o.checkout},
	}}
}

// connectpayRefund begins a refund; its end comes later (FinishRefunds).
func (f *Fake) connectpayRefund(_ *http.Request, body []byte) reply {
	var in struct {
		Payment struct {
			PaymentID        string
			InstructedAmount instructedAmount
		}
	}
	if json.Unmarshal(body, &in) != nil {
		return reply{status: http.StatusBadRequest, body: object{}}
	}
	o := f.byID[in.Payment.PaymentID]
	asked, ok := in.Payment.InstructedAmount.money()
	if o == nil || o.gateway != ConnectPay || !ok {
		return reply{status: http.StatusBadRequest, body: object{}}
	}
	if _, ok := o.askRefund(f, asked); !ok {
		return reply{status: http.StatusBadRequest, body: object{}}
	}
	return reply{status: http.StatusCreated, body: o.connectpayBody(), changed: o}
}

func (o *gatewayOrder) connectpayBody() any {
	terminal := map[string]bool{
		"Approved": true, "Settled": true, "Failed": true, "Abandoned": true, "Refunded": true, "PartialyRefunded": true,
	}[o.status]
	return object{
		"merchant": object{"generic1": o.reference},
		"payment": object{
			"paymentId": o.payment, "paymentMethod": "CARD",
			"instructedAmount": object{"amount": o.total.String(), "currency": o.currency.Code()},
		},
		"identifiers": object{"merchantReference": o.reference},
		"status":      object{"code": o.status, "isTerminal": terminal != o.contradicts, "description": o.remark},
	}
}
