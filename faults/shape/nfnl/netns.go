//go:build linux

package nfnl

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// In calls fn on a thread that is in the network namespace at path; sockets that fn opens stay in it. An empty path is
// the caller's own namespace. The thread ends with the call, so it can never carry a foreign namespace to other code.
func In(path string, fn func() error) error {
	if path == "" {
		return fn()
	}
	target, err := netns.GetFromPath(path)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer target.Close()
	done := make(chan error, 1)
	go func() {
		// Not unlocked on purpose: the runtime then ends the thread with the goroutine.
		runtime.LockOSThread()
		if err := netns.Set(target); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", path, err)
			return
		}
		done <- fn()
	}()
	return <-done
}
