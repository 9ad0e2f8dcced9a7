package accounting_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestCalendar_AClosedMonthVerifiesForever: entities take accounts over and give them back, months are closed and opened
// again, and orders go on: what a closed month had when it was closed is what it has when it is asked at that place in the
// log ever after, and nothing that is recorded while it is closed is posted in it.
func TestCalendar_AClosedMonthVerifiesForever(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var (
			c       accounting.Calendar
			events  []accounting.Occurrence
			opened  = map[string]uint64{} // orders, by the position of their first event
			through = map[string]time.Time{}
			closed  []struct {
				entity   string
				through  time.Time
				position uint64
				had      []string
			}
		)
		had := func(entity string, through time.Time, position uint64) (lines []string) {
			for i, e := range events {
				if b := c.Book(e); e.Position < position && b.Entity == entity && !b.PostingDate.After(through) {
					lines = append(lines, fmt.Sprint(i, b))
				}
			}
			return lines
		}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			position := uint64(step+1) * 10
			entity := rapid.SampledFrom([]string{"default", "baltics", "iberia"}).Draw(t, "entity")
			switch rapid.SampledFrom([]string{"define", "close", "event", "event", "event", "reopen"}).Draw(t, "step") {
			case "define":
				if entity == "default" {
					continue
				}
				accounts := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"decta/a", "decta/b"}), 1, 2, rapid.ID[string]).Draw(t, "accounts")
				define(t, &c, position, accounting.EntityDefined{Entity: entity, TimeZone: rapid.SampledFrom([]string{"", "Europe/Vilnius", "America/New_York"}).Draw(t, "zone"), Accounts: accounts})
			case "close", "reopen":
				last := accounting.PeriodOf(first.AddDate(0, rapid.IntRange(0, 2).Draw(t, "month"), 0)).Last()
				c.Lock(entity, accounting.Lock{Position: position, Through: last})
				through[entity] = last
				closed = append(closed, struct {
					entity   string
					through  time.Time
					position uint64
					had      []string
				}{entity, last, position, had(entity, last, position)})
			case "event":
				account := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")
				key := account + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "order")
				if opened[key] == 0 {
					opened[key] = position
				}
				e := accounting.Occurrence{
					Source: "decta", Account: account, Basis: rapid.SampledFrom([]order.Basis{order.BasisSourceField, order.BasisSourceDay}).Draw(t, "basis"),
					OccurredAt: first.AddDate(0, 0, rapid.IntRange(0, 90).Draw(t, "day")), FirstPosition: opened[key], Position: position,
				}
				if rapid.Bool().Draw(t, "a statement's") {
					e.FirstPosition, e.Entity = position, entity
				}
				events = append(events, e)
				if b := c.Book(e); !b.PostingDate.After(through[b.Entity]) {
					t.Fatalf("%+v is posted on %s in the books of %s, which are closed through %s", e, b.PostingDate, b.Entity, through[b.Entity])
				}
			}
		}
		for _, month := range closed {
			if now := had(month.entity, month.through, month.position); !slices.Equal(now, month.had) {
				t.Fatalf("%s through %s had %v, and has %v", month.entity, month.through, month.had, now)
			}
		}
	})
}
