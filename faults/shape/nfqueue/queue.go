//go:build linux

package nfqueue

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nfnl"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

const (
	// firstNum is where the search for a free queue begins: far from the numbers that people choose by hand.
	firstNum = 41000
	// tryNums bounds the search: one queue a testnet.
	tryNums = 256
	// maxLen is the most packets that may be held: 500 ms at 80,000 packets/s, times 1.5.
	maxLen = 65536
	// receiveBuffer holds what the kernel tells while the thread is kept from running.
	receiveBuffer = 32 << 20
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
	num   uint16
	conn  *nfnl.Conn
	wake  int // eventfd: there is something to do besides packets
	timer int // timerfd: the next release
	stats *os.File
	done  chan struct{}
	err   error // why the thread ended; read after done

	drained chan struct{}

	mu      sync.Mutex
	plan    *schedule
	delayed int64

	closing atomic.Bool
	gone    atomic.Int64 // verdicts for packets that the kernel no longer held
}

// Open binds a free queue in the network namespace of the calling thread and starts to serve it. Until Set is called
// every packet is let go at once. seed decides jitter. The process needs CAP_NET_ADMIN in that namespace;
// with CAP_NET_ADMIN in the first user namespace the socket's buffer may exceed the system's limit, and with
// CAP_SYS_NICE the thread runs at a high priority.
func Open(seed uint64) (*Queue, error) {
	conn, err := nfnl.Dial(receiveBuffer)
	if err != nil {
		return nil, fmt.Errorf("open packet queue: %w", err)
	}
	q := &Queue{conn: conn, wake: -1, timer: -1, plan: newSchedule(seed), done: make(chan struct{}), drained: make(chan struct{}, 1)}
	if err := q.open(); err != nil {
		q.release()
		return nil, fmt.Errorf("open packet queue: %w", err)
	}
	go q.serve()
	return q, nil
}

// open acquires what the queue needs; what it got is in q also when it fails.
func (q *Queue) open() (err error) {
	if q.num, err = bindFree(q.conn); err != nil {
		return err
	}
	if q.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	if q.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("create timerfd: %w", err)
	}
	// Opened on this thread, the file shows this namespace's queues wherever it is read later.
	q.stats, err = os.Open("/proc/thread-self/net/netfilter/nfnetlink_queue")
	return err
}

// bindFree binds and configures the first free queue.
func bindFree(conn *nfnl.Conn) (uint16, error) {
	var last error
	for num := uint16(firstNum); num < firstNum+tryNums; num++ {
		var b nfnl.Builder
		bind(&b, num)
		_, err := conn.Transact(b.Bytes())
		if err == nil {
			b.Reset()
			configure(&b, num, maxLen)
			if _, err := conn.Transact(b.Bytes()); err != nil {
				return 0, fmt.Errorf("configure queue %d: %w", num, err)
			}
			return num, nil
		}
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EPERM) {
			return 0, fmt.Errorf("bind queue %d: %w", num, err)
		}
		last = err
	}
	return 0, fmt.Errorf("bind one of the queues %d to %d: %w", firstNum, firstNum+tryNums-1, last)
}

// release gives back what open acquired.
func (q *Queue) release() {
	q.conn.Close()
	for _, fd := range []int{q.wake, q.timer} {
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

// Set makes want the links to delay, at once. Packets that are held keep their times. It returns the links whose
// packets must go through the queue: those of want, and those that held packets have yet to leave.
func (q *Queue) Set(want map[nft.Pair]faults.Shape) map[nft.Pair]struct{} {
	q.mu.Lock()
	q.plan.set(want)
	pairs, leaving := q.plan.pairs(), len(q.plan.leaving) > 0
	q.mu.Unlock()
	if leaving {
		q.rouse()
	}
	return pairs
}

// rouse makes the thread take a turn.
func (q *Queue) rouse() {
	var one [8]byte
	one[0] = 1
	_, _ = unix.Write(q.wake, one[:]) // fails only when it is roused already
}

// Pairs are the links whose packets must go through the queue.
func (q *Queue) Pairs() map[nft.Pair]struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.plan.pairs()
}

// Drained receives a value when links left Pairs because their last packet went.
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
	dropped, err := lostOf(string(text[:n]), q.num)
	if err != nil {
		return s, err
	}
	s.Lost, s.Flushed = dropped, q.gone.Load()
	return s, nil
}

// lostOf finds a queue's line in the kernel's table and adds up its two drop counters. The columns are: number, port,
// held, copy mode, copy range, dropped by the queue, dropped by the socket, last id, 1.
func lostOf(table string, num uint16) (int64, error) {
	for row := range strings.Lines(table) {
		var n uint16
		var port, held, mode, length, queue, user int64
		if _, err := fmt.Sscan(row, &n, &port, &held, &mode, &length, &queue, &user); err == nil && n == num {
			return queue + user, nil
		}
	}
	return 0, fmt.Errorf("packet queue %d is not in the kernel's table", num)
}

// Close lets all held packets go at once, in order, and gives the queue back. The rule that feeds it should be idle by
// then. It may be called once.
func (q *Queue) Close() error {
	q.closing.Store(true)
	q.rouse()
	<-q.done
	q.release()
	return q.err
}
