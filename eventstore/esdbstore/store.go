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
	// discoverAttempts is how often one client looks at all seeds. It is not
	// the connection string's: a client that found nothing is replaced, and
	// whoever calls decides how long to go on.
	discoverAttempts = 1
	// callTimeout ends appends and look-ups that nobody else bounds.
	callTimeout = 30 * time.Second
	// retryAttemptsMax and retryDelayMax bound how a call that is safe to
	// repeat is repeated while the server is away.
	retryAttemptsMax = 8
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
	// root ends when the store is closed.
	root   context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	current *session // nil before the first call and after a lost connection
	// sessions are all that are not closed yet.
	sessions map[*session]struct{}
	closed   bool
	// work counts the goroutines that may be inside of a client.
	work sync.WaitGroup
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
	config.MaxDiscoverAttempts = discoverAttempts
	config.Logger = func(level esdb.LogLevel, format string, args ...any) {
		if len(args) == 1 { // the client hands its arguments over as one slice at times
			if inner, ok := args[0].([]any); ok {
				args = inner
			}
		}
		logger.Debug("event store client", slog.String("client_level", level), slog.String("message", fmt.Sprintf(format, args...)))
	}
	s := &Store{config: config, logger: logger, watchdog: o.Watchdog, sessions: map[*session]struct{}{}}
	s.root, s.cancel = context.WithCancelCause(context.Background())
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

// Close ends the calls, reads and subscriptions under way, waits until they have
// left the client, and closes the connection. It does not wait for consumers:
// a sequence that is still being consumed ends with ErrClosed at its next step.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cancel(eventstore.ErrClosed)
	s.mu.Unlock()
	left := make(chan struct{})
	go func() {
		defer close(left)
		s.work.Wait()
	}()
	timer := time.NewTimer(stuckTimeout)
	defer timer.Stop()
	select {
	case <-left:
	case <-timer.C:
		s.logger.Warn("event store client does not let go of its callers, breaking them off")
	}
	s.mu.Lock()
	for ses := range s.sessions {
		s.closeSession(ses)
	}
	s.current = nil
	s.mu.Unlock()
	<-left
	return nil
}

// start runs a piece of work that Close waits for, unless it is closed.
func (s *Store) start(work func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(work)
	return true
}

// enter makes the context of one call, which ends when the store is closed.
func (s *Store) enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if s.root.Err() != nil {
		return nil, nil, eventstore.ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.root, func() { cancel(eventstore.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}, nil
}

// final is an error after which a call must not be repeated.
type final struct{ error }

// retry repeats a call that is safe to repeat while the server is away.
func (s *Store) retry(ctx context.Context, what string, try func() error) error {
	for attempt := range retryAttemptsMax {
		err := try()
		if f, ok := err.(final); ok { //nolint:errorlint // it is only ever the outermost error
			return f.error
		}
		if err == nil || !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil || attempt == retryAttemptsMax-1 {
			return err
		}
		delay := rand.N(min(20*time.Millisecond<<attempt, retryDelayMax)) + time.Millisecond
		s.logger.DebugContext(ctx, "event store call failed, trying again", slog.String("call", what),
			slog.Duration("after", delay), slog.Any("error", err))
		if wait(ctx, delay) != nil {
			return err
		}
	}
	return nil
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
