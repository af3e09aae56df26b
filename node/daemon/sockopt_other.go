//go:build !linux

package daemon

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing where the kernel has no such option: the node's own pings find a dead connection.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
