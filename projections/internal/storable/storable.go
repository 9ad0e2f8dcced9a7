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

// JSON returns raw itself when jsonb can hold it, the empty object for no bytes at all, and what
// Unreadable makes of it otherwise. valid says that the caller knows raw to be valid JSON.
func JSON(raw []byte, valid bool) []byte {
	switch {
	case len(raw) == 0:
		return []byte("{}")
	case !valid && !json.Valid(raw), !utf8.Valid(raw), !escapesFit(raw):
		return Unreadable(raw)
	}
	return raw
}

// Unreadable wraps any bytes in an object that jsonb can hold.
func Unreadable(raw []byte) []byte {
	return []byte(`{"` + UnreadableKey + `":"` + base64.StdEncoding.EncodeToString(raw) + `"}`)
}

// escapesFit reports whether no \u escape of valid JSON stands for U+0000 or half of a surrogate
// pair, which jsonb refuses.
func escapesFit(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return true
		}
		if raw[i+1] != 'u' {
			raw = raw[i+2:]
			continue
		}
		unit, ok := escapedUnit(raw[i:])
		if !ok || unit == 0 {
			return false
		}
		raw = raw[i+6:]
		if !utf16.IsSurrogate(unit) {
			continue
		}
		low, ok := escapedUnit(raw)
		if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			return false
		}
		raw = raw[6:]
	}
}

// escapedUnit reads the UTF-16 unit of an escape at the beginning of raw.
func escapedUnit(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}
