package nfqueue

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

func TestDroppedBy(t *testing.T) {
	table := "    7  12345     0 2    20     1     1        9  1\n41000   -421     3 2    20     4     5      100  1\n"
	if n, err := droppedBy(table, 41000); err != nil || n != 9 {
		t.Errorf("dropped %d, %v, want 9", n, err)
	}
	for _, bad := range []string{"", "41000\n", "x y z\n"} {
		if _, err := droppedBy(bad, 41000); err == nil {
			t.Errorf("no error for the table %q", bad)
		}
	}
}

// message encodes a netlink message with the library.
func message(tb testing.TB, kind netlink.HeaderType, data []byte) []byte {
	tb.Helper()
	m := netlink.Message{Header: netlink.Header{Length: uint32(unix.NLMSG_HDRLEN + len(data)), Type: kind, Flags: netlink.Request}, Data: data}
	b := must.Get(m.MarshalBinary())(tb)
	return b
}

// withAttributes is the body of a message about queue 41000.
func withAttributes(tb testing.TB, attrs ...netlink.Attribute) []byte {
	tb.Helper()
	b := must.Get(netlink.MarshalAttributes(attrs))(tb)
	return append(appendHeader(nil, 41000), b...)
}

// packetMessage is a packet as the kernel reports it.
func packetMessage(tb testing.TB, id uint32, payload []byte) []byte {
	tb.Helper()
	return message(tb, msgPacket, withAttributes(tb,
		netlink.Attribute{Type: attrPacketHeader, Data: append(binary.BigEndian.AppendUint32(nil, id), 8, 0, 0)},
		netlink.Attribute{Type: attrPayload, Data: payload}))
}

func TestParse_Packets(t *testing.T) {
	ip := make([]byte, 20)
	ip[0] = 0x45
	want := link(t, 1, 2)
	copy(ip[12:], want[:])
	if a, ok, err := parse(packetMessage(t, 7, ip)); !ok || err != nil || !reflect.DeepEqual(a, arrival{id: 7, pair: want, ipv4: true}) {
		t.Errorf("parsed %+v, %v, %v", a, ok, err)
	}
	for name, payload := range map[string][]byte{"short": ip[:19], "not IPv4": append([]byte{0x60}, ip[1:]...), "empty": nil} {
		if a, ok, err := parse(packetMessage(t, 7, payload)); !ok || err != nil || !reflect.DeepEqual(a, arrival{id: 7}) {
			t.Errorf("%s: parsed %+v, %v, %v, want no pair", name, a, ok, err)
		}
	}
	packet := make([]byte, probe.PacketSize)
	copy(packet, append(append([]byte(nil), ip...), 0x13, 0x87, 0x13, 0x87))
	packet[3], packet[9] = probe.PacketSize, 17
	for name, c := range map[string]struct {
		at   int
		to   byte
		want bool
	}{"probe": {9, 17, true}, "TCP": {9, 6, false}, "options": {0, 0x46, false}, "other sender": {21, 0, false}, "other receiver": {23, 0, false}, "longer": {3, probe.PacketSize + 1, false}} {
		b := append([]byte(nil), packet...)
		b[c.at] = c.to
		if a, _, _ := parse(packetMessage(t, 7, b)); (a.probe != nil) != c.want || !a.ipv4 || c.want && string(a.probe) != string(b) {
			t.Errorf("%s: parsed %+v", name, a)
		}
	}
}

func TestParse_OtherMessages(t *testing.T) {
	errno := func(code int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(-code)) }
	good := packetMessage(t, 7, make([]byte, 20))
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"error":           {message(t, netlink.Error, errno(int32(unix.ENOENT))), unix.ENOENT},
		"acknowledgement": {message(t, netlink.Error, errno(0)), nil},
		"another kind":    {message(t, msgConfig, withAttributes(t)), nil},
		"short header":    {good[:8], nil},
		"truncated":       {good[:len(good)-1], nil},
		"length 0":        {append([]byte{0, 0, 0, 0}, good[4:]...), nil},
	} {
		if a, ok, err := parse(c.in); ok || err != c.want {
			t.Errorf("%s: parsed %+v, %v, %v, want error %v", name, a, ok, err, c.want)
		}
	}
}

func TestParse_DoesNotAllocate(t *testing.T) {
	in := packetMessage(t, 7, append([]byte{0x45}, make([]byte, 23)...))
	if n := testing.AllocsPerRun(100, func() { _, _, _ = parse(in) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func TestAppendVerdict_IsLibrarysMessage(t *testing.T) {
	verdict := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, verdictAccept), 7)
	want := message(t, msgVerdict, withAttributes(t, netlink.Attribute{Type: attrVerdictHeader, Data: verdict}))
	if got := appendVerdict(nil, 41000, 7, nil); string(got) != string(want) {
		t.Errorf("verdict\n% x, want\n% x", got, want)
	}
	content := make([]byte, probe.PacketSize)
	content[0] = 0x45
	want = message(t, msgVerdict, withAttributes(t, netlink.Attribute{Type: attrVerdictHeader, Data: verdict}, netlink.Attribute{Type: attrPayload, Data: content}))
	if got := appendVerdict(nil, 41000, 7, content); string(got) != string(want) {
		t.Errorf("verdict with content\n% x, want\n% x", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(packetMessage(f, 1, make([]byte, 20)))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = parse(b) })
}
