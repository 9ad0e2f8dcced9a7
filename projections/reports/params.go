package reports

import (
	"fmt"
	"strconv"
	"time"

	"github.com/order-ledger/order-ledger/domain/accounting"
)

// ParamNames are the names that ParseParams asks for.
func ParamNames() []string {
	return []string{"as_of", "as_at", "from", "through", "period", "up_to", "known_from", "by", "memo", "source", "source_account", "entity"}
}

// ParseParams reads parameters by their names: as_of and known_from (RFC 3339, or a date, which is its end in
// UTC), as_at, from and through (dates), period (like 2026-10), by (day or month), memo, source,
// source_account, entity, and up_to, a commit position in the log. What was known in the future cannot be told: as_of is at most now.
func ParseParams(get func(name string) string, now time.Time) (Params, error) {
	p := Params{Source: get("source"), SourceAccount: get("source_account"), Entity: get("entity")}
	var err error
	for name, to := range map[string]**time.Time{"as_of": &p.AsOf, "known_from": &p.KnownFrom} {
		if *to, err = moment(name, get(name)); err != nil {
			return p, err
		}
	}
	if p.AsOf != nil && p.AsOf.After(now) {
		if !endOfDay(*p.AsOf, now) {
			return p, fmt.Errorf("as_of %s is in the future: what will be known then is not known", p.AsOf.Format(time.RFC3339))
		}
		p.AsOf = &now
	}
	if month := get("period"); month != "" {
		if get("from") != "" || get("through") != "" {
			return p, fmt.Errorf("period goes without from and through")
		}
		parsed, err := accounting.ParsePeriod(month)
		if err != nil {
			return p, err
		}
		p.Period(parsed)
	}
	for name, to := range map[string]**time.Time{"as_at": &p.AsAt, "from": &p.From, "through": &p.Through} {
		text := get(name)
		if text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return p, fmt.Errorf("%s %q is not a date like 2026-10-31", name, text)
		}
		*to = &day
	}
	if p.From != nil && p.Through != nil && p.Through.Before(*p.From) {
		return p, fmt.Errorf("through %s is before from %s", p.Through.Format(time.DateOnly), p.From.Format(time.DateOnly))
	}
	if text := get("up_to"); text != "" {
		if p.UpTo, err = strconv.ParseUint(text, 10, 63); err != nil || p.UpTo == 0 {
			return p, fmt.Errorf("up_to %q is no commit position of the log, like 1234", text)
		}
	}
	switch by := get("by"); by {
	case "", "month":
	case "day":
		p.Daily = true
	default:
		return p, fmt.Errorf("by %q is neither day nor month", by)
	}
	switch memo := get("memo"); memo {
	case "", "false":
	case "true":
		p.Memo = true
	default:
		return p, fmt.Errorf("memo %q is neither true nor false", memo)
	}
	return p, nil
}

// Takes tells whether the report goes by a parameter of ParamNames.
func (r Report) Takes(name string) bool {
	switch name {
	case "by":
		name = "daily"
	case "period":
		name = "from"
	}
	return r.parameters()[name]
}

// Refuse says which of the parameters that were given one of the reports does not go by: it would answer another
// question than was asked.
func Refuse(get func(name string) string, asked ...Report) error {
	for _, name := range ParamNames() {
		for _, r := range asked {
			switch {
			case get(name) == "" || r.Takes(name):
			case name == "entity":
				return fmt.Errorf("report %s does not tell legal entities apart: choose their merchant accounts, with source and source_account", r.Name)
			default:
				return fmt.Errorf("report %s does not go by %s", r.Name, name)
			}
		}
	}
	return nil
}

// endOfDay tells whether a moment is the end of the day that it is now.
func endOfDay(at, now time.Time) bool {
	now = now.UTC()
	return at.Equal(time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC).Add(-time.Microsecond))
}

func moment(name, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // left out is an answer
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return &at, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, fmt.Errorf("%s %q is neither a time like 2026-10-31T17:00:00Z nor a date", name, text)
	}
	end := day.AddDate(0, 0, 1).Add(-time.Microsecond) // the resolution of what is recorded
	return &end, nil
}
