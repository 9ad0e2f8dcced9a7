package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// answerBytesMax is how much of an answer's body is read, so that its connection can be used again.
	answerBytesMax = 64 << 10
	// answerKeptBytes is how much of an answer's body is shown to operators when it was no delivery.
	answerKeptBytes = 500
	// answerHeaderBytesMax bounds an answer's header.
	answerHeaderBytesMax = 32 << 10
	connectTimeout       = 5 * time.Second
	idleTimeout          = 30 * time.Second
	userAgent            = "order-ledger-webhooks/1"
)

// outcome is what became of one attempt.
type outcome struct {
	delivered bool
	gone      bool   // the receiver wants no more of this (410)
	status    int    // 0 when nothing was answered
	problem   string // empty when delivered
	answer    string // the beginning of the answer's body, when it was not a delivery
}

// sender sends to one subscriber.
type sender struct {
	subscriber *Subscriber
	client     *http.Client
	clock      func() time.Time
}

func newSender(s *Subscriber, clock func() time.Time) *sender {
	return senderWith(&net.Dialer{Timeout: connectTimeout, Control: control(s.AllowPrivate)}, s, clock)
}

func senderWith(dialer *net.Dialer, s *Subscriber, clock func() time.Time) *sender {
	return &sender{subscriber: s, clock: clock, client: &http.Client{
		// No proxy: it would resolve the name itself.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTimeout,
			MaxIdleConns: s.Concurrency, MaxIdleConnsPerHost: s.Concurrency, MaxConnsPerHost: s.Concurrency,
			IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: answerHeaderBytesMax, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s *sender) close() { s.client.CloseIdleConnections() }

// send makes one attempt. Any 2xx is a delivery, whatever its body says.
func (s *sender) send(ctx context.Context, id string, body []byte) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.subscriber.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.subscriber.URL.String(), bytes.NewReader(body))
	if err != nil {
		return outcome{problem: problemOf(err)}
	}
	at := s.clock()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", sign(s.subscriber.Secrets, id, at, body))
	answer, err := s.client.Do(request)
	if err != nil {
		return outcome{problem: problemOf(err)}
	}
	// What is left unread ends the connection. The delivery is judged by the status alone.
	beginning, _ := io.ReadAll(io.LimitReader(answer.Body, answerKeptBytes))
	_, _ = io.CopyN(io.Discard, answer.Body, answerBytesMax)
	_ = answer.Body.Close()
	o := outcome{status: answer.StatusCode, gone: answer.StatusCode == http.StatusGone}
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		o.delivered = true
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		o.problem = fmt.Sprintf("answered %d: redirects are not followed", answer.StatusCode)
	default:
		o.problem = fmt.Sprintf("answered %d", answer.StatusCode)
	}
	if !o.delivered {
		o.answer = storable(string(beginning))
	}
	return o
}

// problemOf says in short what went wrong, without the address: its query may hold a secret, and what is
// said is kept in the database and in the log.
func problemOf(err error) string {
	var at *url.Error
	for errors.As(err, &at) {
		err = at.Err
	}
	var lookup *net.DNSError
	switch {
	case errors.Is(err, ErrAddressRefused):
		return "refused: the name leads to an address that is not public"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &lookup):
		return "the name cannot be resolved"
	}
	text := err.Error()
	return storable(text[:min(len(text), problemBytesMax)])
}

// storable is a text as PostgreSQL takes it: UTF-8 without NUL.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// problemBytesMax bounds what is kept of an error.
const problemBytesMax = 300
