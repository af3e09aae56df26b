//go:build linux

package shape_test

import (
	"io"
	"net"
	"net/netip"
	"sort"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/nfnl"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// open opens an engine in the lab's bridge namespace.
func open(tb testing.TB, l *shapetest.Lab, testnet string) *shape.Engine {
	tb.Helper()
	var e *shape.Engine
	err := nfnl.In(l.Bridge, func() (err error) {
		e, err = shape.Open(shape.Config{Testnet: testnet})
		return err
	})
	if err != nil {
		tb.Fatalf("open engine: %v", err)
	}
	return e
}

func pair(tb testing.TB, a, b shapetest.Node) nft.Pair {
	tb.Helper()
	p, err := nft.PairOf(a.Addr, b.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// listenUDP opens a socket inside a node.
func listenUDP(tb testing.TB, n shapetest.Node) *net.UDPConn {
	tb.Helper()
	var c *net.UDPConn
	err := nfnl.In(n.Path, func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Addr, 7000)))
		return err
	})
	if err != nil {
		tb.Fatalf("listen in node %v: %v", n.Addr, err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func TestExperimentDelay(t *testing.T) {
	l := shapetest.New(t, 2)
	e := open(t, l, "exp")
	defer e.Close()
	t.Log(e.Name(), e.NoDelay())
	a, b := listenUDP(t, l.Nodes[0]), listenUDP(t, l.Nodes[1])
	to := b.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, d := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		want := shape.Desired{}
		if d > 0 {
			want.Shape = map[nft.Pair]faults.Shape{pair(t, l.Nodes[0], l.Nodes[1]): {Delay: d}}
		}
		if err := e.Apply(want); err != nil {
			t.Fatal(err)
		}
		var all []time.Duration
		buf := make([]byte, 100)
		for range 21 {
			start := time.Now()
			if _, err := a.WriteToUDPAddrPort([]byte("x"), to); err != nil {
				t.Fatal(err)
			}
			b.SetReadDeadline(time.Now().Add(3 * time.Second))
			if _, err := b.Read(buf); err != nil {
				t.Fatal(err)
			}
			all = append(all, time.Since(start))
		}
		sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
		tr, err := e.Traffic()
		t.Log(d, "median", all[10], "max", all[20], tr, err)
	}
}

func TestExperimentTCP(t *testing.T) {
	l := shapetest.New(t, 2)
	e := open(t, l, "exp")
	defer e.Close()
	for _, d := range []time.Duration{0, 50 * time.Millisecond} {
		want := shape.Desired{}
		if d > 0 {
			want.Shape = map[nft.Pair]faults.Shape{pair(t, l.Nodes[0], l.Nodes[1]): {Delay: d}}
		}
		if err := e.Apply(want); err != nil {
			t.Fatal(err)
		}
		var ln net.Listener
		if err := nfnl.In(l.Nodes[1].Path, func() (err error) { ln, err = net.Listen("tcp4", "0.0.0.0:7001"); return }); err != nil {
			t.Fatal(err)
		}
		var c net.Conn
		if err := nfnl.In(l.Nodes[0].Path, func() (err error) { c, err = net.Dial("tcp4", l.Nodes[1].Addr.String()+":7001"); return }); err != nil {
			t.Fatal(err)
		}
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			buf := make([]byte, 256<<10)
			for {
				if _, err := c.Write(buf); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 1<<20)
		for i := 0; i < 4; i++ {
			start := time.Now()
			n := 0
			for time.Since(start) < time.Second {
				k, err := s.Read(buf)
				if err != nil && err != io.EOF {
					t.Fatal(err)
				}
				n += k
			}
			t.Logf("%v: %.0f Mbit/s", d, float64(n)*8/time.Since(start).Seconds()/1e6)
		}
		c.Close()
		s.Close()
		ln.Close()
		tr, err := e.Traffic()
		t.Log(tr, err)
	}
}
