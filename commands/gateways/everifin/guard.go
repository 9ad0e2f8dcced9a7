package everifin

import (
	"strings"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
	"github.com/order-ledger/order-ledger/domain/order"
)

// guard takes the evidence of the body and looks for card numbers in the body as it was sent. One
// in an id or reference makes the whole body unfit to keep: guard returns false. Any other is
// flagged, and masked wherever a part of the body is kept verbatim.
func (r *reading) guard(t *Translator) bool {
	r.out.Evidence = t.evidence.Redact(r.root)
	for _, hit := range cardguard.Find(r.body) {
		path := r.root.At(hit.Start).Path()
		switch place := anyElement(path); {
		case isAccountNumber(place): // not kept, and no card's
			continue
		case t.identity[place]:
			r.out.Evidence = nil
			return false
		}
		r.mask = mask
		r.anomaly(order.FlagPANDetected, path, "member "+path+" holds what looks like a card number")
	}
	if r.mask != nil {
		r.out.Evidence, _ = cardguard.Mask(r.out.Evidence)
	}
	return true
}

// isAccountNumber tells members that hold numbers of bank accounts by their names.
func isAccountNumber(place string) bool {
	place = strings.ToLower(place)
	return strings.HasSuffix(place, "iban") || strings.HasSuffix(place, "bban")
}

// anyElement turns the path of one element into that of all: "payments[3].id" into "payments.#.id".
func anyElement(path string) string {
	var out strings.Builder
	inside := false
	for _, c := range path {
		switch {
		case c == '[':
			inside = true
			out.WriteString(".#")
		case c == ']':
			inside = false
		case !inside:
			out.WriteRune(c)
		}
	}
	return out.String()
}

// mask hides all but the last digits of card numbers in a text.
func mask(text string) string {
	const shown = 4
	masked := []byte(text)
	for _, hit := range cardguard.Find([]byte(text)) {
		for i := hit.Start; i < hit.End-shown; i++ {
			masked[i] = '*'
		}
	}
	return string(masked)
}
