// Package evidence decides what may be kept of a gateway's body: an allow-list
// of members without personal data, with card numbers masked.
package evidence

import (
	"encoding/json"
	"strings"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
	"github.com/order-ledger/order-ledger/commands/gateways/wire"
)

// shownDigits is how many digits of a card number a masked text still shows.
const shownDigits = 4

// Policy says what one gateway's bodies may leave behind. It is safe for use
// by many goroutines.
type Policy struct {
	allowed  *wire.AllowList
	identity map[string]bool
}

// NewPolicy makes a policy from two lists of paths as in wire.NewAllowList:
// what is kept, and which members are ids or references.
func NewPolicy(allowed, identity []string) Policy {
	p := Policy{allowed: wire.MustAllowList(allowed...), identity: make(map[string]bool, len(identity))}
	for _, path := range identity {
		p.identity[path] = true
	}
	return p
}

// Finding is what was found in one body.
type Finding struct {
	// Evidence is what may be kept; nil when Unfit.
	Evidence json.RawMessage
	// Unfit: an id or reference looks like a card number, so that nothing can
	// be kept under it.
	Unfit bool
	// CardNumbers are the paths of members that hold what looks like a card
	// number.
	CardNumbers []string
}

// Inspect takes the evidence of a body and looks for card numbers in the body
// as it was sent.
func (p Policy) Inspect(root wire.Value, body []byte) Finding {
	var f Finding
	for _, hit := range cardguard.Find(body) {
		path := root.At(hit.Start).Path()
		switch place := anyElement(path); {
		case isAccountNumber(place): // not kept, and no card's
			continue
		case p.identity[place]:
			return Finding{Unfit: true}
		}
		f.CardNumbers = append(f.CardNumbers, path)
	}
	f.Evidence = p.allowed.Redact(root)
	if len(f.CardNumbers) > 0 {
		f.Evidence, _ = cardguard.Mask(f.Evidence)
	}
	return f
}

// Text masks card numbers in a text that is kept verbatim outside of the
// evidence.
func (f Finding) Text(text string) string {
	if len(f.CardNumbers) == 0 {
		return text
	}
	masked := []byte(text)
	for _, hit := range cardguard.Find(masked) {
		for i := hit.Start; i < hit.End-shownDigits; i++ {
			masked[i] = '*'
		}
	}
	return string(masked)
}

// isAccountNumber tells members that hold numbers of bank accounts by their
// names.
func isAccountNumber(place string) bool {
	place = strings.ToLower(place)
	return strings.HasSuffix(place, "iban") || strings.HasSuffix(place, "bban")
}

// anyElement turns the path of one element into that of all: "payments[3].id"
// into "payments.#.id".
func anyElement(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
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
