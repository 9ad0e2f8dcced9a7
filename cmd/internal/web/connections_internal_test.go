package web

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// open sends a request on a connection of its own, which stays open, and returns the answer's status,
// header and body.
func open(t *testing.T, address string) (conn net.Conn, status int, header http.Header, body []byte) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // some have closed it
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: ledger\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it is read to its end
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return conn, answer.StatusCode, answer.Header, body
}

// TestBounded answers connections beyond the limit with when to come again, and takes others as soon as
// one has gone.
func TestBounded(t *testing.T) {
	t.Parallel()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	listener := newBounded(inner, 3, func() { refused.Add(1) })
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	var last net.Conn
	for range 3 {
		var status int
		if last, status, _, _ = open(t, inner.Addr().String()); status != http.StatusNotFound {
			t.Fatalf("within the limit: %d", status)
		}
	}
	for range 2 {
		_, status, header, body := open(t, inner.Addr().String())
		var problem struct {
			Code   string
			Status int
		}
		if err := json.Unmarshal(body, &problem); err != nil {
			t.Fatal(err)
		}
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" ||
			problem.Code != "too_many_connections" || problem.Status != http.StatusServiceUnavailable {
			t.Errorf("beyond the limit: %d %v %+v", status, header, problem)
		}
	}
	if n := refused.Load(); n != 2 {
		t.Errorf("%d were counted", n)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		conn, status, _, _ := open(t, inner.Addr().String())
		_ = conn.Close() // it has served
		if status == http.StatusNotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a connection that was closed is not free")
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-served
	if n := listener.open.Load(); n != 0 {
		t.Errorf("%d connections are counted as open after all were closed", n)
	}
}
