package api

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payouts"
)

type (
	// OrderPage is one page of orders, newest first.
	OrderPage struct {
		Orders []orders.Order `json:"orders"`
		// Next is where the next page is; left out on the last one.
		Next string `json:"next,omitempty"`
	}
	// PayoutPage is one page of payout orders, newest first.
	PayoutPage struct {
		Payouts []payouts.Payout `json:"payouts"`
		// Next is where the next page is; left out on the last one.
		Next string `json:"next,omitempty"`
	}
)

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

// anyListParams are the parameters of every list, each as the document says.
func anyListParams() []*huma.Param {
	most, least := float64(pageMost), float64(1)
	return []*huma.Param{
		text("flag", "Those that bear this flag."),
		text("gateway", "", "decta", "everifin", "connectpay"), text("account", ""), text("currency", "ISO 4217."),
		text("number", "The merchant's reference, whole."),
		text("q", "A part of the merchant's reference, of the gateway's id or of ours."),
		text("from", "First recorded on this day or later (UTC), like 2026-10-01."), text("through", "First recorded on this day or earlier."),
		{Name: "limit", In: "query", Description: "How many on a page.", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: pageDefault}},
		text("after", "Cursor of the page before, as next names it."),
	}
}

func orderListParams() []*huma.Param {
	return append([]*huma.Param{
		text("payment_state", "", "UNPAID", "PARTIALLY_PAID", "PAID"),
		text("refund_state", "", "NONE", "PENDING", "PARTIAL", "FULL"),
		text("dispute_state", "", "NONE", "INQUIRY", "OPEN", "WON", "LOST", "MIXED"),
		text("lifecycle", "", "OPEN", "OVERDUE", "EXPIRED", "CANCELLED", "REJECTED"),
		text("test", "true: test orders in place of live ones.", "true", "false"),
	}, anyListParams()...)
}

func payoutListParams() []*huma.Param {
	return append([]*huma.Param{
		text("payout_state", "", "REQUESTED", "PROCESSING", "PAID", "FAILED", "CANCELLED", "REVERSED"),
		text("source_order_id", "The gateway's id, whole."),
	}, anyListParams()...)
}

func (a *API) listOrders(r *request) (*answer, error) {
	l, err := readList(r.query, orderListParams())
	if err != nil {
		return nil, err
	}
	q := r.query
	filter := orders.Filter{
		PaymentState: q.Get("payment_state"), RefundState: q.Get("refund_state"), DisputeState: q.Get("dispute_state"),
		Lifecycle: q.Get("lifecycle"), Flag: q.Get("flag"), Gateway: q.Get("gateway"), Account: q.Get("account"), Currency: q.Get("currency"),
		Reference: q.Get("number"), Text: q.Get("q"), From: l.from, Before: l.before, Test: q.Get("test") == "true",
	}
	page := OrderPage{Orders: []orders.Order{}}
	position, err := a.Views.Read(r.ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err := orders.NewReader(tx).List(ctx, filter, l.after, l.limit+1)
		page.Orders = append(page.Orders, found...)
		return err
	})
	if len(page.Orders) > l.limit {
		page.Orders = page.Orders[:l.limit]
		page.Next = next("/orders/", q, page.Orders[l.limit-1].ID)
	}
	return &answer{body: page, position: position}, err
}

func (a *API) listPayouts(r *request) (*answer, error) {
	l, err := readList(r.query, payoutListParams())
	if err != nil {
		return nil, err
	}
	q := r.query
	filter := payouts.Filter{
		State: q.Get("payout_state"), Flag: q.Get("flag"), Gateway: q.Get("gateway"), Account: q.Get("account"), Currency: q.Get("currency"),
		Reference: q.Get("number"), SourceOrderID: q.Get("source_order_id"), Text: q.Get("q"), From: l.from, Before: l.before,
	}
	page := PayoutPage{Payouts: []payouts.Payout{}}
	position, err := a.Views.Read(r.ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err := payouts.List(ctx, tx, filter, l.after, l.limit+1)
		page.Payouts = append(page.Payouts, found...)
		return err
	})
	if len(page.Payouts) > l.limit {
		page.Payouts = page.Payouts[:l.limit]
		page.Next = next("/payouts/", q, page.Payouts[l.limit-1].OrderID)
	}
	return &answer{body: page, position: position}, err
}

// next is where the page after an order is.
func next(path string, query url.Values, last string) string {
	query.Set("after", base64.RawURLEncoding.EncodeToString([]byte(last)))
	return path + "?" + query.Encode()
}

// listing is what every list is asked for.
type listing struct {
	from, before *time.Time
	after        string
	limit        int
}

// readList reads the parameters of a list; each that is wrong has its entry.
func readList(query url.Values, params []*huma.Param) (l listing, err error) {
	wrong := checkParams(query, params)
	bad := func(field, message string) { wrong = append(wrong, FieldError{Field: field, Message: message}) }
	for name, to := range map[string]**time.Time{"from": &l.from, "through": &l.before} {
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
	l.limit = pageDefault
	if t := query.Get("limit"); t != "" {
		if l.limit, err = strconv.Atoi(t); err != nil || l.limit < 1 || l.limit > pageMost {
			bad("limit", "is not a number from 1 to "+strconv.Itoa(pageMost))
		}
	}
	if cursor := query.Get("after"); cursor != "" {
		id, err := base64.RawURLEncoding.DecodeString(cursor)
		if l.after = string(id); err != nil || !isULID(l.after) {
			bad("after", "is no cursor; leave it out to begin with the newest order")
		}
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
		return listing{}, invalid(wrong...)
	}
	return l, nil
}

// checkParams checks parameters by what the document says of them.
func checkParams(query url.Values, params []*huma.Param) (wrong []FieldError) {
	bad := func(field, message string) { wrong = append(wrong, FieldError{Field: field, Message: message}) }
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
		case len(values[0]) > 255 || strings.ContainsRune(values[0], 0) || !utf8.ValidString(values[0]):
			bad(name, "is too long, or holds what no name holds")
		}
	}
	return wrong
}
