package feed

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Formats of GET /events, as the parameter format names them.
const (
	formatJSON   = "json"
	formatBatch  = "batch"
	formatNDJSON = "ndjson"
)

const (
	typeJSON   = "application/json"
	typeBatch  = "application/cloudevents-batch+json"
	typeNDJSON = "application/x-ndjson"

	// scannedMax is how many events are considered for one page: with a filter that little matches, a
	// page may be empty and say that there is more.
	scannedMax = 250_000
)

// errAwaited ends a wait for events.
var errAwaited = errors.New("the time to wait is over")

// Events is GET /events.
func (f *Feed) Events(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	format, err := q.negotiate(r.Header.Get("Accept"))
	if err != nil {
		f.config.Problem(w, r, http.StatusNotAcceptable, "not_acceptable", err.Error())
		return
	}
	if format != formatNDJSON && q.limit > pageEventsMax {
		f.refuse(w, r, badQuery("limit_invalid", "A page has at most %d events; format=ndjson has no limit.", pageEventsMax))
		return
	}
	f.begin(w)
	ctx, stop := f.stoppable(r.Context())
	defer stop()
	if q.after, err = f.check(r.Context(), q.after); err != nil {
		f.refuse(w, r, err)
		return
	}
	if q.wait > 0 {
		if err := f.await(ctx, r, q); err != nil {
			f.refuse(w, r, err)
			return
		}
	}
	slots := f.readers
	if format == formatNDJSON {
		slots = f.downloads // they take long, and pages must not wait for them
	}
	release, err := slots.take(f.config.Client(r))
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	defer release()
	head, _, err := f.config.Log.Head(r.Context())
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	if format == formatNDJSON {
		f.lines(ctx, w, r, q, head) // may be long: it ends when the server is to end
		return
	}
	f.page(w, r, q, format, head)
}

// await returns when something after the cursor matches, or the time is over. It moves the query's
// cursor over what does not match.
func (f *Feed) await(ctx context.Context, r *http.Request, q *query) error {
	release, err := f.followers.take(f.config.Client(r))
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeoutCause(ctx, q.wait, errAwaited)
	defer cancel()
	err = f.awaitMatch(ctx, q)
	if cause := context.Cause(ctx); errors.Is(cause, errAwaited) || errors.Is(cause, errStopping) || errors.Is(err, errAwaited) {
		return nil // with an empty page the client asks again
	}
	return err
}

// awaitMatch ends with an error only: errAwaited when something matches.
func (f *Feed) awaitMatch(ctx context.Context, q *query) error {
	tail, leave, err := f.tails.join(ctx)
	if err != nil {
		return err
	}
	defer leave()
	l := &follower{feed: f, q: q, tail: tail, at: q.after}
	l.send = func([]byte) error { return errAwaited }
	l.idle = func(bool) error { return nil }
	err = l.run(ctx)
	q.after = l.at
	return err
}

// page answers with one JSON document.
func (f *Feed) page(w http.ResponseWriter, r *http.Request, q *query, format string, head eventstore.Position) {
	limit := q.limit
	if limit == 0 {
		limit = pageEvents
	}
	var body []byte
	at, last, more := q.after, q.after, false
	count, scanned := uint64(0), 0
	for s, err := range f.scan(r.Context(), q, q.after, head) {
		if err != nil {
			f.refuse(w, r, err)
			return
		}
		at = s.at
		if s.event != nil {
			if count > 0 {
				body = append(body, ",\n"...)
			}
			body = appendEvent(body, s.event, &s.envelope, s.at)
			last = s.at
			count++
		}
		if scanned++; count == limit || len(body) > pageBytesMax || scanned == scannedMax {
			more = at.after.Compare(head) < 0
			break
		}
	}
	next := q.next(at)
	w.Header().Add("Link", "<"+next+`>; rel="next"`)
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Cache-Control", "private, no-cache")
	// The page is made of the query, where it starts and the events in it; at may move while these stay.
	tag := etag(q.canonical(format).Encode(), q.after.String(), last.String(), strconv.FormatBool(more))
	w.Header().Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	f.metrics.events.WithLabelValues(format).Add(float64(count))
	if format == formatBatch {
		w.Header().Set("Content-Type", typeBatch)
		body = append(append([]byte("["), body...), "]\n"...)
	} else {
		w.Header().Set("Content-Type", typeJSON)
		body = fmt.Appendf(nil, "{\"events\":[%s],\n\"cursor\":%q,\"next\":%q,\"more\":%t}\n", body, at.String(), next, more)
	}
	out := f.compressed(w, r)
	_, err := out.Write(body)
	if err = errors.Join(err, out.Close()); err != nil {
		f.end(r, err)
	}
}

// moreTrailer says after NDJSON whether the log had more at that time: the answer to a client that is slow
// ends early.
const moreTrailer = "Ledger-More"

// lines answers with one event a line, as the log is read.
func (f *Feed) lines(ctx context.Context, w http.ResponseWriter, r *http.Request, q *query, head eventstore.Position) {
	w.Header().Set("Content-Type", typeNDJSON)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Trailer", "Link, "+moreTrailer)
	if r.Method == http.MethodHead {
		return
	}
	out := f.compressed(w, r)
	counter := f.metrics.events.WithLabelValues(formatNDJSON)
	heartbeat := time.NewTicker(f.config.Heartbeat)
	defer heartbeat.Stop()
	at, count := q.after, uint64(0)
	line := make([]byte, 0, 2048)
	var err error
	var s *step
	for s, err = range f.scan(ctx, q, q.after, head) {
		if err != nil {
			break
		}
		at = s.at
		select {
		case <-heartbeat.C:
			if !f.config.Allowed(r) {
				err = errNotAllowed
			}
		default:
		}
		if err != nil {
			break
		}
		if s.event == nil {
			continue
		}
		line = append(appendEvent(line[:0], s.event, &s.envelope, s.at), '\n')
		if _, err = out.Write(line); err != nil {
			break
		}
		counter.Inc()
		if count++; count == q.limit || out.pace.slow {
			break
		}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		f.end(r, err)
		// An answer that is cut off must not look whole.
		panic(http.ErrAbortHandler)
	}
	if out.pace.slow {
		f.end(r, errSlow)
	}
	w.Header().Set("Link", "<"+q.next(at)+`>; rel="next"`)
	w.Header().Set(moreTrailer, strconv.FormatBool((count == q.limit || out.pace.slow) && at.after.Compare(head) < 0))
}

// negotiate chooses the format: the parameter, else what the client accepts, else JSON.
func (q *query) negotiate(accept string) (string, error) {
	if q.format != "" {
		return q.format, nil
	}
	if accept == "" {
		return formatJSON, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || strings.Trim(params["q"], "0.") == "" && params["q"] != "" {
			continue
		}
		switch media {
		case typeNDJSON, "application/ndjson", "application/jsonl":
			return formatNDJSON, nil
		case typeBatch:
			return formatBatch, nil
		case typeJSON, "application/*", "*/*", "text/html":
			return formatJSON, nil
		}
	}
	return "", fmt.Errorf("the feed is %s, %s or %s; live events are at /events/stream", typeJSON, typeNDJSON, typeBatch)
}

func etag(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// matches compares weakly (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
