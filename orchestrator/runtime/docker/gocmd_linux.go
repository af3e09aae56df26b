package docker

import "syscall"

// ownGroup puts a command into a process group of its own, and ends it when the thread that starts it ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
