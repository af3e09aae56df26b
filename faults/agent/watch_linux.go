package agent

import (
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/netns"
)

// watchBuffer holds the news of a few thousand links that come and go at once, in bytes.
const watchBuffer = 4 << 20

// inNetns calls fn on a thread in the network namespace at path; empty: the caller's own.
func inNetns(path string, fn func() error) error { return netns.Do(path, fn) }

// giveTo makes dir's owner the owner of path: an agent that runs as root in a container serves the user who made the
// directory.
func giveTo(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("find socket's owner: %w", err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if int(st.Uid) == os.Geteuid() {
		return nil
	}
	if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("give socket to its directory's owner: %w", err)
	}
	return nil
}

// watchBridge calls gone when the configured bridge disappears, and failed when it can no longer be watched. It fails
// when the bridge is not there. The function that it returns ends the watch.
func watchBridge(cfg Config, gone func(), failed func(error)) (stop func(), err error) {
	if cfg.Bridge == "" {
		return func() {}, nil
	}
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	err = netns.Do(cfg.Netns, func() error {
		here, err := vnetns.Get()
		if err != nil {
			return fmt.Errorf("find own network namespace: %w", err)
		}
		defer here.Close()
		// The subscription comes before the look: a bridge that goes in between is missed by one of them, not by both.
		err = netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
			Namespace:              &here,
			ReceiveBufferSize:      watchBuffer,
			ReceiveBufferForceSize: true,
			ErrorCallback:          func(err error) { failed(fmt.Errorf("watch bridge %s: %w", cfg.Bridge, err)) },
		})
		if err != nil {
			return err
		}
		_, err = netlink.LinkByName(cfg.Bridge)
		return err
	})
	if err != nil {
		close(done)
		return nil, fmt.Errorf("watch bridge %s: %w", cfg.Bridge, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for u := range updates {
			if u.Header.Type == unix.RTM_DELLINK && u.Family == unix.AF_UNSPEC && u.Attrs().Name == cfg.Bridge {
				gone()
			}
		}
	}()
	return func() { close(done); <-ended }, nil
}
