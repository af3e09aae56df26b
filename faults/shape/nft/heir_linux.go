package nft

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel drops what all packet queues of a network namespace hold whenever a netfilter hook of it is removed, and a table
// that is deleted removes its hooks. So a table whose owner ends while other queues are in use is not deleted: its owner
// empties it and hands the socket that owns it to another process, an heir. The kernel still deletes the table when
// the last holder of that socket ends, for any reason.

const (
	// heirPrefix begins the abstract names of the Unix sockets on which heirs listen. Abstract names are those of one network
	// namespace.
	heirPrefix = "@netsplit-tables/"
	// heirTimeout bounds an exchange with an heir.
	heirTimeout = 2 * time.Second
	// keepStep is how often an heir looks whether it may delete the tables that it has taken over: when no queue held a packet
	// keepChecks times in a row.
	keepStep   = time.Second
	keepChecks = 3
)

// heir takes over tables that other processes leave, and finds an heir for its own at its end. It belongs to the network
// namespace of the thread that opened it.
type heir struct {
	listener *net.UnixListener
	sockets  *os.File // the namespace's Unix sockets
	queues   *os.File // the namespace's packet queues
	dial     int      // a socket of the namespace that is not connected yet

	mu    sync.Mutex
	taken map[string]*os.File // by table: the sockets that own them
	stop  chan struct{}
	wg    sync.WaitGroup
}

// openHeir starts to listen for tables that others leave in the network namespace of the calling thread.
func openHeir(name string) (*heir, error) {
	h := &heir{dial: -1, taken: make(map[string]*os.File), stop: make(chan struct{})}
	if err := h.open(name); err != nil {
		h.closeFiles()
		return nil, fmt.Errorf("listen for tables of others: %w", err)
	}
	h.wg.Go(h.serve)
	h.wg.Go(h.release)
	return h, nil
}

func (h *heir) open(name string) (err error) {
	if h.listener, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: heirPrefix + name, Net: "unixpacket"}); err != nil {
		return err
	}
	// Opened on this thread, the files show this namespace wherever they are read later.
	if h.sockets, err = os.Open("/proc/thread-self/net/unix"); err != nil {
		return err
	}
	if h.queues, err = os.Open("/proc/thread-self/net/netfilter/nfnetlink_queue"); err != nil {
		return err
	}
	h.dial, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	return err
}

func (h *heir) closeFiles() {
	if h.listener != nil {
		h.listener.Close()
	}
	for _, f := range []*os.File{h.sockets, h.queues} {
		if f != nil {
			f.Close()
		}
	}
	if h.dial >= 0 {
		unix.Close(h.dial)
	}
}

// serve takes over tables until the listener is closed.
func (h *heir) serve() {
	for {
		c, err := h.listener.AcceptUnix()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(heirTimeout))
		if sameUser(c) {
			for h.take(c) {
			}
		}
		c.Close()
	}
}

// sameUser says whether the other end is a process of the same user.
func sameUser(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && credErr == nil && int(cred.Uid) == os.Geteuid()
}

// take answers one request, if one comes: "keep NAME" with the socket that owns the table, or "drop NAME" of one that was taken
// over.
func (h *heir) take(c *net.UnixConn) bool {
	text, oob := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, noob, _, _, err := c.ReadMsgUnix(text, oob)
	if err != nil || n == 0 {
		return false
	}
	verb, name, _ := strings.Cut(string(text[:n]), " ")
	file := socketOf(oob[:noob])
	h.mu.Lock()
	defer h.mu.Unlock()
	switch old := h.taken[name]; {
	case verb == "keep" && file != nil && old == nil:
		h.taken[name] = file
	case verb == "drop" && old != nil:
		old.Close()
		delete(h.taken, name)
	default:
		if file != nil {
			file.Close()
		}
		return false
	}
	_, err = c.Write([]byte("done"))
	return err == nil
}

// socketOf finds the descriptor in control data, nil if there is none.
func socketOf(oob []byte) *os.File {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "nfnetlink")
}

// release deletes the tables that were taken over once no queue holds packets.
func (h *heir) release() {
	tick := time.NewTicker(keepStep)
	defer tick.Stop()
	idle := 0
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		if _, held, err := h.queued(); err != nil || held > 0 {
			idle = 0
			continue
		}
		if idle++; idle >= keepChecks {
			h.mu.Lock()
			for name, f := range h.taken {
				f.Close()
				delete(h.taken, name)
			}
			h.mu.Unlock()
		}
	}
}

// queued counts the packet queues of the namespace and the packets that they hold.
func (h *heir) queued() (queues, held int, err error) {
	text, err := io.ReadAll(io.NewSectionReader(h.queues, 0, 1<<20))
	if err != nil {
		return 0, 0, err
	}
	for row := range strings.Lines(string(text)) {
		var num, port, n int
		if _, err := fmt.Sscan(row, &num, &port, &n); err == nil {
			queues++
			held += n
		}
	}
	return queues, held, nil
}

// leave ends the heir. own is the table that its process leaves, emptied, and socket the one that owns it, which the caller
// closes. Where another queue is in use, the tables go to another heir, if there is one.
func (h *heir) leave(own string, socket int) error {
	close(h.stop)
	h.listener.Close()
	h.wg.Wait()
	defer h.closeFiles()
	queues, _, err := h.queued()
	if err == nil && queues > 0 {
		err = h.handOver(own, socket)
	}
	for _, f := range h.taken {
		f.Close()
	}
	return err
}

// handOver gives all tables to the first heir that takes them.
func (h *heir) handOver(own string, socket int) error {
	names, err := heirs(h.sockets)
	if err != nil {
		return err
	}
	for _, name := range names {
		if connect(h.dial, name) != nil {
			continue // it has ended
		}
		err := request(h.dial, "keep "+own, socket)
		for table, f := range h.taken {
			err = errors.Join(err, request(h.dial, "keep "+table, int(f.Fd())))
		}
		return err
	}
	return nil
}

// connect connects a socket to an heir. Whatever is done with it is bounded in time.
func connect(socket int, name string) error {
	timeout := unix.NsecToTimeval(int64(heirTimeout))
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, option, &timeout); err != nil {
			return err
		}
	}
	return unix.Connect(socket, &unix.SockaddrUnix{Name: name})
}

// request sends a request, with a socket if pass is not negative, and waits for the answer.
func request(socket int, text string, pass int) error {
	var oob []byte
	if pass >= 0 {
		oob = unix.UnixRights(pass)
	}
	answer := make([]byte, 16)
	err := unix.Sendmsg(socket, []byte(text), oob, nil, 0)
	n := 0
	if err == nil {
		n, err = unix.Read(socket, answer)
	}
	if err == nil && string(answer[:n]) != "done" {
		err = errors.New("refused")
	}
	if err != nil {
		return fmt.Errorf("request %q of another agent: %w", text, err)
	}
	return nil
}

// Reclaim deletes a table that an heir in the network namespace of the calling thread has taken over. It reports whether one
// had it.
func Reclaim(name string) bool {
	sockets, err := os.Open("/proc/thread-self/net/unix")
	if err != nil {
		return false
	}
	defer sockets.Close()
	names, _ := heirs(sockets)
	for _, other := range names {
		socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return false
		}
		err = connect(socket, other)
		if err == nil {
			err = request(socket, "drop "+name, -1)
		}
		unix.Close(socket)
		if err == nil {
			return true
		}
	}
	return false
}

// heirs are the names on which heirs listen, of a list of Unix sockets.
func heirs(sockets io.ReaderAt) (names []string, err error) {
	scan := bufio.NewScanner(io.NewSectionReader(sockets, 0, 64<<20))
	for scan.Scan() {
		if fields := strings.Fields(scan.Text()); len(fields) == 8 && strings.HasPrefix(fields[7], heirPrefix) {
			names = append(names, fields[7])
		}
	}
	return slices.Compact(names), scan.Err()
}
