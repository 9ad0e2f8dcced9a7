package push

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestCheckAddress: which addresses a subscriber may be at, and may be at with allow_private.
func TestCheckAddress(t *testing.T) {
	t.Parallel()
	const public, inside, never = "public", "inside", "never"
	for address, want := range map[string]string{
		"93.184.216.34": public, "8.8.8.8": public, "2606:2800:220:1::1": public, "::ffff:8.8.8.8": public, "172.15.255.255": public,
		"172.32.0.0": public, "100.63.255.255": public, "100.128.0.0": public, "11.0.0.0": public, "2000::1": public, "3ffe::1": public,

		"127.0.0.1": inside, "127.255.255.255": inside, "::1": inside, "10.0.0.1": inside, "::ffff:10.0.0.1": inside, "172.16.0.1": inside,
		"172.31.255.255": inside, "192.168.1.1": inside, "100.64.0.0": inside, "100.127.255.255": inside, "fc00::1": inside, "fd12:3456::1": inside,
		"::ffff:127.0.0.1": inside,

		"169.254.169.254": never, "::ffff:169.254.169.254": never, "0.0.0.0": never, "::": never, "::ffff:0.0.0.0": never, "0.1.2.3": never,
		"64:ff9b::a9fe:a9fe": never, "64:ff9b::7f00:1": never, "64:ff9b:1::1": never, "2002:7f00:1::": never, "2001::1": never, "2001:db8::1": never,
		"3fff::1": never, "fe80::1": never, "fe80::1%eth0": never, "ff02::1": never, "224.0.0.1": never, "255.255.255.255": never, "240.0.0.1": never,
		"192.0.0.1": never, "192.0.2.1": never, "198.18.0.1": never, "198.19.255.255": never, "198.51.100.1": never, "203.0.113.1": never,
		"192.88.99.1": never, "::7f00:1": never, "1fff::1": never, "4000::1": never, "fec0::1": never,
	} {
		ip := netip.MustParseAddr(address)
		outside, within := checkAddress(ip, false) == nil, checkAddress(ip, true) == nil
		if outside != (want == public) || within != (want != never) {
			t.Errorf("%s: allowed %v, with allow_private %v; want %s", address, outside, within, want)
		}
		if err := checkAddress(ip, false); err != nil && !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// nameServer answers every question for an IPv4 address with the next of its addresses, the last one for ever.
type nameServer struct {
	conn net.PacketConn

	mu      sync.Mutex
	answers []netip.Addr
}

func serveNames(t *testing.T, answers ...string) *nameServer {
	t.Helper()
	var listen net.ListenConfig
	conn, err := listen.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn}
	for _, a := range answers {
		s.answers = append(s.answers, netip.MustParseAddr(a))
	}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return s
}

func (s *nameServer) serve() {
	question := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(question)
		if err != nil {
			return
		}
		_, _ = s.conn.WriteTo(s.answer(question[:n]), from)
	}
}

func (s *nameServer) answer(question []byte) []byte {
	const header, typeA = 12, 1
	end := header
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, the type and the class
	out := append([]byte{}, question[:end]...)
	out[2], out[3] = 0x81, 0x80                   // an answer, recursion available
	copy(out[6:header], []byte{0, 0, 0, 0, 0, 0}) // no records yet
	if binary.BigEndian.Uint16(question[end-4:]) != typeA {
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := s.answers[0].As4()
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	out[7] = 1                                                        // one record
	out = append(out, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4) // of the name asked for, for no time at all
	return append(out, ip[:]...)
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// TestSender_Rebinding: the name leads to a public address when it is asked first, and to this machine a moment
// later. The address that is checked is the one that is connected to, in each attempt.
func TestSender_Rebinding(t *testing.T) {
	t.Parallel()
	reached := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := serveNames(t, "8.8.8.8", "127.0.0.1", "169.254.169.254", "10.0.0.1")
	var connecting []string
	errStopped := errors.New("the test connects to nobody")
	check := control(false)
	dialer := &net.Dialer{Resolver: names.resolver(), Control: func(network, address string, c syscall.RawConn) error {
		host, _, _ := net.SplitHostPort(address)
		connecting = append(connecting, host)
		if err := check(network, address, c); err != nil {
			return err
		}
		return errStopped
	}}
	s := Subscriber{Name: "shop", URL: &url.URL{Scheme: "http", Host: "shop.example:" + port, Path: "/"}, Secrets: [][]byte{make([]byte, 32)}}.WithDefaults()
	to := senderWith(dialer, &s, time.Now)
	defer to.close()
	for i, want := range []string{"8.8.8.8", "127.0.0.1", "169.254.169.254", "10.0.0.1"} {
		connecting = nil
		o := to.send(t.Context(), "id", []byte("{}"))
		if len(connecting) != 1 || connecting[0] != want {
			t.Errorf("attempt %d connects to %v, want %s, which the name led to then", i, connecting, want)
		}
		if refused := strings.Contains(o.problem, "not public"); refused != (i > 0) || o.delivered {
			t.Errorf("attempt %d: %+v", i, o)
		}
	}
	if reached {
		t.Error("this machine was reached")
	}

	s.AllowPrivate = true
	allowed := senderWith(&net.Dialer{Resolver: serveNames(t, "127.0.0.1").resolver(), Control: control(true)}, &s, time.Now)
	defer allowed.close()
	if o := allowed.send(t.Context(), "id", []byte("{}")); !o.delivered || !reached {
		t.Errorf("with allow_private: %+v", o)
	}
}

// TestSender_ProblemsHoldNoSecrets: what is kept of a failed attempt does not say the address, whose query
// may be the receiver's secret.
func TestSender_ProblemsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	breaks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer breaks.Close()
	for name, at := range map[string]url.URL{
		"NobodyListens": {Scheme: "http", Host: nobody},
		"BreaksOff":     {Scheme: "http", Host: breaks.Listener.Addr().String()},
		"NoTLS":         {Scheme: "https", Host: breaks.Listener.Addr().String()},
		"NoAddress":     {Scheme: "http", Host: "a b"},
	} {
		at.Path, at.RawQuery = "/hooks/path-secret", "token=query-secret"
		s := Subscriber{Name: "shop", URL: &at, Secrets: [][]byte{make([]byte, 32)}, AllowPrivate: true}.WithDefaults()
		to := newSender(&s, time.Now)
		o := to.send(t.Context(), "id", []byte("{}"))
		to.close()
		if o.delivered || o.problem == "" || strings.Contains(o.problem, "secret") {
			t.Errorf("%s: %+v", name, o)
		}
	}
}
