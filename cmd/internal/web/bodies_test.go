package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestWebhooks_BodiesUnderWayAreBounded: who sends large bodies and never ends them does not take the memory; what
// is beyond the limit is to come again, and is taken once there is room.
func TestWebhooks_BodiesUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	const most, each = 128 << 20, 1 << 20
	part := []byte(strings.Repeat(" ", each-1))
	var open []net.Conn
	hangUp := func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	defer hangUp()
	webhook := strings.Repeat(" ", 1<<10)
	for probes := 0; ; probes++ {
		if probes > 10*most/each {
			t.Fatalf("%d bodies of %d bytes are under way, and there is room", len(open), len(part))
		}
		if len(open) < most/each+32 { // some of them are refused too
			var dialer net.Dialer
			c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			_, _ = fmt.Fprintf(c, "POST /webhooks/decta HTTP/1.1\r\nHost: ledger\r\nContent-Length: %d\r\n\r\n%s", each, part) // fails when it is refused
		}
		status, header, text := s.call(http.MethodPost, "/webhooks/decta", webhook)
		if status == http.StatusOK {
			continue
		}
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(text, `"too_busy"`) {
			t.Fatalf("%d %s", status, text)
		}
		break
	}
	if len(open) < most/each-1 {
		t.Errorf("refused with %d bodies under way", len(open))
	}
	hangUp()
	for deliver(context.WithoutCancel(t.Context()), s.url+"/webhooks/decta", []byte(webhook)) != nil {
		if t.Context().Err() != nil {
			t.Fatal("there is no room again")
		}
	}
}
