package web

import (
	"context"
	"net"
	"net/http"
	"testing"
)

func TestNamesOwnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, local string
		port        int
		own         bool
	}{
		{"192.0.2.1:8080", "192.0.2.1", 8080, true},
		{"192.0.2.1", "192.0.2.1", 80, true},
		{"[2001:db8::1]:8443", "2001:db8::1", 8443, true},
		{"[2001:db8::1]", "2001:db8::1", 443, true},
		{"192.0.2.2", "192.0.2.1", 80, false},
		{"ledger.example", "192.0.2.1", 80, false},
		{"", "192.0.2.1", 80, false},
	} {
		local := &net.TCPAddr{IP: net.ParseIP(c.local), Port: c.port}
		r := (&http.Request{Host: c.host}).WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local))
		if got := namesOwnAddress(r); got != c.own {
			t.Errorf("Host %q at %s: %t", c.host, local, got)
		}
	}
}
