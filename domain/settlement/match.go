package settlement

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Movement is money that moved according to our own books: what a line may be about.
type Movement struct {
	// ID names the movement within its order.
	ID   string
	Kind Kind
	// References are what the gateway calls it, the payment's and the refund's own ids.
	References []string
	Amount     money.Money
	// At is when it happened by our books.
	At time.Time
	// Taken: a line matched it before.
	Taken bool
}

// Status of a line.
type Status string

// Statuses. A mismatch is about a movement that differs, an unmatched line is about none.
const (
	Matched   Status = "MATCHED"
	Mismatch  Status = "MISMATCH"
	Unmatched Status = "UNMATCHED"
)

// Reason tells why a line does not match.
type Reason string

// Reasons. The first four are mismatches.
const (
	AmountDiffers   Reason = "amount_differs"
	CurrencyDiffers Reason = "currency_differs"
	DateDiffers     Reason = "date_differs"
	AlreadyMatched  Reason = "already_matched"

	// NotBooked: the order is known, and has no such movement.
	NotBooked Reason = "not_booked"
	// UnknownReference: no order goes by any of the references.
	UnknownReference Reason = "unknown_reference"
	// NoReference: the line names nothing.
	NoReference Reason = "no_reference"
	// OtherAccount: the order belongs to another account of the gateway.
	OtherAccount Reason = "other_account"
	// NotCollecting: the reference is that of a test order, or of one that pays out.
	NotCollecting Reason = "not_a_payment_order"
	// ReleasedByHand: people said what the money was, and it matches nothing any more.
	ReleasedByHand Reason = "released_by_hand"
)

// StatusOf is the status that a reason means; that of none is Matched.
func StatusOf(r Reason) Status {
	switch r {
	case "":
		return Matched
	case AmountDiffers, CurrencyDiffers, DateDiffers, AlreadyMatched:
		return Mismatch
	case NotBooked, UnknownReference, NoReference, OtherAccount, NotCollecting, ReleasedByHand:
	}
	return Unmatched
}

// Result is what a line is about.
type Result struct {
	// Line and Movements are indexes into what Match was given. Several movements are those that the line
	// sums up; a line that does not match has the one that comes nearest, if any.
	Line      int
	Movements []int
	// Reason is empty when the line matches.
	Reason Reason
	// Parts: how many lines make up the movement together.
	Parts int
}

// Window is how far the value date of a line may lie from the day of its movement, in days: after it, as
// gateways pay later, or a day before it, as days end at different hours.
type Window int

// DefaultWindow is long enough for gateways that hold money back for two weeks.
const DefaultWindow Window = 14

func (w Window) holds(moved, valued time.Time) bool {
	year, month, day := moved.UTC().Date()
	from := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return !valued.Before(from.AddDate(0, 0, -1)) && !valued.After(from.AddDate(0, 0, int(w)))
}

// Match finds the movement of every line, one result per line in the order of the lines. All are about one
// order. Fees are matched by their order: there is nothing in our books that they could differ from.
func Match(lines []Line, movements []Movement, w Window) []Result {
	m := matcher{lines: lines, movements: movements, window: w, results: make([]Result, len(lines)), used: make([]bool, len(movements))}
	m.sort()
	for i := range m.results {
		m.results[i] = Result{Line: i, Reason: NotBooked}
		if lines[i].Kind == Fee {
			m.results[i].Reason = ""
		}
	}
	for rank := range m.mostReferences() { // the most exact name first
		m.pass(func(l *Line, v *Movement) bool {
			return l.Kind == v.Kind && rank < len(l.References) && slices.Contains(v.References, l.References[rank]) && m.agree(l, v)
		})
	}
	m.pass(func(l *Line, v *Movement) bool { return m.mayMean(l, v) && m.agree(l, v) })
	m.split()
	m.join()
	m.explain()
	return m.results
}

type matcher struct {
	lines     []Line
	movements []Movement
	window    Window
	results   []Result
	used      []bool // movements
	// byLine and byMovement are indexes in an order that content alone decides.
	byLine, byMovement []int
}

func (m *matcher) sort() {
	m.byLine, m.byMovement = make([]int, len(m.lines)), make([]int, len(m.movements))
	for i := range m.byLine {
		m.byLine[i] = i
	}
	for i := range m.byMovement {
		m.byMovement[i], m.used[i] = i, m.movements[i].Taken
	}
	slices.SortStableFunc(m.byLine, func(a, b int) int {
		x, y := &m.lines[a], &m.lines[b]
		return cmp.Or(strings.Compare(x.ValueDate, y.ValueDate), strings.Compare(string(x.Kind), string(y.Kind)),
			strings.Compare(x.Gross.Format(), y.Gross.Format()), slices.Compare(x.References, y.References), cmp.Compare(x.Number, y.Number))
	})
	slices.SortStableFunc(m.byMovement, func(a, b int) int {
		x, y := &m.movements[a], &m.movements[b]
		return cmp.Or(x.At.Compare(y.At), strings.Compare(x.ID, y.ID))
	})
}

func (m *matcher) mostReferences() int {
	most := 0
	for i := range m.lines {
		most = max(most, len(m.lines[i].References))
	}
	return most
}

// named tells whether a line names a movement by one of its own ids.
func named(l *Line, v *Movement) bool {
	return l.Kind == v.Kind && slices.ContainsFunc(l.References, func(r string) bool { return slices.Contains(v.References, r) })
}

// mayMean tells whether a line may be about a movement: it names it, or names no movement of its kind.
func (m *matcher) mayMean(l *Line, v *Movement) bool {
	if l.Kind != v.Kind {
		return false
	}
	if named(l, v) {
		return true
	}
	return !slices.ContainsFunc(m.movements, func(other Movement) bool { return named(l, &other) })
}

func (m *matcher) agree(l *Line, v *Movement) bool {
	return l.Gross.Equal(v.Amount) && m.window.holds(v.At, l.date())
}

// open tells whether a line has no movement yet.
func (m *matcher) open(line int) bool {
	return m.results[line].Reason != "" && len(m.results[line].Movements) == 0
}

func (m *matcher) take(line, movement int, reason Reason, parts int) {
	m.results[line] = Result{Line: line, Movements: []int{movement}, Reason: reason, Parts: parts}
	m.used[movement] = true
}

// pass gives every open line the first free movement that fits.
func (m *matcher) pass(fits func(*Line, *Movement) bool) {
	for _, line := range m.byLine {
		if !m.open(line) {
			continue
		}
		for _, movement := range m.byMovement {
			if !m.used[movement] && fits(&m.lines[line], &m.movements[movement]) {
				m.take(line, movement, "", 1)
				break
			}
		}
	}
}

// split finds movements that several lines make up together.
func (m *matcher) split() {
	for _, movement := range m.byMovement {
		v := &m.movements[movement]
		if m.used[movement] {
			continue
		}
		var parts []int
		sum := money.Zero(v.Amount.Currency())
		for _, line := range m.byLine {
			l := &m.lines[line]
			if !m.open(line) || !m.mayMean(l, v) || !l.Gross.SameCurrency(v.Amount) || !m.window.holds(v.At, l.date()) {
				continue
			}
			var err error
			if sum, err = sum.Add(l.Gross); err != nil {
				break // larger than anything in the books
			}
			parts = append(parts, line)
		}
		if len(parts) > 1 && sum.Equal(v.Amount) {
			for _, line := range parts {
				m.take(line, movement, "", len(parts))
			}
		}
	}
}

// join finds lines that sum up several movements: all of one kind that are left.
func (m *matcher) join() {
	for _, line := range m.byLine {
		l := &m.lines[line]
		if !m.open(line) {
			continue
		}
		var all []int
		sum := money.Zero(l.Gross.Currency())
		for _, movement := range m.byMovement {
			v := &m.movements[movement]
			if m.used[movement] || !m.mayMean(l, v) || !l.Gross.SameCurrency(v.Amount) || !m.window.holds(v.At, l.date()) {
				continue
			}
			var err error
			if sum, err = sum.Add(v.Amount); err != nil {
				break
			}
			all = append(all, movement)
		}
		if len(all) < 2 || !sum.Equal(l.Gross) {
			continue
		}
		m.results[line] = Result{Line: line, Movements: all, Parts: 1}
		for _, movement := range all {
			m.used[movement] = true
		}
	}
}

// explain tells for the lines that match nothing which movement they come nearest to: one that is not
// matched by another line, if there is one.
func (m *matcher) explain() {
	for _, why := range []struct {
		reason Reason
		taken  bool
		fits   func(*Line, *Movement) bool
	}{
		{DateDiffers, false, func(l *Line, v *Movement) bool { return l.Gross.Equal(v.Amount) }},
		{AmountDiffers, false, func(l *Line, v *Movement) bool { return l.Gross.SameCurrency(v.Amount) }},
		{CurrencyDiffers, false, func(*Line, *Movement) bool { return true }},
		{AlreadyMatched, true, func(*Line, *Movement) bool { return true }},
	} {
		for _, line := range m.byLine {
			if !m.open(line) {
				continue
			}
			for _, movement := range m.byMovement {
				l, v := &m.lines[line], &m.movements[movement]
				if m.used[movement] == why.taken && m.mayMean(l, v) && why.fits(l, v) {
					m.take(line, movement, why.reason, 0)
					break
				}
			}
		}
	}
}
