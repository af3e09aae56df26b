package nft

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// TestSend_KernelErrors sends batches that the kernel refuses, each with answers that a later batch must not take for
// its own.
func TestSend_KernelErrors(t *testing.T) {
	l := shapetest.Lab(t, 0)
	var conn *netlink.Conn
	must.Do(t, netns.Do(l.Bridge, func() (err error) { conn, err = dial(64 << 10); return err }))
	defer conn.Close()
	at := location{unix.NFPROTO_BRIDGE, "t"}
	commit := func(fill func(m *messages)) error {
		var m messages
		fill(&m)
		m.transaction()
		_, err := m.send(conn, len(m.list)-2)
		return err
	}
	none, one := map[Pair]struct{}{}, map[Pair]struct{}{{1}: {}}
	for range 2 {
		err := commit(func(m *messages) {
			editSet(m, at, setCut, none, one)
			editSet(m, at, setCut, one, none)
		})
		if !errors.Is(err, unix.ENOENT) {
			t.Errorf("edit a missing set: %v, want ENOENT", err)
		}
	}
	var get messages
	get.add(unix.NFT_MSG_GETTABLE, 0, at.family, func(ae *netlink.AttributeEncoder) { ae.String(unix.NFTA_TABLE_NAME, at.table) })
	if _, err := get.send(conn, 0); !errors.Is(err, unix.ENOENT) {
		t.Errorf("get a missing table: %v, want ENOENT", err)
	}
	for _, want := range []error{nil, unix.EEXIST} {
		if err := commit(func(m *messages) { m.newTable(at); m.newSet(at, setCut, keyType, 1) }); !errors.Is(err, want) {
			t.Errorf("create table: %v, want %v", err, want)
		}
	}
	if err := commit(func(m *messages) { editSet(m, at, setCut, none, one) }); err != nil {
		t.Errorf("edit the set: %v", err)
	}
}

func TestMessages_EncodingError(t *testing.T) {
	var m messages
	m.newTable(location{unix.NFPROTO_BRIDGE, string(make([]byte, 1<<16))})
	if _, err := m.send(nil, 0); err == nil {
		t.Error("a name of 64 KiB was encoded")
	}
}

func TestAppendElements_IsLibrarysEncoding(t *testing.T) {
	pairs := []Pair{{10, 0, 0, 1, 10, 0, 0, 2}, {10, 0, 0, 2, 10, 0, 0, 1}}
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(ae *netlink.AttributeEncoder) error {
		for _, p := range pairs {
			ae.Nested(unix.NFTA_LIST_ELEM, func(ae *netlink.AttributeEncoder) error {
				ae.Nested(unix.NFTA_SET_ELEM_KEY, func(ae *netlink.AttributeEncoder) error {
					ae.Bytes(unix.NFTA_DATA_VALUE, p[:])
					return nil
				})
				return nil
			})
		}
		return nil
	})
	want := must.Get(ae.Encode())(t)
	if got := appendElements(nil, pairs); string(got) != string(want) {
		t.Errorf("encoded\n% x, want\n% x", got, want)
	}
}

func TestCounterPackets_Malformed(t *testing.T) {
	for _, data := range [][]byte{nil, {1}, {0, 0, 0, 0}, {0, 0, 0, 0, 1}, {0, 0, 0, 0, 255, 255, 4, 0}} {
		if n, err := counterPackets([]netlink.Message{{Data: data}}); err == nil {
			t.Errorf("% x: %d packets", data, n)
		}
	}
}
