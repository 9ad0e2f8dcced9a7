package esdbstore

import (
	"context"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/order-ledger/order-ledger/eventstore"
)

// stuckTimeout is how long what still uses a client may go on after the client
// gave up, or after the store was closed, before it is broken off.
const stuckTimeout = 5 * time.Second

// session is one client of the official library, from its first connection to
// the first sign that the connection is lost. A client never outlives its
// connection: left alone it would look for the server again, forget the old
// connection without closing it, and, when it finds no server, leave everybody
// who asks for a connection waiting for ever.
//
// The store's mutex guards users, closed and timer.
type session struct {
	client *esdb.Client
	// ready is closed when the client is connected, or failed to connect: err.
	ready chan struct{}
	err   error
	// dead is closed when the client has given up.
	dead chan struct{}
	// users are the goroutines inside of the client; it panics when it is
	// closed under one of them.
	users   int
	retired bool
	closed  bool
	timer   *time.Timer // breaks off who is stuck in a dead client
}

// acquire returns a connected session and counts its caller as a user. It
// waits as long as ctx allows.
func (s *Store) acquire(ctx context.Context) (*session, error) {
	ses, err := s.currentSession()
	if err != nil {
		return nil, err
	}
	select {
	case <-ses.ready:
		if ses.err != nil {
			s.release(ses)
			return nil, connectError(ses.err)
		}
		return ses, nil
	case <-ctx.Done():
		s.release(ses)
		return nil, context.Cause(ctx)
	}
}

// currentSession returns the session in use, beginning one when there is none.
// Whoever connects does it alone, while all others wait for the outcome: a
// client that finds no server hangs its second caller.
func (s *Store) currentSession() (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, eventstore.ErrClosed
	}
	if s.current == nil {
		client, err := esdb.NewClient(s.config)
		if err != nil {
			return nil, fmt.Errorf("%w: event store client: %w", eventstore.ErrInvalid, err)
		}
		ses := &session{client: client, ready: make(chan struct{}), dead: make(chan struct{}), users: 1}
		s.current = ses
		s.sessions[ses] = struct{}{}
		s.work.Go(func() { s.connect(ses) })
	}
	s.current.users++
	return s.current, nil
}

func (s *Store) connect(ses *session) {
	defer s.release(ses)
	_, ses.err = guarded(func() (*esdb.ServerVersion, error) { return ses.client.GetServerVersion() })
	if ses.err != nil {
		s.retire(ses)
	}
	close(ses.ready)
}

// release counts a user out. The last one out of a retired session closes it.
func (s *Store) release(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses.users--; ses.users == 0 && ses.retired {
		s.closeSession(ses)
	}
}

// retire makes later calls connect anew. What uses the session may go on.
func (s *Store) retire(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireLocked(ses)
}

func (s *Store) retireLocked(ses *session) {
	ses.retired = true
	if s.current == ses {
		s.current = nil
	}
	if ses.users == 0 {
		s.closeSession(ses)
	}
}

// bury retires a session whose client has given up. Users that are stuck in it
// are answered at once; closing the client later makes it let go of their
// goroutines.
func (s *Store) bury(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireLocked(ses)
	select {
	case <-ses.dead:
		return
	default:
		close(ses.dead)
	}
	if !ses.closed {
		ses.timer = time.AfterFunc(stuckTimeout, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closeSession(ses)
		})
	}
}

// closeSession closes the client; the caller holds the mutex.
func (s *Store) closeSession(ses *session) {
	if ses.closed {
		return
	}
	ses.closed = true
	if ses.timer != nil {
		ses.timer.Stop()
	}
	delete(s.sessions, ses)
	_ = ses.client.Close() // it has no error to report
}

// observe draws the consequences of an error that a use of the client met.
func (s *Store) observe(ses *session, err error) {
	if err == nil {
		return
	}
	switch {
	case isClientDead(err):
		s.bury(ses)
	case isDisconnected(err):
		s.retire(ses)
	}
}

// guarded turns the client's panics into errors.
func guarded[T any](use func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: event store client panicked: %v", eventstore.ErrUnavailable, p)
		}
	}()
	return use()
}

// call runs one use of the client, bounded by ctx whatever the client does.
func call[T any](ctx context.Context, s *Store, use func(*esdb.Client) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var zero T
	ses, err := s.acquire(ctx)
	if err != nil {
		return zero, err
	}
	answers := make(chan answer, 1)
	if !s.start(func() {
		defer s.release(ses)
		var a answer
		a.value, a.err = guarded(func() (T, error) { return use(ses.client) })
		s.observe(ses, a.err)
		answers <- a
	}) {
		s.release(ses)
		return zero, eventstore.ErrClosed
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-ses.dead:
	}
	select { // the one who met the client's death has an answer of its own
	case a := <-answers:
		return a.value, a.err
	default:
		return zero, fmt.Errorf("%w: the client gave up looking for a server", eventstore.ErrUnavailable)
	}
}

// received is one message of a read or subscription, or its end.
type received[T any] struct {
	value T
	err   error
}

// receiveBuffer is how many messages a read or subscription receives ahead of
// its consumer.
const receiveBuffer = 16

// receive opens a read or subscription and receives its messages in a
// goroutine of its own until the first error or the end of ctx, which the
// caller must bring about. Nobody waits inside of the client but that
// goroutine.
func receive[T any](
	ctx context.Context, s *Store, open func(*esdb.Client) (next func() (T, error), end func(), err error),
) (<-chan received[T], *session, error) {
	ses, err := s.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	messages := make(chan received[T], receiveBuffer)
	if !s.start(func() {
		defer s.release(ses)
		defer close(messages)
		var end func()
		next, err := guarded(func() (next func() (T, error), err error) {
			next, end, err = open(ses.client)
			return next, err
		})
		if end != nil {
			defer end()
		}
		for {
			var m received[T]
			if m.err = err; err == nil {
				m.value, m.err = guarded(next)
			}
			s.observe(ses, m.err)
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
			if m.err != nil {
				return
			}
		}
	}) {
		s.release(ses)
		return nil, nil, eventstore.ErrClosed
	}
	return messages, ses, nil
}

// take waits for the next message.
func take[T any](ctx context.Context, messages <-chan received[T], ses *session) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	select {
	case m, ok := <-messages:
		if !ok { // only when ctx ended
			return zero, context.Cause(ctx)
		}
		return m.value, m.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-ses.dead:
	}
	select {
	case m, ok := <-messages:
		if ok {
			return m.value, m.err
		}
	default:
	}
	return zero, fmt.Errorf("%w: the client gave up looking for a server", eventstore.ErrUnavailable)
}
