package feed

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/eventstore"
)

// What Config leaves out.
const (
	defaultHeartbeat          = 15 * time.Second
	defaultWriteTimeout       = 30 * time.Second
	defaultFollowers          = 512
	defaultFollowersPerClient = 128
	defaultReaders            = 64
	defaultReadersPerClient   = 16
	defaultDownloadRate       = 64 << 10
	defaultTailEvents         = 16_384
)

// Log is what the feed needs of the event store.
type Log interface {
	eventstore.Reader
	eventstore.Subscriber
}

// Config says how to serve a feed. Zero fields are the defaults.
type Config struct {
	Log    Log
	Logger *slog.Logger
	// Problem answers a request with an error: status, code for machines, sentence for people.
	Problem func(w http.ResponseWriter, r *http.Request, status int, code, detail string)
	// Stopping is closed when the server is to end: streams and long polls end then.
	Stopping <-chan struct{}
	// Client names who a request comes from, for the limit per client; nil is the remote address.
	Client func(r *http.Request) string
	// Allowed tells whether whoever sent a request may still read the feed. It is asked at every
	// heartbeat of an answer that goes on; nil is always.
	Allowed func(r *http.Request) bool
	// Heartbeat is the longest silence of a stream; 0 is 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take nothing before it is disconnected; 0 is 30 s.
	WriteTimeout time.Duration
	// DownloadRate is how many bytes a second (as they are sent: compressed, where they are) a client must
	// take of NDJSON. The answer to one that takes less, for a third of WriteTimeout, ends with the cursor to
	// go on after. 0 is 64 KiB.
	DownloadRate int
	// Followers is how many streams and long polls may be open, FollowersPerClient how many of one
	// client; 0 is 512 and 128. Readers is how many pages are read at a time, and, apart from these, how
	// many NDJSON downloads; ReadersPerClient how many of either by one client; 0 is 64 and 16.
	Followers, FollowersPerClient, Readers, ReadersPerClient int
	// TailEvents is how many of the newest events are kept in memory, once for all who follow; 0 is
	// 16,384. Who falls further behind reads the log again.
	TailEvents int
}

// Feed answers GET /events and GET /events/stream. It is safe for use by many goroutines.
type Feed struct {
	config    Config
	followers *slots
	readers   *slots // of pages
	downloads *slots
	tails     *tails
	metrics   *metrics
}

// New makes a feed.
func New(c Config) *Feed {
	setDefault(&c.Heartbeat, defaultHeartbeat)
	setDefault(&c.WriteTimeout, defaultWriteTimeout)
	setDefault(&c.Followers, defaultFollowers)
	setDefault(&c.FollowersPerClient, defaultFollowersPerClient)
	setDefault(&c.Readers, defaultReaders)
	setDefault(&c.ReadersPerClient, defaultReadersPerClient)
	setDefault(&c.DownloadRate, defaultDownloadRate)
	setDefault(&c.TailEvents, defaultTailEvents)
	if c.Client == nil {
		c.Client = remoteHost
	}
	if c.Allowed == nil {
		c.Allowed = func(*http.Request) bool { return true }
	}
	f := &Feed{
		config: c, followers: newSlots(c.Followers, c.FollowersPerClient), readers: newSlots(c.Readers, c.ReadersPerClient),
		downloads: newSlots(c.Readers, c.ReadersPerClient),
		tails:     &tails{log: c.Log, events: c.TailEvents},
	}
	f.metrics = newMetrics(f.followers.taken)
	return f
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Collector exposes what the feed counts.
func (f *Feed) Collector() prometheus.Collector { return f.metrics }

// refuse answers a request that cannot be served.
func (f *Feed) refuse(w http.ResponseWriter, r *http.Request, err error) {
	const start = " Start from the beginning by leaving after out, or continue with the cursor of the last event that you have processed."
	var bad *queryError
	switch {
	case errors.As(err, &bad):
		f.config.Problem(w, r, http.StatusBadRequest, bad.code, bad.detail)
	case errors.Is(err, ErrCursorMalformed):
		f.config.Problem(w, r, http.StatusBadRequest, "cursor_malformed", "The cursor cannot be read: "+err.Error()+"."+start)
	case errors.Is(err, ErrCursorForeign):
		f.config.Problem(w, r, http.StatusBadRequest, "cursor_of_another_ledger",
			"The cursor does not belong to this ledger's log: it comes from another ledger, or from events that this one lost when it was restored from a backup."+start)
	case errors.Is(err, errTooMany):
		w.Header().Set("Retry-After", "5")
		f.config.Problem(w, r, http.StatusServiceUnavailable, "feed_busy", "Too many clients read the feed at the moment.")
	case errors.Is(err, errTooManyOfClient):
		w.Header().Set("Retry-After", "5")
		f.config.Problem(w, r, http.StatusTooManyRequests, "too_many_streams", "You have too many streams or requests open; close some.")
	case r.Context().Err() != nil: // nobody listens any more
	default:
		f.config.Logger.WarnContext(r.Context(), "the feed cannot be read", slog.Any("error", err))
		w.Header().Set("Retry-After", "5")
		f.config.Problem(w, r, http.StatusServiceUnavailable, "log_unavailable", "The event log cannot be read at the moment.")
	}
}

// begin takes the connection's deadlines into the feed's own hands: an answer may take long as long
// as the client takes what it gets.
func (f *Feed) begin(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // else it ends the request while the client only listens
	_ = control.SetWriteDeadline(time.Time{})
}

// stoppable ends a context when the server is to end.
func (f *Feed) stoppable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if f.config.Stopping == nil {
		return ctx, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-f.config.Stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

var (
	// errStopping is why a stream ends when the server does.
	errStopping = errors.New("the ledger is stopping")
	// errNotAllowed is why an answer ends when its token was revoked.
	errNotAllowed = errors.New("the client may not read the feed any more")
)
