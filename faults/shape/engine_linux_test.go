package shape_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
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
	if e.Via() == "" {
		tb.Fatal("the engine cannot delay")
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

// closeEngine closes an engine and fails the test on an error.
func closeEngine(tb testing.TB, e *shape.Engine) {
	tb.Helper()
	if err := e.Close(); err != nil {
		tb.Errorf("close engine: %v", err)
	}
}

// pair is the link from the lab's node i to node j.
func pair(tb testing.TB, l *lab.Lab, i, j int) nft.Pair {
	tb.Helper()
	p := must.Get(nft.PairOf(l.Nodes[i].Addr, l.Nodes[j].Addr))(tb)
	return p
}

// delayed is the state in which the links have a shape.
func delayed(s faults.Shape, pairs ...nft.Pair) shape.Desired {
	d := shape.Desired{Shape: map[nft.Pair]faults.Shape{}}
	for _, p := range pairs {
		d.Shape[p] = s
	}
	return d
}

// stream sends numbered datagrams from one node to another.
type stream struct {
	from, to *net.UDPConn
	next     uint64
}

func newStream(tb testing.TB, from, to lab.Node) *stream {
	tb.Helper()
	return &stream{from: udp(tb, from), to: udp(tb, to)}
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

func (s *stream) send(tb testing.TB) {
	tb.Helper()
	b := binary.BigEndian.AppendUint64(nil, s.next)
	s.next++
	must.Get(s.from.WriteToUDPAddrPort(b, s.to.LocalAddr().(*net.UDPAddr).AddrPort()))(tb)
}

// receive returns the number of the next datagram; false when none comes within limit.
func (s *stream) receive(tb testing.TB, limit time.Duration) (uint64, bool) {
	tb.Helper()
	var b [9]byte
	s.to.SetReadDeadline(time.Now().Add(limit))
	n, err := s.to.Read(b[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false
	}
	if err != nil || n != 8 {
		tb.Fatalf("received %d bytes: %v", n, err)
	}
	return binary.BigEndian.Uint64(b[:]), true
}

// expect receives the datagrams first to last, in order.
func (s *stream) expect(tb testing.TB, first, last uint64) {
	tb.Helper()
	for want := first; want <= last; want++ {
		if got, ok := s.receive(tb, 5*time.Second); !ok || got != want {
			tb.Fatalf("received datagram %d (%v), want %d of %d", got, ok, want, last)
		}
	}
}

// waitHeld waits until n packets have arrived at the queue.
func waitHeld(tb testing.TB, e *shape.Engine, n int64) {
	tb.Helper()
	for deadline := time.Now().Add(5 * time.Second); must.Get(e.Traffic())(tb).Delayed < n; {
		if time.Now().After(deadline) {
			tb.Fatalf("%d of %d packets arrived at the queue", must.Get(e.Traffic())(tb).Delayed, n)
		}
	}
}

// However soon a heal follows a packet, the next packet does not overtake it.
func TestEngine_HealKeepsOrder(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "heal")
	defer closeEngine(t, e)
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	for range 200 {
		must.Do(t, e.Apply(delayed(faults.Shape{Delay: time.Millisecond}, pair(t, l, 0, 1))))
		s.send(t)
		must.Do(t, e.Apply(shape.Desired{}))
		s.send(t)
		s.expect(t, s.next-2, s.next-1)
	}
}

func TestEngine_JitterKeepsOrder(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "order")
	defer closeEngine(t, e)
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	must.Do(t, e.Apply(delayed(faults.Shape{Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond}, pair(t, l, 0, 1))))
	const total, window = 2000, 200 // the window keeps within the receiver's buffer
	for first := uint64(0); first < total; first += window {
		for range window {
			s.send(t)
		}
		s.expect(t, first, first+window-1)
	}
	if tr := must.Get(e.Traffic())(t); tr.Delayed != total || tr.Lost != 0 || tr.Dropped != 0 {
		t.Errorf("traffic is %+v, want %d delayed", tr, total)
	}
}

func TestEngine_HealReleasesHeldPacketsInTime(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "drain")
	defer closeEngine(t, e)
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	const delay = 150 * time.Millisecond
	s.send(t)
	s.expect(t, 0, 0)
	must.Do(t, e.Apply(delayed(faults.Shape{Delay: delay}, pair(t, l, 0, 1))))
	sent := time.Now()
	s.send(t)
	waitHeld(t, e, 1)
	before := e.Transactions()
	must.Do(t, e.Apply(shape.Desired{}))
	s.send(t) // must not overtake the one that is held
	s.expect(t, 1, 1)
	if held := time.Since(sent); held < delay {
		t.Errorf("the packet was held for %v, want %v", held, delay)
	}
	s.expect(t, 2, 2)
	// Once the link is empty it is removed from the kernel's set, and packets are as fast as before.
	deadline := time.Now().Add(5 * time.Second)
	for e.Transactions() == before {
		if time.Now().After(deadline) {
			t.Fatal("the link was not removed from the set")
		}
		s.send(t)
		s.expect(t, s.next-1, s.next-1)
	}
	counted := must.Get(e.Traffic())(t).Delayed
	s.send(t)
	s.expect(t, s.next-1, s.next-1)
	if tr := must.Get(e.Traffic())(t); tr.Delayed != counted || tr.Lost != 0 {
		t.Errorf("traffic is %+v after the link was removed, want %d delayed", tr, counted)
	}
}

func TestEngine_CutDropsHeldPackets(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := shapetest.Lab(t, 2)
	e := open(t, l, "cutheld")
	defer closeEngine(t, e)
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	link := pair(t, l, 0, 1)
	s.send(t)
	s.expect(t, 0, 0)
	const delay = time.Second // the cut must be made before, on a busy machine too
	must.Do(t, e.Apply(delayed(faults.Shape{Delay: delay}, link)))
	s.send(t)
	waitHeld(t, e, 1)
	must.Do(t, e.Apply(shape.Desired{Cut: map[nft.Pair]struct{}{link: {}}}))
	if n, ok := s.receive(t, delay+delay/4); ok {
		t.Errorf("datagram %d got through the cut", n)
	}
	if tr := must.Get(e.Traffic())(t); tr.Dropped != 1 || tr.Lost != 0 {
		t.Errorf("traffic is %+v, want 1 dropped", tr)
	}
}

func TestEngine_CloseReleasesHeldPackets(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "close")
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	s.send(t)
	s.expect(t, 0, 0)
	must.Do(t, e.Apply(delayed(faults.Shape{Delay: time.Minute}, pair(t, l, 0, 1))))
	for range 10 {
		s.send(t)
	}
	waitHeld(t, e, 10)
	closeEngine(t, e)
	s.expect(t, 1, 10)
}

func TestOpen_SecondOwner(t *testing.T) {
	l := shapetest.Lab(t, 2)
	first := open(t, l, "same")
	if _, err := tryOpen(l, "same"); !errors.Is(err, nft.ErrOwned) {
		t.Errorf("second owner: %v, want ErrOwned", err)
	}
	closeEngine(t, first)
	closeEngine(t, open(t, l, "same"))
}

func TestEngine_ApplyIsOneTransaction(t *testing.T) {
	l := shapetest.Lab(t, 2)
	e := open(t, l, "atomic")
	defer closeEngine(t, e)
	want := fullMesh(t, 100)
	before := e.Transactions()
	must.Do(t, e.Apply(shape.Desired{Cut: want}))
	must.Do(t, e.Apply(shape.Desired{Cut: want}))
	if n := e.Transactions() - before; n != 1 {
		t.Errorf("cutting 100 nodes twice took %d transactions, want 1", n)
	}
	must.Do(t, e.Apply(shape.Desired{}))
	if n := e.Transactions() - before; n != 2 {
		t.Errorf("cutting and healing took %d transactions, want 2", n)
	}
}

// When a netfilter hook is removed, the kernel drops what all queues of the namespace hold. An engine that ends leaves its
// table to another for that reason; the engine counts what is lost where another program removes a hook.
func TestEngine_EndOfAnother(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := shapetest.Lab(t, 2)
	e, other := open(t, l, "mine"), open(t, l, "other")
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	s.send(t)
	s.expect(t, 0, 0)
	const delay = time.Second // the other must close before, on a busy machine too
	link := pair(t, l, 0, 1)
	must.Do(t, other.Apply(shape.Desired{Cut: map[nft.Pair]struct{}{pair(t, l, 1, 0): {}}}))
	must.Do(t, e.Apply(delayed(faults.Shape{Delay: delay}, link)))
	s.send(t)
	waitHeld(t, e, 1)
	closeEngine(t, other)
	if n, ok := s.receive(t, 2*delay); !ok || n != 1 {
		t.Fatalf("the held datagram was lost (%d, %v)", n, ok)
	}
	if tr := must.Get(e.Traffic())(t); tr.Flushed != 0 || tr.Lost != 0 {
		t.Errorf("traffic is %+v", tr)
	}
	exists := func(name string) (yes bool) {
		must.Do(t, netns.Do(l.Bridge, func() error { yes = nft.Exists(shape.TableName(name)); return nil }))
		return yes
	}
	if other = open(t, l, "other"); other == nil { // the table that it left is given up for the new one
		t.Fatal("no engine")
	}
	s.send(t)
	waitHeld(t, e, 1)
	closeEngine(t, other)
	if n, ok := s.receive(t, 2*delay); !ok || n != 2 {
		t.Fatalf("the held datagram was lost (%d, %v)", n, ok)
	}
	for deadline := time.Now().Add(20 * time.Second); exists("other"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the table of the engine that ended stays although no queue holds anything")
		}
	}
	// Another program's hook.
	s.send(t)
	waitHeld(t, e, 1)
	must.Do(t, netns.Do(l.Bridge, func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "foreign"})
		c.AddChain(&nftables.Chain{
			Name: "input", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		if err := c.Flush(); err != nil {
			return err
		}
		c.DelTable(table)
		return c.Flush()
	}))
	if n, ok := s.receive(t, delay+delay/4); ok {
		t.Fatalf("datagram %d survived: this kernel does not drop held packets, and the test shows nothing", n)
	}
	if tr := must.Get(e.Traffic())(t); tr.Flushed != 1 || tr.Lost != 0 {
		t.Errorf("traffic is %+v, want 1 flushed", tr)
	}
	closeEngine(t, e)
	if exists("mine") || exists("other") {
		t.Error("a table is left behind")
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
			p := must.Get(nft.PairOf(addr(i), addr(j)))(tb)
			out[p] = struct{}{}
		}
	}
	return out
}

func BenchmarkCut100Nodes(b *testing.B) {
	l := shapetest.Lab(b, 2)
	e := open(b, l, "bench")
	defer closeEngine(b, e)
	want := fullMesh(b, 100)
	for b.Loop() {
		must.Do(b, e.Apply(shape.Desired{Cut: want}))
		must.Do(b, e.Apply(shape.Desired{}))
	}
}

// BenchmarkThroughput50ms is the rate of one TCP connection through one link of 50 ms.
func BenchmarkThroughput50ms(b *testing.B) {
	l := shapetest.Lab(b, 2)
	e := open(b, l, "bench")
	defer closeEngine(b, e)
	must.Do(b, e.Apply(delayed(faults.Shape{Delay: 50 * time.Millisecond}, pair(b, l, 0, 1))))
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
			k := must.Get(receiver.Read(buf[:min(n, len(buf))]))(b)
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
	if tr := must.Get(e.Traffic())(b); tr.Lost != 0 {
		b.Errorf("the engine lost packets: %+v", tr)
	}
}

// tcp connects two nodes. The sender's buffer is made large enough for the delay.
func tcp(tb testing.TB, from, to lab.Node) (sender, receiver *net.TCPConn) {
	tb.Helper()
	var ln *net.TCPListener
	must.Do(tb, netns.Do(to.Path, func() (err error) {
		ln, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, 0)))
		return err
	}))
	defer ln.Close()
	must.Do(tb, netns.Do(from.Path, func() (err error) {
		sender, err = net.DialTCP("tcp4", nil, ln.Addr().(*net.TCPAddr))
		return err
	}))
	receiver = must.Get(ln.AcceptTCP())(tb)
	tb.Cleanup(func() {
		sender.Close()
		receiver.Close()
	})
	must.Do(tb, forceSendBuffer(sender, 32<<20))
	return sender, receiver
}

// forceSendBuffer sets a connection's send buffer, beyond the system's limit.
func forceSendBuffer(c *net.TCPConn, size int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size)
	}); err != nil {
		return err
	}
	return serr
}

// Where delays need bridge netfilter and the host has it switched off, it is switched on for the testnet's bridge; where
// that is not possible, delays are refused and cuts still work.
func TestOpen_BridgeNetfilterOff(t *testing.T) {
	l := shapetest.Lab(t, 2)
	first := open(t, l, "first")
	needed := strings.HasPrefix(first.Via(), string(nft.InIP))
	closeEngine(t, first)
	if !needed {
		t.Skip("this kernel delays in the bridge family")
	}
	openWith := func(bridge string) (e *shape.Engine) {
		t.Helper()
		must.Do(t, netns.Do(l.Bridge, func() (err error) {
			if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o644); err != nil {
				return err
			}
			e, err = shape.Open(shape.Config{Testnet: "off", Bridge: bridge})
			return err
		}))
		return e
	}
	link := pair(t, l, 0, 1)
	slow := delayed(faults.Shape{Delay: 30 * time.Millisecond}, link)

	for bridge, want := range map[string]string{"": "bridge-nf-call-iptables is 0", "nobridge0": "switch bridge netfilter on for nobridge0"} {
		e := openWith(bridge)
		if e.Name() != "nft" || e.Via() != "" {
			t.Errorf("with bridge %q: engine %s via %q, want none", bridge, e.Name(), e.Via())
		}
		if err := e.Apply(slow); !errors.Is(err, shape.ErrNoDelay) || !strings.Contains(err.Error(), want) {
			t.Errorf("with bridge %q: delay: %v, want ErrNoDelay and %q", bridge, err, want)
		}
		must.Do(t, e.Apply(shape.Desired{Cut: map[nft.Pair]struct{}{link: {}}}))
		if tr := must.Get(e.Traffic())(t); tr != (faults.Traffic{}) {
			t.Errorf("traffic is %+v", tr)
		}
		closeEngine(t, e)
	}

	e := openWith(l.BridgeIf)
	defer closeEngine(t, e)
	s := newStream(t, l.Nodes[0], l.Nodes[1])
	must.Do(t, e.Apply(slow))
	start := time.Now()
	s.send(t)
	s.expect(t, 0, 0)
	if late := time.Since(start); late < 30*time.Millisecond {
		t.Errorf("the packet arrived after %v, want 30ms", late)
	}
}

func TestOpen_RecordError(t *testing.T) {
	want := errors.New("disk full")
	e, err := shape.Open(shape.Config{Testnet: "never", Record: func(string, uint16) error { return want }})
	if err == nil {
		e.Close()
	}
	if !errors.Is(err, want) {
		t.Errorf("open: %v, want %v", err, want)
	}
}
