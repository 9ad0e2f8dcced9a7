package everifin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/evidence"
	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	gateway = "everifin"
	// version names the rules of this package; it changes when the same body means other facts.
	version = "everifin/1"
	// statusBytesMax bounds a status that is kept verbatim; the longest documented has 18 bytes.
	statusBytesMax = 64
)

// Types of webhooks, lower case. What else a hook is about is told by the ids in it.
const (
	eventStatusCheck   = ".statuscheck" // asks whether a payment may be executed
	eventPrefixOrder   = "order."
	eventPrefixPayment = "payment."
)

// Translator is a commands.Translator. It is safe for use by many goroutines.
type Translator struct {
	policy evidence.Policy
}

// New makes a translator.
func New() *Translator { return &Translator{policy: newPolicy()} }

// Gateway returns "everifin".
func (*Translator) Gateway() string { return gateway }

// Version names the rules of translation.
func (*Translator) Version() string { return version }

// Translate turns one body into facts. It keeps nothing of the body.
func (t *Translator) Translate(n commands.Notification) commands.Translation {
	root, err := wire.Parse(n.Body)
	if err != nil {
		return rejected(nil, order.FlagMalformedBody, err.Error())
	}
	if root.Kind() != wire.Object {
		return rejected(nil, order.FlagMalformedBody, "the body is "+root.Kind().String()+", want an object")
	}
	r := &reading{body: n.Body, account: n.Account, root: root}
	if !r.guard(t.policy) {
		return rejected(nil, order.FlagPANDetected, "an id or reference of the body looks like a card number")
	}
	r.read()
	if r.out.Rejection != nil {
		return rejected(r.out.Evidence, r.out.Rejection.Code, r.out.Rejection.Detail)
	}
	for _, a := range r.anomalies {
		r.add(a)
	}
	if r.out.Uncountable != nil {
		r.out.Facts = nil
		r.out.Registration.AmountDue, r.out.Registration.Currency = nil, money.Currency{}
	}
	return r.out
}

// PartitionKey returns the id of the order that a body is about, as far as a body tells; it serves
// to keep the notifications of one order in order.
func (t *Translator) PartitionKey(body []byte) string {
	root, err := wire.Parse(body)
	if err != nil {
		return ""
	}
	data := root
	if inner := root.Get("data"); inner.Kind() == wire.Object {
		data = inner
	}
	if id, err := data.Get("orderId").ID(); err == nil && id != "" {
		return id
	}
	id, err := data.First("id", "paymentId", "refundId", "externalId").ID()
	if err != nil {
		return ""
	}
	return id
}

func rejected(kept json.RawMessage, code order.Flag, detail string) commands.Translation {
	return commands.Translation{
		Evidence: kept, Rejection: &commands.Rejection{Code: code, Detail: detail},
	}
}

// reading is one body while it is translated.
type reading struct {
	body    []byte
	account string
	root    wire.Value
	data    wire.Value // what the body is about
	out     commands.Translation

	hook      bool
	eventType string    // of a hook, lower case
	eventAt   time.Time // of a hook

	orderID string
	// currency is the first that the body told; a body has but one.
	currency money.Currency
	// newest is the latest moment that a payment or refund of the body tells.
	newest    time.Time
	anomalies []order.Anomaly
	digest    string // of the body, once it is asked for
	// found says what may be kept of the body.
	found evidence.Finding
}

// guard takes the evidence of the body and looks for card numbers in the body as it was sent. One in
// an id or reference makes the whole body unfit to keep: guard returns false. Any other is flagged.
func (r *reading) guard(p evidence.Policy) bool {
	r.found = p.Inspect(r.root, r.body)
	r.out.Evidence = r.found.Evidence
	for _, path := range r.found.CardNumbers {
		r.anomaly(order.FlagPANDetected, path, "member "+path+" holds what looks like a card number")
	}
	return !r.found.Unfit
}

// read walks the body. What it finds is in r.out.
func (r *reading) read() {
	if r.readEnvelope(); r.out.Rejection != nil || r.out.Question {
		return
	}
	names, err := readIDs(r.data)
	if err != nil {
		r.reject(order.FlagMalformedBody, err.Error())
		return
	}
	verbatim, status := r.status(r.data.Get("status"))
	r.out.Status = verbatim
	kind := r.kindOf(names, status)
	r.register(names, kind)
	switch kind {
	case aboutOrder:
		r.order(verbatim, status)
	case aboutPayment:
		r.singlePayment(names)
	case aboutRefund:
		r.singleRefund(names)
	case aboutNothing:
		r.reject(order.FlagUnknownOrder, "the body names no order, payment or refund whose kind can be told")
	}
}

// readEnvelope finds the object that the body is about, and what the hook around it says.
func (r *reading) readEnvelope() {
	if code, failed := errorAnswer(r.root); failed {
		r.reject(order.FlagUnknownOrder, "the body is an error answer of the gateway"+code+", which reports nothing about an order")
		return
	}
	eventType, _ := r.root.Get("eventType").Text()
	r.eventType = strings.ToLower(strings.TrimSpace(eventType))
	r.hook = r.eventType != "" || r.root.Get("eventId").Present()
	if strings.HasSuffix(r.eventType, eventStatusCheck) {
		r.out.Question = true
		return
	}
	if id, err := r.root.Get("eventId").ID(); err == nil {
		r.out.SourceEventID = id
	}
	r.eventAt = r.time(r.root.Get("eventTimestamp"))
	switch data := r.root.Get("data"); data.Kind() {
	case wire.Object:
		r.data = data
	case wire.Array:
		r.reject(order.FlagMalformedBody, "the body is a list; each order, payment or refund is a body of its own")
	case wire.Missing, wire.Null:
		if r.hook || r.root.Get("meta").Present() {
			r.reject(order.FlagUnknownOrder, "the body has no data")
			return
		}
		r.data = r.root
	case wire.Bool, wire.Number, wire.String:
		r.reject(order.FlagMalformedBody, "member data is "+data.Kind().String()+", want an object")
	}
}

// errorAnswer tells whether the body says that a call failed, and with which code.
func errorAnswer(root wire.Value) (code string, failed bool) {
	for item := range root.Get("errors").Elements() {
		failed = true
		if text, err := item.Get("code").Text(); err == nil && code == "" && isCode(text) {
			code = " (" + text + ")"
		}
	}
	if status, err := root.Get("meta", "status").Text(); err == nil && status != "" && word(status) != "SUCCESS" {
		failed = true
	}
	// One error instead of a list; {} and "" say that there is none.
	if errs := root.Get("errors"); errs.Kind() == wire.Object || errs.Kind() == wire.String {
		failed = failed || len(errs.Raw()) > len(`{}`)
	}
	return code, failed
}

func (r *reading) reject(code order.Flag, detail string) {
	r.out.Rejection = &commands.Rejection{Code: code, Detail: detail}
}

func (r *reading) add(f order.Fact) { r.out.Facts = append(r.out.Facts, f) }

// uncountable notes the first amount that cannot be counted.
func (r *reading) uncountable(code order.Flag, err error) {
	if r.out.Uncountable == nil {
		r.out.Uncountable = &order.Anomaly{At: order.At{Status: r.out.Status}, Code: code, Detail: err.Error()}
	}
}

// anomaly flags the order because a part of the body could not be read; the rest counts.
func (r *reading) anomaly(code order.Flag, where, detail string) {
	if r.digest == "" {
		sum := sha256.Sum256(r.body)
		r.digest = hex.EncodeToString(sum[:])
	}
	at := order.At{Key: gateway + ":body:" + r.digest + ":" + string(code) + ":" + where}
	for _, known := range r.anomalies {
		if known.Key == at.Key {
			return
		}
	}
	r.anomalies = append(r.anomalies, order.Anomaly{At: at, Code: code, Detail: detail})
}

// time reads an optional time. One that cannot be read is flagged and counts as not told: a fact
// is not refused for its time.
func (r *reading) time(v wire.Value) time.Time {
	at, err := v.Time()
	if err != nil {
		r.anomaly(order.FlagMalformedBody, v.Path(), err.Error())
	}
	return at
}

// amount reads the amount and currency of an order, payment or refund. The parts of an order may
// leave the currency to the order.
func (r *reading) amount(v wire.Value) *money.Money {
	token := v.Get("amount")
	if !token.Present() {
		return nil
	}
	currency, err := v.Get("currency").Currency()
	if err != nil {
		r.uncountable(order.FlagCurrencyMismatch, err)
		return nil
	}
	if currency.IsZero() {
		currency = r.currency
	}
	amount, err := token.Money(currency)
	switch {
	case err != nil:
		r.uncountable(order.Flag(money.Code(err)), err)
		return nil
	case r.currency.IsZero():
		r.currency = currency
		r.out.Registration.Currency = currency
	case r.currency != currency:
		mismatch := &money.CurrencyMismatchError{Want: r.currency, Got: currency}
		r.uncountable(order.FlagCurrencyMismatch, fmt.Errorf("member %s: %w", token.Path(), mismatch))
		return nil
	}
	return amount
}

// status reads a status: verbatim, and as the word that the documents use.
func (r *reading) status(v wire.Value) (verbatim, normal string) {
	text, err := v.Label()
	if err != nil {
		r.anomaly(order.FlagMalformedBody, v.Path(), err.Error())
		return "", ""
	}
	if strings.TrimSpace(text) == "" {
		return "", ""
	}
	verbatim = r.found.Text(clip(text))
	return verbatim, word(verbatim)
}
