package web

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// connectionsMax is how many HTTP connections may be open at a time. Each costs a file descriptor,
	// and the event store needs some too.
	connectionsMax = 8_192
	// lingerTimeout is how long a connection too many is given to take its answer, lingeringMax how many
	// are given it at a time.
	lingerTimeout = time.Second
	lingeringMax  = 256
)

// refusal is the answer to a connection too many.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: application/problem+json\r\n\r\n" +
	`{"type":"about:blank","title":"Service Unavailable","status":503,"code":"too_many_connections","detail":"Too many connections are open. Come again."}` + "\n"

// bounded is a listener that answers connections beyond a limit with 503 instead of letting them wait:
// a flood must not keep those out who come back a moment later, nor use up the file descriptors.
type bounded struct {
	net.Listener
	most      int64
	open      atomic.Int64
	lingering chan struct{} // has room for lingeringMax
	answers   sync.WaitGroup
	onRefused func()
}

func newBounded(l net.Listener, most int64, onRefused func()) *bounded {
	return &bounded{Listener: l, most: most, lingering: make(chan struct{}, lingeringMax), onRefused: onRefused}
}

// Accept returns the next connection within the limit.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			return &counted{Conn: conn, open: &b.open}, nil
		}
		b.open.Add(-1)
		b.onRefused()
		b.refuse(conn)
	}
}

// Close also waits for the answers under way, which take lingerTimeout at most.
func (b *bounded) Close() error {
	err := b.Listener.Close()
	b.answers.Wait()
	return err
}

// refuse answers at once: a new connection has room for so little, so writing does not wait.
func (b *bounded) refuse(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(lingerTimeout))
	_, _ = conn.Write([]byte(refusal))
	select {
	case b.lingering <- struct{}{}:
	default:
		_ = conn.Close() // which may take the answer back from who sends while it is closed
		return
	}
	b.answers.Go(func() {
		defer func() { <-b.lingering }()
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, headerBytesMax)) // until the client has gone
		_ = conn.Close()
	})
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer without taking back what the client has not read yet.
func (c *counted) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}
