package reports

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Inert is a text that no spreadsheet takes for a formula: one that begins like a formula, perhaps after
// characters that are not seen, gets an apostrophe before it. Numbers stay numbers.
func Inert(text string) string {
	if text == "" || isNumber(text) {
		return text
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(text, unseen))
	// The second four are taken for the first in East Asian editions. A tab or a line end is taken for the end
	// of the cell where a text is pasted.
	if strings.ContainsRune("\t\r\n", rune(text[0])) || strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + text
	}
	return text
}

// unseen tells blanks, control characters and those without a width.
func unseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func isNumber(text string) bool {
	digits, points := 0, 0
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		case c == '-' && i == 0:
		default:
			return false
		}
	}
	return digits > 0 && points <= 1
}
