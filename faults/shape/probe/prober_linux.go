package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults"
)

// Prober keeps its sockets open between probes. Its methods may be called from several goroutines; one probe runs at a
// time.
type Prober struct {
	turn    chan struct{} // a lock that ctx can interrupt: holds a token while no probe runs
	sockets map[netip.Addr]*socket
}

// New returns a Prober. It opens nothing yet.
func New() *Prober {
	p := &Prober{turn: make(chan struct{}, 1), sockets: make(map[netip.Addr]*socket)}
	p.turn <- struct{}{}
	return p
}

// Close closes all sockets, after the probe that is running.
func (p *Prober) Close() error {
	<-p.turn
	defer func() { p.turn <- struct{}{} }()
	var all []error
	for addr, s := range p.sockets {
		all = append(all, s.close())
		delete(p.sockets, addr)
	}
	return errors.Join(all...)
}

// Probe measures links and returns their measurements in the order of links. hosts are all hosts of the testnet; they
// include every node that links name. On links from or to a host that does not run nothing is sent or received. It needs
// CAP_SYS_ADMIN and CAP_NET_RAW over the hosts' namespaces.
func (p *Prober) Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	addrs, err := p.open(hosts, links)
	if err != nil {
		return nil, err
	}
	from, to := make([]netip.Addr, len(links)), make([]netip.Addr, len(links))
	for i, l := range links {
		from[i], to[i] = addrs[l.From], addrs[l.To]
	}
	r := newRun(rand.Uint64(), from, to, plan.Count)
	if len(links) == 0 {
		return r.result(links), nil
	}
	rd, err := startReader(p.sockets, r)
	if err != nil {
		return nil, err
	}
	err = p.send(ctx, r, plan)
	if err == nil {
		err = wait(ctx, r, plan.Wait)
	}
	if err := errors.Join(err, rd.stop()); err != nil {
		return nil, err
	}
	return r.result(links), nil
}

// open makes p.sockets hold a socket for every running host that links name, and returns all addresses. It closes the
// sockets of hosts that are gone or in another namespace now.
func (p *Prober) open(hosts []Host, links []faults.Link) (map[faults.NodeID]netip.Addr, error) {
	used := make(map[faults.NodeID]bool)
	for _, l := range links {
		used[l.From], used[l.To] = true, true
	}
	addrs := make(map[faults.NodeID]netip.Addr, len(hosts))
	for _, h := range hosts {
		addrs[h.Node] = h.Addr
	}
	running := findNamespaces(hosts)
	p.closeStale(running)
	for _, h := range hosts {
		ns, runs := running[h.Addr]
		if !runs || !used[h.Node] || p.sockets[h.Addr] != nil {
			continue
		}
		s, err := openSocket(h, ns)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoAddress) {
			continue // it stopped meanwhile, or has no network yet
		}
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", h.Node, err)
		}
		p.sockets[h.Addr] = s
	}
	return addrs, nil
}

// Retain closes the sockets of all hosts but these, and of those that are in another namespace now: an open socket keeps
// its namespace alive. While a probe runs it does nothing, and the next probe closes them.
func (p *Prober) Retain(hosts []Host) {
	select {
	case <-p.turn:
		p.closeStale(findNamespaces(hosts))
		p.turn <- struct{}{}
	default:
	}
}

// closeStale closes the sockets of hosts that no longer run in the same namespace. The turn is held.
func (p *Prober) closeStale(running map[netip.Addr]nsID) {
	for addr, s := range p.sockets {
		if running[addr] != s.ns {
			s.close()
			delete(p.sockets, addr)
		}
	}
}

// findNamespaces returns the namespaces of the running hosts.
func findNamespaces(hosts []Host) map[netip.Addr]nsID {
	running := make(map[netip.Addr]nsID, len(hosts))
	for _, h := range hosts {
		if id, ok := identify(h.Netns); ok {
			running[h.Addr] = id
		}
	}
	return running
}

// send sends all packets of a run by its timetable.
func (p *Prober) send(ctx context.Context, r *run, plan faults.ProbePlan) error {
	start := time.Now()
	table := newTimetable(len(r.from), plan)
	buf := make([]byte, headers+size)
	for round := range table.rounds {
		for link := range r.from {
			if err := sleepUntil(ctx, start.Add(table.at(round, link))); err != nil {
				return err
			}
			src, dst := p.sockets[r.from[link]], p.sockets[r.to[link]]
			if src == nil || dst == nil {
				continue
			}
			pk := packet{run: r.id, link: uint32(link), seq: warmUp}
			if round > 0 {
				pk.seq = uint32(round - 1)
				r.countSent(link)
			}
			if err := src.transmit(pk, buf, dst); err != nil {
				return err
			}
		}
	}
	r.finish()
	return nil
}

// sleepUntil waits for a moment. Packets that are due within the timer's precision of each other are sent together.
func sleepUntil(ctx context.Context, moment time.Time) error {
	d := time.Until(moment)
	if d < 200*time.Microsecond {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when all packets have arrived, or after limit.
func wait(ctx context.Context, r *run, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-r.done:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// reader passes what arrives at all sockets to a run, in a goroutine of its own.
type reader struct {
	run   *run
	epoll int
	quit  int // eventfd
	socks map[int32]*socket
	done  chan error
}

// startReader starts to read.
func startReader(sockets map[netip.Addr]*socket, r *run) (*reader, error) {
	rd := &reader{run: r, epoll: -1, quit: -1, socks: make(map[int32]*socket), done: make(chan error, 1)}
	if err := rd.open(sockets); err != nil {
		rd.release()
		return nil, fmt.Errorf("read probes: %w", err)
	}
	go func() { rd.done <- rd.loop() }()
	return rd, nil
}

func (rd *reader) open(sockets map[netip.Addr]*socket) (err error) {
	if rd.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if rd.quit, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	for _, s := range sockets {
		rd.socks[int32(s.recv)] = s
		if err := rd.watch(int32(s.recv)); err != nil {
			return err
		}
	}
	return rd.watch(int32(rd.quit))
}

func (rd *reader) watch(fd int32) error {
	return unix.EpollCtl(rd.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd})
}

func (rd *reader) release() {
	for _, fd := range []int{rd.epoll, rd.quit} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// stop ends the reader and returns its error.
func (rd *reader) stop() error {
	var one [8]byte
	one[0] = 1
	_, _ = unix.Write(rd.quit, one[:])
	err := <-rd.done
	rd.release()
	return err
}

// loop reads until stop.
func (rd *reader) loop() error {
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(rd.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for probes: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			s := rd.socks[e.Fd]
			if s == nil {
				return nil
			}
			if err := rd.drain(s); err != nil {
				return fmt.Errorf("receive probes at %s: %w", s.addr, err)
			}
		}
	}
}

// drain reads all that is in a socket's buffer.
func (rd *reader) drain(s *socket) error {
	var data [size + 1]byte
	var control [128]byte
	for {
		n, nc, _, from, err := unix.Recvmsg(s.recv, data[:], control[:], 0)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if src, ok := from.(*unix.SockaddrInet4); ok {
			rd.run.arrive(data[:n], netip.AddrFrom4(src.Addr), s.addr, received(control[:nc]))
		}
	}
}

// received finds the kernel's receive time among control messages; without one it is the current time.
func received(control []byte) int64 {
	msgs, err := unix.ParseSocketControlMessage(control)
	if err == nil {
		for _, m := range msgs {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
				return (*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Nano()
			}
		}
	}
	return realtime()
}
