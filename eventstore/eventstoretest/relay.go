package eventstoretest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Relay forwards connections to an address, as the address translation before a container does, until they
// are cut.
type Relay struct {
	// Address is where it listens, on loopback.
	Address string

	mu     sync.Mutex
	target string
	count  int
	open   map[net.Conn]struct{}
}

// NewRelay forwards to an address, which may be named later, until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Address: listener.Addr().String(), target: target, open: map[net.Conn]struct{}{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		r.Cut()
		work.Wait()
	})
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() { r.forward(ctx, conn) })
		}
	})
	return r
}

// SetTarget names the address to forward to.
func (r *Relay) SetTarget(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

// Connections counts those that were made until now.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Cut breaks all connections; new ones are forwarded.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		_ = conn.Close()
	}
}

func (r *Relay) forward(ctx context.Context, from net.Conn) {
	defer func() { _ = from.Close() }()
	r.mu.Lock()
	r.count++
	target := r.target
	r.mu.Unlock()
	var dial net.Dialer
	to, err := dial.DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.open[from], r.open[to] = struct{}{}, struct{}{}
	r.mu.Unlock()
	var both sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		_, _ = io.Copy(dst, src) // it ends with either of them
		_, _ = from.Close(), to.Close()
	}
	both.Go(func() { pipe(to, from) })
	both.Go(func() { pipe(from, to) })
	both.Wait()
	r.mu.Lock()
	delete(r.open, from)
	delete(r.open, to)
	r.mu.Unlock()
}
