package httpcall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// Defaults of Options.
const (
	DefaultTimeout      = 10 * time.Second
	DefaultAttempts     = 4
	DefaultPauseMin     = 500 * time.Millisecond
	DefaultPauseMax     = 30 * time.Second
	DefaultPerSecond    = 1.0
	DefaultBurst        = 5
	DefaultOpenAfter    = 5
	DefaultOpenFor      = 30 * time.Second
	answerBytesMax      = 4 << 20
	errorBodyBytesShown = 512
)

// Options configure a Caller. The zero value of each field means its default.
type Options struct {
	// Name is shown in messages: "decta/shop-eu".
	Name string
	// Client does the calls; its own Timeout is not used. nil is a client of its own.
	Client *http.Client
	// Timeout bounds one attempt, reading of the answer included.
	Timeout time.Duration
	// Attempts bounds how often one call is tried.
	Attempts int
	// PauseMin and PauseMax bound the pause between attempts, which doubles and is jittered. A
	// Retry-After beyond PauseMax ends the call.
	PauseMin, PauseMax time.Duration
	// PerSecond and Burst pace commands, and what belongs to them. PollsPerSecond paces what is asked
	// without haste (see Polling), beside them, so that no command waits for it; its default is PerSecond.
	PerSecond, PollsPerSecond float64
	Burst                     int
	// OpenAfter failed attempts in a row open the circuit for OpenFor.
	OpenAfter uint32
	OpenFor   time.Duration
	Logger    *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: noRedirect}
	}
	o.Timeout = or(o.Timeout, DefaultTimeout)
	o.Attempts = or(o.Attempts, DefaultAttempts)
	o.PauseMin = or(o.PauseMin, DefaultPauseMin)
	o.PauseMax = or(o.PauseMax, DefaultPauseMax)
	o.PerSecond = or(o.PerSecond, DefaultPerSecond)
	o.PollsPerSecond = or(o.PollsPerSecond, o.PerSecond)
	o.Burst = or(o.Burst, DefaultBurst)
	o.OpenAfter = or(o.OpenAfter, DefaultOpenAfter)
	o.OpenFor = or(o.OpenFor, DefaultOpenFor)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// noRedirect keeps credentials from following a redirect elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// Caller calls one account of a gateway. It is safe for use by many goroutines.
type Caller struct {
	o       Options
	pace    *rate.Limiter
	polls   *rate.Limiter
	breaker *gobreaker.CircuitBreaker[answer]
}

// New makes a caller.
func New(o Options) *Caller {
	o = o.withDefaults()
	return &Caller{
		o: o, pace: rate.NewLimiter(rate.Limit(o.PerSecond), o.Burst), polls: rate.NewLimiter(rate.Limit(o.PollsPerSecond), o.Burst),
		breaker: gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
			Name: o.Name, Timeout: o.OpenFor, MaxRequests: 1,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= o.OpenAfter },
			IsSuccessful: func(err error) bool {
				// A gateway that says no, or that it is asked too often, is up; a caller that gave
				// up says nothing about it.
				return err == nil || Refused(err) || isStatus(err, http.StatusTooManyRequests) || errors.Is(err, context.Canceled)
			},
			OnStateChange: func(name string, from, to gobreaker.State) {
				o.Logger.Warn("circuit of a gateway", slog.String("account", name),
					slog.String("from", from.String()), slog.String("to", to.String()))
			},
		}),
	}
}

type pollingKey struct{}

// Polling marks calls that nobody waits for: they have a pace of their own, and hold no command up.
func Polling(ctx context.Context) context.Context {
	return context.WithValue(ctx, pollingKey{}, true)
}

// Request is one call.
type Request struct {
	// Call names it for people: "POST refund".
	Call   string
	Method string
	URL    string
	Body   []byte
	Header http.Header
	// Repeatable: executing it twice does what executing it once does. GETs are; a POST is when the
	// gateway recognises a repetition by an id of ours.
	Repeatable bool
	// Authorise puts credentials and signatures on each attempt; nil for none.
	Authorise func(ctx context.Context, r *http.Request, body []byte) error
	// Renew forgets credentials that the gateway answered with 401; the call is then tried once more.
	// nil when there is nothing to renew.
	Renew func()
	// Explain reads the gateway's code and message from the body of a refusal; nil for none.
	Explain func(body []byte) (code, message string)
}

type answer struct {
	status int
	body   []byte
}

// Do calls and returns the body of a 2xx answer.
//
// Errors: *StatusError; ErrOutcomeUnknown when the gateway may have executed a call that is not
// repeatable; ErrUnavailable when it did not and all attempts are used up; ctx's.
func (c *Caller) Do(ctx context.Context, r Request) ([]byte, error) {
	renewed := r.Renew == nil
	perhaps := false // an earlier attempt may have been executed
	for attempt := 1; ; attempt++ {
		pace := c.pace
		if ctx.Value(pollingKey{}) != nil {
			pace = c.polls
		}
		if err := pace.Wait(ctx); err != nil {
			return nil, fmt.Errorf("%s: wait for the pace of %s: %w", r.Call, c.o.Name, err)
		}
		sent := false
		got, err := c.breaker.Execute(func() (answer, error) {
			sent = true
			return c.attempt(ctx, r)
		})
		if err == nil {
			return got.body, nil
		}
		if ctx.Err() != nil && !sent {
			return nil, fmt.Errorf("%s: %w", r.Call, context.Cause(ctx))
		}
		if !renewed && isStatus(err, http.StatusUnauthorized) {
			renewed = true
			r.Renew()
			continue
		}
		refused := Refused(err)
		if refused && !perhaps {
			return nil, err
		}
		perhaps = perhaps || (sent && !refused && r.Method != http.MethodGet && !notExecuted(err))
		pause, again := c.pause(attempt, err)
		switch {
		case perhaps && (refused || !again || !r.Repeatable):
			return nil, fmt.Errorf("%s: %w: %w", r.Call, ErrOutcomeUnknown, err)
		case !again:
			return nil, fmt.Errorf("%s: %w after %d attempts: %w", r.Call, ErrUnavailable, attempt, err)
		}
		c.o.Logger.Debug("call a gateway again", slog.String("account", c.o.Name), slog.String("call", r.Call),
			slog.Int("attempt", attempt), slog.Duration("pause", pause), slog.Any("error", err))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%s: %w", r.Call, context.Cause(ctx))
		}
	}
}

// notExecuted tells whether a failed attempt certainly did nothing at the gateway: it was told to
// come back later, or no connection was made.
func notExecuted(err error) bool {
	var dial *net.OpError
	return isStatus(err, http.StatusTooManyRequests) || (errors.As(err, &dial) && dial.Op == "dial") ||
		errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, errNotSent)
}

// errNotSent marks what failed before anything left this machine.
var errNotSent = errors.New("not sent")

func isStatus(err error, status int) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == status
}

// pause is how long to wait before the next attempt; false when there is none.
func (c *Caller) pause(attempt int, err error) (time.Duration, bool) {
	if attempt >= c.o.Attempts || errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return 0, false
	}
	limit := min(c.o.PauseMin<<min(attempt-1, 20), c.o.PauseMax)
	wait := limit/2 + rand.N(limit/2+1)
	var status *StatusError
	if errors.As(err, &status) && status.RetryAfter > 0 {
		if status.RetryAfter > c.o.PauseMax {
			return 0, false
		}
		wait = max(wait, status.RetryAfter)
	}
	return wait, true
}

func (c *Caller) attempt(ctx context.Context, r Request) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("no answer within %s", c.o.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Authorise != nil {
		if err := r.Authorise(ctx, req, r.Body); err != nil {
			return answer{}, fmt.Errorf("authorise: %w: %w", errNotSent, err)
		}
	}
	res, err := c.o.Client.Do(req)
	if err != nil {
		return answer{}, because(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax+1))
	switch {
	case err != nil:
		return answer{}, because(ctx, err)
	case len(body) > answerBytesMax:
		return answer{}, fmt.Errorf("the answer is longer than %d bytes", answerBytesMax)
	case res.StatusCode/100 == 2:
		return answer{status: res.StatusCode, body: body}, nil
	}
	e := &StatusError{Call: r.Call, Status: res.StatusCode, RetryAfter: retryAfter(res.Header, time.Now())}
	if r.Explain != nil {
		e.Code, e.Message = r.Explain(body)
		e.Message = e.Message[:min(len(e.Message), errorBodyBytesShown)]
	}
	return answer{}, e
}

// because adds why a context ended to the error that its end caused.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return err
}

// retryAfter reads seconds or an HTTP date; zero when there is neither.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
