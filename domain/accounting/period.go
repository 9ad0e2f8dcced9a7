package accounting

import (
	"encoding/json"
	"fmt"
	"time"
)

// Period is a month of the books.
type Period struct {
	Year  int
	Month time.Month
}

// ParsePeriod reads "2026-10".
func ParsePeriod(text string) (Period, error) {
	at, err := time.Parse("2006-01", text)
	if err != nil {
		return Period{}, fmt.Errorf("period %q is not a month like 2026-10", text)
	}
	return Period{at.Year(), at.Month()}, nil
}

// PeriodOf is the month of a day.
func PeriodOf(day time.Time) Period {
	day = day.UTC()
	return Period{day.Year(), day.Month()}
}

// First is the first day.
func (p Period) First() time.Time { return time.Date(p.Year, p.Month, 1, 0, 0, 0, 0, time.UTC) }

// Next is the month after it.
func (p Period) Next() Period { return PeriodOf(p.First().AddDate(0, 1, 0)) }

// Previous is the month before it.
func (p Period) Previous() Period { return PeriodOf(p.First().AddDate(0, -1, 0)) }

// Last is the last day.
func (p Period) Last() time.Time { return p.Next().First().AddDate(0, 0, -1) }

func (p Period) String() string { return p.First().Format("2006-01") }

// DefaultEntity is the legal entity whose books everything is in that no other entity names.
const DefaultEntity = "default"

// Names of the streams and events of periods.
const (
	PeriodStreamPrefix = "period-"
	PeriodClosedType   = "PeriodClosed"
	PeriodReopenedType = "PeriodReopened"
)

// PeriodStream is where an entity's periods are closed and opened again.
func PeriodStream(entity string) string { return PeriodStreamPrefix + entity }

// PeriodChanged is the data of both events of periods. Closing a period closes all before it; opening
// one again opens all after it. The envelope tells who did it and when.
type PeriodChanged struct {
	Entity string `json:"entity"`
	Period string `json:"period"`
	// TrialBalanceSHA256 is the digest of the trial balance that was closed, hex; see HashTrialBalance.
	TrialBalanceSHA256 string `json:"trial_balance_sha256,omitempty"`
	// UpTo is the commit position in the log that the trial balance was taken at.
	UpTo uint64 `json:"up_to,omitempty"`
	// Approver is the second person who agreed to open a period again, and Reason is why.
	Approver string `json:"approver,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Lock says through which day the books are closed for everything recorded after a place in the log.
type Lock struct {
	// Position is the commit position of the event.
	Position uint64
	// Through is the last closed day; zero when everything is open.
	Through time.Time
}

// LockOf reads the lock that an event of a period sets.
func LockOf(eventType string, data []byte, position uint64) (Lock, PeriodChanged, error) {
	var change PeriodChanged
	if err := json.Unmarshal(data, &change); err != nil {
		return Lock{}, change, fmt.Errorf("decode %s: %w", eventType, err)
	}
	period, err := ParsePeriod(change.Period)
	if err != nil {
		return Lock{}, change, fmt.Errorf("decode %s: %w", eventType, err)
	}
	switch eventType {
	case PeriodClosedType:
		return Lock{Position: position, Through: period.Last()}, change, nil
	case PeriodReopenedType:
		return Lock{Position: position, Through: period.Previous().Last()}, change, nil
	}
	return Lock{}, change, fmt.Errorf("event type %q is none of periods", eventType)
}

// Locks are all locks of an entity in the order of the log.
type Locks []Lock

// At is the last closed day for an event at a place in the log; zero when all is open. Locks that were
// set later do not count, so the answer never changes.
func (l Locks) At(position uint64) time.Time {
	var through time.Time
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Position < position {
			through = l[i].Through
			break
		}
	}
	return through
}

// PostingDate is the day on which an entry counts: its value date, or the first open day when the books
// of that day were closed before the event was recorded.
func (l Locks) PostingDate(valueDate time.Time, position uint64) (day time.Time, late bool) {
	through := l.At(position)
	if through.IsZero() || valueDate.After(through) {
		return valueDate, false
	}
	return through.AddDate(0, 0, 1), true
}
