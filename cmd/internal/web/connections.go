package web

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// connectionsMax is how many HTTP connections may be open at a time. Each costs a file descriptor,
	// and the event store needs some too.
	connectionsMax = 8_192
	// refusalTimeout bounds how long one connection too many is given to take its answer.
	refusalTimeout = time.Second
	// refusalsMax is how many of those are answered at a time; the others are closed without a word.
	refusalsMax = 64
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
	refusing  chan struct{} // has room for those that are answered
	answers   sync.WaitGroup
	onRefused func()
}

func newBounded(l net.Listener, most int64, onRefused func()) *bounded {
	return &bounded{Listener: l, most: most, refusing: make(chan struct{}, refusalsMax), onRefused: onRefused}
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

// Close also waits for the answers under way, which take refusalTimeout at most.
func (b *bounded) Close() error {
	err := b.Listener.Close()
	b.answers.Wait()
	return err
}

// refuse answers without making those wait who come next.
func (b *bounded) refuse(conn net.Conn) {
	select {
	case b.refusing <- struct{}{}:
	default:
		_ = conn.Close() // nobody is told
		return
	}
	b.answers.Go(func() {
		defer func() { <-b.refusing }()
		_ = conn.SetDeadline(time.Now().Add(refusalTimeout))
		// What the client has sent is read, or closing would take the answer back.
		_, _ = conn.Read(make([]byte, 4<<10))
		_, _ = conn.Write([]byte(refusal))
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
