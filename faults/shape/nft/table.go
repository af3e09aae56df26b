//go:build linux

package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
)

// sendBuffer must hold the largest transaction: a million pairs at 20 bytes.
const sendBuffer = 32 << 20

// Table is one owned table. Its methods may be called from several goroutines.
type Table struct {
	name       string
	cut, shape place // where the two sets are

	mu    sync.Mutex
	conn  *nfnl.Conn
	b     nfnl.Builder
	now   State
	edits uint64
}

// Open creates the table in the network namespace of the calling thread, with empty sets. With a zero queue it can cut
// only. The process needs CAP_NET_ADMIN in that namespace and Linux 5.12. name is at most 200 bytes.
func Open(name string, queue Queue) (*Table, error) {
	if Exists(name) {
		return nil, fmt.Errorf("create nftables table %s: %w", name, ErrOwned)
	}
	conn, err := nfnl.Dial(sendBuffer)
	if err != nil {
		return nil, fmt.Errorf("create nftables table %s: %w", name, err)
	}
	t := &Table{name: name, conn: conn,
		cut:   place{InBridge.family(), name},
		shape: place{queue.Via.Hook.family(), name},
		now:   State{Cut: map[Pair]struct{}{}, Shape: map[Pair]struct{}{}}}
	if err := t.create(queue); err != nil {
		conn.Close()
		if Exists(name) { // somebody was faster
			err = ErrOwned
		}
		return nil, fmt.Errorf("create nftables table %s: %w", name, err)
	}
	return t, nil
}

// create sends the transaction that makes the tables.
func (t *Table) create(queue Queue) error {
	b := &t.b
	batchBegin(b)
	newTable(b, t.cut)
	newCounter(b, t.cut)
	newSet(b, t.cut, setCut, 1)
	newChain(b, t.cut, "forward", unix.NF_INET_FORWARD, hookPriority)
	drop := &expr.Verdict{Kind: expr.VerdictDrop}
	cut := inSet(setCut, 1)
	if err := newRule(b, t.cut, "forward", slices.Concat(cut, isProbe(), []expr.Any{drop})...); err != nil {
		return err
	}
	count := &expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: counter}
	if err := newRule(b, t.cut, "forward", append(cut, count, drop)...); err != nil {
		return err
	}
	if queue == (Queue{}) {
		return t.commit()
	}
	send, err := queue.expression()
	if err != nil {
		return err
	}
	if t.shape != t.cut {
		newTable(b, t.shape)
	}
	newSet(b, t.shape, setShape, 2)
	newChain(b, t.shape, "prerouting", unix.NF_INET_PRE_ROUTING, hookPriority)
	if err := newRule(b, t.shape, "prerouting", append(inSet(setShape, 2), send)...); err != nil {
		return err
	}
	return t.commit()
}

// commit ends the transaction in t.b and sends it.
func (t *Table) commit() error {
	b := &t.b
	b.Flag(unix.NLM_F_ACK)
	batchEnd(b)
	_, err := t.conn.Transact(b.Bytes())
	if err == nil {
		t.edits++
	}
	return err
}

// Exists reports whether a table of the name is there, whoever has it.
func Exists(name string) bool {
	conn, err := nfnl.Dial(64 << 10)
	if err != nil {
		return false
	}
	defer conn.Close()
	var b nfnl.Builder
	b.Begin(kind(unix.NFT_MSG_GETTABLE), 0, unix.NFPROTO_BRIDGE, 0)
	b.String(unix.NFTA_TABLE_NAME, name)
	answer, err := conn.Transact(b.Bytes())
	return err == nil && len(answer) > 0
}

// Apply makes the sets hold exactly want, in one transaction of the differences. On error nothing has changed. It keeps
// want; the caller must not change it afterwards.
func (t *Table) Apply(want State) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.b
	batchBegin(b)
	empty := b.Len()
	for _, s := range []struct {
		at        place
		name      string
		now, want map[Pair]struct{}
	}{{t.cut, setCut, t.now.Cut, want.Cut}, {t.shape, setShape, t.now.Shape, want.Shape}} {
		editSet(b, unix.NFT_MSG_DELSETELEM, s.at, s.name, missing(s.now, s.want))
		editSet(b, unix.NFT_MSG_NEWSETELEM, s.at, s.name, missing(s.want, s.now))
	}
	if b.Len() == empty {
		t.now = want
		return nil
	}
	if err := t.commit(); err != nil {
		return fmt.Errorf("edit sets of nftables table %s: %w", t.name, err)
	}
	t.now = want
	return nil
}

// Transactions counts the transactions so far, the one that made the table included.
func (t *Table) Transactions() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.edits
}

// Dropped counts the packets that cuts dropped since Open, probes left out.
func (t *Table) Dropped() (int64, error) {
	var b nfnl.Builder
	b.Begin(kind(unix.NFT_MSG_GETOBJ), 0, t.cut.family, 0)
	b.String(unix.NFTA_OBJ_TABLE, t.name)
	b.String(unix.NFTA_OBJ_NAME, counter)
	b.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	answer, err := t.conn.Transact(b.Bytes())
	if err != nil {
		return -1, fmt.Errorf("read counter of nftables table %s: %w", t.name, err)
	}
	for _, m := range answer {
		if v := nfnl.Find(nfnl.Find(m.Body, unix.NFTA_OBJ_DATA), unix.NFTA_COUNTER_PACKETS); len(v) == 8 {
			return int64(binary.BigEndian.Uint64(v)), nil
		}
	}
	return -1, fmt.Errorf("read counter of nftables table %s: no counter in the answer", t.name)
}

// Close deletes the table: every link of it is whole again when Close returns.
func (t *Table) Close() error {
	if err := t.conn.Close(); err != nil {
		return fmt.Errorf("release nftables table %s: %w", t.name, err)
	}
	return nil
}
