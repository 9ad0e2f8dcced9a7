package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/refunds"
)

type (
	// PaymentDetail is one payment as ConnectPay's payment details and Everifin's Get Order Payment tell it,
	// for all gateways. Accounts and names of people are in none of our answers.
	PaymentDetail struct {
		OrderID           string        `json:"order_id"`
		PaymentID         string        `json:"payment_id"`
		Gateway           string        `json:"gateway"`
		Account           string        `json:"account"`
		SourceOrderID     string        `json:"source_order_id,omitempty" doc:"The gateway's id of the order."`
		SourcePaymentID   string        `json:"source_payment_id,omitempty" doc:"The gateway's id of the payment."`
		MerchantReference string        `json:"merchant_reference,omitempty" doc:"The merchant's name for the order, as the gateway has it."`
		Method            string        `json:"method,omitempty"`
		Status            PaymentStatus `json:"status"`
		// Details is the status as lists of payments have it.
		Details     PaymentDetails   `json:"status_details"`
		Amount      *money.Money     `json:"amount"`
		Captured    money.Money      `json:"captured"`
		Settled     money.Money      `json:"settled"`
		ReasonCode  string           `json:"reason_code,omitempty"`
		CreatedAt   *time.Time       `json:"created_at"`
		ConfirmedAt *time.Time       `json:"confirmed_at"`
		FinalizedAt *time.Time       `json:"finalized_at" doc:"When it got to a status that is terminal."`
		Refunds     []refunds.Refund `json:"refunds"`
	}
	// PaymentStatus is where a payment is.
	PaymentStatus struct {
		Code       string `json:"code" doc:"The gateway's word, verbatim; ours while it has said none."`
		IsTerminal bool   `json:"isTerminal"`
		Ledger     string `json:"ledger" doc:"Our word, which is the same for all gateways."`
	}
)

func (a *API) getPayment(r *request) (*answer, error) {
	var found detail.Order
	var out *PaymentDetail
	if !isULID(r.path("id")) {
		return nil, problem(http.StatusNotFound, "order_not_found", "There is no order with this id.")
	}
	position, err := a.Views.Read(r.ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if found, err = detail.Read(ctx, tx, r.path("id")); err != nil {
			return err
		}
		for i := range found.Payments {
			if p := &found.Payments[i]; p.ID == r.path("payment") || p.SourcePaymentID == r.path("payment") {
				course, err := payments.CourseOf(ctx, tx, found.ID(), p.ID)
				out = paymentDetail(&found, p, course)
				return err
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, orders.ErrNotFound):
		return nil, problem(http.StatusNotFound, "order_not_found", "There is no order with this id, as far as the views have come.")
	case err != nil:
		return nil, err
	case out == nil:
		return nil, problem(http.StatusNotFound, "payment_not_found", "The order has no payment with this id, ours or the gateway's.")
	}
	return &answer{body: out, position: position, of: &found}, nil
}

// paymentDetail is about a payment of an order; payouts have none.
func paymentDetail(of *detail.Order, p *payments.Payment, c payments.Course) *PaymentDetail {
	o := of.Order
	final := terminal(o.Source, p.Status)
	d := &PaymentDetail{
		OrderID: o.ID, PaymentID: p.ID, Gateway: o.Source, Account: o.SourceAccount, SourceOrderID: o.SourceOrderID,
		SourcePaymentID: p.SourcePaymentID, MerchantReference: o.MerchantReference, Method: p.Method,
		Status:  PaymentStatus{Code: cmp.Or(c.GatewayStatus, string(p.Status)), IsTerminal: final, Ledger: string(p.Status)},
		Details: PaymentDetails{Code: string(p.Status), IsTerminal: final},
		Amount:  p.Amount, Captured: p.Captured, Settled: p.Settled, ReasonCode: p.ReasonCode,
		CreatedAt: c.BeganAt, ConfirmedAt: c.ConfirmedAt, Refunds: []refunds.Refund{},
	}
	if final {
		d.FinalizedAt = &p.LastOccurredAt
	}
	for _, refund := range of.Refunds {
		if refund.PaymentID == p.ID {
			d.Refunds = append(d.Refunds, refund)
		}
	}
	return d
}
