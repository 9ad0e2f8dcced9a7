package feed

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

const (
	// retryMillis tells a client how long to wait before it connects again.
	retryMillis = "2000"
	// formatStream names the format in metrics.
	formatStream = "stream"
)

// Stream is GET /events/stream: server-sent events, from a cursor on and then live. The id of each is
// the cursor after it, so that a browser's EventSource resumes by itself.
func (f *Feed) Stream(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	if q.limit > 0 || q.wait > 0 || q.format != "" {
		f.refuse(w, r, badQuery("parameter_invalid", "A stream has no limit, wait or format; /events has."))
		return
	}
	// What the client has seen on an earlier connection is newer than what the URL says.
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if q.after, err = parseCursor(id); err != nil {
			f.refuse(w, r, err)
			return
		}
	}
	release, err := f.followers.take(f.config.Client(r))
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	defer release()
	f.begin(w)
	ctx, stop := f.stoppable(r.Context())
	defer stop()
	if q.after, err = f.check(ctx, q.after); err != nil {
		f.refuse(w, r, err)
		return
	}
	tail, leave, err := f.tails.join(ctx)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not gather what is live
	if r.Method == http.MethodHead {
		return
	}
	out := f.compressed(w, r)
	err = f.sendAll(ctx, r, out, q, tail)
	switch {
	case errors.Is(context.Cause(ctx), errStopping):
		err = errStopping
		_, _ = out.Write([]byte("event: end\ndata: {\"reason\":\"stopping\"}\n\n"))
	case errors.Is(err, errNotAllowed):
		_, _ = out.Write([]byte("event: end\ndata: {\"reason\":\"token_refused\"}\n\n"))
	}
	_ = out.Close() // the stream is over, one way or the other
	f.end(r, err)
}

// sendAll sends events until the client, the log or the server ends.
func (f *Feed) sendAll(ctx context.Context, r *http.Request, out *output, q *query, tail *tail) error {
	if _, err := out.Write([]byte("retry: " + retryMillis + "\n\n")); err != nil {
		return err
	}
	heartbeat := time.NewTicker(f.config.Heartbeat)
	defer heartbeat.Stop()
	counter := f.metrics.events.WithLabelValues(formatStream)
	l := &follower{feed: f, q: q, tail: tail, at: q.after, beat: heartbeat.C}
	l.send = func(frame []byte) error {
		counter.Inc()
		_, err := out.Write(frame)
		return err
	}
	l.idle = func(due bool) error {
		if due {
			if !f.config.Allowed(r) {
				return errNotAllowed
			}
			// An id without data moves the client's place past what is not for it.
			if _, err := out.Write([]byte(": heartbeat\nid: " + l.at.String() + "\n\n")); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	return l.run(ctx)
}

// end counts why a stream ended or another answer was cut off.
func (f *Feed) end(r *http.Request, err error) {
	reason := endedByClient
	switch {
	case errors.Is(err, errStopping):
		reason = endedStopping
	case errors.Is(err, errNotAllowed):
		reason = endedRevoked
	case isSlow(err):
		reason = endedSlow
		f.config.Logger.InfoContext(r.Context(), "a client of the feed took nothing, or too little, and its answer ended",
			slog.String("client", f.config.Client(r)), slog.Duration("timeout", f.config.WriteTimeout))
	case r.Context().Err() == nil && err != nil:
		reason = endedUnreadable
		f.config.Logger.WarnContext(r.Context(), "an answer of the feed was cut off", slog.Any("error", err))
	}
	f.metrics.ended.WithLabelValues(reason).Inc()
}
