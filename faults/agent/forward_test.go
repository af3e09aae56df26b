package agent

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

// echoNode listens as a node that sends back what it received.
func echoNode(t *testing.T) netip.AddrPort {
	t.Helper()
	ln := must.Get(net.Listen("tcp4", "127.0.0.1:0"))(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(c)
			_, _ = c.Write(append([]byte("got "), text...))
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// exchange sends a text and returns the answer.
func exchange(t *testing.T, to netip.AddrPort, text string) string {
	t.Helper()
	c := must.Get(net.Dial("tcp4", to.String()))(t)
	defer c.Close()
	must.Get(io.WriteString(c, text))(t)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "" // the other end closed
	}
	answer, _ := io.ReadAll(c)
	return string(answer)
}

func TestForwarder(t *testing.T) {
	r := newFakeAgent(t, false)
	node := echoNode(t)
	gone := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), 1)
	must.Do(t, r.SetHosts(t.Context(), []Host{{Node: "a", Addr: node.Addr()}, {Node: "b", Addr: gone.Addr()}}))
	addrs, err := r.Forward(t.Context(), []netip.AddrPort{node, gone, node})
	if err != nil || len(addrs) != 3 || addrs[0] != addrs[2] || addrs[0] == addrs[1] {
		t.Fatalf("addrs %v, %v", addrs, err)
	}
	for _, w := range addrs {
		if !w.Addr().IsLoopback() {
			t.Errorf("%s is reachable from other hosts", w)
		}
	}
	for range 3 {
		if got := exchange(t, addrs[0], "hello"); got != "got hello" {
			t.Errorf("the node answered %q", got)
		}
	}
	if got := exchange(t, addrs[1], "hello"); got != "" {
		t.Errorf("a node that does not exist answered %q", got)
	}
	again, err := r.Forward(t.Context(), []netip.AddrPort{gone, node})
	if err != nil || !slices.Equal(again, []netip.AddrPort{addrs[1], addrs[0]}) {
		t.Errorf("second call: %v, %v", again, err)
	}

	// An idle connection does not delay the agent's end.
	idle := must.Get(net.Dial("tcp4", addrs[0].String()))(t)
	defer idle.Close()
	r.server.forwards.close()
	if _, err := io.ReadAll(idle); err == nil {
		if c, err := net.Dial("tcp4", addrs[0].String()); err == nil {
			c.Close()
			t.Error("the forward is still open")
		}
	}
	if _, err := r.Forward(t.Context(), []netip.AddrPort{node}); status(err) != 500 || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("after the end: %v", err)
	}
}

func TestForward_InvalidTargets(t *testing.T) {
	r := newFakeAgent(t, false)
	must.Do(t, r.SetHosts(t.Context(), threeHosts()))
	for _, target := range []netip.AddrPort{
		netip.MustParseAddrPort("10.0.0.9:80"), netip.MustParseAddrPort("127.0.0.1:22"), netip.MustParseAddrPort("10.0.0.1:0"), {},
	} {
		if _, err := r.Forward(t.Context(), []netip.AddrPort{target}); status(err) != 400 {
			t.Errorf("forward to %s: %v", target, err)
		}
	}
	if _, err := r.Forward(t.Context(), make([]netip.AddrPort, maxHosts+1)); status(err) != 400 {
		t.Errorf("too many: %v", err)
	}
}
