package accounting

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// EntityDefinedType names the event that says which merchant accounts a legal entity keeps books of, and in which time
// zone its days are.
const EntityDefinedType = "EntityDefined"

// EntityStream is where entities are defined. It is a stream of periods that no entity may be named after.
const EntityStream = PeriodStreamPrefix + entityRegistry

const entityRegistry = "entities"

// EntityDefined is the data of that event. The newest one of an entity counts for orders whose first event comes after
// it; earlier orders stay in the books that they are in. Accounts that no entity names belong to DefaultEntity.
type EntityDefined struct {
	Entity string `json:"entity"`
	// TimeZone is a name of the IANA database, like Europe/Vilnius; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Accounts are merchant accounts, like decta/shop-eu.
	Accounts []string `json:"accounts"`
}

var entityName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Check says what is wrong with a definition.
func (d *EntityDefined) Check() error {
	switch {
	case !entityName.MatchString(d.Entity) || d.Entity == entityRegistry:
		return fmt.Errorf("entity %q is not named with a-z, 0-9 and '-', or its name is taken", d.Entity)
	case d.Entity == DefaultEntity && len(d.Accounts) > 0:
		return fmt.Errorf("entity %s keeps the books of the accounts that no other entity names", DefaultEntity)
	case d.Entity != DefaultEntity && len(d.Accounts) == 0:
		return errors.New("say which merchant accounts the entity keeps books of, like decta/shop-eu")
	}
	for _, account := range d.Accounts {
		if source, name, ok := strings.Cut(account, "/"); !ok || source == "" || name == "" {
			return fmt.Errorf("account %q is not like decta/shop-eu", account)
		}
	}
	_, err := time.LoadLocation(d.TimeZone)
	return err
}

// definition is an entity as it is from a place in the log on.
type definition struct {
	EntityDefined

	position uint64
	zone     *time.Location
}

// Calendar says, for every place in the log, whose books an event is in and which of their days are open. Definitions and
// locks that come later do not count, so what it says never changes. The zero value is one entity in UTC with all days open.
type Calendar struct {
	definitions []definition
	locks       map[string]Locks
}

// Define takes an EntityDefined at a commit position of the log. Those that were taken already are left out.
func (c *Calendar) Define(data []byte, position uint64) error {
	d := definition{position: position}
	if err := json.Unmarshal(data, &d.EntityDefined); err != nil {
		return fmt.Errorf("decode %s: %w", EntityDefinedType, err)
	}
	if err := d.Check(); err != nil {
		return fmt.Errorf("%s: %w", EntityDefinedType, err)
	}
	d.zone, _ = time.LoadLocation(d.TimeZone) // checked
	if n := len(c.definitions); n == 0 || c.definitions[n-1].position < position {
		c.definitions = append(c.definitions, d)
	}
	return nil
}

// Lock takes a lock of an entity's books. Those that were taken already are left out.
func (c *Calendar) Lock(entity string, l Lock) {
	if c.locks == nil {
		c.locks = map[string]Locks{}
	}
	if n := len(c.locks[entity]); n == 0 || c.locks[entity][n-1].Position < l.Position {
		c.locks[entity] = append(c.locks[entity], l)
	}
}

// Entities are the entities that are defined, DefaultEntity among them, each as it is now, by name.
func (c *Calendar) Entities() []EntityDefined {
	now := map[string]EntityDefined{DefaultEntity: {Entity: DefaultEntity, Accounts: []string{}}}
	for i := range c.definitions {
		now[c.definitions[i].Entity] = c.definitions[i].EntityDefined
	}
	all := make([]EntityDefined, 0, len(now))
	for _, d := range now {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b EntityDefined) int { return strings.Compare(a.Entity, b.Entity) })
	return all
}

// EntityOf is the entity that keeps the books of an account now.
func (c *Calendar) EntityOf(source, account string) string {
	return c.entity(source+"/"+account, math.MaxUint64)
}

// Booking says where and when an entry counts.
type Booking struct {
	Entity                 string
	ValueDate, PostingDate time.Time
}

// Occurrence is what is to be known of an event of an order to say where it counts.
type Occurrence struct {
	Source, Account string // of the order
	// Entity is whose books it is in where the event tells; empty is by the account.
	Entity     string
	OccurredAt time.Time
	Basis      order.Basis
	// FirstPosition is the commit position of the order's first event, Position that of the event.
	FirstPosition, Position uint64
}

// Book says where an event counts. An order stays in the books that its first event is in, so that its entries never
// split; days that were closed for its account in the books before those stay closed. What the source told a day of has
// that day as its value date in any time zone.
func (c *Calendar) Book(o Occurrence) Booking {
	b := Booking{Entity: cmp.Or(o.Entity, DefaultEntity)}
	zone, inherited := time.UTC, time.Time{}
	if len(c.definitions) > 0 {
		account := o.Source + "/" + o.Account
		if b.Entity = o.Entity; b.Entity == "" {
			b.Entity = c.entity(account, o.FirstPosition)
		}
		zone = c.zone(b.Entity, o.Position)
		inherited = c.closedBefore(account, o.FirstPosition)
	}
	if o.Basis == order.BasisSourceDay {
		zone = time.UTC
	}
	year, month, day := o.OccurredAt.In(zone).Date()
	b.ValueDate = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	b.PostingDate, _ = c.locks[b.Entity].PostingDate(b.ValueDate, o.Position)
	if !inherited.IsZero() && !b.PostingDate.After(inherited) {
		b.PostingDate = inherited.AddDate(0, 0, 1)
	}
	return b
}

// closedBefore is the last day that was closed for the account in the books that it was in before, when it left them.
func (c *Calendar) closedBefore(account string, position uint64) time.Time {
	var through time.Time
	owner := DefaultEntity
	for i := range c.definitions {
		d := &c.definitions[i]
		if d.position >= position || (d.Entity != owner && !slices.Contains(d.Accounts, account)) {
			continue
		}
		next := c.entity(account, d.position+1)
		if next != owner {
			if left := c.locks[owner].At(d.position); left.After(through) {
				through = left
			}
		}
		owner = next
	}
	return through
}

// Today is the day that it is in an entity's time zone.
func (c *Calendar) Today(entity string, now time.Time) time.Time {
	zone := time.UTC
	for i := range c.definitions {
		if c.definitions[i].Entity == entity {
			zone = c.definitions[i].zone
		}
	}
	year, month, day := now.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// entity finds the entity of an account: the newest definition of each counts.
func (c *Calendar) entity(account string, position uint64) string {
	seen := map[string]bool{}
	for i := len(c.definitions) - 1; i >= 0; i-- {
		d := &c.definitions[i]
		if d.position >= position || seen[d.Entity] {
			continue
		}
		seen[d.Entity] = true
		if slices.Contains(d.Accounts, account) {
			return d.Entity
		}
	}
	return DefaultEntity
}

// zone is that of an entity's newest definition.
func (c *Calendar) zone(entity string, position uint64) *time.Location {
	for i := len(c.definitions) - 1; i >= 0; i-- {
		if d := &c.definitions[i]; d.position < position && d.Entity == entity {
			return d.zone
		}
	}
	return time.UTC
}
