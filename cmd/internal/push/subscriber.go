package push

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Template names a shape of bodies.
type Template string

// Shapes of bodies.
const (
	// Standard has the event and the order's names.
	Standard Template = "standard"
	// Full adds the whole order as it was after the event.
	Full Template = "full"
	// StatusChange is like the gateways' payment.statusChange: ids and the new status.
	StatusChange Template = "status_change"
)

// Defaults and bounds of subscribers.
const (
	DefaultTimeout      = 10 * time.Second
	TimeoutMax          = time.Minute
	DefaultConcurrency  = 8
	ConcurrencyMax      = 64
	DefaultDisableAfter = 10
	// SubscribersMax bounds how many there are: each has goroutines and reads the log.
	SubscribersMax = 64
)

// Subscriber is one receiver of webhooks, as configured.
type Subscriber struct {
	Name string
	URL  *url.URL
	// Secrets sign, the newest first; two are valid while they are rotated. Each is raw bytes.
	Secrets [][]byte
	// Events are names (see Names) or prefixes that end with "*"; none is every event.
	Events   []string
	Template Template
	Retry    Policy
	// Ordered has later events of an order wait until the earlier ones were delivered or dropped.
	Ordered bool
	// AllowPrivate lets the URL be plain HTTP, and lead to loopback and private addresses.
	AllowPrivate bool
	// TestOrders adds the events of test orders.
	TestOrders bool
	// FromBeginning has a new subscriber get the whole log, and not only what comes later.
	FromBeginning bool
	// Timeout bounds one attempt, the answer's body included.
	Timeout time.Duration
	// Concurrency is how many requests may be under way at once.
	Concurrency int
	// DisableAfter is how many deliveries may be given up, with none delivered between, until the
	// subscriber is disabled; 0 is never, nil the default.
	DisableAfter *int
}

var subscriberName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// WithDefaults fills what was left out.
func (s Subscriber) WithDefaults() Subscriber {
	s.Template = cmp.Or(s.Template, Standard)
	s.Timeout = cmp.Or(s.Timeout, DefaultTimeout)
	s.Concurrency = cmp.Or(s.Concurrency, DefaultConcurrency)
	s.DisableAfter = orDefault(s.DisableAfter, DefaultDisableAfter)
	s.Retry = s.Retry.withDefaults()
	return s
}

// orDefault tells what was left out from what is 0.
func orDefault(value *int, fallback int) *int {
	if value == nil {
		return &fallback
	}
	return value
}

// Validate tells what is wrong with a subscriber that has its defaults.
func (s *Subscriber) Validate() error {
	switch {
	case !subscriberName.MatchString(s.Name):
		return errors.New("a subscriber is named with a-z, 0-9, '.', '_' and '-'")
	case s.URL == nil || s.URL.Host == "" || (s.URL.Scheme != "https" && s.URL.Scheme != "http"):
		return errors.New("url is not https://HOST/PATH")
	case s.URL.User != nil:
		return errors.New("url has a user or a password in it: requests are signed instead")
	case s.URL.Scheme == "http" && !s.AllowPrivate:
		return errors.New("url is plain http, which only private addresses may be (allow_private: true)")
	case len(s.Secrets) == 0 || len(s.Secrets) > 2:
		return errors.New("secrets: one, or two while they are rotated")
	case !slices.Contains([]Template{Standard, Full, StatusChange}, s.Template):
		return errors.New("template is not standard, full or status_change")
	case s.Timeout < 0 || s.Timeout > TimeoutMax:
		return fmt.Errorf("timeout is at most %s", TimeoutMax)
	case s.Concurrency < 0 || s.Concurrency > ConcurrencyMax:
		return fmt.Errorf("concurrency is at most %d", ConcurrencyMax)
	case *s.DisableAfter < 0:
		return errors.New("disable_after is negative")
	}
	for _, secret := range s.Secrets {
		if len(secret) < secretBytesMin {
			return fmt.Errorf("secrets: one has fewer than %d bytes", secretBytesMin)
		}
	}
	for _, pattern := range s.Events {
		if !slices.ContainsFunc(Names(), func(name string) bool { return matches(pattern, name) }) {
			return fmt.Errorf("events: no event is named %q; there are %s", pattern, strings.Join(Names(), ", "))
		}
	}
	return s.Retry.validate()
}

// Wants tells whether the subscriber gets events of this name.
func (s *Subscriber) Wants(name string) bool {
	return len(s.Events) == 0 || slices.ContainsFunc(s.Events, func(pattern string) bool { return matches(pattern, name) })
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
