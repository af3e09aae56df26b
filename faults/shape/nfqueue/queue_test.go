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
	if a := packet(message(7, ip)); a != (arrival{id: 7, pair: want, ipv4: true}) {
		t.Errorf("read %+v", a)
	}
	for name, payload := range map[string][]byte{"short": ip[:19], "not IPv4": append([]byte{0x60}, ip[1:]...), "empty": nil} {
		if a := packet(message(7, payload)); a != (arrival{id: 7}) {
			t.Errorf("%s: read %+v, want no pair", name, a)
		}
	}
	probe := append(append([]byte(nil), ip...), 0x13, 0x87, 0x13, 0x87)
	probe[9] = 17
	for name, c := range map[string]struct {
		at   int
		to   byte
		want bool
	}{"probe": {9, 17, true}, "TCP": {9, 6, false}, "options": {0, 0x46, false}, "other sender": {21, 0, false}, "other receiver": {23, 0, false}} {
		b := append([]byte(nil), probe...)
		b[c.at] = c.to
		if a := packet(message(7, b)); a.probe != c.want || !a.ipv4 {
			t.Errorf("%s: read %+v", name, a)
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(message(1, make([]byte, 20)))
	f.Fuzz(func(_ *testing.T, b []byte) { packet(b) })
}
