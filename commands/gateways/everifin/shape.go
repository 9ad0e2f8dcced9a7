package everifin

import (
	"strings"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/order"
)

// about is the kind of thing that a body tells of.
type about int

const (
	aboutNothing about = iota
	aboutOrder
	aboutPayment
	aboutRefund
)

// ids are all the names that an object carries.
type ids struct {
	id, orderID, paymentID, refundID string
	processable                      string // the payment of an order that can be paid next
	externalID                       string // the merchant's name for the order
}

func readIDs(v wire.Value) (ids, error) {
	var found ids
	for _, field := range [...]struct {
		name string
		to   *string
	}{
		{"id", &found.id},
		{"orderId", &found.orderID},
		{"paymentId", &found.paymentID},
		{"refundId", &found.refundID},
		{"processablePaymentId", &found.processable},
		{"externalId", &found.externalID},
	} {
		id, err := v.Get(field.name).ID()
		if err != nil {
			return ids{}, err
		}
		*field.to = id
	}
	return found, nil
}

// kindOf tells what the body is about; the rules are those of the package comment.
func (r *reading) kindOf(n ids, status string) about {
	link := r.data.Get("link").Present()
	switch {
	case strings.HasPrefix(r.eventType, eventPrefixOrder) && n.id+n.orderID+n.externalID != "":
		return aboutOrder
	case n.refundID != "", n.id != "" && n.paymentID != "":
		return aboutRefund
	case n.paymentID != "":
		return aboutPayment
	case n.id == "" && n.orderID+n.externalID != "":
		return aboutOrder
	case n.id == "":
		return aboutNothing
	case isOrderStatus(status), n.orderID == "" && hasOrderMembers(r.data):
		return aboutOrder
	case link && (rankOf(status) > 0 || n.orderID != ""):
		return aboutRefund
	case !link && (rankOf(status) > 0 || n.orderID != ""):
		return aboutPayment
	}
	return aboutNothing
}

// hasOrderMembers tells whether an object has a member that payments and refunds do not have.
func hasOrderMembers(v wire.Value) bool {
	for _, name := range [...]string{
		"payments", "refunds", "processablePaymentId", "sumOfPaid", "sumOfRefunded", "canBeUpdated",
		"canBeWithdrawn", "refundLimitPercentage",
	} {
		if v.Get(name).Kind() != wire.Missing {
			return true
		}
	}
	return false
}

// register says which order the body belongs to.
func (r *reading) register(n ids, kind about) {
	r.orderID = n.orderID
	if r.orderID == "" && kind == aboutOrder {
		r.orderID = n.id
	}
	r.out.SourceOrderID = r.orderID
	if n.externalID != "" {
		r.out.MerchantReferences = []string{n.externalID}
	}
	reg := &r.out.Registration
	reg.Source, reg.SourceAccount, reg.Kind = gateway, r.account, order.KindPayment
	reg.SourceOrderID, reg.MerchantReference = r.orderID, n.externalID
	if !r.eventAt.IsZero() {
		reg.OccurredAt, reg.Basis = r.eventAt, order.BasisSourceEvent
	}
}

// word brings a status or code to the spelling of the documents.
func word(text string) string {
	text = strings.ToUpper(strings.TrimSpace(text))
	if !strings.ContainsAny(text, " -") {
		return text
	}
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' {
			return '_'
		}
		return c
	}, text)
}

// clip bounds a text that is kept verbatim, at the end of a character.
func clip(text string) string {
	if len(text) <= statusBytesMax {
		return text
	}
	return strings.ToValidUTF8(text[:statusBytesMax], "")
}

// isCode tells whether a text is a short code for machines: no sentence, no name, no address.
func isCode(text string) bool {
	if text == "" || len(text) > statusBytesMax {
		return false
	}
	for _, c := range []byte(text) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
