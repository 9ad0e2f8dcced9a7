package protocol

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

const (
	// connectionsMax bounds the connections that are open at a time; more are closed at once.
	connectionsMax = 512
	// defaultConnectionBytes bounds what all connections hold: see connections.
	defaultConnectionBytes = 256 << 20
	// handshakeTimeout is how long a connection may take to begin to speak the protocol.
	handshakeTimeout = 20 * time.Second
	// streamWindowBytes and connectionWindowBytes are what a client may send before anybody asks for it. Windows
	// that grow by themselves would let every call hold megabytes that nobody reads.
	streamWindowBytes     = 64 << 10
	connectionWindowBytes = 1 << 20
	// headerBytesMax bounds the headers of one call.
	headerBytesMax = 64 << 10
)

// connections bounds the memory that clients can take by doing half of something: messages of which a part
// has arrived, which the library keeps until the rest is there, and events that a client asked for and does not take.
// When all together hold more than the bound, the connection that holds the most for the longest is closed: one
// that goes on completes what it holds in milliseconds.
type connections struct {
	net.Listener
	most int64 // bytes

	mu   sync.Mutex
	open map[*connection]struct{}
	held int64 // by all
}

func newConnections(l net.Listener, most int64) *connections {
	if most == 0 {
		most = defaultConnectionBytes
	}
	return &connections{Listener: l, most: most, open: map[*connection]struct{}{}}
}

// Accept implements net.Listener.
func (s *connections) Accept() (net.Conn, error) {
	for {
		raw, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: raw, all: s, idleSince: time.Now()}
		if setUserTimeout(raw, keepaliveTime) == nil && s.add(c) { // it can fail only when the client is gone already
			return c, nil
		}
		_ = raw.Close() // it was told nothing, and has nothing to lose
	}
}

func (s *connections) add(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= connectionsMax {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

// change adds to what a connection holds, and closes the worst one when that is too much.
func (s *connections) change(c *connection, bytes int64) {
	worst := s.count(c, bytes)
	if worst != nil {
		_ = worst.Close() // its calls end, and what they held is given back
	}
}

func (s *connections) count(c *connection, bytes int64) (worst *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; !open {
		return nil
	}
	c.held += bytes
	s.held += bytes
	if bytes <= 0 {
		c.idleSince = time.Now() // something was completed
	}
	if s.held <= s.most {
		return nil
	}
	now, most := time.Now(), 0.0
	for other := range s.open {
		if score := float64(other.held) * float64(now.Sub(other.idleSince)); score >= most {
			worst, most = other, score
		}
	}
	s.forget(worst)
	return worst
}

// forget takes a connection out. The mutex is held.
func (s *connections) forget(c *connection) {
	if _, open := s.open[c]; open {
		delete(s.open, c)
		s.held -= c.held
	}
}

// connection is one client's.
type connection struct {
	net.Conn
	all *connections
	// held and idleSince, when something was completed the last time, are guarded by all.mu.
	held      int64
	idleSince time.Time
}

// connectionAddr leads from a call to its connection.
type connectionAddr struct {
	net.Addr
	of *connection
}

// RemoteAddr implements net.Conn.
func (c *connection) RemoteAddr() net.Addr { return connectionAddr{c.Conn.RemoteAddr(), c} }

// Close implements net.Conn.
func (c *connection) Close() error {
	c.all.mu.Lock()
	c.all.forget(c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// connectionOf returns the connection of a call.
func connectionOf(ctx context.Context) *connection {
	if p, ok := peer.FromContext(ctx); ok {
		if addr, ok := p.Addr.(connectionAddr); ok {
			return addr.of
		}
	}
	return nil
}

// hold counts bytes that are kept for the connection; negative ones are given back.
func (c *connection) hold(bytes int64) {
	if c != nil && bytes != 0 {
		c.all.change(c, bytes)
	}
}

// metered looks at the frames of each connection once it is set up, which with TLS means decrypted.
type metered struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (m metered) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := m.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	addr, ok := raw.RemoteAddr().(connectionAddr)
	if !ok {
		return c, info, nil
	}
	return &meteredConn{Conn: c, of: addr.of, arrivals: newArrivals()}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (m metered) Clone() credentials.TransportCredentials {
	return metered{m.TransportCredentials.Clone()}
}

// meteredConn counts the messages of which a part has arrived.
type meteredConn struct {
	net.Conn
	of       *connection
	arrivals *arrivals
}

// Read implements net.Conn.
func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.of.hold(c.arrivals.read(p[:n]))
	}
	return n, err
}

// Write implements net.Conn. Calls that the server ends hold nothing any more.
func (c *meteredConn) Write(p []byte) (int, error) {
	c.of.hold(c.arrivals.written(p))
	return c.Conn.Write(p)
}
