//go:build !linux

package docker

import "syscall"

// ownGroup puts a command into a process group of its own. Elsewhere than on Linux it outlives a process that is killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
