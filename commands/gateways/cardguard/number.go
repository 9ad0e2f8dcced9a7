package cardguard

// luhn reports whether the last digit is the check digit of the others.
func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		digit := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}

// issuer is a range of the first six digits, and the lengths of the numbers that are issued in it.
type issuer struct {
	low, high          int
	shortest, longest  int
	onlyEveryThirdSize bool // Visa: 13, 16 and 19
}

// issuers are the ranges of ISO/IEC 7812 that card schemes use, wide rather than exact: schemes
// assign new ranges without telling the world.
var issuers = [...]issuer{
	{low: 400000, high: 499999, shortest: 13, longest: 19, onlyEveryThirdSize: true}, // Visa
	{low: 510000, high: 559999, shortest: 16, longest: 16},                           // Mastercard
	{low: 222100, high: 272099, shortest: 16, longest: 16},                           // Mastercard
	{low: 340000, high: 349999, shortest: 15, longest: 15},                           // American Express
	{low: 370000, high: 379999, shortest: 15, longest: 15},                           // American Express
	{low: 300000, high: 305999, shortest: 14, longest: 19},                           // Diners Club
	{low: 309500, high: 309599, shortest: 14, longest: 19},                           // Diners Club
	{low: 360000, high: 369999, shortest: 14, longest: 19},                           // Diners Club
	{low: 380000, high: 399999, shortest: 14, longest: 19},                           // Diners Club
	{low: 352800, high: 358999, shortest: 16, longest: 19},                           // JCB
	{low: 500000, high: 509999, shortest: 13, longest: 19},                           // Maestro, Dankort, Elo, Verve
	{low: 560000, high: 589999, shortest: 13, longest: 19},                           // Maestro
	{low: 600000, high: 699999, shortest: 13, longest: 19},                           // Maestro, Discover, UnionPay, RuPay
	{low: 810000, high: 829999, shortest: 16, longest: 19},                           // UnionPay, RuPay
	{low: 220000, high: 220499, shortest: 16, longest: 19},                           // Mir
	{low: 979200, high: 979299, shortest: 16, longest: 16},                           // Troy
}

func issued(digits []byte) bool {
	prefix := 0
	for _, c := range digits[:6] {
		prefix = prefix*10 + int(c-'0')
	}
	for i := range issuers {
		r := &issuers[i]
		if prefix < r.low || prefix > r.high || len(digits) < r.shortest || len(digits) > r.longest {
			continue
		}
		if !r.onlyEveryThirdSize || (len(digits)-r.shortest)%3 == 0 {
			return true
		}
	}
	return false
}

// isDecimals reports whether a number is the decimals of another one: 0.30000000000000004.
func isDecimals(body []byte, hit Hit) bool {
	return hit.Start >= 2 && body[hit.Start-1] == '.' && isDigit(body[hit.Start-2])
}

// isArticle reports whether 13 digits have the check digit of an EAN-13, as the numbers of articles
// have. Cards of 13 digits are no longer issued, and one in ten of them is let pass by this.
func isArticle(digits []byte) bool {
	if len(digits) != 13 {
		return false
	}
	sum := 0
	for i, c := range digits {
		weight := 1 + 2*(i%2)
		sum += weight * int(c-'0')
	}
	return sum%10 == 0
}

// isHexID reports whether a number is a part of a long hexadecimal id: a digest, a UUID without
// dashes.
func isHexID(body []byte, hit Hit) bool {
	// The longest is more than any id has. It bounds the work where a body is one endless token.
	const shortest, longest = 24, 128
	token := around(body, hit, longest, isAlphanumeric)
	letters := 0
	for _, c := range token {
		switch {
		case isDigit(c):
		case isHexLetter(c):
			letters++
		default:
			return false
		}
	}
	return len(token) >= shortest && letters > 0
}

// isUUID reports whether a number is a part of a UUID: 8-4-4-4-12 hexadecimal digits.
func isUUID(body []byte, hit Hit) bool {
	const size = 36
	token := around(body, hit, size, isUUIDByte)
	if len(token) != size {
		return false
	}
	for i, c := range token {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') {
			return false
		}
	}
	return true
}

// around widens a hit by what belongs to the same token, at most by reach bytes on each side.
func around(body []byte, hit Hit, reach int, belongs func(byte) bool) []byte {
	start, end := hit.Start, hit.End
	for start > 0 && hit.Start-start < reach && belongs(body[start-1]) {
		start--
	}
	for end < len(body) && end-hit.End < reach && belongs(body[end]) {
		end++
	}
	return body[start:end]
}

// ibanLetters are the letters that IBANs (SWIFT's registry) and creditor references (RF) begin with.
const ibanLetters = "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL GR GT HN HR HU IE IL " +
	"IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO OM PK PL PS PT QA RF RO RS RU SA SC SD SE SI SK SM " +
	"SO ST SV TL TN TR UA VA VG XK YE"

func beginsIBAN(a, b byte) bool {
	for i := 0; i+1 < len(ibanLetters); i += 3 {
		if ibanLetters[i] == a && ibanLetters[i+1] == b {
			return true
		}
	}
	return false
}

// isIBAN reports whether the run of digits that a number is in belongs to an IBAN or a creditor
// reference (ISO 11649): the letters of an issuer, then right check digits by ISO 7064 mod 97-10.
func isIBAN(body []byte, runStart int, hit Hit) bool {
	const longest = 34 // letters and digits
	start := runStart - 2
	if start < 0 || !beginsIBAN(body[start], body[start+1]) || start > 0 && isAlphanumeric(body[start-1]) {
		return false
	}
	// The first four characters count as the last. They are two letters of two digits each, and the
	// two check digits.
	head, rest := 0, 0
	for i, n := start, 0; i < len(body) && n < longest; i++ {
		c := body[i]
		value := int(c - '0')
		shift := 10
		switch {
		case c == ' ' && n > 3:
			continue
		case isCapital(c):
			value, shift = int(c-'A')+10, 100
		case !isDigit(c):
			return false
		}
		if n < 4 {
			head = head*shift + value
		} else {
			rest = (rest*shift + value) % 97
		}
		n++
		atEnd := i+1 == len(body) || !isAlphanumeric(body[i+1])
		if atEnd && i+1 >= hit.End && (rest*1_000_000+head)%97 == 1 {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isCapital(c byte) bool      { return 'A' <= c && c <= 'Z' }
func isHexLetter(c byte) bool    { return 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
func isUUIDByte(c byte) bool     { return isDigit(c) || isHexLetter(c) || c == '-' }
func isAlphanumeric(c byte) bool { return isDigit(c) || isCapital(c) || 'a' <= c && c <= 'z' }
