package privacy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// leftoverBytesMin is the shortest text that is looked for inside of other words; a shorter one counts
	// only as a word of its own, for it is found by chance in others.
	leftoverBytesMin = 6
	// wordBytesMin is the shortest word that is looked for at all.
	wordBytesMin = 3
	// nestedMax bounds JSON inside of texts of JSON.
	nestedMax = 3
)

// search looks for texts in what is stored. Case does not matter: people write names as they like.
type search struct {
	inside [][]byte // found anywhere in a text
	words  [][]byte // found as words of their own
}

func newSearch(secrets [][]byte) *search {
	s := &search{}
	for _, secret := range secrets {
		text := bytes.ToLower(bytes.TrimSpace(secret))
		switch {
		case len(text) >= leftoverBytesMin:
			s.inside = append(s.inside, text)
		case len(text) >= wordBytesMin:
			s.words = append(s.words, text)
		}
	}
	return s
}

// nothing tells whether there is nothing to look for.
func (s *search) nothing() bool { return len(s.inside)+len(s.words) == 0 }

// json tells whether a text of a JSON value holds one of those looked for. Texts are compared as they read,
// not as they are written: an & may stand as \u0026. What is no JSON is one text.
func (s *search) json(data []byte) bool { return s.nested(data, 0) }

func (s *search) nested(data []byte, depth int) bool {
	if depth == nestedMax || !json.Valid(data) {
		return s.text(data)
	}
	return slices.ContainsFunc(texts(data), func(text []byte) bool {
		trimmed := bytes.TrimSpace(text)
		if len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && s.nested(trimmed, depth+1) {
			return true
		}
		return s.text(text)
	})
}

// text tells whether a text holds one of those looked for.
func (s *search) text(text []byte) bool {
	lower := bytes.ToLower(text)
	return slices.ContainsFunc(s.inside, func(secret []byte) bool { return bytes.Contains(lower, secret) }) ||
		slices.ContainsFunc(s.words, func(word []byte) bool { return holdsWord(lower, word) })
}

// holdsWord tells whether a word stands in a text with neither a letter nor a digit beside it.
func holdsWord(text, word []byte) bool {
	for at := 0; ; {
		i := bytes.Index(text[at:], word)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(word)
		before, _ := utf8.DecodeLastRune(text[:begin])
		after, _ := utf8.DecodeRune(text[end:])
		if !ofWord(before, begin == 0) && !ofWord(after, end == len(text)) {
			return true
		}
		at = begin + 1
	}
}

func ofWord(r rune, edge bool) bool { return !edge && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// texts are the strings of a JSON value, the names of members included; what is no JSON is one text.
func texts(data []byte) [][]byte {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return [][]byte{data}
	}
	var out [][]byte
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, []byte(v))
		case json.Number:
			out = append(out, []byte(v))
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for name, item := range v {
				if strings.ContainsAny(name, "@ ") { // a name that is no name of a member
					out = append(out, []byte(name))
				}
				walk(item)
			}
		}
	}
	walk(value)
	return out
}
