package cardguard

import "bytes"

// Mask returns a copy of body in which every digit of every card number, except its last four, is a
// star, and how many numbers were masked. Without any it returns body itself.
//
// Valid JSON stays valid: an escaped digit becomes one star, and a number outside a string becomes a
// string with the rest of its token in it.
func Mask(body []byte) ([]byte, int) {
	total := 0
	// What is left of one number may, with the digits around it, look like another. Every round has
	// at least nine digits less.
	for hits := Find(body); len(hits) > 0; hits = Find(body) {
		masked, n := maskHits(body, hits)
		body, total = masked, total+n
	}
	return body, total
}

// maskHits masks all hits but those that share a token outside a string with the one before; they
// are inside a string afterwards, for the next round to find.
func maskHits(body []byte, hits []Hit) (_ []byte, masked int) {
	out := make([]byte, 0, len(body)+2*len(hits))
	done := 0    // body[:done] is copied
	scanned := 0 // body[:scanned] was searched for quotes
	quoted := false
	for _, hit := range hits {
		if hit.Start < done {
			continue
		}
		masked++
		quoted = insideString(body[scanned:hit.Start], quoted)
		scanned = hit.Start
		if quoted {
			out = append(out, body[done:hit.Start]...)
			out = appendMasked(out, body[hit.Start:hit.End])
			done = hit.End
			continue
		}
		start, end := bareToken(body, hit, done)
		out = append(out, body[done:start]...)
		out = append(out, '"')
		out = append(out, body[start:hit.Start]...)
		out = appendMasked(out, body[hit.Start:hit.End])
		out = append(out, body[hit.End:end]...)
		out = append(out, '"')
		done = end
	}
	return append(out, body[done:]...), masked
}

// insideString tells whether the end of a stretch of JSON is inside a string, given whether its
// beginning is.
func insideString(stretch []byte, quoted bool) bool {
	for i := 0; i < len(stretch); i++ {
		switch stretch[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		}
	}
	return quoted
}

// bareToken widens a hit outside a string to the whole number it is in, not beyond floor.
func bareToken(body []byte, hit Hit, floor int) (start, end int) {
	const ofNumbers = "0123456789+-.eE"
	start, end = hit.Start, hit.End
	for start > floor && bytes.IndexByte([]byte(ofNumbers), body[start-1]) >= 0 {
		start--
	}
	for end < len(body) && bytes.IndexByte([]byte(ofNumbers), body[end]) >= 0 {
		end++
	}
	return start, end
}

// appendMasked writes a card number with stars; separators stay.
func appendMasked(out, number []byte) []byte {
	s := scanner{body: number}
	digits := 0
	for pos := 0; pos < len(number); {
		symbol, width := s.at(pos, len(number))
		if symbol != separator {
			digits++
		}
		pos += width
	}
	for pos := 0; pos < len(number); {
		symbol, width := s.at(pos, len(number))
		switch {
		case symbol == separator:
			out = append(out, number[pos:pos+width]...)
		case digits > shown:
			out = append(out, '*')
			digits--
		default:
			out = append(out, symbol)
		}
		pos += width
	}
	return out
}
