package nfqueue

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

const (
	// firstNum is where the search for a free queue begins: far from the numbers that people choose by hand.
	firstNum = 41000
	// tryNums bounds the search: one queue per testnet.
	tryNums = 256
	// maxLen is the most packets that may be held: 500 ms at 80,000 packets/s, times 1.5.
	maxLen = 65536
	// readBuffer holds packet messages while the thread is not scheduled, in bytes.
	readBuffer = 32 << 20
	// burst bounds the packets that are read, and those that are released, before the other side gets its turn.
	burst = 256
	// niceness of the thread where it may not run in real time, and slice the time that it requests for each of its turns, in
	// nanoseconds: the shorter, the sooner it gets one (Linux 6.12). A late wake-up is an error in every delay.
	niceness = -15
	slice    = 100_000
)

// Stats counts packets since Open.
type Stats struct {
	// Delayed were held for a link's delay. Probes are left out.
	Delayed int64
	// Lost were dropped because the queue or its socket overflowed. Probes are counted too.
	Lost int64
	// Flushed were held when another process removed a netfilter hook: the kernel then drops what all queues of the
	// namespace hold. Probes are counted too.
	Flushed int64
}

// Queue is one bound netfilter queue and the thread that serves it. Its methods may be called from several goroutines.
type Queue struct {
	num    uint16
	socket int // nfnetlink; the queue is bound to it
	event  int // eventfd: links were removed, or the queue is to close
	timer  int // timerfd: the next release
	stats  *os.File
	done   chan struct{}
	err    error // why the thread ended; read after done

	drained chan struct{}

	mu      sync.Mutex
	plan    *schedule
	delayed int64

	closing atomic.Bool
	flushed atomic.Int64 // verdicts for packets that the kernel no longer held
}

// Open binds a free queue in the network namespace of the calling thread and starts to serve it. Until Set is called
// every packet is released at once. seed determines jitter. The process needs CAP_NET_ADMIN in that namespace; with
// CAP_NET_ADMIN in the initial user namespace the socket's buffer may exceed the system's limit, and with CAP_SYS_NICE
// the thread runs in real time.
func Open(seed uint64) (*Queue, error) {
	q := &Queue{socket: -1, event: -1, timer: -1, plan: newSchedule(seed), done: make(chan struct{}), drained: make(chan struct{}, 1)}
	if err := q.open(); err != nil {
		q.closeFiles()
		return nil, fmt.Errorf("open packet queue: %w", err)
	}
	go q.serve()
	return q, nil
}

// open acquires what the queue needs; on error q has what was acquired so far.
func (q *Queue) open() (err error) {
	if err := q.bind(); err != nil {
		return err
	}
	if q.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	if q.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("create timerfd: %w", err)
	}
	// Opened on this thread, the file shows this namespace's queues wherever it is read later.
	q.stats, err = os.Open("/proc/thread-self/net/netfilter/nfnetlink_queue")
	return err
}

// bind binds a queue to a non-blocking socket. The socket is a duplicate of the library's, which is closed: the Go
// runtime's poller would otherwise wake up for each packet.
func (q *Queue) bind() error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := errors.Join(conn.SetReadBuffer(readBuffer), conn.SetWriteBuffer(readBuffer), conn.SetOption(netlink.CapAcknowledge, true)); err != nil {
		return err
	}
	if q.num, err = bindFree(conn); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	err = raw.Control(func(fd uintptr) { q.socket, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	return errors.Join(err, dupErr)
}

// closeFiles releases what open acquired.
func (q *Queue) closeFiles() {
	for _, fd := range []int{q.socket, q.event, q.timer} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if q.stats != nil {
		q.stats.Close()
	}
}

// Num is the queue's number.
func (q *Queue) Num() uint16 { return q.num }

// Set replaces the links to delay, at once. Packets that are held keep their release times. It returns the links whose
// packets must go through the queue: those of want, and those that still have packets held.
func (q *Queue) Set(want map[nft.Pair]faults.Shape) map[nft.Pair]struct{} {
	q.mu.Lock()
	q.plan.set(want)
	pairs, draining := q.plan.pairs(), len(q.plan.draining) > 0
	q.mu.Unlock()
	if draining {
		q.signal()
	}
	return pairs
}

// signal makes the thread read and release once.
func (q *Queue) signal() {
	var one [8]byte
	one[0] = 1
	_, _ = unix.Write(q.event, one[:]) // fails only when the signal is pending already
}

// Pairs are the links whose packets must go through the queue.
func (q *Queue) Pairs() map[nft.Pair]struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.plan.pairs()
}

// Drained receives a value when links left Pairs because their last packet was released.
func (q *Queue) Drained() <-chan struct{} { return q.drained }

// Done is closed when the queue is no longer served; Err then says why.
func (q *Queue) Done() <-chan struct{} { return q.done }

// Err is why serving ended, nil after Close. It may be called once Done is closed.
func (q *Queue) Err() error { return q.err }

// Stats returns the counts.
func (q *Queue) Stats() (Stats, error) {
	q.mu.Lock()
	s := Stats{Delayed: q.delayed}
	q.mu.Unlock()
	text := make([]byte, 64<<10)
	n, err := q.stats.ReadAt(text, 0)
	if n == 0 {
		return s, fmt.Errorf("read statistics of packet queue %d: %w", q.num, err)
	}
	dropped, err := droppedBy(string(text[:n]), q.num)
	if err != nil {
		return s, err
	}
	s.Lost, s.Flushed = dropped, q.flushed.Load()
	return s, nil
}

// droppedBy finds a queue's row in the kernel's table and adds up its two drop counters. The columns are: number, port,
// held, copy mode, copy range, dropped by the queue, dropped by the socket, last id, 1.
func droppedBy(table string, num uint16) (int64, error) {
	for row := range strings.Lines(table) {
		var n uint16
		var port, held, mode, length, queue, user int64
		if _, err := fmt.Sscan(row, &n, &port, &held, &mode, &length, &queue, &user); err == nil && n == num {
			return queue + user, nil
		}
	}
	return 0, fmt.Errorf("packet queue %d is not in the kernel's table", num)
}

// Close releases all held packets at once, in order, and unbinds the queue. Nothing should be sent to the queue by
// then. It may be called once.
func (q *Queue) Close() error {
	q.closing.Store(true)
	q.signal()
	<-q.done
	q.closeFiles()
	return q.err
}

// start is the origin of the clock of release times.
var start = time.Now()

// nanos is the monotonic time.
func nanos() int64 { return int64(time.Since(start)) }

// serve is the queue's thread. It keeps to one system thread, whose timers are set to be precise.
func (q *Queue) serve() {
	defer close(q.done)
	runtime.LockOSThread() // never unlocked: the thread's priority and timer slack end with it
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	raisePriority()
	l := loop{q: q, in: newReceiver()}
	for {
		stop, err := l.wait()
		if err == nil {
			err = l.turn()
		}
		if err == nil && stop {
			err = l.release(math.MaxInt64)
		}
		if err != nil {
			q.err = fmt.Errorf("serve packet queue %d: %w", q.num, err)
		}
		if err != nil || stop {
			return
		}
	}
}

// raisePriority makes the calling thread a real-time thread or, where that is not allowed, a favoured one.
func raisePriority() {
	fifo := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if unix.SchedSetAttr(0, &fifo, 0) == nil {
		return
	}
	favoured := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: niceness, Runtime: slice}
	if unix.SchedSetAttr(0, &favoured, 0) != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness)
	}
}

// loop is what belongs to the thread alone.
type loop struct {
	q     *Queue
	in    *receiver
	due   []heldPacket // packets to release
	out   []byte       // their verdicts
	armed int64        // the release that the timer is set for, or 0
	fds   [3]unix.PollFd
}

// wait returns when a packet arrived, one is due, or the queue is to close. A poll's own timeout would be up to a
// thousandth late, which is half a millisecond in 500; a timerfd is not.
func (l *loop) wait() (stop bool, err error) {
	l.q.mu.Lock()
	next, ok := l.q.plan.next()
	l.q.mu.Unlock()
	if ok && next != l.armed {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, next-nanos()))}
		if err := unix.TimerfdSettime(l.q.timer, 0, &spec, nil); err != nil {
			return false, fmt.Errorf("set timer: %w", err)
		}
		l.armed = next
	}
	l.fds = [3]unix.PollFd{
		{Fd: int32(l.q.socket), Events: unix.POLLIN},
		{Fd: int32(l.q.event), Events: unix.POLLIN},
		{Fd: int32(l.q.timer), Events: unix.POLLIN},
	}
	if _, err := unix.Poll(l.fds[:], -1); err != nil && err != unix.EINTR {
		return false, fmt.Errorf("wait for packets: %w", err)
	}
	if l.fds[2].Revents != 0 {
		var expirations [8]byte
		_, _ = unix.Read(l.q.timer, expirations[:])
		l.armed = 0
	}
	if l.fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(l.q.event, count[:])
	}
	return l.q.closing.Load(), nil
}

// turn reads what arrived and releases what is due.
func (l *loop) turn() error {
	l.q.mu.Lock()
	generation := l.q.plan.generation
	l.q.mu.Unlock()
	for range burst / vector {
		n, err := l.in.receive(l.q.socket)
		if err == unix.EAGAIN {
			l.q.mu.Lock()
			l.q.plan.caughtUp(generation)
			l.q.mu.Unlock()
			break
		}
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue // what the socket could not take, the kernel dropped and counted
		}
		if err != nil {
			return fmt.Errorf("read packets: %w", err)
		}
		l.arrive(n)
	}
	return l.release(nanos())
}

// arrive puts the packets of n datagrams into the plan.
func (l *loop) arrive(n int) {
	now := nanos()
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	for i := range n {
		a, ok, err := parse(l.in.datagram(i))
		if err == unix.ENOENT {
			l.q.flushed.Add(1) // a verdict for a packet that the kernel had dropped
		}
		switch {
		case !ok:
		case !a.ipv4 || !l.q.plan.arrive(a.pair, a.id, now, a.probe):
			l.due = append(l.due, heldPacket{id: a.id})
		case a.probe == nil:
			l.q.delayed++
		}
	}
}

// release sends the verdicts of all packets due by now, and of those on links without a delay.
func (l *loop) release(now int64) error {
	for {
		l.q.mu.Lock()
		l.due = l.q.plan.due(now, l.due, burst)
		drained := l.q.plan.takeDrained()
		l.q.mu.Unlock()
		if drained {
			select {
			case l.q.drained <- struct{}{}:
			default:
			}
		}
		if len(l.due) == 0 {
			return nil
		}
		l.out = l.out[:0]
		for _, p := range l.due {
			var content []byte
			if p.probe != nil {
				content = p.probe.content
				probe.MarkReleased(content, p.probe.hold)
			}
			l.out = appendVerdict(l.out, l.q.num, p.id, content)
		}
		full := len(l.due) >= burst
		l.due = l.due[:0]
		// Without an address netlink sends to the kernel.
		if _, err := unix.Write(l.q.socket, l.out); err != nil {
			return fmt.Errorf("send verdicts: %w", err)
		}
		if !full {
			return nil
		}
	}
}
