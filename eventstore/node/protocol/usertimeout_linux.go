package protocol

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout closes a connection whose peer has acknowledged nothing that was sent for so long. The library does
// this too, for connections that are nobody's wrapper; without it a client whose machine lost its network holds what
// it did not take until the kernel gives up, a quarter of an hour later.
func setUserTimeout(conn net.Conn, timeout time.Duration) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("set the user timeout of a connection: %w", err)
	}
	return nil
}
