//go:build linux

package nfqueue

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
)

const (
	// burst bounds the packets that are read, and those that are let go, before the other side gets its turn.
	burst = 256
	// niceness of the thread: a late wake-up is an error in every delay.
	niceness = -15
)

// start is the origin of the clock that release times are in.
var start = time.Now()

// nanos is the monotonic time.
func nanos() int64 { return int64(time.Since(start)) }

// serve is the queue's thread. It keeps to one system thread, whose timers are set to be precise.
func (q *Queue) serve() {
	defer close(q.done)
	runtime.LockOSThread() // never unlocked: the thread's priority and timer slack end with it
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	prefer()
	l := loop{q: q, in: newReceiver()}
	for {
		stop, err := l.wait()
		if err == nil {
			err = l.turn()
		}
		if err == nil && stop {
			err = l.letGo(math.MaxInt64)
		}
		if err != nil {
			q.err = fmt.Errorf("serve packet queue %d: %w", q.num, err)
		}
		if err != nil || stop {
			return
		}
	}
}

// prefer makes the calling thread run before others where that is allowed: as a real-time thread, or else as one that is
// favoured.
func prefer() {
	fifo := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if unix.SchedSetAttr(0, &fifo, 0) != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness)
	}
}

// loop is the thread's own memory.
type loop struct {
	q     *Queue
	in    *receiver
	ids   []uint32
	b     nfnl.Builder
	armed int64 // the release that the timer is set for, or 0
	fds   [3]unix.PollFd
}

// wait returns when a packet came, one is due, or the queue is to be closed. A poll's own timeout would be up to a
// thousandth late, which is half a millisecond in 500; a timerfd is not.
func (l *loop) wait() (stop bool, err error) {
	l.q.mu.Lock()
	next, some := l.q.plan.next()
	l.q.mu.Unlock()
	if some && next != l.armed {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, next-nanos()))}
		if err := unix.TimerfdSettime(l.q.timer, 0, &spec, nil); err != nil {
			return false, fmt.Errorf("set timer: %w", err)
		}
		l.armed = next
	}
	l.fds = [3]unix.PollFd{
		{Fd: int32(l.q.conn.FD()), Events: unix.POLLIN},
		{Fd: int32(l.q.wake), Events: unix.POLLIN},
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
		_, _ = unix.Read(l.q.wake, count[:])
	}
	return l.q.closing.Load(), nil
}

// turn reads what came and lets go what is due.
func (l *loop) turn() error {
	l.q.mu.Lock()
	generation := l.q.plan.generation
	l.q.mu.Unlock()
	for range burst / vector {
		n, err := l.in.receive(l.q.conn.FD())
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
		l.take(n)
	}
	return l.letGo(nanos())
}

// take puts the packets of n datagrams into the plan.
func (l *loop) take(n int) {
	now := nanos()
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	for i := range n {
		m, _, err := nfnl.Next(l.in.datagram(i))
		if err == unix.ENOENT {
			l.q.gone.Add(1) // a verdict for a packet that a flush had dropped
		}
		if m.Kind != msgPacket {
			continue
		}
		a := packet(m.Body)
		switch {
		case !a.ipv4 || !l.q.plan.arrive(a.pair, a.id, now):
			l.ids = append(l.ids, a.id)
		case !a.probe:
			l.q.delayed++
		}
	}
}

// letGo sends the verdicts of all packets due by now, and of those that wait for nothing.
func (l *loop) letGo(now int64) error {
	for {
		l.q.mu.Lock()
		l.ids = l.q.plan.due(now, l.ids, burst)
		drained := l.q.plan.takeDrained()
		l.q.mu.Unlock()
		if drained {
			select {
			case l.q.drained <- struct{}{}:
			default:
			}
		}
		if len(l.ids) == 0 {
			return nil
		}
		l.b.Reset()
		for _, id := range l.ids {
			verdict(&l.b, l.q.num, id)
		}
		full := len(l.ids) >= burst
		l.ids = l.ids[:0]
		// Without an address netlink sends to the kernel.
		if _, err := unix.Write(l.q.conn.FD(), l.b.Bytes()); err != nil {
			return fmt.Errorf("send verdicts: %w", err)
		}
		if !full {
			return nil
		}
	}
}
