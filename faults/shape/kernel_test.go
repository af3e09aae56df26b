//go:build linux

package shape_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// open opens an engine in the lab's bridge namespace and closes it when the test ends.
func open(tb testing.TB, l *lab.Lab, testnet string) *shape.Engine {
	tb.Helper()
	e, err := tryOpen(l, testnet)
	if err != nil {
		tb.Fatalf("open engine: %v", err)
	}
	if err := e.NoDelay(); err != nil {
		tb.Fatalf("the engine cannot delay: %v", err)
	}
	return e
}

func tryOpen(l *lab.Lab, testnet string) (e *shape.Engine, err error) {
	err = netns.Do(l.Bridge, func() (err error) {
		e, err = shape.Open(shape.Config{Testnet: testnet})
		return err
	})
	return e, err
}

// closing closes an engine and fails the test on an error.
func closing(tb testing.TB, e *shape.Engine) {
	tb.Helper()
	if err := e.Close(); err != nil {
		tb.Errorf("close engine: %v", err)
	}
}

func apply(tb testing.TB, e *shape.Engine, d shape.Desired) {
	tb.Helper()
	if err := e.Apply(d); err != nil {
		tb.Fatal(err)
	}
}

func traffic(tb testing.TB, e *shape.Engine) faults.Traffic {
	tb.Helper()
	tr, err := e.Traffic()
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// pair is the link from the lab's node i to node j.
func pair(tb testing.TB, l *lab.Lab, i, j int) nft.Pair {
	tb.Helper()
	p, err := nft.PairOf(l.Nodes[i].Addr, l.Nodes[j].Addr)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// delayed asks for a shape on the links.
func delayed(s faults.Shape, pairs ...nft.Pair) shape.Desired {
	d := shape.Desired{Shape: map[nft.Pair]faults.Shape{}}
	for _, p := range pairs {
		d.Shape[p] = s
	}
	return d
}

// wire is a stream of numbered datagrams from one node to another.
type wire struct {
	from, to *net.UDPConn
	next     uint64
}

func newWire(tb testing.TB, from, to lab.Node) *wire {
	tb.Helper()
	return &wire{from: udp(tb, from), to: udp(tb, to)}
}

func udp(tb testing.TB, n lab.Node) *net.UDPConn {
	tb.Helper()
	var c *net.UDPConn
	err := netns.Do(n.Path, func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Addr, 0)))
		return err
	})
	if err != nil {
		tb.Fatalf("open UDP socket in node %v: %v", n.Addr, err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func (w *wire) send(tb testing.TB) {
	tb.Helper()
	b := binary.BigEndian.AppendUint64(nil, w.next)
	w.next++
	if _, err := w.from.WriteToUDPAddrPort(b, w.to.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		tb.Fatal(err)
	}
}

// receive returns the number of the next datagram; false when none comes within limit.
func (w *wire) receive(tb testing.TB, limit time.Duration) (uint64, bool) {
	tb.Helper()
	var b [9]byte
	w.to.SetReadDeadline(time.Now().Add(limit))
	n, err := w.to.Read(b[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false
	}
	if err != nil || n != 8 {
		tb.Fatalf("received %d bytes: %v", n, err)
	}
	return binary.BigEndian.Uint64(b[:]), true
}

// expect receives the datagrams first to last, in order.
func (w *wire) expect(tb testing.TB, first, last uint64) {
	tb.Helper()
	for want := first; want <= last; want++ {
		if got, ok := w.receive(tb, 5*time.Second); !ok || got != want {
			tb.Fatalf("received datagram %d (%v), want %d of %d", got, ok, want, last)
		}
	}
}

// arrived waits until n packets have come to the queue.
func arrived(tb testing.TB, e *shape.Engine, n int64) {
	tb.Helper()
	for deadline := time.Now().Add(5 * time.Second); traffic(tb, e).Delayed < n; {
		if time.Now().After(deadline) {
			tb.Fatalf("%d of %d packets came to the queue", traffic(tb, e).Delayed, n)
		}
	}
}

// However fast a heal follows a packet, the next one does not overtake it.
func TestHealKeepsOrder(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "heal")
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	for range 200 {
		apply(t, e, delayed(faults.Shape{Delay: time.Millisecond}, pair(t, l, 0, 1)))
		w.send(t)
		apply(t, e, shape.Desired{})
		w.send(t)
		w.expect(t, w.next-2, w.next-1)
	}
}

func TestJitterKeepsOrderAndLosesNothing(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "order")
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	apply(t, e, delayed(faults.Shape{Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond}, pair(t, l, 0, 1)))
	const total, window = 5000, 200 // the window keeps within the receiver's buffer
	for first := uint64(0); first < total; first += window {
		for range window {
			w.send(t)
		}
		w.expect(t, first, first+window-1)
	}
	if tr := traffic(t, e); tr.Delayed != total || tr.Lost != 0 || tr.Dropped != 0 {
		t.Errorf("traffic is %+v, want %d delayed", tr, total)
	}
}

func TestHealLetsHeldPacketsGoAtTheirTimesAndInOrder(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "drain")
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	const delay = 150 * time.Millisecond
	w.send(t)
	w.expect(t, 0, 0)
	apply(t, e, delayed(faults.Shape{Delay: delay}, pair(t, l, 0, 1)))
	sent := time.Now()
	w.send(t)
	arrived(t, e, 1)
	before := e.Transactions()
	apply(t, e, shape.Desired{})
	w.send(t) // must not overtake the one that is held
	w.expect(t, 1, 1)
	if held := time.Since(sent); held < delay {
		t.Errorf("the packet was held for %v, want %v", held, delay)
	}
	w.expect(t, 2, 2)
	// Once the link is empty it leaves the kernel's set by itself, and packets are as fast as before.
	deadline := time.Now().Add(5 * time.Second)
	for e.Transactions() == before {
		if time.Now().After(deadline) {
			t.Fatal("the link stayed in the set")
		}
		w.send(t)
		w.expect(t, w.next-1, w.next-1)
	}
	counted := traffic(t, e).Delayed
	w.send(t)
	w.expect(t, w.next-1, w.next-1)
	if tr := traffic(t, e); tr.Delayed != counted || tr.Lost != 0 {
		t.Errorf("traffic is %+v after the link left, want %d delayed", tr, counted)
	}
}

func TestCutStopsPacketsThatAreHeld(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "cutheld")
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	link := pair(t, l, 0, 1)
	w.send(t)
	w.expect(t, 0, 0)
	const delay = time.Second // the cut must come sooner, on a busy machine too
	apply(t, e, delayed(faults.Shape{Delay: delay}, link))
	w.send(t)
	apply(t, e, shape.Desired{Cut: map[nft.Pair]struct{}{link: {}}})
	if n, ok := w.receive(t, delay+delay/4); ok {
		t.Errorf("datagram %d got through the cut", n)
	}
	if tr := traffic(t, e); tr.Dropped != 1 || tr.Lost != 0 {
		t.Errorf("traffic is %+v, want 1 dropped", tr)
	}
}

func TestCloseLetsHeldPacketsGo(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "close")
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	w.send(t)
	w.expect(t, 0, 0)
	apply(t, e, delayed(faults.Shape{Delay: time.Minute}, pair(t, l, 0, 1)))
	for range 10 {
		w.send(t)
	}
	arrived(t, e, 10)
	closing(t, e)
	w.expect(t, 1, 10)
}

func TestOneTestnetHasOneOwner(t *testing.T) {
	l := shapetest.Lab(t, 2)
	first := open(t, l, "same")
	if _, err := tryOpen(l, "same"); !errors.Is(err, nft.ErrOwned) {
		t.Errorf("second owner: %v, want ErrOwned", err)
	}
	closing(t, first)
	closing(t, open(t, l, "same"))
}

func TestAChangeIsOneTransaction(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "atomic")
	defer closing(t, e)
	want := fullMesh(t, 100)
	before := e.Transactions()
	apply(t, e, shape.Desired{Cut: want})
	apply(t, e, shape.Desired{Cut: want})
	if n := e.Transactions() - before; n != 1 {
		t.Errorf("cutting 100 nodes twice took %d transactions, want 1", n)
	}
	apply(t, e, shape.Desired{})
	if n := e.Transactions() - before; n != 2 {
		t.Errorf("cutting and healing took %d transactions, want 2", n)
	}
}

// A hook that goes takes all held packets of the namespace with it, whoever holds them. That cannot be helped; it must
// be told.
func TestPacketsThatAForeignHookTookAreCountedAsLost(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e, other := open(t, l, "mine"), open(t, l, "other")
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	w.send(t)
	w.expect(t, 0, 0)
	const delay = time.Second // the other must be closed sooner, on a busy machine too
	apply(t, e, delayed(faults.Shape{Delay: delay}, pair(t, l, 0, 1)))
	w.send(t)
	arrived(t, e, 1)
	closing(t, other)
	if n, ok := w.receive(t, delay+delay/4); ok {
		t.Fatalf("datagram %d survived; then this kernel does not lose packets here, and the test is void", n)
	}
	if tr := traffic(t, e); tr.Flushed != 1 || tr.Lost != 0 {
		t.Errorf("traffic is %+v, want 1 lost", tr)
	}
}

// fullMesh is every link among n addresses.
func fullMesh(tb testing.TB, n int) map[nft.Pair]struct{} {
	tb.Helper()
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	out := make(map[nft.Pair]struct{}, n*n)
	for i := range n {
		for j := range n {
			if i == j {
				continue
			}
			p, err := nft.PairOf(addr(i), addr(j))
			if err != nil {
				tb.Fatal(err)
			}
			out[p] = struct{}{}
		}
	}
	return out
}

func BenchmarkCut100Nodes(b *testing.B) {
	l := shapetest.Lab(b, 2)
	e := open(b, l, "bench")
	defer closing(b, e)
	want := fullMesh(b, 100)
	for b.Loop() {
		if err := e.Apply(shape.Desired{Cut: want}); err != nil {
			b.Fatal(err)
		}
		if err := e.Apply(shape.Desired{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThroughput50ms is the rate of one TCP connection through one link of 50 ms.
func BenchmarkThroughput50ms(b *testing.B) {
	l := shapetest.Lab(b, 2)
	e := open(b, l, "bench")
	defer closing(b, e)
	apply(b, e, delayed(faults.Shape{Delay: 50 * time.Millisecond}, pair(b, l, 0, 1)))
	sender, receiver := tcp(b, l.Nodes[0], l.Nodes[1])
	go func() {
		for block := make([]byte, 256<<10); ; {
			if _, err := sender.Write(block); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<20)
	take := func(n int) {
		for n > 0 {
			k, err := receiver.Read(buf[:min(n, len(buf))])
			if err != nil {
				b.Fatal(err)
			}
			n -= k
		}
	}
	take(100 << 20) // past slow start
	const block = 8 << 20
	b.SetBytes(block)
	start, total := time.Now(), 0.0
	for b.Loop() {
		take(block)
		total += block
	}
	b.ReportMetric(total*8/1e6/time.Since(start).Seconds(), "Mbit/s")
	if tr := traffic(b, e); tr.Lost != 0 {
		b.Errorf("the engine lost packets: %+v", tr)
	}
}

// tcp connects two nodes. The sender's buffer is made large enough for the delay.
func tcp(tb testing.TB, from, to lab.Node) (sender, receiver *net.TCPConn) {
	tb.Helper()
	var ln *net.TCPListener
	err := netns.Do(to.Path, func() (err error) {
		ln, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, 0)))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	err = netns.Do(from.Path, func() (err error) {
		sender, err = net.DialTCP("tcp4", nil, ln.Addr().(*net.TCPAddr))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if receiver, err = ln.AcceptTCP(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		sender.Close()
		receiver.Close()
	})
	if err := forceSendBuffer(sender, 32<<20); err != nil {
		tb.Fatal(err)
	}
	return sender, receiver
}
