//go:build !linux

package docker

import (
	"errors"
	"math"
	"net/netip"
	"syscall"
	"time"
)

// hostPrefixes returns nothing: engines that are not on a Linux host are refused before it matters.
func hostPrefixes() (routes, addrs []netip.Prefix, err error) { return nil, nil, nil }

// routeTo is not supported here.
func routeTo(netip.Addr) (string, error) { return "", errors.ErrUnsupported }

// maxFiles is not known here.
func maxFiles() uint64 { return math.MaxUint64 }

// memory is not known here.
func memory() (total, available uint64) { return 0, 0 }

// ownGroup puts a command into a process group of its own. Here it outlives a process that is killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// processID returns the empty string: a process cannot be distinguished from a later one with the same number.
func processID(int) string { return "" }

// hasEnded returns false: every process counts as running.
func hasEnded(string) bool { return false }

// cpuWait knows nothing here.
func cpuWait() (time.Duration, bool) { return 0, false }
