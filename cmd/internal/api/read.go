package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/refunds"
)

// Views reads the views.
type Views interface {
	// Read runs a query in one snapshot; position is where the views stood. ErrViewsAway says that they
	// cannot be read now.
	Read(ctx context.Context, query func(context.Context, pgx.Tx) error) (position string, err error)
}

// ErrViewsAway says that the views cannot be read now.
var ErrViewsAway = errors.New("the views cannot be read")

// StaleViewsError says that another version of the program made the views, and how it differs.
type StaleViewsError struct{ Changed string }

func (e *StaleViewsError) Error() string {
	return "The views were made by another version of the ledger and are to be rebuilt: " + e.Changed +
		". Notifications are taken in meanwhile, and as_of answers from the log"
}

// Answers of reading operations.
type (
	// PaymentList are the payments of an order, oldest news first.
	PaymentList struct {
		OrderID  string        `json:"order_id"`
		Payments []PaymentView `json:"payments"`
	}
	// PaymentView is one payment, with its status in the form of payment details.
	PaymentView struct {
		payments.Payment

		Details PaymentDetails `json:"status_details"`
	}
	// PaymentDetails is a status as code, with whether it is final.
	PaymentDetails struct {
		Code       string `json:"code"`
		IsTerminal bool   `json:"isTerminal"`
	}
	// RefundList are the refunds of an order.
	RefundList struct {
		OrderID string           `json:"order_id"`
		Refunds []refunds.Refund `json:"refunds"`
	}
)

// statusHeaders are of answers about parts of an order.
var statusHeaders = []string{"ETag", "Last-Modified", "Retry-After", positionHeader}

func isULID(text string) bool {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	return len(text) == 26 && strings.Trim(text, alphabet) == ""
}

// detailOf reads an order with all its parts.
func (a *API) detailOf(r *request) (detail.Order, string, error) {
	var found detail.Order
	if !isULID(r.path("id")) {
		return found, "", problem(http.StatusNotFound, "order_not_found", "There is no order with this id.")
	}
	position, err := a.Views.Read(r.ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = detail.Read(ctx, tx, r.path("id"))
		return err
	})
	if errors.Is(err, orders.ErrNotFound) {
		err = problem(http.StatusNotFound, "order_not_found", "There is no order with this id, as far as the views have come.")
	}
	return found, position, err
}

func paymentView(source string, p payments.Payment) PaymentView {
	return PaymentView{Payment: p, Details: PaymentDetails{Code: string(p.Status), IsTerminal: terminal(source, p.Status)}}
}

// terminal tells whether a payment's status is the last one, as the gateways' documents have it. Money that
// came can still go back; that is told by refunds, reversals and disputes.
func terminal(source string, s order.PaymentStatus) bool {
	switch s {
	case order.PaymentFailedStatus:
		return source != dectaGateway // there, it may be tried again
	case order.PaymentAbandonedStatus, order.PaymentExpiredStatus, order.PaymentWithdrawnStatus, order.PaymentReleasedStatus,
		order.PaymentCapturedStatus, order.PaymentSettledStatus, order.PaymentReversedStatus:
		return true
	case order.PaymentInitiatedStatus, order.PaymentViewedStatus, order.PaymentProcessingStatus, order.PaymentPendingStatus,
		order.PaymentConfirmedStatus, order.PaymentUnknownStatus, order.PaymentAuthorizedStatus:
	}
	return false
}

func sourceOf(d *detail.Order) string {
	if d.Order != nil {
		return d.Order.Source
	}
	return d.Payout.Source
}

func (a *API) listPayments(r *request) (*answer, error) {
	found, position, err := a.detailOf(r)
	if err != nil {
		return nil, err
	}
	list := PaymentList{OrderID: found.ID(), Payments: []PaymentView{}}
	for _, p := range found.Payments {
		list.Payments = append(list.Payments, paymentView(sourceOf(&found), p))
	}
	return &answer{body: list, position: position, of: &found}, nil
}

// advice answers from the log, which knows at once what a webhook said.
func (a *API) advice(r *request) (*answer, error) {
	_, state, err := a.Orders.Get(r.ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	var choices advice.Choices
	if a.Choices != nil {
		choices = a.Choices(state.Source, state.SourceAccount)
	}
	recommended := advice.Of(&state, choices)
	out := &answer{body: recommended, revision: &state.Revision}
	if !recommended.Final {
		out.poll = pollAgain(state.LastRecordedAt, a.Clock())
	}
	return out, nil
}

func (a *API) listRefunds(r *request) (*answer, error) {
	found, position, err := a.detailOf(r)
	if err != nil {
		return nil, err
	}
	list := RefundList{OrderID: found.ID(), Refunds: found.Refunds}
	if list.Refunds == nil {
		list.Refunds = []refunds.Refund{}
	}
	return &answer{body: list, position: position, of: &found}, nil
}
