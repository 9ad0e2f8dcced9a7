package connectpay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/evidence"
	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	gateway = "connectpay"
	// version names the rules of this package; it changes when the same body means other facts.
	version = "connectpay/1"
	// textBytesMax bounds a status or method that is kept verbatim; the longest documented has 16
	// bytes.
	textBytesMax = 64
)

// Translator is a commands.Translator. It is safe for use by many goroutines.
type Translator struct {
	policy evidence.Policy
}

// New makes a translator.
func New() *Translator { return &Translator{policy: newPolicy()} }

// Gateway returns "connectpay".
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
	r := &reading{n: n, root: root}
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
		r.out.Registration.Currency = money.Currency{}
	}
	return r.out
}

// PartitionKey returns what names the order that a body is about; it serves to keep the
// notifications of one order in order.
func (*Translator) PartitionKey(body []byte) string {
	root, err := wire.Parse(body)
	if err != nil {
		return ""
	}
	names, err := readNames(root)
	if err != nil {
		return ""
	}
	for _, name := range append(names.references, names.paymentID, names.endToEndID) {
		if name != "" {
			return name
		}
	}
	return ""
}

func rejected(kept json.RawMessage, code order.Flag, detail string) commands.Translation {
	return commands.Translation{
		Evidence: kept, Rejection: &commands.Rejection{Code: code, Detail: detail},
	}
}

// reading is one body while it is translated.
type reading struct {
	n    commands.Notification
	root wire.Value
	out  commands.Translation

	payment   order.PaymentRef
	at        order.At // of the body's status
	anomalies []order.Anomaly
	digest    string // of the body, once it is asked for
	// found says what may be kept of the body.
	found evidence.Finding
}

// guard takes the evidence of the body and looks for card numbers in the body as it was sent. One in
// an id or reference makes the whole body unfit to keep: guard returns false. Any other is flagged.
func (r *reading) guard(p evidence.Policy) bool {
	r.found = p.Inspect(r.root, r.n.Body)
	r.out.Evidence = r.found.Evidence
	for _, path := range r.found.CardNumbers {
		r.anomaly(order.FlagPANDetected, path, "member "+path+" holds what looks like a card number")
	}
	return !r.found.Unfit
}

// read walks the body. What it finds is in r.out.
func (r *reading) read() {
	if event := platformEvent(r.root); event != "" {
		r.reject(order.FlagUnknownOrder, "platform webhook "+r.found.Text(event)+" is about the accounts of the platform, "+
			"not about a payment of the gateway; nothing of it is counted")
		return
	}
	names, err := readNames(r.root)
	if err != nil {
		r.reject(order.FlagMalformedBody, err.Error())
		return
	}
	if r.register(names); r.payment.SourceID == "" {
		r.reject(order.FlagUnknownOrder, "the body has no payment.paymentId, no identifiers.endToEndId and no merchant reference")
		return
	}
	verbatim, known := r.status()
	r.out.Status = verbatim
	r.at = order.At{Key: r.key(string(known)), Status: verbatim, Basis: order.BasisReceived}
	if known == "" {
		r.at.Key = r.key("unrecognised:" + normalise(verbatim))
	}
	if at := timestamp(r.n.Header); !at.IsZero() {
		r.at.OccurredAt, r.at.Basis = at, order.BasisSourceEvent
		r.out.Registration.OccurredAt, r.out.Registration.Basis = at, order.BasisSourceEvent
	}
	if verbatim == "" {
		r.withoutStatus()
		return
	}
	amount := r.amount()
	r.introduce(known, amount)
	r.report(known, amount)
}

// withoutStatus reads the answer to the initiation of a payment, which has no status yet. Any
// other body without one is flagged. Its amount is not taken: it may be that of a refund.
func (r *reading) withoutStatus() {
	r.introduce("", nil)
	if !r.root.Get("payment", "redirectUrl").Present() {
		r.anomaly(order.FlagMalformedBody, "status.code", "the body has no status.code")
	}
}

func (r *reading) key(word string) string {
	return gateway + ":" + r.payment.SourceID + ":" + word
}

func (r *reading) reject(code order.Flag, detail string) {
	r.out.Rejection = &commands.Rejection{Code: code, Detail: detail}
}

func (r *reading) add(f order.Fact) { r.out.Facts = append(r.out.Facts, f) }

// bodyDigest is the SHA-256 of the body in hexadecimal.
func (r *reading) bodyDigest() string {
	if r.digest == "" {
		sum := sha256.Sum256(r.n.Body)
		r.digest = hex.EncodeToString(sum[:])
	}
	return r.digest
}

// anomaly flags the order because a part of the body could not be read; the rest counts.
func (r *reading) anomaly(code order.Flag, where, detail string) {
	at := order.At{Key: gateway + ":body:" + r.bodyDigest() + ":" + string(code) + ":" + where}
	for _, known := range r.anomalies {
		if known.Key == at.Key {
			return
		}
	}
	r.anomalies = append(r.anomalies, order.Anomaly{At: at, Code: code, Detail: detail})
}

// amount reads the instructed amount; nil when the body does not tell it.
func (r *reading) amount() *money.Money {
	instructed := r.root.Get("payment", "instructedAmount")
	if !instructed.Present() {
		return nil
	}
	if instructed.Kind() != wire.Object {
		r.uncountable(order.FlagAmountMalformed,
			"member "+instructed.Path()+" is "+instructed.Kind().String()+", want an object with amount and currency")
		return nil
	}
	token := instructed.Get("amount")
	if !token.Present() {
		return nil
	}
	currency, err := instructed.Get("currency").Currency()
	if err != nil {
		r.uncountable(order.FlagCurrencyMismatch, err.Error())
		return nil
	}
	amount, err := token.Money(currency)
	if err != nil {
		r.uncountable(order.Flag(money.Code(err)), err.Error())
		return nil
	}
	r.out.Registration.Currency = currency
	return amount
}

func (r *reading) uncountable(code order.Flag, detail string) {
	r.out.Uncountable = &order.Anomaly{At: order.At{Status: r.out.Status}, Code: code, Detail: detail}
}

// platformEvent returns the type of a platform webhook, "" for any other body.
func platformEvent(root wire.Value) string {
	for _, name := range [...]string{"eventType", "event", "type", "eventName", "notificationType"} {
		text, err := root.Get(name).Text()
		if err != nil || len(text) > textBytesMax {
			continue
		}
		about, what, found := strings.Cut(text, ".")
		switch {
		case !isWord(about) || found && !isWord(what):
		case strings.EqualFold(about, "OutgoingPayment"), found && !root.Get("payment").Present():
			return text
		}
	}
	return ""
}
