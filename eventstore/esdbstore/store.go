package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// discoverAttemptsMax bounds one client's search for a server before the
	// session replaces the client.
	discoverAttemptsMax = 20
	// callTimeout ends appends and look-ups that nobody else bounds.
	callTimeout = 30 * time.Second
	// retryAttemptsMax and retryDelayMax bound how a call that is safe to
	// repeat is repeated while the server is away.
	retryAttemptsMax = 5
	retryDelayMax    = time.Second
)

// Options configure a Store. ConnectionString is required.
type Options struct {
	// ConnectionString is an esdb://, esdb+discover:// or kurrentdb:// URL. It
	// may carry a password; it is never logged.
	ConnectionString string
	Logger           *slog.Logger // nil discards
	// Watchdog is how long a subscription may stay silent while the log grows
	// before it is taken for dead and renewed; 0 is 30 s.
	Watchdog time.Duration
}

// Store is the port over a server. It is safe for use by many goroutines.
type Store struct {
	config   *esdb.Configuration
	logger   *slog.Logger
	watchdog time.Duration

	mu     sync.Mutex
	client *esdb.Client // nil before the first call and after a death
	closed bool
	// open counts reads, subscriptions and calls under way: the client panics
	// when it is closed under one of them.
	open sync.WaitGroup
	done chan struct{}
}

var _ eventstore.Store = (*Store)(nil)

// Open makes a store. It does not connect: a server that is away answers the
// first call with ErrUnavailable, and calls succeed once it is back.
func Open(o Options) (*Store, error) {
	text := o.ConnectionString
	if rest, ok := strings.CutPrefix(text, "kurrentdb"); ok {
		text = "esdb" + rest
	}
	config, err := esdb.ParseConnectionString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: event store connection string: %s", eventstore.ErrInvalid, withoutSecrets(err, text))
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	config.MaxDiscoverAttempts = max(config.MaxDiscoverAttempts, discoverAttemptsMax)
	config.Logger = func(level esdb.LogLevel, format string, args ...any) {
		if len(args) == 1 { // the client hands its arguments over as one slice at times
			if inner, ok := args[0].([]any); ok {
				args = inner
			}
		}
		logger.Debug("event store client", slog.String("client_level", level), slog.String("message", fmt.Sprintf(format, args...)))
	}
	s := &Store{config: config, logger: logger, watchdog: o.Watchdog, done: make(chan struct{})}
	if s.watchdog == 0 {
		s.watchdog = 30 * time.Second
	}
	return s, nil
}

// withoutSecrets keeps the connection string, which may hold a password, out
// of an error's text.
func withoutSecrets(err error, text string) string {
	return strings.ReplaceAll(err.Error(), text, "…")
}

// Close waits for the calls, reads and subscriptions under way, which it ends,
// and closes the connection.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	s.open.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close event store client: %w", err)
	}
	return nil
}

// enter counts a piece of work; its context ends when the store is closed.
func (s *Store) enter(ctx context.Context) (context.Context, context.CancelCauseFunc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, eventstore.ErrClosed
	}
	s.open.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-s.done:
			cancel(eventstore.ErrClosed)
		case <-stop:
		}
	}()
	var once sync.Once
	return ctx, func(cause error) {
		once.Do(func() {
			close(stop)
			cancel(cause)
			s.open.Done()
		})
	}, nil
}

// connected returns the client, making a new one after a death.
func (s *Store) connected() (*esdb.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		client, err := esdb.NewClient(s.config)
		if err != nil {
			return nil, joined(eventstore.ErrUnavailable, err)
		}
		s.client = client
	}
	return s.client, nil
}

// bury forgets a dead client, so that the next call makes a new one. A dead
// client has nothing left to close.
func (s *Store) bury(dead *esdb.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == dead {
		s.client = nil
	}
}

// call runs one use of the client, bounded by ctx whatever the client does,
// with panics turned into errors. abandoned, if not nil, gets the value of a
// use that came too late.
func call[T any](ctx context.Context, s *Store, use func(*esdb.Client) (T, error), abandoned func(T)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var zero T
	client, err := s.connected()
	if err != nil {
		return zero, err
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("%w: event store client panicked: %v", eventstore.ErrUnavailable, p)
			}
			answers <- a
		}()
		a.value, a.err = use(client)
	}()
	select {
	case a := <-answers:
		var e *esdb.Error
		if errors.As(a.err, &e) && e.Code() == esdb.ErrorCodeConnectionClosed {
			s.bury(client)
		}
		return a.value, a.err
	case <-ctx.Done():
		if abandoned != nil {
			go func() {
				if a := <-answers; a.err == nil {
					abandoned(a.value)
				}
			}()
		}
		return zero, context.Cause(ctx)
	}
}

// retry repeats a call that is safe to repeat while the server is away.
func (s *Store) retry(ctx context.Context, what string, try func() error) error {
	var err error
	for attempt := range retryAttemptsMax {
		if err = try(); err == nil || !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		delay := rand.N(min(20*time.Millisecond<<attempt, retryDelayMax)) + time.Millisecond
		s.logger.DebugContext(ctx, "event store call failed, trying again", slog.String("call", what),
			slog.Duration("after", delay), slog.Any("error", err))
		if waitErr := wait(ctx, delay); waitErr != nil {
			return err
		}
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
