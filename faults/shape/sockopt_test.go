//go:build linux

package shape_test

import (
	"net"

	"golang.org/x/sys/unix"
)

// forceSendBuffer sets a connection's send buffer, beyond the system's limit.
func forceSendBuffer(c *net.TCPConn, size int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size)
	}); err != nil {
		return err
	}
	return serr
}
