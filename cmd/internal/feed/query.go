package feed

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	// pageEvents is how many events a JSON page holds when the client does not say, pageEventsMax
	// the most that it may ask for. pageBytesMax ends a page before that.
	pageEvents    = 1_000
	pageEventsMax = 10_000
	pageBytesMax  = 4 << 20
	// waitMax is the longest long poll.
	waitMax = 60 * time.Second
	// filterValuesMax bounds how often one filter may be given.
	filterValuesMax = 100
)

// queryError says what is wrong with a request, for the person who wrote it.
type queryError struct{ code, detail string }

func (e *queryError) Error() string { return e.detail }

func badQuery(code, format string, args ...any) *queryError {
	return &queryError{code: code, detail: fmt.Sprintf(format, args...)}
}

// query is what part of the log a client wants.
type query struct {
	after      cursor
	limit      uint64 // events; 0 is none
	wait       time.Duration
	categories []order.Category
	types      []string // empty is all
	orderID    string   // empty is all
	gateway    string   // empty is all
	format     string   // of the parameter; empty leaves it to the Accept header
}

// parseQuery reads a request's parameters. Unknown ones are refused: a misspelt cursor would start
// from the beginning again, and a misspelt filter would show nothing for ever.
func parseQuery(r *http.Request) (*query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badQuery("parameter_invalid", "The query of the URL cannot be read: %s.", err)
	}
	q := &query{}
	readers := map[string]func(string) error{
		"after": q.readAfter, "limit": q.readLimit, "wait": q.readWait, "type": q.readTypes, "category": q.readCategories,
		"order": q.readOrder, "gateway": q.readGateway, "test": q.readTest(values), "format": q.readFormat,
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		read, known := readers[name]
		switch {
		case known:
		case name == "at_least": // belongs to what wraps this handler
			continue
		default:
			return nil, badQuery("parameter_unknown", "There is no parameter %q; there are after, limit, wait, type, category, order, gateway, test and format.", name)
		}
		if len(values[name]) > 1 && name != "type" && name != "category" {
			return nil, badQuery("parameter_invalid", "The parameter %s is given more than once.", name)
		}
		for _, value := range values[name] {
			if err := read(value); err != nil {
				return nil, err
			}
		}
	}
	if q.orderID != "" && slices.Contains(q.categories, order.CategoryQuarantine) {
		return nil, badQuery("parameter_invalid", "What is in the category quarantine belongs to no order.")
	}
	if len(q.categories) == 0 {
		q.categories = []order.Category{order.CategoryOrder, order.CategoryPayout, order.CategoryQuarantine}
		if values.Get("test") == "true" {
			q.categories = append(q.categories, order.CategoryTestOrder)
		}
	}
	return q, nil
}

func (q *query) readAfter(text string) (err error) {
	q.after, err = parseCursor(text)
	return err
}

func (q *query) readLimit(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return badQuery("limit_invalid", "limit is a number of events from 1, not %q.", text)
	}
	q.limit = n
	return nil
}

func (q *query) readWait(text string) error {
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > waitMax {
		return badQuery("wait_invalid", "wait is a duration such as 30s, at most %s, not %q.", waitMax, text)
	}
	q.wait = wait
	return nil
}

func (q *query) readTypes(text string) error {
	known := order.EventTypes()
	for name := range strings.SplitSeq(text, ",") {
		if _, found := slices.BinarySearch(known, name); !found || name == "ReferenceLinked" {
			return badQuery("type_unknown", "There is no event type %q in the feed; /schemas/ lists them.", name)
		}
		if !slices.Contains(q.types, name) {
			q.types = append(q.types, name)
		}
	}
	if len(q.types) > filterValuesMax {
		return badQuery("type_unknown", "At most %d event types can be asked for; leave type out for all.", filterValuesMax)
	}
	return nil
}

func (q *query) readCategories(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		c := order.Category(name)
		switch c {
		case order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout, order.CategoryQuarantine:
		case order.CategoryReference:
			fallthrough
		default:
			return badQuery("category_unknown", "There is no category %q in the feed; there are order, payout, quarantine and ordertest.", name)
		}
		if !slices.Contains(q.categories, c) {
			q.categories = append(q.categories, c)
		}
	}
	return nil
}

func (q *query) readOrder(text string) error {
	id, err := ulid.ParseStrict(strings.ToUpper(text))
	if err != nil {
		return badQuery("order_invalid", "order is the ledger's own id of an order (a ULID), not %q; /orders/{id} finds it by other ids.", text)
	}
	q.orderID = id.String()
	return nil
}

func (q *query) readGateway(text string) error {
	if text == "" {
		return badQuery("gateway_invalid", "gateway is the name of a source, for example decta.")
	}
	q.gateway = text
	return nil
}

func (q *query) readTest(values url.Values) func(string) error {
	return func(text string) error {
		if text != "true" && text != "false" {
			return badQuery("parameter_invalid", "test is true, to see test orders too, or false; not %q.", text)
		}
		if values.Has("category") {
			return badQuery("parameter_invalid", "test and category exclude each other; test orders are the category ordertest.")
		}
		return nil
	}
}

func (q *query) readFormat(text string) error {
	switch text {
	case formatJSON, formatBatch, formatNDJSON:
		q.format = text
		return nil
	}
	return badQuery("format_unknown", "format is json, batch or ndjson, not %q.", text)
}

// wantsStream tells whether the events of a stream are for this client.
func (q *query) wantsStream(stream string) bool {
	category, rest, found := strings.Cut(stream, "-")
	if !found || !slices.Contains(q.categories, order.Category(category)) {
		return false
	}
	return q.orderID == "" || (rest == q.orderID && category != string(order.CategoryQuarantine))
}

// wants tells whether an event of such a stream is.
func (q *query) wants(eventType, source string) bool {
	return (len(q.types) == 0 || slices.Contains(q.types, eventType)) && (q.gateway == "" || source == q.gateway)
}

// canonical is the filter as parameters, in one order, without cursor and wait.
func (q *query) canonical(format string) url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.limit > 0 {
		v.Set("limit", strconv.FormatUint(q.limit, 10))
	}
	if q.wait > 0 {
		v.Set("wait", q.wait.String())
	}
	set("type", strings.Join(q.types, ","))
	set("order", q.orderID)
	set("gateway", q.gateway)
	set("format", format)
	names := make([]string, len(q.categories))
	for i, c := range q.categories {
		names[i] = string(c)
	}
	slices.Sort(names)
	if shown := strings.Join(names, ","); shown != "order,payout,quarantine" {
		v.Set("category", shown)
	}
	return v
}

// next is the URL, from the root, of what follows a cursor.
func (q *query) next(c cursor) string {
	v := q.canonical(q.format)
	if !c.isStart() {
		v.Set("after", c.String())
	}
	if len(v) == 0 {
		return "/events"
	}
	return "/events?" + v.Encode()
}
