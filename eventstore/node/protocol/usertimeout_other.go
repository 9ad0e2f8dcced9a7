//go:build !linux

package protocol

import (
	"net"
	"time"
)

// setUserTimeout does nothing where the kernel has no such option; keepalive pings find dead clients there.
func setUserTimeout(net.Conn, time.Duration) error { return nil }
