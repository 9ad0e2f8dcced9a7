package projections_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// The oracle says what the views must show, from the bytes of the log alone. It shares nothing with the
// projector: neither decoders, nor the fold, nor the type of money, nor SQL. It looks each answer up in
// the order's events, and knows nothing of batches, caches and checkpoints.

// toldEvent is one event of the log, as JSON.
type toldEvent struct {
	kind       string
	id         string
	stream     string
	revision   uint64
	position   uint64
	created    time.Time // by the log
	occurred   time.Time
	recorded   time.Time
	data, meta map[string]any
	readable   bool
}

// readTold reads the whole log once, in its order.
func readTold(tb testing.TB, log eventstore.Reader) []toldEvent {
	tb.Helper()
	var all []toldEvent
	for ev, err := range log.ReadAll(tb.Context(), eventstore.AllRead{}) {
		if err != nil {
			tb.Fatal(err)
		}
		e := toldEvent{kind: ev.Type, id: ev.ID.String(), stream: ev.Stream, revision: ev.Revision, position: ev.Position.Commit, created: ev.Created}
		e.readable = readObject(ev.Data, &e.data) && readObject(ev.Metadata, &e.meta)
		e.occurred, e.recorded = e.time("occurred_at"), e.time("recorded_at")
		all = append(all, e)
	}
	return all
}

func readObject(raw []byte, into *map[string]any) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into) == nil
}

func (e *toldEvent) text(name string) string {
	s, _ := e.data[name].(string)
	return s
}

func (e *toldEvent) is(name string) bool {
	b, _ := e.data[name].(bool)
	return b
}

func (e *toldEvent) number(name string) int64 {
	n, _ := e.data[name].(json.Number)
	v, _ := n.Int64()
	return v
}

// amount is nil when the event does not tell it.
func (e *toldEvent) amount(name string) *big.Rat { return amountOf(e.data[name]) }

func amountOf(value any) *big.Rat {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	text, _ := object["amount"].(string)
	sum, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return sum
}

func (e *toldEvent) metaText(name string) string {
	s, _ := e.meta[name].(string)
	return s
}

func (e *toldEvent) time(name string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, e.metaText(name))
	if err != nil {
		return time.Time{}
	}
	return at
}

// currencyOf finds the first currency that any of the events names.
func currencyOf(events []toldEvent) string {
	for i := range events {
		if e := &events[i]; e.kind != "NotificationRecorded" {
			if found := findCurrency(e.data); found != "" {
				return found
			}
		}
	}
	return ""
}

func findCurrency(value any) string {
	switch v := value.(type) {
	case map[string]any:
		if c, ok := v["currency"].(string); ok {
			return c
		}
		for _, name := range sortedNames(v) {
			if found := findCurrency(v[name]); found != "" {
				return found
			}
		}
	case []any:
		for _, item := range v {
			if found := findCurrency(item); found != "" {
				return found
			}
		}
	}
	return ""
}

func sortedNames(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// projectable are the events that an order's stream may hold; any other one parks its order.
var projectable = strings.Fields(`OrderRegistered OrderAmountChanged OrderDetailsLearned OrderIssued OrderViewed OrderOverdue
	OrderExpired OrderCancelled OrderRejectedByCustomer OrderPaidExternally FeeCharged GatewayStatusObserved GatewayOrderStatusObserved
	AnomalyFlagged AnomalyResolved LedgerCorrectionRecorded NotificationRecorded PaymentInitiated PaymentAmountLearned
	PaymentProcessingStarted PaymentPendingAtProvider PaymentAttemptFailed PaymentAbandoned PaymentExpired PaymentWithdrawn
	PaymentOutcomeUnknown PaymentAuthorized AuthorizationReleased PaymentConfirmed PaymentCaptured PaymentSettled ReversalInitiated
	ReversalFailed PaymentReversed EnrichmentPending PayoutRequested PayoutProcessing PayoutCompleted PayoutFailed PayoutCancelled
	PayoutReversed RefundInitiated RefundCompleted RefundFailed RefundObserved RefundReversed RetrievalRequested ChargebackReceived
	RepresentmentFiled PreArbitrationOpened ArbitrationOpened PreComplianceOpened ComplianceOpened FraudAdviceReceived
	GoodFaithRequested DisputeFundsWithdrawn DisputeFundsReinstated DisputeResolved`)

// oracle answers for a log up to a position.
type oracle struct {
	events []toldEvent
	// refused are the streams whose rows PostgreSQL refuses from a revision on.
	refused map[string]uint64
}

// lines are all rows of all views, one line each, sorted.
func (o oracle) lines(upTo uint64) []string {
	streams := make(map[string][]toldEvent)
	var names, out []string
	quarantined := make(map[string]bool)
	for _, e := range o.events {
		if e.position > upTo {
			break
		}
		if strings.HasPrefix(e.stream, "quarantine-") && !quarantined[e.id] {
			quarantined[e.id] = true
			out = append(out, line("quarantine", e.text("notification_id"), e.text("gateway"), e.text("account"), e.text("code"), e.text("detail"),
				e.text("body_sha256"), e.position))
		}
		if !isOrder(e.stream) {
			continue
		}
		if streams[e.stream] == nil {
			names = append(names, e.stream)
		}
		streams[e.stream] = append(streams[e.stream], e)
	}
	for _, name := range names {
		out = append(out, o.streamLines(name, streams[name])...)
	}
	slices.Sort(out)
	return out
}

func isOrder(stream string) bool {
	return slices.ContainsFunc([]string{"order-", "ordertest-", "payout-"}, func(p string) bool { return strings.HasPrefix(stream, p) })
}

func (o oracle) streamLines(stream string, events []toldEvent) []string {
	category, id, _ := strings.Cut(stream, "-")
	var out []string
	for i := range events {
		e := &events[i]
		out = append(out, line("history", id, e.revision, e.position, e.id, e.kind, e.occurred, e.recorded, e.metaText("source"),
			e.metaText("actor"), canonical(e.data)))
	}
	bad := slices.IndexFunc(events, func(e toldEvent) bool {
		from, isRefused := o.refused[stream]
		return !e.readable || !slices.Contains(projectable, e.kind) || (isRefused && e.revision >= from)
	})
	var refused *toldEvent
	if bad >= 0 {
		refused = &events[bad]
		out = append(out, line("parked", id, stream, refused.revision, refused.position, refused.id, refused.kind, len(events)-1-bad))
		events = events[:bad]
	}
	if !slices.ContainsFunc(events, func(e toldEvent) bool { return e.kind == "OrderRegistered" }) {
		if refused != nil {
			out = append(out, nothingBut(category, id, refused)...)
		}
		return out
	}
	it := story{id: id, events: events, currency: currencyOf(events)}
	switch category {
	case "payout":
		return append(out, it.payoutLine(bad >= 0))
	case "ordertest":
		return append(out, it.orderLine("test_order", bad >= 0))
	}
	out = append(out, it.orderLine("order", bad >= 0), it.refundableLine())
	for _, p := range it.payments() {
		out = append(out, it.paymentLine(p))
	}
	for _, r := range it.refunds() {
		out = append(out, it.refundLine(r))
	}
	for _, d := range it.disputes() {
		out = append(out, it.disputeLines(d)...)
	}
	return out
}

// nothingBut are the rows of an order of which nothing is known but that it is parked.
func nothingBut(category, id string, refused *toldEvent) []string {
	since := []any{"parked", refused.created, refused.created, refused.revision, refused.position, refused.id}
	if category == "payout" {
		return []string{line(append([]any{"payout", id, "", "", "", "", "", "", 0, "REQUESTED"}, since...)...)}
	}
	row := []any{"", "", "", "", "", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "UNPAID", "NONE", "NONE", "OPEN", ""}
	row = append(row, since...)
	if category == "ordertest" {
		return []string{line(append([]any{"test_order", id}, row...)...)}
	}
	return []string{line(append([]any{"order", id}, row...)...), line("refund_balances", id, 0, 0, 0, 0, 0, 0, 0)}
}

// canonical is JSON with sorted names.
func canonical(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// line joins values; times are UTC in microseconds, as PostgreSQL keeps them.
func line(values ...any) string {
	var b strings.Builder
	for _, v := range values {
		switch v := v.(type) {
		case time.Time:
			b.WriteString("|")
			if !v.IsZero() {
				b.WriteString(v.UTC().Truncate(time.Microsecond).Format("2006-01-02T15:04:05.000000"))
			}
		default:
			fmt.Fprintf(&b, "|%v", v)
		}
	}
	return b.String()
}

// story is what the log tells about one order.
type story struct {
	id       string
	events   []toldEvent
	currency string
}

// money shows an amount with all minor units of the order's currency; nothing when it is unknown.
func (s story) money(m *big.Rat) string {
	units, known := map[string]int{"EUR": 2, "JPY": 0, "BHD": 3}[s.currency]
	switch {
	case m == nil:
		return ""
	case !known:
		return m.RatString()
	}
	return m.FloatString(units)
}

func zero() *big.Rat { return new(big.Rat) }

func plus(a *big.Rat, more ...*big.Rat) *big.Rat {
	sum := new(big.Rat).Set(a)
	for _, m := range more {
		if m != nil {
			sum.Add(sum, m)
		}
	}
	return sum
}

func minus(a *big.Rat, less ...*big.Rat) *big.Rat {
	rest := new(big.Rat).Set(a)
	for _, m := range less {
		if m != nil {
			rest.Sub(rest, m)
		}
	}
	return rest
}

func notBelowZero(m *big.Rat) *big.Rat {
	if m.Sign() < 0 {
		return zero()
	}
	return m
}

// last is the newest of what tell finds, ok when anything was found.
func last[T any](events []toldEvent, tell func(*toldEvent) (T, bool)) (found T, ok bool) {
	for i := len(events) - 1; i >= 0; i-- {
		if v, is := tell(&events[i]); is {
			return v, true
		}
	}
	return found, false
}

// newestText is the newest text that is not empty of the named member of the kinds of events.
func (s story) newestText(name string, kinds ...string) string {
	found, _ := last(s.events, func(e *toldEvent) (string, bool) {
		return e.text(name), slices.Contains(kinds, e.kind) && e.text(name) != ""
	})
	return found
}

// sum adds up a member of the events that are of a kind and that pass.
func (s story) sum(kind, name string, pass func(*toldEvent) bool) *big.Rat {
	total := zero()
	for i := range s.events {
		if e := &s.events[i]; e.kind == kind && pass(e) {
			total = plus(total, e.amount(name))
		}
	}
	return total
}

func any1(*toldEvent) bool { return true }

// corrections calls do for each adjustment of one balance, with its signed amount.
func corrections(e *toldEvent, do func(adjustment map[string]any, amount *big.Rat)) {
	if e.kind != "LedgerCorrectionRecorded" {
		return
	}
	all, _ := e.data["adjustments"].([]any)
	for _, item := range all {
		a, _ := item.(map[string]any)
		amount := amountOf(a["amount"])
		if amount == nil {
			continue
		}
		if a["direction"] == "decrease" {
			amount = minus(zero(), amount)
		}
		do(a, amount)
	}
}

func (s story) due() *big.Rat {
	due, _ := last(s.events, func(e *toldEvent) (*big.Rat, bool) {
		switch e.kind {
		case "OrderRegistered":
			return e.amount("amount_due"), e.amount("amount_due") != nil
		case "OrderAmountChanged":
			return e.amount("new_amount_due"), true
		}
		return nil, false
	})
	return due
}

func (s story) external() *big.Rat {
	total := s.sum("OrderPaidExternally", "amount", any1)
	for i := range s.events {
		corrections(&s.events[i], func(a map[string]any, amount *big.Rat) {
			if a["balance"] == "received_externally" {
				total = plus(total, amount)
			}
		})
	}
	return total
}

// figures are the amounts of the order's row.
type figures struct {
	due, authorised, expected, captured, settled, external, reversed *big.Rat
	pending, refunded, held, lost                                    *big.Rat
}

func (s story) figures() figures {
	f := figures{
		due: s.due(), authorised: zero(), expected: zero(), captured: zero(), settled: zero(), external: s.external(), reversed: zero(),
		pending: zero(), held: zero(), lost: zero(),
	}
	for _, id := range s.payments() {
		p := s.payment(id)
		f.captured, f.settled, f.reversed = plus(f.captured, p.captured), plus(f.settled, p.settled), plus(f.reversed, p.reversed)
		if !p.holdEnded {
			f.authorised = plus(f.authorised, notBelowZero(minus(p.held, p.captured, p.released)))
		}
		if !p.dead && p.captured.Sign() <= 0 {
			f.expected = plus(f.expected, p.confirmed)
		}
	}
	given, back := zero(), zero()
	for _, id := range s.refunds() {
		r := s.refund(id)
		given, back = plus(given, r.completed), plus(back, r.reversed)
		if r.open {
			f.pending = plus(f.pending, r.amount)
		}
	}
	f.refunded = notBelowZero(minus(given, back))
	for _, id := range s.disputes() {
		d := s.dispute(id)
		f.held, f.lost = plus(f.held, d.held()), plus(f.lost, d.lost)
	}
	return f
}

func (f figures) gross() *big.Rat { return minus(plus(f.captured, f.external), f.reversed) }

func (f figures) paymentState() string {
	gross := f.gross()
	switch {
	case f.due != nil && gross.Cmp(f.due) >= 0:
		return "PAID"
	case gross.Sign() > 0:
		return "PARTIALLY_PAID"
	}
	return "UNPAID"
}

func (s story) refundState(f figures) string {
	open := slices.ContainsFunc(s.refunds(), func(id string) bool { return s.refund(id).open })
	switch {
	case f.refunded.Sign() > 0 && f.refunded.Cmp(plus(f.captured, f.external)) >= 0:
		return "FULL"
	case open:
		return "PENDING"
	case f.refunded.Sign() > 0:
		return "PARTIAL"
	}
	return "NONE"
}

func (s story) orderLine(view string, parked bool) string {
	f := s.figures()
	gross := f.gross()
	net, overpaid := minus(gross, f.refunded, f.held, f.lost), zero()
	if f.due != nil {
		overpaid = notBelowZero(minus(gross, f.due))
	}
	newest := &s.events[len(s.events)-1]
	values := []any{
		view, s.id, s.newestText("source", "OrderRegistered"), s.newestText("source_account", "OrderRegistered"),
		s.newestText("source_order_id", "OrderRegistered", "OrderDetailsLearned", "OrderAmountChanged"),
		s.newestText("merchant_reference", "OrderRegistered", "OrderDetailsLearned"), s.currency,
	}
	for _, m := range []*big.Rat{
		f.due, f.authorised, f.expected, f.captured, f.settled, f.external, f.reversed, f.pending, f.refunded, f.held, f.lost, gross, net, overpaid,
	} {
		values = append(values, s.money(m))
	}
	return line(append(values, f.paymentState(), s.refundState(f), s.disputeState(), s.lifecycle(), s.gatewayStatus(), s.flags(f, parked),
		s.events[0].recorded, newest.recorded, newest.revision, newest.position, newest.id)...)
}

func (s story) refundableLine() string {
	f := s.figures()
	left := notBelowZero(minus(f.captured, f.reversed, f.refunded, f.pending, f.held, f.lost))
	return line("refund_balances", s.id, s.money(f.captured), s.money(f.reversed), s.money(f.pending), s.money(f.refunded), s.money(f.held),
		s.money(f.lost), s.money(left))
}

// lifecycle is the closing fact with the latest time; of one moment the most final, and of those the last told.
func (s story) lifecycle() string {
	finality := map[string]int{"OrderOverdue": 1, "OrderExpired": 2, "OrderRejectedByCustomer": 3, "OrderCancelled": 4}
	names := []string{"OPEN", "OVERDUE", "EXPIRED", "REJECTED", "CANCELLED"}
	now, at := 0, time.Time{}
	toldByMerchant := false
	for i := range s.events {
		e := &s.events[i]
		rank := finality[e.kind]
		switch {
		case rank == 0, toldByMerchant && e.kind == "OrderCancelled":
		case e.kind == "OrderRejectedByCustomer" && e.is("by_merchant"):
			toldByMerchant, now = true, rank
			if e.occurred.After(at) {
				at = e.occurred
			}
		case e.occurred.After(at), e.occurred.Equal(at) && rank >= now:
			now, at = rank, e.occurred
		}
	}
	return names[now]
}

// gatewayStatus is the newest status word: by its time, and where the source has none by how far along it is.
func (s story) gatewayStatus() string {
	along := func(e *toldEvent) int {
		switch e.kind {
		case "GatewayStatusObserved":
			if e.text("refund_id") != "" {
				return 90
			}
			return 20
		case "PaymentInitiated", "OrderIssued":
			return 10
		case "OrderViewed":
			return 30
		case "PaymentProcessingStarted":
			return 40
		case "PaymentPendingAtProvider":
			return 50
		case "PaymentAttemptFailed", "PaymentAbandoned", "PaymentExpired", "PaymentWithdrawn", "RefundFailed":
			return 60
		case "PaymentCaptured":
			return 70
		case "PaymentSettled":
			return 80
		case "RefundInitiated":
			return 90
		case "RefundObserved":
			return 100
		case "RefundCompleted":
			return 110
		}
		return 0
	}
	word, at, rank := "", time.Time{}, 0
	for i := range s.events {
		e := &s.events[i]
		status := e.metaText("source_status")
		if status == "" || slices.Contains([]string{"NotificationRecorded", "OrderRegistered", "GatewayOrderStatusObserved"}, e.kind) {
			continue
		}
		if e.metaText("occurred_at_basis") == "received" {
			if along(e) < rank && e.kind != "RefundFailed" {
				continue
			}
		} else if e.occurred.Before(at) {
			continue
		}
		word, at, rank = status, e.occurred, along(e)
	}
	return word
}

func (s story) flags(f figures, parked bool) string {
	set := make(map[string]bool)
	for i := range s.events {
		e := &s.events[i]
		marks, _ := e.meta["flags"].([]any)
		for _, mark := range marks {
			set[fmt.Sprint(mark)] = true
		}
		switch e.kind {
		case "AnomalyFlagged":
			set[e.text("code")] = true
		case "AnomalyResolved":
			delete(set, e.text("code"))
		}
	}
	derived := func(flag string, holds bool) {
		if holds {
			set[flag] = true
		}
	}
	derived("due_unknown", f.due == nil && f.gross().Sign() != 0)
	derived("exposure_exceeds_captured", plus(f.captured, f.external).Cmp(plus(f.reversed, f.held, f.lost, f.refunded, f.pending)) < 0)
	derived("amount_pending", s.awaits())
	derived("gateway_state_mismatch", s.gatewayDisagrees(f))
	derived("parked", parked)
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// gatewayDisagrees: the gateway's own word about the order, told after the newest capture and the newest change of
// what is due, is not ours, and all that was paid went through it.
func (s story) gatewayDisagrees(f figures) bool {
	word, at := "", time.Time{}
	for i := range s.events {
		switch e := &s.events[i]; {
		case e.kind == "OrderAmountChanged":
			word = ""
		case e.kind == "GatewayOrderStatusObserved" && e.metaText("occurred_at_basis") != "received" && !e.occurred.Before(at):
			word, at = e.text("status"), e.occurred
		}
	}
	if f.external.Sign() != 0 {
		return false
	}
	// The capture of a payment that counts is its last one.
	captured := make(map[string]time.Time)
	for i := range s.events {
		if e := &s.events[i]; e.kind == "PaymentCaptured" {
			captured[e.text("payment_id")] = e.occurred
		}
	}
	for _, when := range captured {
		if when.After(at) {
			return false
		}
	}
	return slices.Contains([]string{"UNPAID", "PARTIALLY_PAID", "PAID"}, word) && word != f.paymentState()
}

// payoutLine is the row of an order that sends money out: the furthest state shows.
func (s story) payoutLine(parked bool) string {
	states := []string{"", "REQUESTED", "PROCESSING", "FAILED", "CANCELLED", "PAID", "REVERSED"}
	state, out := "REQUESTED", minus(s.sum("PayoutCompleted", "amount", any1), s.sum("PayoutReversed", "amount", any1))
	var amount *big.Rat
	for i := range s.events {
		e := &s.events[i]
		word := map[string]string{
			"PayoutRequested": "REQUESTED", "PayoutProcessing": "PROCESSING", "PayoutFailed": "FAILED", "PayoutCancelled": "CANCELLED",
			"PayoutCompleted": "PAID", "PayoutReversed": "REVERSED",
		}[e.kind]
		if slices.Index(states, word) > slices.Index(states, state) {
			state = word
		}
		if m := e.amount("amount"); m != nil && (e.kind == "PayoutRequested" || (e.kind == "PayoutCompleted" && amount == nil)) {
			amount = m
		}
	}
	f := figures{
		due: s.due(), captured: zero(), external: zero(), reversed: zero(), held: zero(), lost: zero(), refunded: zero(), pending: zero(),
	}
	f.due = cmp.Or(f.due, zero()) // whether it is known is nothing to a payout
	newest := &s.events[len(s.events)-1]
	return line("payout", s.id, s.newestText("source", "OrderRegistered"), s.newestText("source_account", "OrderRegistered"),
		s.newestText("source_order_id", "OrderRegistered", "OrderDetailsLearned", "OrderAmountChanged"),
		s.newestText("merchant_reference", "OrderRegistered", "OrderDetailsLearned"), s.currency, s.money(amount), s.money(out), state,
		s.flags(f, parked), s.events[0].recorded, newest.recorded, newest.revision, newest.position, newest.id)
}
