package decta

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/evidence"
	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	gateway = "decta"
	// version names the rules of this package; it changes when the same body
	// means other facts.
	version = "decta/1"
)

// Translator is a commands.Translator. It is safe for use by many goroutines.
type Translator struct{ policy evidence.Policy }

// New makes a translator.
func New() *Translator { return &Translator{policy: newPolicy()} }

// Gateway returns "decta".
func (*Translator) Gateway() string { return gateway }

// Version names the rules of translation.
func (*Translator) Version() string { return version }

// PartitionKey returns the id of the gateway order that a body is about.
func (*Translator) PartitionKey(body []byte) string {
	root, err := wire.Parse(body)
	if err != nil {
		return ""
	}
	id, err := root.Get("id").ID()
	if err != nil {
		return ""
	}
	return id
}

// Translate turns one body into facts. It keeps nothing of the body.
func (t *Translator) Translate(n commands.Notification) commands.Translation {
	root, err := wire.Parse(n.Body)
	if err != nil {
		return rejected(nil, order.FlagMalformedBody, err.Error())
	}
	switch {
	case root.Kind() != wire.Object:
		return rejected(nil, order.FlagMalformedBody, "the body is "+root.Kind().String()+", want an Order object")
	case root.Get("results").Kind() == wire.Array:
		return rejected(nil, order.FlagMalformedBody, "the body is a list of orders; each order is a body of its own")
	}
	found := t.policy.Inspect(root, n.Body)
	if found.Unfit {
		return rejected(nil, order.FlagPANDetected, "an id or reference of the body looks like a card number")
	}
	r := &reading{root: root, body: n.Body, found: found, details: root.Get("transaction_details")}
	r.out.Evidence = found.Evidence
	r.read()
	if r.out.Rejection != nil {
		return rejected(r.out.Evidence, r.out.Rejection.Code, r.out.Rejection.Detail)
	}
	if r.out.Uncountable != nil {
		r.out.Facts = nil
		r.out.Registration.AmountDue, r.out.Registration.Currency = nil, money.Currency{}
	}
	return r.out
}

func rejected(kept []byte, code order.Flag, detail string) commands.Translation {
	return commands.Translation{Evidence: kept, Rejection: &commands.Rejection{Code: code, Detail: detail}}
}

// reading is one body while it is translated.
type reading struct {
	root, details wire.Value
	body          []byte
	found         evidence.Finding
	out           commands.Translation

	id       string
	key      string // of the payment's totals, counters and times
	currency money.Currency
	total    *money.Money
	// What the body says about times of its own; zero when it does not.
	issued, modified, captured, paid time.Time
	history                          []entry // oldest first
	lastAttempt                      int     // where the newest attempt stands in it
	told                             bool    // the totals stand among the facts
	digest                           string  // of the body, made when needed
}

func (r *reading) payment() order.PaymentRef {
	return order.PaymentRef{SourceID: r.id, SourceOrderID: r.id}
}

func (r *reading) read() {
	id, err := r.root.Get("id").ID()
	switch {
	case err != nil:
		r.reject(order.FlagMalformedBody, err.Error())
		return
	case id == "":
		r.reject(order.FlagUnknownOrder, "the body has no id, so it cannot be told which order it is about")
		return
	}
	r.id, r.key, r.out.SourceOrderID = id, gateway+":"+id, id
	number, err := r.root.Get("number").ID()
	if err != nil {
		r.anomaly(order.FlagMalformedBody, "number", err.Error())
	} else if number != "" {
		r.out.MerchantReferences = []string{number}
	}
	for _, path := range r.found.CardNumbers {
		r.anomaly(order.FlagPANDetected, path, "member "+path+" holds what looks like a card number")
	}
	r.issued, r.modified = r.timeOf(r.root.Get("issued")), r.timeOf(r.root.Get("modified"))
	r.captured, r.paid = r.timeOf(r.root.Get("captured")), r.timeOf(r.root.Get("paid"))
	if r.details.Present() && r.details.Kind() != wire.Object {
		r.anomaly(order.FlagMalformedBody, r.details.Path(),
			"member "+r.details.Path()+" is "+r.details.Kind().String()+", want an object")
	}
	r.readCurrency()
	r.readHistory()
	r.register(number)
	if r.out.Registration.Kind == order.KindPayout {
		r.payoutFacts()
		return
	}
	r.paymentFacts()
}

func (r *reading) readCurrency() {
	currency, err := r.root.Get("currency").Currency()
	if err != nil {
		r.uncountable(order.FlagCurrencyMismatch, err)
		return
	}
	r.currency, r.out.Registration.Currency = currency, currency
}

// register fills in what the body tells about the order as a whole.
func (r *reading) register(number string) {
	reg := &r.out.Registration
	reg.SourceOrderID, reg.MerchantReference = r.id, number
	kind, _ := r.root.Get("type").Text()
	reg.Kind = order.KindPayment
	if strings.Contains(normalise(kind), "payout") || r.has(statusCreated) {
		reg.Kind = order.KindPayout
	}
	isTest, err := r.root.Get("is_test").Bool()
	if err != nil {
		r.anomaly(order.FlagMalformedBody, "is_test", err.Error())
	}
	reg.IsTest = isTest || r.has(statusTest)
	r.total = r.amountOf(r.root.Get("total"))
	if reg.Kind == order.KindPayout {
		if a := r.amountOf(r.root.Get("amount")); a != nil {
			r.total = a
		}
	}
	reg.AmountDue = r.total
	issued := r.issued
	for _, status := range []string{statusIssued, statusCreated} {
		if issued.IsZero() {
			issued = r.first(status).at
		}
	}
	reg.Version = order.Version{IssuedAt: issued, ModifiedAt: r.modified}
	reg.OccurredAt, reg.Basis = issued, order.BasisSourceField
	if due := r.timeOf(r.root.Get("due")); !due.IsZero() {
		reg.DueAt = &due
	}
	if deny := r.root.Get("deny_overdue_payment"); deny.Kind() == wire.Bool {
		denied, _ := deny.Bool()
		allowed := !denied
		reg.AllowOverdue = &allowed
	}
	if attempts, err := r.root.Get("max_payment_attempts").Int(); err == nil && attempts > 0 && attempts < 1<<31 {
		reg.MaxAttempts = int(attempts)
	}
	reg.TwoStep, _ = r.root.Get("skip_capture").Bool()
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

// anomaly flags the order because of a part of the body; the rest counts.
func (r *reading) anomaly(code order.Flag, where, detail string) {
	if r.digest == "" {
		sum := sha256.Sum256(r.body)
		r.digest = hex.EncodeToString(sum[:])
	}
	r.add(order.Anomaly{
		At: order.At{Key: gateway + ":body:" + r.digest + ":" + string(code) + ":" + where}, Code: code, Detail: detail,
	})
}
