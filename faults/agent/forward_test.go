package agent

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// echo is a node that answers what it is sent once the sender is done.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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

// say sends a text and returns the answer.
func say(t *testing.T, to netip.AddrPort, text string) string {
	t.Helper()
	c, err := net.Dial("tcp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "" // the other end has gone
	}
	answer, _ := io.ReadAll(c)
	return string(answer)
}

func TestForward(t *testing.T) {
	r := newRig(t, false)
	node := echo(t)
	gone := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), 1)
	err := r.SetHosts(t.Context(), []Host{{Node: "a", Addr: node.Addr()}, {Node: "b", Addr: gone.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	ways, err := r.Forward(t.Context(), []netip.AddrPort{node, gone, node})
	if err != nil || len(ways) != 3 || ways[0] != ways[2] || ways[0] == ways[1] {
		t.Fatalf("ways %v, %v", ways, err)
	}
	for _, w := range ways {
		if !w.Addr().IsLoopback() {
			t.Errorf("%s is open to others than this host", w)
		}
	}
	for range 3 {
		if got := say(t, ways[0], "hello"); got != "got hello" {
			t.Errorf("the node said %q", got)
		}
	}
	if got := say(t, ways[1], "hello"); got != "" {
		t.Errorf("a node that is not there said %q", got)
	}
	again, err := r.Forward(t.Context(), []netip.AddrPort{gone, node})
	if err != nil || !slices.Equal(again, []netip.AddrPort{ways[1], ways[0]}) {
		t.Errorf("asked again: %v, %v", again, err)
	}

	// A connection that idles when the agent stops does not hold it up.
	idle, err := net.Dial("tcp4", ways[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	r.server.forwards.close()
	if _, err := io.ReadAll(idle); err == nil {
		if c, err := net.Dial("tcp4", ways[0].String()); err == nil {
			c.Close()
			t.Error("the way is still open")
		}
	}
	if _, err := r.Forward(t.Context(), []netip.AddrPort{node}); status(err) != 500 || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("after the end: %v", err)
	}
}

func TestForwardRefuses(t *testing.T) {
	r := newRig(t, false)
	if err := r.SetHosts(t.Context(), threeHosts()); err != nil {
		t.Fatal(err)
	}
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
