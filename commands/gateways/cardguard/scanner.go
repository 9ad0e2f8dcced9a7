package cardguard

// group is an unbroken row of digits.
type group struct {
	start, end int // bytes of the body
	digits     int
}

// scanner looks for card numbers in one stretch of bytes that may belong to some. A run is a row of
// groups with one separator between each two. Runs with loose separators between them are looked
// through for customary groupings.
type scanner struct {
	body []byte
	hits []Hit

	// groups[:n] are the last groups of the run, enough for any card number.
	groups   [2 * maxDigits]group
	n        int
	open     bool // the last group may still grow
	run      int  // groups[run:n] are the run
	runStart int
	runTotal int // digits of the run's finished groups
}

func (s *scanner) scan(start, end int) {
	for pos := start; pos < end; {
		symbol, width := s.at(pos, end)
		switch {
		case symbol == other:
			s.endRun()
			s.n, s.run = 0, 0
		case symbol == separator && s.open:
			s.endGroup()
		case symbol == separator || symbol == loose:
			s.endRun()
		case s.open:
			s.groups[s.n-1].digits++
			s.groups[s.n-1].end = pos + width
		default:
			s.beginGroup(group{start: pos, end: pos + width, digits: 1})
		}
		pos += width
	}
	s.endRun()
}

// Symbols other than digits, which stand for themselves.
const (
	separator = ' '
	loose     = '.'
	other     = 0
)

// at reads one symbol, escaped or not.
func (s *scanner) at(pos, end int) (symbol byte, width int) {
	switch c := s.body[pos]; {
	case '0' <= c && c <= '9':
		return c, 1
	case c == ' ' || c == '-':
		return separator, 1
	case c == '.' || c == '/' || c == '_':
		return loose, 1
	case c != '\\' || pos+1 == end:
		return other, 1
	}
	switch s.body[pos+1] {
	case '\\':
		return other, 2 // an escaped backslash: what follows it is no escape
	case 'n', 't':
		return loose, 2
	}
	if end-pos < escapeSize || !isEscape(s.body[pos:]) {
		return other, 1
	}
	if string(s.body[pos+1:pos+4]) != "u00" {
		return other, escapeSize // whose digits are no digits
	}
	switch high, low := s.body[pos+4], s.body[pos+5]; {
	case high == '3' && '0' <= low && low <= '9':
		return low, escapeSize
	case high == '2' && (low == '0' || low == 'd' || low == 'D'):
		return separator, escapeSize
	}
	return other, escapeSize
}

const escapeSize = len(`\u0034`)

// isEscape tells whether a text begins with an escape of four hexadecimal digits.
func isEscape(text []byte) bool {
	if len(text) < escapeSize || text[0] != '\\' || text[1] != 'u' {
		return false
	}
	for _, c := range text[2:escapeSize] {
		if !isDigit(c) && !isHexLetter(c) {
			return false
		}
	}
	return true
}

// afterEscape is where a stretch begins that may do so amid an escape, whose digits are no digits: the 4 of \u00A4.
func afterEscape(body []byte, start int) int {
	for at := start - 1; at >= 0 && at > start-escapeSize; at-- {
		if body[at] != '\\' {
			continue
		}
		before := 0
		for before < at && body[at-1-before] == '\\' {
			before++
		}
		if before%2 == 0 && isEscape(body[at:]) {
			return at + escapeSize
		}
		break
	}
	return start
}

func (s *scanner) beginGroup(g group) {
	if s.n == s.run {
		s.runStart = g.start
	}
	if s.n == len(s.groups) {
		s.run = max(s.run-(s.n-maxDigits), 0)
		s.n = copy(s.groups[:], s.groups[s.n-maxDigits:])
	}
	s.groups[s.n] = g
	s.n++
	s.open = true
}

// endGroup judges what ends with the last group: the group alone, or a customary way to group a
// card number. Other groupings do not count amid more digits, because any number with its
// neighbours would be too many chances for a wrong alarm.
func (s *scanner) endGroup() {
	s.open = false
	s.runTotal += s.groups[s.n-1].digits
	if s.judge(s.n - 1) {
		return
	}
	for i := range customary {
		if custom := customary[i].groups(); s.endsWith(custom) && s.judge(s.n-len(custom)) {
			return
		}
	}
}

// grouping is how many digits each group of a card number has; 0 after the last.
type grouping [5]int

func (g *grouping) groups() []int {
	n := 0
	for n < len(g) && g[n] > 0 {
		n++
	}
	return g[:n]
}

var customary = [...]grouping{
	{4, 4, 4, 4}, {4, 4, 4, 1}, {4, 4, 4, 2}, {4, 4, 4, 3}, {4, 4, 4, 4, 1}, {4, 4, 4, 4, 2}, {4, 4, 4, 4, 3},
	{4, 6, 5}, {4, 6, 4}, {6, 13},
}

func (s *scanner) endsWith(custom []int) bool {
	if s.n < len(custom) {
		return false
	}
	for i, digits := range custom {
		if s.groups[s.n-len(custom)+i].digits != digits {
			return false
		}
	}
	return true
}

// endRun judges the run as a whole, however it is grouped.
func (s *scanner) endRun() {
	if s.open {
		s.endGroup()
	}
	if s.n-s.run > 1 && s.runTotal <= maxDigits {
		s.judge(s.run)
	}
	s.run, s.runTotal = s.n, 0
}

// judge decides whether the groups from the first on are a card number. If so it records the hit and
// forgets the groups, so that what follows is judged afresh.
func (s *scanner) judge(first int) bool {
	total := 0
	for _, g := range s.groups[first:s.n] {
		total += g.digits
	}
	if total < minDigits || total > maxDigits {
		return false
	}
	hit := Hit{Start: s.groups[first].start, End: s.groups[s.n-1].end}
	var buf [maxDigits]byte
	digits := buf[:0]
	for pos := hit.Start; pos < hit.End; {
		symbol, width := s.at(pos, hit.End)
		if symbol != separator && symbol != loose {
			digits = append(digits, symbol)
		}
		pos += width
	}
	if !luhn(digits) || !issued(digits) || s.somethingElse(hit, digits) {
		return false
	}
	s.hits = append(s.hits, hit)
	s.n, s.run, s.runTotal = 0, 0, 0
	return true
}

// somethingElse looks at what surrounds a number for a sign that it is no card's.
func (s *scanner) somethingElse(hit Hit, digits []byte) bool {
	return isDecimals(s.body, hit) || isArticle(digits) || isHexID(s.body, hit) || isUUID(s.body, hit) ||
		isIBAN(s.body, s.runStart, hit)
}
