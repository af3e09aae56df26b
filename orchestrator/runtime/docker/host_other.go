//go:build !linux

package docker

import (
	"net/netip"
	"syscall"
	"time"
)

// hostPrefixes returns nothing: engines that are not on a Linux host are refused before it matters.
func hostPrefixes() ([]netip.Prefix, error) { return nil, nil }

// ownGroup puts a command into a process group of its own. Here it outlives a process that is killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// processID returns the empty string: a process cannot be distinguished from a later one with the same number.
func processID(int) string { return "" }

// hasEnded returns false: every process counts as running.
func hasEnded(string) bool { return false }

// cpuWait knows nothing here.
func cpuWait() (time.Duration, bool) { return 0, false }
