//go:build !linux

package daemon

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: this system has no such option, and the node's pings find dead connections too.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
