package shape_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// giveAddr adds an address to an interface of a namespace.
func giveAddr(t *testing.T, path, name, addr string) {
	t.Helper()
	must.Do(t, netns.Do(path, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		a.Flags = 0x02 // IFA_F_NODAD: it is usable at once
		return netlink.AddrAdd(link, a)
	}))
}

// accept listens on a TCP address of a namespace, and takes all connections.
func accept(t *testing.T, path, addr string) string {
	t.Helper()
	var ln net.Listener
	must.Do(t, netns.Do(path, func() (err error) { ln, err = net.Listen("tcp", addr); return err }))
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// reaches says whether a connection from a namespace to an address is accepted within a time.
func reaches(path, host, port string, limit time.Duration) bool {
	return netns.Do(path, func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), limit)
		if err == nil {
			c.Close()
		}
		return err
	}) == nil
}

// echo says whether a datagram from one namespace to an address in another is answered within a time.
func echo(t *testing.T, from string, to netip.AddrPort, in string, limit time.Duration) bool {
	t.Helper()
	bind := func(path string, addr netip.AddrPort) (c *net.UDPConn) {
		must.Do(t, netns.Do(path, func() (err error) {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
			return err
		}))
		return c
	}
	server := bind(in, netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port()))
	defer server.Close()
	client := bind(from, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	defer client.Close()
	must.Get(client.WriteToUDPAddrPort([]byte("x"), to))(t)
	b := make([]byte, 8)
	deadline := time.Now().Add(limit)
	must.Do(t, server.SetReadDeadline(deadline))
	must.Do(t, client.SetReadDeadline(deadline))
	_, peer, err := server.ReadFromUDPAddrPort(b)
	if err != nil {
		return false
	}
	must.Get(server.WriteToUDPAddrPort([]byte("y"), peer))(t)
	_, _, err = client.ReadFromUDPAddrPort(b)
	return err == nil
}

// TestEngine_ProtectHost: nodes open no connection to the host, by any of its addresses; the host does to nodes, and nodes do to
// each other. It ends with the engine.
func TestEngine_ProtectHost(t *testing.T) {
	l := shapetest.Lab(t, 2)
	giveAddr(t, l.Bridge, l.BridgeIf, "10.0.255.1/16")
	giveAddr(t, l.Bridge, "lo", "192.0.2.1/32") // another address of the host
	giveAddr(t, l.Bridge, l.BridgeIf, "fd00::ff/64")
	giveAddr(t, l.Nodes[0].Path, "eth0", "fd00::1/64")
	a, b := l.Nodes[0], l.Nodes[1]
	must.Do(t, netns.Do(a.Path, func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP("10.0.255.1")})
	}))
	host := accept(t, l.Bridge, ":0") // all addresses, both families
	gateway := accept(t, l.Bridge, "10.0.255.1:0")
	node, peer := accept(t, a.Path, ":0"), accept(t, b.Path, ":0")
	targets := map[string]string{"10.0.255.1": host, "192.0.2.1": host, "fd00::ff": host}
	check := func(want bool) {
		t.Helper()
		limit := 10 * time.Second
		if !want {
			limit = 300 * time.Millisecond // what is dropped is not answered at all
		}
		var tries sync.WaitGroup
		for addr, port := range targets {
			tries.Go(func() {
				if got := reaches(a.Path, addr, port, limit); got != want {
					t.Errorf("a node reaches the host at %s: %v", addr, got)
				}
			})
		}
		tries.Go(func() {
			if got := reaches(a.Path, "10.0.255.1", gateway, limit); got != want {
				t.Errorf("a node reaches a listener on the gateway's address: %v", got)
			}
		})
		tries.Wait()
		if got := echo(t, a.Path, netip.MustParseAddrPort("10.0.255.1:5353"), l.Bridge, limit); got != want {
			t.Errorf("a node reaches the host by UDP: %v", got)
		}
		limit = 10 * time.Second
		if !reaches(l.Bridge, a.Addr.String(), node, limit) || !reaches(l.Bridge, "fd00::1", node, limit) {
			t.Error("the host does not reach a node")
		}
		if !echo(t, l.Bridge, netip.AddrPortFrom(a.Addr, 5353), a.Path, limit) {
			t.Error("a reply by UDP does not reach the host")
		}
		if !reaches(a.Path, b.Addr.String(), peer, limit) {
			t.Error("a node does not reach its peer")
		}
	}
	check(true)
	var e *shape.Engine
	must.Do(t, netns.Do(l.Bridge, func() (err error) {
		e, err = shape.Open(shape.Config{Testnet: "protect", Bridge: l.BridgeIf, ProtectHost: true})
		return err
	}))
	check(false)
	closeEngine(t, e)
	check(true)
}

func TestEngine_ProtectHostNeedsBridge(t *testing.T) {
	l := shapetest.Lab(t, 0)
	err := netns.Do(l.Bridge, func() error {
		_, err := shape.Open(shape.Config{Testnet: "protect", ProtectHost: true})
		return err
	})
	must.Fail(t, "no interface's name")(err)
	must.Check(t, netns.Do(l.Bridge, func() error { // nothing is left of it
		e, err := shape.Open(shape.Config{Testnet: "protect"})
		if err == nil {
			err = e.Close()
		}
		return err
	}))
}
