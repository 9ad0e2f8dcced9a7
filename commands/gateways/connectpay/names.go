package connectpay

import (
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/order"
)

// names are all the names that a body has for its payment and order.
type names struct {
	paymentID  string
	endToEndID string
	references []string // the merchant's, best first
}

func readNames(root wire.Value) (names, error) {
	var n names
	var err error
	if n.paymentID, err = root.Get("payment", "paymentId").ID(); err != nil {
		return names{}, err
	}
	if n.endToEndID, err = root.Get("identifiers", "endToEndId").ID(); err != nil {
		return names{}, err
	}
	if strings.EqualFold(n.endToEndID, "NOTPROVIDED") { // what ISO 20022 writes for "none"
		n.endToEndID = ""
	}
	for _, field := range [...]wire.Value{
		root.Get("merchant", "generic1"), root.Get("identifiers", "merchantReference"),
	} {
		reference, err := field.ID()
		if err != nil {
			return names{}, err
		}
		if reference != "" && !slices.Contains(n.references, reference) {
			n.references = append(n.references, reference)
		}
	}
	return n, nil
}

// register says which order and which payment the body belongs to.
func (r *reading) register(n names) {
	r.out.MerchantReferences = n.references
	switch {
	case n.paymentID != "":
		r.payment.SourceID = n.paymentID
	case n.endToEndID != "":
		r.payment.SourceID = "e2e/" + r.n.Account + "/" + n.endToEndID
	case len(n.references) > 0:
		r.payment.SourceID = "reference/" + r.n.Account + "/" + n.references[0]
	default:
		return
	}
	r.out.SourcePaymentIDs = []string{r.payment.SourceID}
	reg := &r.out.Registration
	reg.Source, reg.SourceAccount, reg.Kind = gateway, r.n.Account, order.KindPayment
	reg.DueFromPayments = true
	reg.SourceOrderID = r.payment.SourceID
	if len(n.references) > 0 {
		reg.MerchantReference = n.references[0]
		reg.SourceOrderID = n.references[0]
	}
}
