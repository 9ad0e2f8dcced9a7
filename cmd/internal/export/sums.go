package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"
)

// sums are what the rows of an export sum up to.
type sums struct {
	set *dataset
	// Indexes of columns, -1 for none: amounts are summed up, order is what the rows are sorted by.
	currency, account, debit, credit int
	amounts, order                   []int

	by map[string]*currencySums
}

// currencySums are those of one currency: of the columns with amounts, and of the journal's accounts.
type currencySums struct {
	amounts []total
	moved   map[string]*total
}

func newSums(d *dataset) *sums {
	index := func(name string) int {
		return slices.IndexFunc(d.columns, func(c Column) bool { return c.Name == name })
	}
	s := &sums{set: d, currency: index("currency"), account: -1, debit: index("debit"), credit: index("credit"), by: map[string]*currencySums{}}
	if d.moves {
		s.account = index("account")
	}
	for i := range d.columns {
		if d.columns[i].Kind == Amount {
			s.amounts = append(s.amounts, i)
		}
	}
	for _, name := range d.order {
		if i := index(name); i >= 0 {
			s.order = append(s.order, i)
		}
	}
	return s
}

func (s *sums) of(currency []byte) *currencySums {
	c := s.by[string(currency)]
	if c == nil {
		c = &currencySums{amounts: make([]total, len(s.amounts)), moved: map[string]*total{}}
		s.by[string(currency)] = c
	}
	return c
}

func (c *currencySums) of(account []byte) *total {
	moved := c.moved[string(account)]
	if moved == nil {
		moved = &total{}
		c.moved[string(account)] = moved
	}
	return moved
}

// add sums a row up.
func (s *sums) add(r Row) error {
	var currency []byte
	if s.currency >= 0 {
		currency = r[s.currency]
	}
	sums := s.of(currency)
	for i, column := range s.amounts {
		if err := sums.amounts[i].add(r[column], 1); err != nil {
			return fmt.Errorf("column %s: %w", s.set.columns[column].Name, err)
		}
	}
	if s.account < 0 {
		return nil
	}
	moved := sums.of(r[s.account])
	return errors.Join(moved.add(r[s.debit], 1), moved.add(r[s.credit], -1))
}

// shown are the sums of the columns with amounts, per currency.
func (s *sums) shown() map[string]map[string]string {
	shown := map[string]map[string]string{}
	for currency, sums := range s.by {
		shown[currency] = map[string]string{}
		for i, column := range s.amounts {
			shown[currency][s.set.columns[column].Name] = sums.amounts[i].value().String()
		}
	}
	return shown
}

// movements are what the rows moved on each account.
func (s *sums) movements() map[account]decimal.Decimal {
	movements := map[account]decimal.Decimal{}
	for currency, sums := range s.by {
		for code, moved := range sums.moved {
			movements[account{code, currency}] = moved.value()
		}
	}
	return movements
}

// moves are the movements as restore takes them up.
func (s *sums) moves() []Balance {
	movements := s.movements()
	var moves []Balance
	for _, a := range sortedAccounts(movements) {
		moves = append(moves, Balance{Account: a.Code, Currency: a.Currency, Moved: movements[a].String()})
	}
	return moves
}

// restore takes up the sums of the rows that are written.
func (s *sums) restore(at state) error {
	restored := &sums{set: s.set, amounts: s.amounts, by: map[string]*currencySums{}}
	var err error
	for currency, columns := range at.Sums {
		sums := restored.of([]byte(currency))
		for i, column := range s.amounts {
			if sums.amounts[i].sum, err = decimal.NewFromString(columns[s.set.columns[column].Name]); err != nil {
				return err
			}
		}
	}
	for _, b := range at.Moved {
		moved := restored.of([]byte(b.Currency)).of([]byte(b.Account))
		if moved.sum, err = decimal.NewFromString(b.Moved); err != nil {
			return err
		}
	}
	maps.Copy(s.by, restored.by)
	return nil
}

// total is an exact sum of decimals. Those that are short are added up as integers of the same scale.
type total struct {
	sum   decimal.Decimal
	minor int64 // of scale decimals
	scale int32
}

// shortDigits is how many digits surely fit, so often that minor does not overflow before it is moved over.
const (
	shortDigits = 15
	minorMost   = 1 << 62
)

func (t *total) add(amount []byte, sign int64) error {
	var n int64
	scale, digits := int32(0), 0
	for i, b := range amount {
		switch {
		case b >= '0' && b <= '9' && digits < shortDigits:
			n = n*10 + int64(b-'0')
			if digits++; scale > 0 {
				scale++
			}
		case b == '.' && scale == 0:
			scale = 1
		case b == '-' && i == 0:
			sign = -sign
		default:
			exact, err := decimal.NewFromString(string(amount))
			if err != nil {
				return err
			}
			if amount[0] == '-' {
				sign = -sign // it is in the number
			}
			t.sum = t.sum.Add(exact.Mul(decimal.NewFromInt(sign)))
			return nil
		}
	}
	if scale > 0 {
		scale--
	}
	if scale != t.scale || t.minor > minorMost-(1<<51) || t.minor < -minorMost+(1<<51) {
		t.sum, t.minor, t.scale = t.value(), 0, scale
	}
	t.minor += sign * n
	return nil
}

func (t *total) value() decimal.Decimal { return t.sum.Add(decimal.New(t.minor, -t.scale)) }
