package agent

import (
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// watchBuffer is the socket's buffer in bytes, enough for events of a few thousand links.
const watchBuffer = 4 << 20

// openEngine opens the engine in the configured namespace.
func openEngine(cfg Config, j *journal) (engine, error) {
	var e *shape.Engine
	err := netns.Do(cfg.Netns, func() (err error) {
		e, err = shape.Open(shape.Config{Testnet: cfg.Testnet, Bridge: cfg.Bridge, ProtectHost: cfg.ProtectHost, Record: func(table string, queue uint16) error {
			return j.record(entry{Testnet: cfg.Testnet, PID: os.Getpid(), Table: table, Queue: queue})
		}})
		return err
	})
	return e, err
}

// newProber returns a prober that has no sockets open yet.
func newProber() prober { return probe.New() }

// chownLike makes dir's owner the owner of path: an agent that runs as root in a container serves the user who created the
// directory.
func chownLike(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("find the socket's owner: %w", err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if int(st.Uid) == os.Geteuid() {
		return nil
	}
	if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("change the socket's owner to its directory's: %w", err)
	}
	return nil
}

// watchBridge calls deleted when the configured bridge is deleted, and failed when it can no longer be watched. It fails
// when the bridge does not exist. The function that it returns ends the watch.
func watchBridge(cfg Config, deleted func(), failed func(error)) (stop func(), err error) {
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
		// Subscribe first: a bridge that is deleted before the lookup fails the lookup, one deleted after it is reported.
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
				deleted()
			}
		}
	}()
	return func() { close(done); <-ended }, nil
}
