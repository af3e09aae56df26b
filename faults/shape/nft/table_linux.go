package nft

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// buffer must hold the largest transaction: a million pairs at 20 bytes.
const buffer = 32 << 20

// Table is one owned table. Its methods may be called from several goroutines.
type Table struct {
	name       string
	cut, shape location // of the two sets
	heir       *heir    // nil where the kernel has no packet queues, or tables cannot be handed over

	mu           sync.Mutex
	conn         *netlink.Conn // owns the table: closing it deletes the table
	current      State
	transactions uint64
}

// Open creates the table in the network namespace of the calling thread, with empty sets. With a zero queue it can cut
// only. The process needs CAP_NET_ADMIN in that namespace and Linux 5.12. name is at most 200 bytes. The error wraps
// ErrOwned when the table exists.
func Open(name string, queue Queue) (*Table, error) {
	if Exists(name) {
		return nil, fmt.Errorf("create nftables table %s: %w", name, ErrOwned)
	}
	conn, err := dial(buffer)
	if err != nil {
		return nil, fmt.Errorf("create nftables table %s: %w", name, err)
	}
	t := &Table{name: name, conn: conn,
		cut:     location{InBridge.family(), name},
		shape:   location{queue.Via.Hook.family(), name},
		current: State{}}
	if err := t.create(queue); err != nil {
		conn.Close()
		if Exists(name) { // another process created it first
			err = ErrOwned
		}
		return nil, fmt.Errorf("create nftables table %s: %w", name, err)
	}
	t.heir, _ = openHeir(name)
	return t, nil
}

// create sends the transaction that makes the tables.
func (t *Table) create(queue Queue) error {
	var m messages
	m.newTable(t.cut)
	m.newCounter(t.cut)
	m.newSet(t.cut, setCut, keyType, 1)
	m.newSet(t.cut, setPorts, portsKeyType, 3)
	m.newChain(t.cut, "forward", unix.NF_INET_FORWARD, hookPriority)
	drop := &expr.Verdict{Kind: expr.VerdictDrop}
	cut := inSet(setCut, 1)
	m.newRule(t.cut, "forward", slices.Concat(cut, isProbe(), []expr.Any{drop})...)
	count := &expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: counter}
	m.newRule(t.cut, "forward", append(cut, count, drop)...)
	for _, match := range otherFrames() {
		m.newRule(t.cut, "forward", append(match, drop)...)
	}
	if queue != (Queue{}) {
		send, err := queue.expression()
		if err != nil {
			return err
		}
		if t.shape != t.cut {
			m.newTable(t.shape)
		}
		m.newSet(t.shape, setShape, keyType, 2)
		m.newChain(t.shape, "prerouting", unix.NF_INET_PRE_ROUTING, hookPriority)
		m.newRule(t.shape, "prerouting", append(inSet(setShape, 2), send)...)
	}
	return t.commit(&m)
}

// commit sends the messages as one transaction. t.mu is held, or t is not shared yet.
func (t *Table) commit(m *messages) error {
	m.transaction()
	if _, err := m.send(t.conn, len(m.list)-2); err != nil {
		return err
	}
	t.transactions++
	return nil
}

// Exists reports whether a table of the name exists, whoever owns it.
func Exists(name string) bool {
	conn, err := dial(64 << 10)
	if err != nil {
		return false
	}
	defer conn.Close()
	var m messages
	m.add(unix.NFT_MSG_GETTABLE, 0, unix.NFPROTO_BRIDGE, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, name)
	})
	_, err = m.send(conn, 0)
	return err == nil
}

// Apply makes the sets hold exactly want, in one transaction of the differences. On error nothing has changed. It keeps
// want; the caller must not change it afterwards.
func (t *Table) Apply(want State) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var m messages
	editSet(&m, t.cut, setCut, t.current.Cut, want.Cut)
	editSet(&m, t.cut, setPorts, t.current.Ports, want.Ports)
	editSet(&m, t.shape, setShape, t.current.Shape, want.Shape)
	if len(m.list) > 0 {
		if err := t.commit(&m); err != nil {
			return fmt.Errorf("edit sets of nftables table %s: %w", t.name, err)
		}
	}
	t.current = want
	return nil
}

// Transactions counts the transactions so far, the one that made the table included.
func (t *Table) Transactions() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.transactions
}

// Dropped counts the packets that cuts dropped since Open, without probes.
func (t *Table) Dropped() (int64, error) {
	var m messages
	m.add(unix.NFT_MSG_GETOBJ, 0, t.cut.family, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_OBJ_TABLE, t.name)
		ae.String(unix.NFTA_OBJ_NAME, counter)
		ae.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	})
	t.mu.Lock()
	answer, err := m.send(t.conn, 0)
	t.mu.Unlock()
	n := int64(-1)
	if err == nil {
		n, err = counterPackets(answer)
	}
	if err != nil {
		return -1, fmt.Errorf("read counter of nftables table %s: %w", t.name, err)
	}
	return n, nil
}

// Close deletes the table: when it returns, packets pass on every link. Where other packet queues are in use, the table stays,
// empty, until they hold nothing: with its hooks the kernel would drop what they hold.
func (t *Table) Close() error {
	err := t.Apply(State{})
	if t.heir != nil {
		raw, rawErr := t.conn.SyscallConn()
		if rawErr == nil {
			rawErr = raw.Control(func(fd uintptr) { _ = t.heir.leave(t.name, int(fd)) }) // without an heir it is deleted
		}
		err = errors.Join(err, rawErr)
	}
	if err := errors.Join(err, t.conn.Close()); err != nil {
		return fmt.Errorf("release nftables table %s: %w", t.name, err)
	}
	return nil
}
