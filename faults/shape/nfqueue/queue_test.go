//go:build linux

package nfqueue

import (
	"encoding/binary"
	"testing"

	"github.com/netsplit/netsplit/faults/shape/nfnl"
)

func TestLostAddsBothCounters(t *testing.T) {
	table := "    7  12345     0 2    20     1     1        9  1\n41000   -421     3 2    20     4     5      100  1\n"
	if n, err := lostOf(table, 41000); err != nil || n != 9 {
		t.Errorf("lost %d, %v, want 9", n, err)
	}
	for _, bad := range []string{"", "41000\n", "x y z\n"} {
		if _, err := lostOf(bad, 41000); err == nil {
			t.Errorf("no error for the table %q", bad)
		}
	}
}

// message is the body of a packet message as the kernel sends it.
func message(id uint32, payload []byte) []byte {
	var b nfnl.Builder
	b.Begin(msgPacket, 0, 7, 41000)
	b.Attr(attrPacketHeader, append(binary.BigEndian.AppendUint32(nil, id), 8, 0, 0))
	b.Attr(attrPayload, payload)
	m, _, err := nfnl.Next(b.Bytes())
	if err != nil {
		panic(err)
	}
	return m.Body
}

func TestPacketIsReadFromItsMessage(t *testing.T) {
	ip := make([]byte, 20)
	ip[0] = 0x45
	want := link(t, 1, 2)
	copy(ip[12:], want[:])
	if pair, id, ok := packet(message(7, ip)); !ok || id != 7 || pair != want {
		t.Errorf("read %v, %d, %v", pair, id, ok)
	}
	for name, payload := range map[string][]byte{"short": ip[:19], "not IPv4": append([]byte{0x60}, ip[1:]...), "empty": nil} {
		if _, id, ok := packet(message(7, payload)); ok || id != 7 {
			t.Errorf("%s: id %d, %v, want 7 and no pair", name, id, ok)
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(message(1, make([]byte, 20)))
	f.Fuzz(func(_ *testing.T, b []byte) { packet(b) })
}
