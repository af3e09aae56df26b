package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// placeEngine is what finding out where an engine's containers are needs of it.
type placeEngine interface {
	inspector
	Info(ctx context.Context) (system.Info, error)
	NetworkInspect(ctx context.Context, id string, o network.InspectOptions) (network.Inspect, error)
	NetworkCreate(ctx context.Context, name string, o network.CreateOptions) (network.CreateResponse, error)
	NetworkRemove(ctx context.Context, id string) error
}

// checkPlace fails where containers of the engine cannot be reached from this process, or cannot see its directories: a
// rootless engine, one in a virtual machine or behind a forwarded port, a process that is in a container itself. It looks
// for the bridge of the engine's default network; where that is missing, it makes a network for a moment, because somebody
// may have removed the bridge. Where the default network is off, only checkRoute finds out.
func checkPlace(ctx context.Context, e placeEngine, end endpoint) error {
	n, err := e.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	bridge := cmp.Or(n.Options["com.docker.network.bridge.name"], "docker0")
	switch {
	case errdefs.IsNotFound(err):
		if info, err := e.Info(ctx); err != nil || isRootless(info) {
			return end.elsewhere(info, err, "")
		}
	case err != nil:
		return end.unavailable(err)
	case n.Driver == "bridge" && !hasInterface(bridge):
		info, err := e.Info(ctx)
		if err == nil && !isRootless(info) && makesBridge(ctx, e) {
			break
		}
		return end.elsewhere(info, err, fmt.Sprintf(" (the interface of its default network, %s, is not here)", bridge))
	}
	id := ownContainer()
	if id == "" {
		return nil
	}
	own, err := e.ContainerInspect(ctx, id)
	if err != nil || sharesDir(own.Mounts, socketBase()) {
		return nil //nolint:nilerr // it is no container of this engine
	}
	return end.fail(containerAdvice(), "netsplit runs in container %s, and the engine does not see the directory %s of it",
		strings.TrimPrefix(own.Name, "/"), filepath.Dir(socketBase()))
}

// elsewhere is the error about an engine whose networks are not on this host. err is that of the info.
func (e endpoint) elsewhere(info system.Info, err error, found string) error {
	switch {
	case err != nil:
		return e.unavailable(err)
	case isRootless(info):
		return e.fail("use an engine that runs as root, or --runtime sim",
			"the engine is rootless: its networks are in a namespace of its own, and containers cannot be reached from here%s", found)
	case inContainer():
		return e.fail(containerAdvice(),
			"netsplit runs in a container with a network of its own, from which the engine's other networks cannot be reached%s", found)
	}
	return e.fail("run netsplit where the engine runs, or use --runtime sim",
		"the engine's networks are not on this host: it may be in a virtual machine or a container, or behind a forwarded port%s", found)
}

// makesBridge reports whether a new network of the engine has its bridge on this host.
func makesBridge(ctx context.Context, e placeEngine) bool {
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	id := fmt.Sprintf("probe-%d-%d", os.Getpid(), commands.Add(1))
	n, err := e.NetworkCreate(ctx, networkName(id), network.CreateOptions{
		Driver: "bridge", Internal: true, Options: driverOptions(id), Labels: testnetLabels(runtime.Plan{ID: id}),
	})
	if err != nil {
		return false
	}
	here := hasInterface(bridgeName(id))
	return e.NetworkRemove(ctx, n.ID) == nil && here
}

func isRootless(info system.Info) bool { return slices.Contains(info.SecurityOptions, "name=rootless") }

// containerAdvice is how netsplit can run in a container.
func containerAdvice() string {
	dir := filepath.Dir(socketBase())
	return fmt.Sprintf("run netsplit on the host, or start its container with --network host --volume %s:%s", dir, dir)
}

func hasInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// inContainer reports whether this process is in a container, of whatever engine.
func inContainer() bool {
	for _, file := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return ownContainer() != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// ownContainer is the id of the container that this process is in; empty where it is in none that can be recognised.
func ownContainer() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return containerOf(mounts)
}

// containerOf finds the id of a container in the mounts of a process in it: engines mount files such as /etc/hostname from
// a directory that is named after the container.
func containerOf(mountinfo []byte) string {
	for line := range bytes.Lines(mountinfo) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 || !slices.Contains([]string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}, fields[4]) {
			continue
		}
		for part := range strings.SplitSeq(fields[3], "/") {
			if len(part) == 64 && strings.Trim(part, "0123456789abcdef") == "" {
				return part
			}
		}
	}
	return ""
}

// sharesDir reports whether a container has a directory at the path that it has for the engine.
func sharesDir(mounts []container.MountPoint, dir string) bool {
	return slices.ContainsFunc(mounts, func(m container.MountPoint) bool {
		rel, err := filepath.Rel(m.Destination, dir)
		return err == nil && m.Source == m.Destination && rel != ".." && !strings.HasPrefix(rel, "../")
	})
}

// explainMount says what it means when the engine does not find the directory of the agent's socket.
func explainMount(err error, dir string) error {
	if err == nil || !strings.Contains(err.Error(), "bind source path does not exist") {
		return err
	}
	return &runtime.HostError{
		Err:    fmt.Errorf("the engine does not see %s, which netsplit made: they do not share their files: %w", dir, err),
		Advice: "is netsplit or the engine in a container? share the directory, or set XDG_RUNTIME_DIR to one that both have",
	}
}

// checkRoute fails unless packets from this process to an address on a bridge go there: the bridge may be on another host
// or in another network namespace, and a routing rule may send them elsewhere.
func checkRoute(bridge string, addr netip.Addr) error {
	if !hasInterface(bridge) {
		return &runtime.HostError{
			Err:    fmt.Errorf("the network's bridge %s is not on this host, so its containers cannot be reached", bridge),
			Advice: "run netsplit where the engine runs, not in a container or beside a virtual machine, or use --runtime sim",
		}
	}
	out, err := routeTo(addr)
	switch {
	case errors.Is(err, errors.ErrUnsupported) || err == nil && out == bridge:
		return nil
	case err != nil:
		return &runtime.HostError{Err: fmt.Errorf("find the route to node address %s: %w", addr, err), Advice: subnetAdvice}
	}
	return &runtime.HostError{
		Err:    fmt.Errorf("packets to node address %s leave this host through %s instead of the testnet's bridge: a routing rule takes them (ip rule)", addr, out),
		Advice: subnetAdvice,
	}
}

// subnetAdvice is what to do about routes that are in the way.
const subnetAdvice = "choose a range that nothing else uses, for example --subnet 100.127.0.0/16"
