package probe

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
	links = []faults.Link{{From: "a", To: "b"}, {From: "b", To: "a"}}
)

func testRun() *run {
	return newRun(77, []netip.Addr{addrA, addrB}, []netip.Addr{addrB, addrA}, 3)
}

// datagram is an encoded packet.
func datagram(p packet) []byte {
	b := make([]byte, size)
	p.put(b)
	return b
}

func TestRun_Result(t *testing.T) {
	r := testRun()
	for seq, delay := range []time.Duration{30, 10, 20} {
		r.countSent(0, 0)
		r.arrive(datagram(packet{run: 77, link: 0, seq: uint32(seq), sent: 100, overdue: notHeld}), addrA, addrB, 100+int64(delay))
	}
	r.countSent(1, 3)
	r.countSent(1, 3)
	r.arrive(datagram(packet{run: 77, link: 1, seq: 1, sent: 100, overdue: notHeld}), addrB, addrA, 90) // the clock was set back
	want := []faults.Measurement{
		{Link: links[0], Sent: 3, Received: 3, Min: 10, Median: 20, Max: 30, Delays: []time.Duration{10, 20, 30}},
		{Link: links[1], Sent: 2, Received: 1, Delays: []time.Duration{0}, Late: 3},
	}
	if diff := cmp.Diff(want, r.result(links)); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
}

func TestRun_IgnoresOtherPackets(t *testing.T) {
	good := packet{run: 77, link: 0, seq: 0, sent: 1}
	for name, c := range map[string]struct {
		p        packet
		src, dst netip.Addr
	}{
		"another run":    {packet{run: 78}, addrA, addrB},
		"unknown link":   {packet{run: 77, link: 2}, addrA, addrB},
		"unknown number": {packet{run: 77, seq: 3}, addrA, addrB},
		"warm-up":        {packet{run: 77, seq: warmUp}, addrA, addrB},
		"wrong sender":   {good, addrB, addrB},
		"wrong receiver": {good, addrA, addrA},
	} {
		r := testRun()
		r.arrive(datagram(c.p), c.src, c.dst, 2)
		if m := r.result(links); m[0].Received+m[1].Received != 0 {
			t.Errorf("%s: measured %+v", name, m)
		}
	}
	r := testRun()
	for range 3 {
		r.arrive(datagram(good), addrA, addrB, 2)
	}
	r.arrive(datagram(good)[:size-1], addrA, addrB, 2)
	r.arrive(append(datagram(good), 0), addrA, addrB, 2)
	if m := r.result(links); m[0].Received != 1 {
		t.Errorf("a duplicate was counted: %+v", m)
	}
}

func TestRun_Done(t *testing.T) {
	r := testRun()
	done := func() bool {
		select {
		case <-r.done:
			return true
		default:
			return false
		}
	}
	r.countSent(0, 0)
	r.arrive(datagram(packet{run: 77}), addrA, addrB, 1)
	if done() {
		t.Error("done before all was sent")
	}
	r.countSent(1, 3)
	r.finish()
	if done() {
		t.Error("done with a packet pending")
	}
	r.arrive(datagram(packet{run: 77, link: 1}), addrB, addrA, 1)
	if !done() {
		t.Error("not done when all arrived")
	}
	r.arrive(datagram(packet{run: 77, link: 1, seq: 1}), addrB, addrA, 1) // must not close again
}

func TestFrame(t *testing.T) {
	p := packet{run: 1 << 60, link: 2, seq: 3, sent: -4}
	b := frame(make([]byte, headers+size), addrA, addrB, p)
	if len(b) != headers+size || b[0] != 0x45 || b[9] != 17 || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		t.Errorf("header is % x", b[:ipHeader])
	}
	if checksum(b[:ipHeader]) != 0 {
		t.Error("the header's checksum is wrong")
	}
	if netip.AddrFrom4([4]byte(b[12:16])) != addrA || netip.AddrFrom4([4]byte(b[16:20])) != addrB {
		t.Errorf("addresses are % x", b[12:20])
	}
	if got, ok := parse(b[headers:]); !ok || got != p {
		t.Errorf("parsed %+v, %v, want %+v", got, ok, p)
	}
	// RFC 1071's example.
	if got := checksum([]byte{0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("checksum is %#x", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(datagram(packet{run: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parse(b); ok && string(datagram(p)) != string(b) {
			t.Errorf("% x is not encoded as it was", b)
		}
	})
}

func TestTimetable(t *testing.T) {
	for _, c := range []struct {
		links    int
		interval time.Duration
		round    time.Duration
	}{
		{1, 0, settle},
		{10, 100 * time.Millisecond, 100 * time.Millisecond},
		{10_000, 100 * time.Millisecond, 10_000 * spacing},
	} {
		tt := newTimetable(c.links, faults.ProbePlan{Count: 3, Interval: c.interval})
		if tt.round != c.round || tt.rounds != 4 {
			t.Errorf("%d links: %d rounds of %v, want 4 of %v", c.links, tt.rounds, tt.round, c.round)
		}
		if tt.at(0, 0) != 0 || tt.at(1, 0) != max(settle, time.Duration(c.links)*spacing) || tt.at(2, 0) != tt.at(1, 0)+c.round || tt.at(0, c.links-1) >= tt.at(1, 0) ||
			tt.at(1, c.links-1)-tt.at(1, 0) > max(maxSpread, time.Duration(c.links)*spacing) {
			t.Errorf("%d links: times are %v, %v, %v", c.links, tt.at(0, 0), tt.at(1, 0), tt.at(0, c.links-1))
		}
	}
}

// marked is an encoded packet that an engine released a time after it should.
func marked(t *testing.T, p packet, hold time.Duration, late int64) []byte {
	t.Helper()
	b := frame(make([]byte, headers+size), addrA, addrB, p)
	markReleased(b, hold, p.sent+int64(hold)+late)
	return b[headers:]
}

func TestRun_Overdue(t *testing.T) {
	p := packet{run: 77, sent: 100, overdue: notHeld}
	for _, c := range []struct {
		name string
		late []int64 // of each packet; notHeld: no engine held it
		want []time.Duration
	}{
		{"in time and late", []int64{0, 7, 3}, []time.Duration{0, 7, 3}},
		{"released too early", []int64{-4, 0, 0}, []time.Duration{0, 0, 0}},
		{"more than the delay", []int64{0, 0, 1000}, []time.Duration{0, 0, 80}},
		{"one that was not held", []int64{0, notHeld, 0}, nil},
	} {
		r := testRun()
		for seq, late := range c.late {
			p.seq = uint32(seq)
			b := datagram(p)
			if late != notHeld {
				b = marked(t, p, 50, late)
			}
			r.countSent(0, 0)
			r.arrive(b, addrA, addrB, 100+60+10*int64(seq))
		}
		m := r.result(links[:1])[0]
		if diff := cmp.Diff(c.want, m.Overdue); diff != "" {
			t.Errorf("%s: overdue (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestMarkReleased_OtherPackets(t *testing.T) {
	b := frame(make([]byte, headers+size), addrA, addrB, packet{})
	for name, other := range map[string][]byte{"longer": append(b, 0), "no probe": append(b[:headers:headers], make([]byte, size)...)} {
		before := string(other)
		if markReleased(other, 0, 99); string(other) != before {
			t.Errorf("%s: changed", name)
		}
	}
}
