package simulate

import "strconv"

// currency is an ISO 4217 code with the number of its minor digits.
type currency struct {
	code   string
	digits int
}

// text renders minor units with all digits of the currency: 9650 EUR = "96.50".
func (c currency) text(minor int64) string { return string(c.append(nil, minor, false)) }

// append renders minor units; trimmed leaves trailing zeros of the fraction
// out ("96.5"), as encoders of JSON numbers do. Both mean the same amount.
func (c currency) append(b []byte, minor int64, trimmed bool) []byte {
	if minor < 0 {
		b, minor = append(b, '-'), -minor
	}
	unit := int64(1)
	for range c.digits {
		unit *= 10
	}
	b = strconv.AppendInt(b, minor/unit, 10)
	if c.digits == 0 || trimmed && minor%unit == 0 {
		return b
	}
	b = append(b, '.')
	for fraction, place := minor%unit, unit/10; place > 0; place /= 10 {
		if trimmed && fraction == 0 {
			break
		}
		b = append(b, byte('0'+fraction/place))
		fraction %= place
	}
	return b
}
