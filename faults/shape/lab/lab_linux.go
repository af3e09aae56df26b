package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Lab is a bridge and the nodes on it. Every process can open the paths until Close.
type Lab struct {
	Bridge   string // path of the bridge's network namespace
	BridgeIf string // name of the bridge in it
	Nodes    []Node

	bridge netns.NsHandle
	all    []netns.NsHandle
}

// Node is one namespace with an address on the bridge.
type Node struct {
	Path string
	Addr netip.Addr
}

// New builds a lab of n nodes, 10.0.0.1 upwards; n is at most 1,000.
func New(n int) (*Lab, error) {
	l := &Lab{BridgeIf: "lab0"}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread changes namespaces and ends with the goroutine
		done <- l.build(n)
	}()
	if err := <-done; err != nil {
		l.Close()
		return nil, fmt.Errorf("build network of %d nodes: %w", n, err)
	}
	return l, nil
}

// Close removes the namespaces, unless a process or socket still uses them. It may be called more than once.
func (l *Lab) Close() {
	for _, h := range l.all {
		h.Close()
	}
	l.all = nil
}

// namespace creates a namespace, leaves the thread in it and returns its path.
func (l *Lab) namespace() (netns.NsHandle, string, error) {
	h, err := netns.New()
	if err != nil {
		return -1, "", fmt.Errorf("new network namespace: %w", err)
	}
	l.all = append(l.all, h)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return -1, "", fmt.Errorf("find loopback: %w", err)
	}
	return h, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(h)), netlink.LinkSetUp(lo)
}

func (l *Lab) build(n int) (err error) {
	if l.bridge, l.Bridge, err = l.namespace(); err != nil {
		return err
	}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: l.BridgeIf}}
	if err := netlink.LinkAdd(br); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	if err := netlink.LinkSetUp(br); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	for i := range n {
		if err := l.addNode(br, i); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// addNode creates node i and connects it to the bridge.
func (l *Lab) addNode(br *netlink.Bridge, i int) error {
	_, path, err := l.namespace()
	if err != nil {
		return err
	}
	addr := netip.AddrFrom4([4]byte{10, 0, byte((i + 1) >> 8), byte(i + 1)})
	l.Nodes = append(l.Nodes, Node{Path: path, Addr: addr})
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: "eth0"},
		PeerName:      fmt.Sprintf("port%d", i),
		PeerNamespace: netlink.NsFd(l.bridge),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	ip := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(16, 32)}}
	if err := netlink.AddrAdd(veth, ip); err != nil {
		return fmt.Errorf("add address: %w", err)
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return fmt.Errorf("set veth up: %w", err)
	}
	if err := netns.Set(l.bridge); err != nil {
		return fmt.Errorf("enter bridge's namespace: %w", err)
	}
	port, err := netlink.LinkByName(veth.PeerName)
	if err != nil {
		return fmt.Errorf("find port: %w", err)
	}
	if err := netlink.LinkSetMaster(port, br); err != nil {
		return fmt.Errorf("join bridge: %w", err)
	}
	return netlink.LinkSetUp(port)
}
