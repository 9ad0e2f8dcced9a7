package protocol_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// acceptedConns keeps what a listener accepted.
type acceptedConns struct {
	net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (l *acceptedConns) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		l.mu.Lock()
		l.conns = append(l.conns, tcp)
		l.mu.Unlock()
	}
	return conn, err
}

// TestConnections_UserTimeout: the kernel ends a connection whose client has vanished, although the library does not
// recognise the connection.
func TestConnections_UserTimeout(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var dial net.Dialer
	client, err := dial.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted := &acceptedConns{Listener: listener}
	conn, err := protocol.NewConnections(accepted, 0).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := accepted.conns[0].SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	if err := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if err != nil || time.Duration(got)*time.Millisecond != protocol.KeepaliveTime {
		t.Errorf("user timeout %d ms, %v; want %s", got, err, protocol.KeepaliveTime)
	}
}
