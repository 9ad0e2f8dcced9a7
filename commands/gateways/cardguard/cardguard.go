// Package cardguard finds payment card numbers in bodies that must not contain any.
//
// A card number that enters the event log stays there for ever, so intake looks for them in the raw
// bytes before anything is stored, whatever member they hide in. [Find] takes a number for a card's
// if its length and first digits are those of an issuer and its Luhn check digit is right. The
// digits may be grouped by single spaces or dashes and written as JSON escapes; in the groups that are
// customary on cards also by dots, slashes, underscores, line breaks, tabs and several spaces.
//
// What a wrong alarm costs is a notification in quarantine instead of on its order, so numbers that
// are known to be something else are let pass: longer ones (acquirer reference numbers), UUIDs and
// other long hexadecimal ids, IBANs and creditor references whose check digits are right, EAN-13
// article numbers, and the decimals of an amount. Masked card numbers have too few digits in a row.
//
// Numbers written with an exponent, or encoded in any other way than JSON's, are not recognised.
package cardguard

const (
	minDigits = 13
	maxDigits = 19
	// shown is how many of the last digits Mask leaves.
	shown = 4
)

// Hit is where a card number stands: body[Start:End], from its first digit to its last, the
// separators and escapes between them included.
type Hit struct {
	Start, End int
}

// Find returns the card numbers in body, in order and without overlap, or nil. It allocates only
// when there is one.
func Find(body []byte) []Hit {
	var hits []Hit
	floor := 0 // nothing before it is unexamined
	// A card number covers at least minDigits bytes, all of which may belong to one. So a byte that
	// may not rules out every number that covers it, and the next that can be is found by looking
	// minDigits further on.
	for i := minDigits - 1; i < len(body); i += minDigits {
		if !mayBelong[body[i]] {
			continue
		}
		start, end := i, i+1
		for start > floor && mayBelong[body[start-1]] {
			start--
		}
		for end < len(body) && mayBelong[body[end]] {
			end++
		}
		if end-start >= minDigits {
			s := scanner{body: body, hits: hits}
			s.scan(min(afterEscape(body, start), end), end)
			hits = s.hits
		}
		floor, i = end, end
	}
	return hits
}

// mayBelong marks the bytes of which a card number can be made: digits, separators, and what the
// JSON escapes of those consist of.
var mayBelong = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	' ': true, '-': true, '\\': true, 'u': true, 'd': true, 'D': true, '.': true, '/': true, '_': true, 'n': true, 't': true,
}
