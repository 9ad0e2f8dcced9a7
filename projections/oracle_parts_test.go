package projections_test

import (
	"math/big"
	"slices"
	"time"
)

// partIDs are the values of a member in the events of some kinds, each once, in the order of their first mention.
func (s story) partIDs(name string, kinds ...string) []string {
	var ids []string
	for i := range s.events {
		if e := &s.events[i]; slices.Contains(kinds, e.kind) && !slices.Contains(ids, e.text(name)) {
			ids = append(ids, e.text(name))
		}
	}
	return ids
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// paymentKinds are the events that make a payment known.
var paymentKinds = []string{
	"PaymentInitiated", "PaymentAmountLearned", "PaymentProcessingStarted", "PaymentPendingAtProvider", "PaymentAttemptFailed",
	"PaymentAbandoned", "PaymentExpired", "PaymentWithdrawn", "PaymentOutcomeUnknown", "PaymentAuthorized", "AuthorizationReleased",
	"PaymentConfirmed", "PaymentCaptured", "PaymentSettled", "ReversalInitiated", "ReversalFailed", "PaymentReversed",
}

func (s story) payments() []string {
	var ids []string
	for i := range s.events {
		e := &s.events[i]
		id := e.text("payment_id")
		known := slices.Contains(paymentKinds, e.kind) || (e.kind == "OrderViewed" && id != "") ||
			(e.kind == "EnrichmentPending" && e.text("refund_id") == "")
		if known && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// toldPayment is what the log tells about a payment.
type toldPayment struct {
	sourceID, method, status, reason                       string
	amount                                                 *big.Rat
	held, released, captured, settled, reversed, confirmed *big.Rat
	dead, holdEnded                                        bool
	at                                                     time.Time
	newest                                                 *toldEvent
}

// paymentRanks: of what was told the furthest shows.
var paymentRanks = map[string]int{
	"INITIATED": 10, "VIEWED": 20, "PROCESSING": 30, "PENDING": 40, "CONFIRMED": 50, "OUTCOME_UNKNOWN": 55,
	"FAILED": 60, "ABANDONED": 60, "EXPIRED": 60, "WITHDRAWN": 60, "AUTHORISED": 70, "RELEASED": 75, "CAPTURED": 80, "SETTLED": 90, "REVERSED": 100,
}

func (s story) payment(id string) toldPayment {
	p := toldPayment{
		status: "INITIATED", held: zero(), released: zero(), captured: zero(), settled: zero(), reversed: zero(), confirmed: zero(),
	}
	attempts, sourceOrder := int64(0), ""
	known := false
	reach := func(status string) {
		if paymentRanks[status] > paymentRanks[p.status] {
			p.status = status
		}
	}
	var ended []string
	for i := range s.events {
		e := &s.events[i]
		if e.kind == "OrderCancelled" {
			ended = append(ended, e.text("source_order_id"))
			p.holdEnded = p.holdEnded || (known && slices.Contains([]string{"", sourceOrder}, e.text("source_order_id")))
		}
		corrections(e, func(a map[string]any, amount *big.Rat) {
			if a["payment_id"] != id || textOf(a["refund_id"]) != "" || textOf(a["dispute_id"]) != "" {
				return
			}
			p.newest = e
			switch a["balance"] {
			case "authorised":
				p.held = plus(p.held, amount)
			case "expected":
				p.confirmed = plus(p.confirmed, amount)
			case "captured":
				p.captured = plus(p.captured, amount)
			case "settled":
				p.settled = plus(p.settled, amount)
			case "reversed":
				p.reversed = plus(p.reversed, amount)
			}
		})
		if e.text("payment_id") != id {
			continue
		}
		amount := e.amount("amount")
		switch e.kind {
		default:
			if !slices.Contains(paymentKinds, e.kind) {
				continue
			}
		case "OrderViewed":
			reach("VIEWED")
		case "GatewayStatusObserved":
			if !known {
				continue
			}
		case "EnrichmentPending":
			if e.text("refund_id") != "" {
				continue
			}
		case "PaymentInitiated":
			p.sourceID, sourceOrder = e.text("source_payment_id"), e.text("source_order_id")
			p.holdEnded = p.holdEnded || slices.Contains(ended, "") || slices.Contains(ended, sourceOrder)
			if e.text("method") != "" {
				p.method = e.text("method")
			}
			if amount != nil {
				p.amount = amount
			}
		case "PaymentAmountLearned":
			p.amount = amount
			p.method = first(p.method, e.text("method"))
		case "PaymentProcessingStarted":
			reach("PROCESSING")
			if n := e.number("attempt"); n > attempts {
				attempts = n
				if p.status == "FAILED" && !p.dead {
					p.status, p.reason = "PROCESSING", ""
				}
			}
		case "PaymentPendingAtProvider":
			reach("PENDING")
		case "PaymentOutcomeUnknown":
			reach("OUTCOME_UNKNOWN")
		case "PaymentConfirmed":
			reach("CONFIRMED")
			p.confirmed = amount
		case "PaymentAttemptFailed":
			n := e.number("attempt")
			p.dead = p.dead || n == 0
			if n == 0 || n >= attempts {
				attempts = max(attempts, n)
				if paymentRanks[p.status] <= paymentRanks["FAILED"] {
					p.status, p.reason = "FAILED", e.text("reason_code")
				}
			}
		case "PaymentAbandoned", "PaymentExpired", "PaymentWithdrawn":
			word := map[string]string{"PaymentAbandoned": "ABANDONED", "PaymentExpired": "EXPIRED", "PaymentWithdrawn": "WITHDRAWN"}[e.kind]
			reach(word)
			p.dead = true
			if p.status == word && e.text("reason_code") != "" {
				p.reason = e.text("reason_code")
			}
		case "PaymentAuthorized":
			reach("AUTHORISED")
			p.held = plus(p.held, amount)
		case "AuthorizationReleased":
			reach("RELEASED")
			p.released = plus(p.released, amount)
		case "PaymentCaptured":
			reach("CAPTURED")
			p.captured = plus(p.captured, amount)
			p.method = first(p.method, e.text("method"))
		case "PaymentSettled":
			reach("SETTLED")
			p.settled = plus(p.settled, amount)
			if p.captured.Cmp(p.settled) < 0 { // what is settled was captured
				p.captured = p.settled
			}
		case "PaymentReversed":
			p.reversed = plus(p.reversed, amount)
			if p.reversed.Cmp(p.captured) >= 0 {
				reach("REVERSED")
			}
		}
		known, p.newest = true, e
		p.at = later(p.at, e.occurred)
	}
	return p
}

func textOf(value any) string {
	s, _ := value.(string)
	return s
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s story) paymentLine(id string) string {
	p := s.payment(id)
	if p.at.IsZero() {
		p.at = s.events[0].recorded
	}
	return line("payment", s.id, id, p.sourceID, p.method, p.status, s.money(p.amount), s.money(p.captured), s.money(p.settled), p.reason, p.at, s.currency, p.newest.revision, p.newest.position,
		p.newest.id)
}

// awaits: something that was told about money is still to be followed by its amount, or by what it acts on.
func (s story) awaits() bool {
	settles := map[string][]string{
		"PaymentCaptured": {"PaymentCaptured"}, "PaymentSettled": {"PaymentSettled"}, "PaymentConfirmed": {"PaymentConfirmed"},
		"PaymentReversed": {"PaymentReversed", "AuthorizationReleased"}, "RefundCompleted": {"RefundCompleted"},
	}
	for i := range s.events {
		e := &s.events[i]
		if e.kind != "EnrichmentPending" {
			continue
		}
		name, awaited := "payment_id", e.text("awaited")
		if e.text("refund_id") != "" {
			name, awaited = "refund_id", "RefundCompleted"
		}
		came := slices.ContainsFunc(s.events[i+1:], func(after toldEvent) bool {
			return slices.Contains(settles[awaited], after.kind) && after.text(name) == e.text(name)
		})
		if !came {
			return true
		}
	}
	return false
}

var refundKinds = []string{"RefundInitiated", "RefundCompleted", "RefundFailed", "RefundObserved", "RefundReversed"}

func (s story) refunds() []string {
	var ids []string
	for i := range s.events {
		e := &s.events[i]
		id := e.text("refund_id")
		if (slices.Contains(refundKinds, e.kind) || (e.kind == "EnrichmentPending" && id != "")) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// toldRefund is what the log tells about a refund.
type toldRefund struct {
	paymentID, sourceID, status, reason string
	amount, completed, reversed         *big.Rat
	open                                bool
	initiated, resolved, recorded       time.Time
	newest                              *toldEvent
}

func (s story) refund(id string) toldRefund {
	r := toldRefund{status: "INITIATED", completed: zero(), reversed: zero()}
	announced, waits, completions := false, false, 0
	end := func(e *toldEvent, status string) {
		r.open, r.resolved = false, later(r.resolved, e.occurred)
		if status == "COMPLETED" || r.status == "INITIATED" { // a completion outlasts a failure
			r.status = status
		}
	}
	for i := range s.events {
		e := &s.events[i]
		corrections(e, func(a map[string]any, amount *big.Rat) {
			if a["refund_id"] == id {
				r.completed, r.newest = plus(r.completed, amount), e
			}
		})
		if e.text("refund_id") != id {
			continue
		}
		amount := e.amount("amount")
		switch e.kind {
		default:
			continue
		case "EnrichmentPending":
			r.open, r.status, waits = false, "COMPLETED", true
			r.recorded, r.newest = e.recorded, e
			continue
		case "RefundInitiated":
			r.sourceID = first(r.sourceID, e.text("source_refund_id"))
			if amount != nil {
				r.amount = amount
			}
			if !announced {
				announced, r.initiated, r.open = true, e.occurred, r.resolved.IsZero() && !waits
			}
		case "RefundCompleted":
			r.completed = plus(r.completed, amount)
			waits = false
			if completions++; r.amount == nil || completions > 1 || r.amount.Cmp(amount) != 0 {
				r.amount = r.completed
			}
			end(e, "COMPLETED")
		case "RefundObserved":
			end(e, "COMPLETED")
		case "RefundFailed":
			r.reason = e.text("reason_code")
			end(e, "FAILED")
		case "RefundReversed":
			if r.reversed = plus(r.reversed, amount); r.reversed.Cmp(r.completed) >= 0 {
				r.status = "REVERSED"
			}
		}
		r.paymentID = first(r.paymentID, e.text("payment_id"))
		r.recorded, r.newest = e.recorded, e
	}
	return r
}

func (s story) refundLine(id string) string {
	r := s.refund(id)
	return line("refund", s.id, id, r.paymentID, r.sourceID, r.status, s.money(r.amount), r.reason, r.initiated, r.resolved, r.recorded, s.currency,
		r.newest.revision, r.newest.position, r.newest.id)
}

// stageWords are the stages of disputes by the events that enter them, the furthest last.
var stageWords = [][2]string{
	{"FraudAdviceReceived", "fraud_advice"}, {"GoodFaithRequested", "good_faith"}, {"PreComplianceOpened", "pre_compliance"},
	{"ComplianceOpened", "compliance"}, {"RetrievalRequested", "retrieval"}, {"ChargebackReceived", "chargeback"},
	{"RepresentmentFiled", "representment"}, {"PreArbitrationOpened", "pre_arbitration"}, {"ArbitrationOpened", "arbitration"},
}

func stageOf(kind string) (rank int, word string) {
	rank = slices.IndexFunc(stageWords, func(w [2]string) bool { return w[0] == kind })
	if rank < 0 {
		return rank, ""
	}
	return rank, stageWords[rank][1]
}

func (s story) disputes() []string {
	kinds := []string{"DisputeFundsWithdrawn", "DisputeFundsReinstated"}
	for _, w := range stageWords {
		kinds = append(kinds, w[0])
	}
	return s.partIDs("dispute_id", kinds...)
}

// toldDispute is what the log tells about a dispute.
type toldDispute struct {
	paymentID, track, stage, outcome, reason, arn string
	disputed, withdrawn, returned, lost           *big.Rat
	respondBy                                     time.Time
	steps                                         []toldStep
}

type toldStep struct {
	stage         string
	amount, moved *big.Rat
	event         *toldEvent
}

func (d toldDispute) held() *big.Rat { return notBelowZero(minus(d.withdrawn, d.returned, d.lost)) }

func (s story) dispute(id string) toldDispute {
	d := toldDispute{withdrawn: zero(), returned: zero(), lost: zero()}
	furthest, stageTold := -1, false
	for i := range s.events {
		e := &s.events[i]
		step := func(stage string, amount, moved *big.Rat) {
			d.steps = append(d.steps, toldStep{stage, amount, moved, e})
		}
		corrections(e, func(a map[string]any, amount *big.Rat) {
			if a["dispute_id"] != id {
				return
			}
			if a["balance"] == "dispute_lost" {
				d.lost = plus(d.lost, amount)
				step("corrected", amountOf(a["amount"]), zero())
				return
			}
			if d.disputed != nil && d.disputed.Cmp(d.withdrawn) == 0 && !stageTold {
				d.disputed = plus(d.withdrawn, amount)
			}
			d.withdrawn = plus(d.withdrawn, amount)
			step("corrected", amountOf(a["amount"]), minus(zero(), amount))
		})
		if e.text("dispute_id") != id {
			continue
		}
		if d.steps == nil {
			d.paymentID, d.track = e.text("payment_id"), e.text("track")
		}
		amount := e.amount("amount")
		rank, stage := stageOf(e.kind)
		switch {
		case rank >= 0:
			if rank > furthest {
				furthest, d.stage = rank, stage
			}
			d.reason, d.arn = first(e.text("reason_code"), d.reason), first(e.text("arn"), d.arn)
			if at, err := time.Parse(time.RFC3339Nano, e.text("respond_by")); err == nil {
				d.respondBy = at
			}
			disputed := e.amount("disputed_amount")
			if disputed != nil {
				d.disputed, stageTold = disputed, true
			}
			step(stage, disputed, zero())
		case e.kind == "DisputeFundsWithdrawn":
			d.withdrawn = plus(d.withdrawn, amount)
			if d.disputed == nil || d.disputed.Cmp(d.withdrawn) < 0 {
				d.disputed = d.withdrawn
			}
			step("funds_withdrawn", amount, minus(zero(), amount))
		case e.kind == "DisputeFundsReinstated":
			d.returned = plus(d.returned, amount)
			step("funds_reinstated", amount, amount)
		case e.kind == "DisputeResolved":
			d.outcome = e.text("outcome")
			lost := e.amount("amount_lost")
			d.lost = plus(d.lost, lost)
			step("resolved_"+d.outcome, lost, zero())
		}
	}
	return d
}

func (s story) disputeLines(id string) []string {
	d := s.dispute(id)
	newest := d.steps[len(d.steps)-1].event
	out := []string{line("dispute", s.id, id, d.paymentID, d.track, d.stage, d.outcome, d.reason, d.arn, s.money(d.disputed), s.money(d.held()),
		s.money(d.lost), d.respondBy, s.currency, newest.revision, newest.position, newest.id)}
	for i, step := range d.steps {
		out = append(out, line("step", s.id, id, i+1, step.stage, s.money(step.amount), s.money(step.moved), step.event.occurred,
			step.event.recorded, step.event.revision, step.event.position, step.event.id))
	}
	return out
}

func (s story) disputeState() string {
	var inquiry, won, lost, split bool
	for _, id := range s.disputes() {
		d := s.dispute(id)
		untouched := d.withdrawn.Sign() == 0
		switch {
		case d.outcome != "":
			won = won || d.outcome == "won" || d.outcome == "withdrawn"
			lost = lost || d.outcome == "lost" || d.outcome == "accepted" || d.outcome == "expired"
			split = split || d.outcome == "split"
		case untouched && (d.stage == "retrieval" || d.stage == "good_faith"):
			inquiry = true
		case untouched && d.stage == "fraud_advice":
		default:
			return "OPEN"
		}
	}
	switch {
	case inquiry:
		return "INQUIRY"
	case split, won && lost:
		return "MIXED"
	case won:
		return "WON"
	case lost:
		return "LOST"
	}
	return "NONE"
}
