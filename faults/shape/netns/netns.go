// Package netns runs code inside another network namespace.
package netns

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// Do calls fn on a thread in the network namespace at path and returns fn's error; sockets that fn opens stay in that
// namespace. An empty path is the caller's own namespace. The thread ends with the call, so no other code can run in
// the namespace by accident.
func Do(path string, fn func() error) error {
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
		// Never unlocked: the runtime then ends the thread with the goroutine.
		runtime.LockOSThread()
		if err := netns.Set(target); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", path, err)
			return
		}
		done <- fn()
	}()
	return <-done
}
