package daemon

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds how long the kernel keeps a connection on which sent bytes are not acknowledged.
func setUserTimeout(conn syscall.RawConn, d time.Duration) error {
	var err error
	if cerr := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	}); cerr != nil {
		return cerr
	}
	return err
}
