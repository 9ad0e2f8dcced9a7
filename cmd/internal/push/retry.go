package push

import (
	"cmp"
	"errors"
	"hash/fnv"
	"time"
)

// Strategy says how the pauses between attempts go.
type Strategy string

// Strategies of retrying.
const (
	// Fixed waits the same every time.
	Fixed Strategy = "fixed"
	// Exponential doubles the pause each time, up to Policy.Max, and shortens it by up to a fifth so
	// that deliveries that failed together do not come back together.
	Exponential Strategy = "exponential"
)

// Policy says how often and when a delivery that failed is tried again. The zero value is five
// retries, one a minute.
type Policy struct {
	Strategy Strategy
	// Retries is how many attempts follow the first; nil is the default.
	Retries *int
	// Interval is the pause, or the first of them.
	Interval time.Duration
	// Max bounds the pause; of Exponential only.
	Max time.Duration
}

// Defaults of policies.
const (
	DefaultRetries             = 5
	DefaultInterval            = time.Minute
	DefaultExponentialRetries  = 12
	DefaultExponentialInterval = 5 * time.Second
	DefaultExponentialMax      = 6 * time.Hour
	retriesMax                 = 100
)

func (p Policy) withDefaults() Policy {
	p.Strategy = cmp.Or(p.Strategy, Fixed)
	if p.Strategy == Exponential {
		p.Retries, p.Interval = orDefault(p.Retries, DefaultExponentialRetries), cmp.Or(p.Interval, DefaultExponentialInterval)
		p.Max = cmp.Or(p.Max, DefaultExponentialMax)
		return p
	}
	p.Retries, p.Interval = orDefault(p.Retries, DefaultRetries), cmp.Or(p.Interval, DefaultInterval)
	return p
}

func (p Policy) validate() error {
	switch {
	case p.Strategy != Fixed && p.Strategy != Exponential:
		return errors.New("retry: strategy is not fixed or exponential")
	case *p.Retries < 0 || *p.Retries > retriesMax:
		return errors.New("retry: retries are 0 to 100")
	case p.Interval < time.Second:
		return errors.New("retry: interval is less than a second")
	case p.Strategy == Exponential && p.Max < p.Interval:
		return errors.New("retry: max is less than interval")
	}
	return nil
}

// next is the pause after so many failed attempts of a delivery, from 1; false when it is given up.
func (p Policy) next(attempts int, deliveryID string) (time.Duration, bool) {
	if attempts > *p.Retries {
		return 0, false
	}
	if p.Strategy != Exponential {
		return p.Interval, true
	}
	pause := p.Interval
	for i := 1; i < attempts && pause < p.Max; i++ {
		pause *= 2
	}
	pause = min(pause, p.Max)
	h := fnv.New32a()
	_, _ = h.Write([]byte(deliveryID)) // never fails
	_, _ = h.Write([]byte{byte(attempts)})
	return pause - time.Duration(uint64(pause)/5*uint64(h.Sum32()%1024)/1024), true
}
