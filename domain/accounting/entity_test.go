package accounting_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
)

// occurrence is of the first event of an order.
func occurrence(source, account string, at time.Time, position uint64) accounting.Occurrence {
	return accounting.Occurrence{
		Source: source, Account: account, OccurredAt: at, Basis: order.BasisSourceField, FirstPosition: position, Position: position,
	}
}

func define(tb interface {
	Helper()
	Fatal(args ...any)
}, c *accounting.Calendar, position uint64, d accounting.EntityDefined) {
	tb.Helper()
	data, err := json.Marshal(d)
	if err == nil {
		err = c.Define(data, position)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// TestCalendar_Book: each event is in the books that its account belonged to when it was recorded, on the day that it
// was there, and each entity closes its own months.
func TestCalendar_Book(t *testing.T) {
	t.Parallel()
	october, err := accounting.ParsePeriod("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	var c accounting.Calendar
	define(t, &c, 100, accounting.EntityDefined{Entity: "baltics", TimeZone: "Europe/Vilnius", Accounts: []string{"decta/lt", "connectpay/lt"}})
	define(t, &c, 200, accounting.EntityDefined{Entity: "default", TimeZone: "America/New_York"})
	define(t, &c, 300, accounting.EntityDefined{Entity: "baltics", TimeZone: "Europe/Vilnius", Accounts: []string{"connectpay/lt"}})
	c.Lock("baltics", accounting.Lock{Position: 150, Through: october.Last()})
	c.Lock("baltics", accounting.Lock{Position: 150, Through: october.Next().Last()}) // taken already
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	late := at("2026-10-31T23:30:00Z") // November in Vilnius, October elsewhere
	for _, tc := range []struct {
		source, account string
		occurred        time.Time
		position        uint64
		entity          string
		value, posting  string
	}{
		{"decta", "lt", late, 99, "default", "2026-10-31", "2026-10-31"},     // not defined yet
		{"decta", "lt", late, 101, "baltics", "2026-11-01", "2026-11-01"},    // Vilnius
		{"decta", "eu", late, 101, "default", "2026-10-31", "2026-10-31"},    // another account
		{"everifin", "lt", late, 101, "default", "2026-10-31", "2026-10-31"}, // another gateway
		{"decta", "lt", at("2026-10-15T10:00:00Z"), 149, "baltics", "2026-10-15", "2026-10-15"},
		{"decta", "lt", at("2026-10-15T10:00:00Z"), 151, "baltics", "2026-10-15", "2026-11-01"}, // closed
		{"decta", "eu", at("2026-10-15T10:00:00Z"), 151, "default", "2026-10-15", "2026-10-15"}, // not for others
		{"decta", "eu", at("2026-10-15T02:00:00Z"), 201, "default", "2026-10-14", "2026-10-14"}, // New York
		{"decta", "lt", at("2026-10-15T02:00:00Z"), 301, "default", "2026-10-14", "2026-11-01"}, // given up, October closed
		{"connectpay", "lt", late, 301, "baltics", "2026-11-01", "2026-11-01"},
	} {
		got := c.Book(occurrence(tc.source, tc.account, tc.occurred, tc.position))
		if v, p := got.ValueDate.Format(time.DateOnly), got.PostingDate.Format(time.DateOnly); got.Entity != tc.entity || v != tc.value || p != tc.posting {
			t.Errorf("%s/%s at %d: %s %s %s, want %s %s %s", tc.source, tc.account, tc.position, got.Entity, v, p, tc.entity, tc.value, tc.posting)
		}
	}
	if all := c.Entities(); len(all) != 2 || all[0].Entity != "baltics" || len(all[0].Accounts) != 1 || all[1].TimeZone != "America/New_York" {
		t.Errorf("entities %+v", all)
	}
}

// TestCalendar_ClosedDaysStayClosed: an account that moves to the books of another entity takes its closed days with it.
func TestCalendar_ClosedDaysStayClosed(t *testing.T) {
	t.Parallel()
	october, err := accounting.ParsePeriod("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	var c accounting.Calendar
	c.Lock("default", accounting.Lock{Position: 50, Through: october.Last()})
	define(t, &c, 100, accounting.EntityDefined{Entity: "a", Accounts: []string{"decta/lt"}})
	c.Lock("a", accounting.Lock{Position: 150, Through: october.Next().Last()})
	define(t, &c, 200, accounting.EntityDefined{Entity: "a", Accounts: []string{"decta/other"}})
	define(t, &c, 300, accounting.EntityDefined{Entity: "b", Accounts: []string{"decta/lt"}})
	for _, tc := range []struct {
		account  string
		position uint64
		want     string
	}{
		{"lt", 49, "2026-10-15"}, {"lt", 99, "2026-11-01"}, {"lt", 120, "2026-11-01"}, {"lt", 160, "2026-12-01"},
		{"lt", 250, "2026-12-01"}, {"lt", 350, "2026-12-01"}, {"eu", 350, "2026-11-01"}, {"other", 350, "2026-12-01"},
	} {
		if got := c.Book(occurrence("decta", tc.account, on, tc.position)).PostingDate.Format(time.DateOnly); got != tc.want {
			t.Errorf("%s at %d is posted on %s, want %s", tc.account, tc.position, got, tc.want)
		}
	}
}

// TestCalendar_DaysAreDays: a day that a source tells is that day, west and east of Greenwich.
func TestCalendar_DaysAreDays(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"America/New_York", "Europe/Vilnius", "Pacific/Kiritimati", ""} {
		var c accounting.Calendar
		define(t, &c, 100, accounting.EntityDefined{Entity: "default", TimeZone: zone})
		day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		o := occurrence("decta", "eu", day, 101)
		o.Basis = order.BasisSourceDay
		if b := c.Book(o); !b.ValueDate.Equal(day) || !b.PostingDate.Equal(day) {
			t.Errorf("in %s: %+v, want %s", zone, b, day.Format(time.DateOnly))
		}
	}
}

// TestCalendar_OrdersStay: an order stays in the books of its first event when its account moves, in their time zone and
// with their closed days.
func TestCalendar_OrdersStay(t *testing.T) {
	t.Parallel()
	october, err := accounting.ParsePeriod("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	var c accounting.Calendar
	define(t, &c, 100, accounting.EntityDefined{Entity: "a", Accounts: []string{"decta/lt"}, TimeZone: "Europe/Vilnius"})
	define(t, &c, 200, accounting.EntityDefined{Entity: "a", Accounts: []string{"decta/other"}, TimeZone: "Europe/Vilnius"})
	define(t, &c, 300, accounting.EntityDefined{Entity: "b", Accounts: []string{"decta/lt"}})
	c.Lock("a", accounting.Lock{Position: 250, Through: october.Last()})
	c.Lock("b", accounting.Lock{Position: 350, Through: october.Next().Last()})
	late := time.Date(2026, 10, 30, 23, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		first, position        uint64
		entity, value, posting string
	}{
		{50, 50, "default", "2026-10-30", "2026-10-30"}, {50, 400, "default", "2026-10-30", "2026-10-30"},
		{150, 150, "a", "2026-10-31", "2026-10-31"}, {150, 210, "a", "2026-10-31", "2026-10-31"}, {150, 400, "a", "2026-10-31", "2026-11-01"},
		{310, 310, "b", "2026-10-30", "2026-10-30"}, {310, 400, "b", "2026-10-30", "2026-12-01"},
	} {
		o := occurrence("decta", "lt", late, tc.position)
		o.FirstPosition = tc.first
		b := c.Book(o)
		if v, p := b.ValueDate.Format(time.DateOnly), b.PostingDate.Format(time.DateOnly); b.Entity != tc.entity || v != tc.value || p != tc.posting {
			t.Errorf("%d of an order from %d on: %s %s %s, want %s %s %s", tc.position, tc.first, b.Entity, v, p, tc.entity, tc.value, tc.posting)
		}
	}
}

func TestEntityDefined_Check(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]accounting.EntityDefined{
		"NoName": {Accounts: []string{"decta/a"}}, "Taken": {Entity: "entities", Accounts: []string{"decta/a"}},
		"Stream": {Entity: "a/b", Accounts: []string{"decta/a"}}, "NoAccounts": {Entity: "a"},
		"DefaultWithAccounts": {Entity: "default", Accounts: []string{"decta/a"}}, "HalfAnAccount": {Entity: "a", Accounts: []string{"decta"}},
		"TimeZone": {Entity: "a", Accounts: []string{"decta/a"}, TimeZone: "Europe/Nowhere"},
	} {
		if err := d.Check(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
