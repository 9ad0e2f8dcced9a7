package config

import (
	"fmt"
	"net/url"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

// webhook is a subscriber of outgoing webhooks as the YAML file has it. Secrets are references ("env:NAME",
// "file:path"), durations like 10s and 1m.
type webhook struct {
	Name     string   `yaml:"name"`
	URL      string   `yaml:"url"`
	Secrets  []string `yaml:"secrets"`
	Events   []string `yaml:"events"`
	Template string   `yaml:"template"`
	Retry    struct {
		Strategy string        `yaml:"strategy"`
		Retries  *int          `yaml:"retries"`
		Interval time.Duration `yaml:"interval"`
		Max      time.Duration `yaml:"max"`
	} `yaml:"retry"`
	Ordered       bool          `yaml:"ordered"`
	AllowPrivate  bool          `yaml:"allow_private"`
	TestOrders    bool          `yaml:"test_orders"`
	FromBeginning bool          `yaml:"from_beginning"`
	Timeout       time.Duration `yaml:"timeout"`
	Concurrency   int           `yaml:"concurrency"`
	DisableAfter  *int          `yaml:"disable_after"`
}

// LoadSubscribers reads who gets webhooks.
func LoadSubscribers(s Settings) ([]push.Subscriber, error) {
	if s.File == "" {
		return nil, nil
	}
	f, err := readFile(s.File)
	if err != nil {
		return nil, err
	}
	var subscribers []push.Subscriber
	names := map[string]bool{}
	for i := range f.Webhooks {
		w := &f.Webhooks[i]
		subscriber, err := w.subscriber()
		if err == nil && names[w.Name] {
			err = fmt.Errorf("the name is taken")
		}
		if err != nil {
			return nil, fmt.Errorf("configuration %s: webhooks[%d] (%s): %w", s.File, i, w.Name, err)
		}
		names[w.Name] = true
		subscribers = append(subscribers, subscriber)
	}
	return subscribers, nil
}

func (w *webhook) subscriber() (push.Subscriber, error) {
	at, err := url.Parse(w.URL)
	if err != nil {
		return push.Subscriber{}, fmt.Errorf("url is not https://HOST/PATH")
	}
	s := push.Subscriber{
		Name: w.Name, URL: at, Events: w.Events, Template: push.Template(w.Template), Ordered: w.Ordered, AllowPrivate: w.AllowPrivate,
		TestOrders: w.TestOrders, FromBeginning: w.FromBeginning, Timeout: w.Timeout, Concurrency: w.Concurrency, DisableAfter: w.DisableAfter,
		Retry: push.Policy{Strategy: push.Strategy(w.Retry.Strategy), Retries: w.Retry.Retries, Interval: w.Retry.Interval, Max: w.Retry.Max},
	}
	for _, reference := range w.Secrets {
		text, err := signature.ResolveSecret(reference)
		if err != nil {
			return s, fmt.Errorf("secrets: %w", err)
		}
		secret, err := push.ParseSecret(text)
		if err != nil {
			return s, fmt.Errorf("secrets: %w", err)
		}
		s.Secrets = append(s.Secrets, secret)
	}
	s = s.WithDefaults()
	return s, s.Validate()
}
