package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
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

// Answers of reading operations.
type (
	// OrderPage is one page of orders, newest first.
	OrderPage struct {
		Orders []orders.Order `json:"orders"`
		// Next is where the next page is; left out on the last one.
		Next string `json:"next,omitempty"`
	}
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

// Page sizes.
const (
	pageDefault = 50
	pageMost    = orders.ListMost - 1
)

func text(name, about string, words ...string) *huma.Param {
	s := &huma.Schema{Type: huma.TypeString}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
}

// listParams are the parameters of the list, each as the document says.
func listParams() []*huma.Param {
	most, least := float64(pageMost), float64(1)
	return []*huma.Param{
		text("payment_state", "", "UNPAID", "PARTIALLY_PAID", "PAID"),
		text("refund_state", ""), text("dispute_state", ""),
		text("lifecycle", "", "OPEN", "OVERDUE", "EXPIRED", "CANCELLED", "REJECTED"),
		text("flag", "Orders that bear this flag."),
		text("gateway", "", "decta", "everifin", "connectpay"), text("account", ""), text("currency", "ISO 4217."),
		text("number", "The merchant's reference, whole."),
		text("q", "A part of the merchant's reference, of the gateway's id or of ours."),
		text("from", "First recorded on this day or later (UTC), like 2026-10-01."), text("through", "First recorded on this day or earlier."),
		{Name: "limit", In: "query", Description: "Orders on a page.", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: pageDefault}},
		text("after", "Cursor of the page before, as next names it."),
	}
}

func (a *API) listOrders(r *request) (*answer, error) {
	filter, after, limit, err := readList(r.query)
	if err != nil {
		return nil, err
	}
	var found []orders.Order
	position, err := a.Views.Read(r.ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = orders.NewReader(tx).List(ctx, filter, after, limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := OrderPage{Orders: found}
	if page.Orders == nil {
		page.Orders = []orders.Order{}
	}
	if len(found) > limit {
		page.Orders = found[:limit]
		next := r.query
		next.Set("after", base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].ID)))
		page.Next = "/orders/?" + next.Encode()
	}
	return &answer{body: page, position: position}, nil
}

// readList reads the parameters of the list; each that is wrong has its entry.
func readList(query url.Values) (f orders.Filter, after string, limit int, err error) {
	var wrong []FieldError
	bad := func(field, message string) { wrong = append(wrong, FieldError{Field: field, Message: message}) }
	params := listParams()
	for name, values := range query {
		i := slices.IndexFunc(params, func(p *huma.Param) bool { return p.Name == name })
		switch {
		case name == "at_least" || name == "wait": // of every read
		case i < 0:
			bad(name, "is no parameter of this list")
		case len(values) > 1:
			bad(name, "is given twice")
		case len(params[i].Schema.Enum) > 0 && !slices.Contains(params[i].Schema.Enum, any(values[0])):
			bad(name, "is none of its values")
		}
	}
	f = orders.Filter{
		PaymentState: query.Get("payment_state"), RefundState: query.Get("refund_state"), DisputeState: query.Get("dispute_state"),
		Lifecycle: query.Get("lifecycle"), Flag: query.Get("flag"), Gateway: query.Get("gateway"), Account: query.Get("account"),
		Currency: query.Get("currency"), Reference: query.Get("number"), Text: query.Get("q"),
	}
	for name, to := range map[string]**time.Time{"from": &f.From, "through": &f.Before} {
		if query.Get(name) == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, query.Get(name))
		if err != nil {
			bad(name, "is not a date like 2026-10-31")
			continue
		}
		if name == "through" {
			day = day.AddDate(0, 0, 1)
		}
		*to = &day
	}
	limit = pageDefault
	if t := query.Get("limit"); t != "" {
		if limit, err = strconv.Atoi(t); err != nil || limit < 1 || limit > pageMost {
			bad("limit", "is not a number from 1 to "+strconv.Itoa(pageMost))
		}
	}
	if cursor := query.Get("after"); cursor != "" {
		id, err := base64.RawURLEncoding.DecodeString(cursor)
		if after = string(id); err != nil || !isULID(after) {
			bad("after", "is no cursor; leave it out to begin with the newest order")
		}
	}
	for _, name := range []string{"q", "number", "account", "flag", "refund_state", "dispute_state", "currency"} {
		if v := query.Get(name); len(v) > 255 || strings.ContainsRune(v, 0) {
			bad(name, "is too long, or holds what no name holds")
		}
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
		return f, "", 0, invalid(wrong...)
	}
	return f, after, limit, nil
}

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
		return source != "decta" // there, it may be tried again
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

func (a *API) getPayment(r *request) (*answer, error) {
	found, position, err := a.detailOf(r)
	if err != nil {
		return nil, err
	}
	for _, p := range found.Payments {
		if name := r.path("payment"); p.ID == name || p.SourcePaymentID == name {
			return &answer{body: paymentView(sourceOf(&found), p), position: position, of: &found}, nil
		}
	}
	return nil, problem(http.StatusNotFound, "payment_not_found", "The order has no payment with this id, ours or the gateway's.")
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
