// Package storable makes what the log holds acceptable to PostgreSQL without losing any of it.
//
// PostgreSQL's text cannot hold U+0000, and its jsonb refuses some JSON that the rest of the world
// accepts. Both reach us from outside: a hostile customer's name must not be able to stop an order.
package storable

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// UnreadableKey is the only key of the object that stands in order history for bytes that are no
// JSON that PostgreSQL can hold; its value is the bytes in base64 (RFC 4648 section 4).
const UnreadableKey = "$unreadable_base64"

// Text replaces what PostgreSQL's text type cannot hold by U+FFFD, the replacement character.
func Text(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// JSON returns raw itself when jsonb can hold it for certain, the empty object for no bytes at all,
// and what Unreadable makes of it otherwise. valid says that the caller knows raw to be valid JSON.
//
// Rows keep the result as text, which costs PostgreSQL a tenth of jsonb to write, and views read it
// as jsonb: one text that jsonb refuses would fail whoever reads the view. So what this function
// lets through is less than what jsonb can hold, and never more.
func JSON(raw []byte, valid bool) []byte {
	switch {
	case len(raw) == 0:
		return []byte("{}")
	case !valid && !json.Valid(raw), !utf8.Valid(raw), !fits(raw):
		return Unreadable(raw)
	}
	return raw
}

// Unreadable wraps any bytes in an object that jsonb can hold.
func Unreadable(raw []byte) []byte {
	return []byte(`{"` + UnreadableKey + `":"` + base64.StdEncoding.EncodeToString(raw) + `"}`)
}

// Bounds of JSON that jsonb holds whatever its settings are.
const (
	// depthMost keeps PostgreSQL's parser well within the smallest max_stack_depth, 100 kB.
	depthMost = 100
	// numberBytesMost and exponentMost keep a number well within numeric, which holds 131072 digits
	// before the decimal point and 16383 after it.
	numberBytesMost = 1000
	exponentMost    = 1000
)

// fits reports whether valid JSON is such as jsonb holds: not too deep, no number too large, and no
// \u escape that stands for U+0000 or half of a surrogate pair.
func fits(raw []byte) bool {
	depth := 0
	plain := bytes.IndexByte(raw, '\\') < 0
	for i := 0; i < len(raw); {
		n := 1
		switch c := raw[i]; {
		case c == '{' || c == '[':
			if depth++; depth > depthMost {
				return false
			}
		case c == '}' || c == ']':
			depth--
		case c == '"' && plain:
			n = bytes.IndexByte(raw[i+1:], '"') + 2
		case c == '"':
			n = stringLength(raw[i:])
		case c == '-' || '0' <= c && c <= '9':
			n = numberLength(raw[i:])
		}
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// stringLength measures the string, quotes included, at the beginning of raw; 0 when jsonb refuses it.
func stringLength(raw []byte) int {
	for i := 1; i < len(raw); {
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			n := escapeLength(raw[i:])
			if n == 0 {
				return 0
			}
			i += n
		default:
			i++
		}
	}
	return 0
}

// escapeLength measures the escape, or the pair of escapes for one character, at the beginning of
// raw; 0 when jsonb refuses it.
func escapeLength(raw []byte) int {
	if len(raw) < 2 || raw[1] != 'u' {
		return 2
	}
	const one, pair = 6, 12
	unit, ok := escapedUnit(raw)
	if !ok || unit == 0 {
		return 0
	}
	if !utf16.IsSurrogate(unit) {
		return one
	}
	low, ok := escapedUnit(raw[one:])
	if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
		return 0
	}
	return pair
}

// escapedUnit reads the UTF-16 unit of an escape at the beginning of raw.
func escapedUnit(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

// numberLength measures the number at the beginning of raw; 0 when it is too large.
func numberLength(raw []byte) int {
	n := 1
	exponent := 0
	for ; n < len(raw) && strings.IndexByte("0123456789+-.eE", raw[n]) >= 0; n++ {
		if raw[n] == 'e' || raw[n] == 'E' {
			exponent = n + 1
		}
	}
	if n > numberBytesMost {
		return 0
	}
	if exponent > 0 {
		e, err := strconv.Atoi(string(raw[exponent:n]))
		if err != nil || e < -exponentMost || e > exponentMost {
			return 0
		}
	}
	return n
}
